"""The catalogue's files, and those of users: which scenarios there are, and each one read: `load_scenario`."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path

from smtpfix.errors import InvalidValueError, UnknownScenario

from .scenario import Scenario


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
def scenario_ids(group: str | None = None) -> tuple[str, ...]:
    """Return the ids of the whole catalogue, or of one group, sorted."""
    ids = sorted(path.stem for path in _folder().glob("*.toml"))
    return tuple(one for one in ids if group is None or load_scenario(one).group == group)


@functools.cache
def load_scenario(scenario_id: str) -> Scenario:
    """Return the catalogue's scenario of this id; raise `UnknownScenario` with the nearest one there is."""
    check_scenario_id(scenario_id)
    return Scenario.parse(scenario_id, (_folder() / f"{scenario_id}.toml").read_text(encoding="utf-8"))


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of a user's own file. Raises `InvalidValueError` naming the file, and `OSError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValueError(path.name, str(error), "UTF-8") from error
    return Scenario.parse(path.stem, text)


def check_scenario_id(scenario_id: str, field: str = "scenario") -> None:
    """Raise `UnknownScenario` unless the catalogue has this id."""
    known = scenario_ids()
    if scenario_id in known:
        return
    nearest = difflib.get_close_matches(str(scenario_id), known, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise UnknownScenario(f"{field}: no scenario {scenario_id!r} in the catalogue.{hint} There is: {', '.join(known)}")
