"""`load_scenario`: it finds and reads the scenario files of the catalogue and of users."""

from __future__ import annotations

import functools
from pathlib import Path

from smtpfix.errors import InvalidValueError, UnknownScenario
from smtpfix.suggesting import either, nearest

from .protocol import DEFAULT_PROTOCOL
from .scenario import PROTOCOLS, Scenario

_NEAR = 3
"""Ids that whoever writes another one is told."""
_PREFIXES = tuple(f"{protocol}-" for protocol in PROTOCOLS if protocol != DEFAULT_PROTOCOL)
"""How the ids of other protocols' own scenarios begin."""


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
def _every_id() -> tuple[str, ...]:
    """Return the ids of all protocols' scenarios, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


@functools.cache
def scenario_ids(group: str | None = None, protocol: str = DEFAULT_PROTOCOL) -> tuple[str, ...]:
    """Return the ids of all scenarios that a protocol can show, or of one group of them, sorted."""
    ids = _every_id()
    if protocol == DEFAULT_PROTOCOL:  # whose are all but those that begin with another one's name: none need be read
        ids = tuple(one for one in ids if not one.removeprefix("control-").startswith(_PREFIXES))
    else:
        ids = tuple(one for one in ids if load_scenario(one).is_for(protocol))
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


def has_scenario(scenario_id: str) -> bool:
    """Return whether the catalogue has this id."""
    return scenario_id in _every_id()


def check_scenario_id(scenario_id: str, field: str = "scenario") -> None:
    """Raise `UnknownScenario` unless the catalogue has this id."""
    known = _every_id()
    if scenario_id in known:
        return
    near = nearest(scenario_id, known, _NEAR)
    hint = f" Did you mean {either(map(repr, near))}?" if near else ""
    raise UnknownScenario(
        f"{field}: no scenario {scenario_id!r} in the catalogue.{hint} "
        "'smtpfix scenarios' lists all for SMTP, with --protocol imap or pop3 those for reading"
    )
