"""What the fuzz targets share: seeds from the corpus, changes to them, and how many inputs a run tries.

A run tries the same inputs every time, so that no target fails by chance. With ``FUZZ=50`` in the environment it tries
fifty times as many, and other ones each time: that is how to look for something new.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).with_name("corpus")
FACTOR = int(os.environ.get("FUZZ", "1"))

Sequence = TypeVar("Sequence", bytes, str)


def budget(examples: int) -> settings:
    """Return settings for so many inputs, the same in every run unless more are asked for."""
    return settings(
        max_examples=examples * FACTOR,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def texts(name: str) -> dict[str, str]:
    """Return the seeds of a file of the corpus, TOML of names and texts."""
    return tomllib.loads((CORPUS / f"{name}.toml").read_text(encoding="utf-8"))


def octets(name: str) -> dict[str, bytes]:
    r"""Return the seeds of a file of the corpus whose texts are octets, ``\u00ff`` for the last of them."""
    return {key: text.encode("latin-1") for key, text in texts(name).items()}


def mutants(seeds: list[Sequence], pieces: list[Sequence]) -> st.SearchStrategy[Sequence]:
    """Return seeds changed in a few places: by pieces, by parts of a seed again, by something else, by nothing."""
    nothing = seeds[0][:0]
    parts = st.builds(lambda seed, start, size: seed[start : start + size], st.sampled_from(seeds), *PLACES)
    other = st.binary(max_size=4) if isinstance(nothing, bytes) else st.text(max_size=4)
    instead = st.one_of(st.sampled_from([nothing, *pieces]), parts, other)
    return st.builds(changed, st.sampled_from(seeds), st.lists(st.tuples(*PLACES, instead), max_size=5))


PLACES = (st.integers(0, 1000), st.integers(0, 40))
"""Where a change begins, and how much it takes out."""


def changed(seed: Sequence, changes: list[tuple[int, int, Sequence]]) -> Sequence:
    """Return a seed with something else in some places."""
    for start, size, instead in changes:
        start %= len(seed) + 1  # noqa: PLW2901 - a place that there is
        seed = seed[:start] + instead + seed[start + size :]
    return seed


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return octets in pieces, cut at some places; none of them is empty."""
    ends = sorted({place % len(data) for place in places} - {0} | {len(data)}) if data else []
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
