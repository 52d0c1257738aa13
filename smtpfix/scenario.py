"""The certificate scenarios, read from the catalogue's TOML files.

Knows what a scenario says; how to issue its certificates is `authority`'s business.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .errors import InvalidValueError, UnknownScenario

OUTCOMES: Final = ("accept", "refuse", "lax", "either")
"""What a careful client does: must accept; must refuse; should refuse; may do as it likes."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One entry of the catalogue: a certificate chain, and what a careful client makes of it."""

    id: str
    """The file's name without ``.toml``; what `Policy.certificate` takes."""
    summary: str
    """What the chain is, in one sentence."""
    expected: str
    """One of `OUTCOMES`."""
    standard: str
    """Where the standard says so."""
    intermediates: int = 1
    """How many intermediate certificates stand between root and leaf."""

    def __post_init__(self) -> None:
        for name in ("summary", "standard"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise InvalidValueError(f"{self.id}.toml: {name}", value, "a sentence")
        if self.expected not in OUTCOMES:
            raise InvalidValueError(f"{self.id}.toml: expected", self.expected, f"one of {', '.join(OUTCOMES)}")
        if type(self.intermediates) is not int or not 0 <= self.intermediates <= 8:  # noqa: PLR2004 - trustme's path length
            raise InvalidValueError(f"{self.id}.toml: intermediates", self.intermediates, "a number from 0 to 8")

    @classmethod
    def parse(cls, scenario_id: str, text: str) -> Scenario:
        """Build a scenario from a catalogue file's text; or raise `InvalidValueError` naming file and key."""
        try:
            values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidValueError(f"{scenario_id}.toml", str(error), "TOML") from error
        keys = ("summary", "expected", "standard", "intermediates")
        for key in values:
            if key not in keys:
                raise InvalidValueError(f"{scenario_id}.toml", key, f"only the keys {', '.join(keys)}")
        for key in keys[:3]:
            if key not in values:
                raise InvalidValueError(f"{scenario_id}.toml: {key}", None, "a value")
        return cls(id=scenario_id, **values)


@functools.cache
def _folder() -> Path:
    """Return the catalogue's folder.

    Found through the import system, since an editable install keeps it outside the package's own folder.
    """
    import importlib.util  # noqa: PLC0415 - only needed once a certificate is asked for

    spec = importlib.util.find_spec("smtpfix.certs")
    if spec is None or spec.origin is None:  # pragma: no cover - a broken installation
        raise UnknownScenario("the certificate catalogue (smtpfix.certs) is not installed")
    return Path(spec.origin).parent


@functools.cache
def scenario_ids() -> tuple[str, ...]:
    """Return the ids of the whole catalogue, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


@functools.cache
def load_scenario(scenario_id: str) -> Scenario:
    """Return the catalogue's scenario of this id; raise `UnknownScenario` listing what there is."""
    check_scenario_id(scenario_id)
    return Scenario.parse(scenario_id, (_folder() / f"{scenario_id}.toml").read_text(encoding="utf-8"))


def check_scenario_id(scenario_id: str, field: str = "scenario") -> None:
    """Raise `UnknownScenario` unless the catalogue has this id."""
    known = scenario_ids()
    if scenario_id in known:
        return
    nearest = difflib.get_close_matches(str(scenario_id), known, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise UnknownScenario(f"{field}: no scenario {scenario_id!r} in the catalogue.{hint} There is: {', '.join(known)}")
