"""The marker ``smtp_scenarios``: which scenarios a test runs with, and the server of each.

Imported only where a test asks for the fixture ``smtp_scenario``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import pytest

from smtpfix.audit.check import RunningScenario
from smtpfix.errors import ExtraMissing, InvalidValueError
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import GROUPS, Scenario
from smtpfix.server import Server
from smtpfix.smtp.policy import Policy

_MODES: Final = "modes"
"""The group of good servers, one in each mode; its runs go by the mode's name."""

_ALL_GROUPS: Final = (*GROUPS, _MODES)

_POINTLESS: Final = {"accepts": "accept", "refuses": "refuse"}
"""What a client cannot deviate to, where it is what the scenario calls for."""


class _Nonsense(Exception):  # noqa: N818 - never leaves this module
    """A marker that says nothing sensible; the text is for its user."""


@dataclass(frozen=True, slots=True)
class _Marker:
    """One marker ``smtp_scenarios``, its values checked one by one."""

    names: tuple[str, ...]
    mode: Mode
    declared: dict[str, frozenset[str]]
    """What ``accepts`` and ``refuses`` hold."""
    fields: dict[str, Any]


@dataclass(slots=True)
class Wanted:
    """One run of a test: a scenario, and what the markers say beside it."""

    name: str
    """The scenario's id; in the group of modes, the mode."""
    scenario: Scenario
    mode: Mode
    fields: dict[str, Any]
    by_name: bool
    """Whether it was named itself, not its group only."""
    declared: dict[str, frozenset[str]] = field(default_factory=lambda: dict.fromkeys(_POINTLESS, frozenset()))


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each scenario that its markers name; fail its collection where they make no sense."""
    runs, nonsense = _understand(metafunc)
    if nonsense:  # the user's mistake, not ours: without a traceback through this module
        pytest.fail(f"{metafunc.definition.nodeid}: {nonsense}", pytrace=False)
    several = len({run.mode for run in runs if run.name != run.mode}) > 1
    ids = [f"{run.name}-{run.mode}" if several and run.name != run.mode else run.name for run in runs]
    metafunc.parametrize("smtp_scenario", runs, ids=ids, indirect=True)


def _understand(metafunc: pytest.Metafunc) -> tuple[list[Wanted], str]:
    """Return the runs that a test's markers add up to, or else what is wrong with them."""
    try:
        return _select([_read(marker) for marker in metafunc.definition.iter_markers("smtp_scenarios")]), ""
    except _Nonsense as nonsense:
        return [], str(nonsense)


def _read(marker: pytest.Mark) -> _Marker:
    fields = dict(marker.kwargs)
    try:
        mode = Mode(Policy(fields.pop("mode", Mode.IMPLICIT_TLS)).mode)
    except InvalidValueError as error:
        raise _Nonsense(f"smtp_scenarios: mode: expected {error.expected}, got {error.value!r}") from error
    declared = {key: _ids(key, fields.pop(key, ())) for key in _POINTLESS}
    for name in sorted(declared["accepts"] & declared["refuses"]):
        raise _Nonsense(f"smtp_scenarios: {name!r} is in both accepts and refuses; take it out of one")
    for taken in ("certificate", "scenario"):
        if taken in fields:
            raise _Nonsense(
                f"smtp_scenarios: {taken} is what the scenarios set, got {fields[taken]!r}; name the scenario instead, "
                f"or use the marker smtp"
            )
    try:
        with suppress(InvalidValueError):  # it may make sense on top of smtp_policy, which is not known yet
            Policy().replace(**fields)
    except TypeError as error:
        raise _Nonsense(f"smtp_scenarios: {error}") from error
    for name in marker.args:
        if name not in _ALL_GROUPS:
            _check_id("smtp_scenarios", name, (*_ALL_GROUPS, *scenario_ids()))
    return _Marker(marker.args, mode, declared, fields)


def _ids(key: str, value: Any) -> frozenset[str]:
    if isinstance(value, str) or not isinstance(value, Collection):
        raise _Nonsense(f'smtp_scenarios: {key}: expected a set of ids, such as {{"cn-only"}}, got {value!r}')
    for name in value:
        _check_id(f"smtp_scenarios: {key}", name, (*scenario_ids(), *Mode))
        expected = "accept" if name in tuple(Mode) else load_scenario(name).expected
        if expected == _POINTLESS[key]:
            raise _Nonsense(f"smtp_scenarios: {key}: every careful client {key} {name!r}; take it out")
    return frozenset(value)


def _check_id(where: str, name: Any, known: Collection[str]) -> None:
    if isinstance(name, str) and name in known:
        return
    nearest = difflib.get_close_matches(name, known, n=1) if isinstance(name, str) else []
    hint = f"; did you mean {str(nearest[0])!r}?" if nearest else ""
    raise _Nonsense(
        f"{where}: expected ids of scenarios{' or groups' if _MODES in known else ''}, got {name!r}{hint}\n"
        f"groups: {', '.join(_ALL_GROUPS)}\nids: {', '.join(scenario_ids())}"
    )


def _select(markers: list[_Marker]) -> list[Wanted]:
    """Return the runs that markers, the nearest first, add up to."""
    runs: dict[tuple[str, Mode], Wanted] = {}
    selected = []
    for marker in markers:
        names = []
        for run in _runs(marker):
            known = runs.setdefault((run.name, run.mode), run)
            known.by_name = known.by_name or run.by_name
            names.append(known)
        selected.append(names)
    if not runs:
        raise _Nonsense(
            "a test with smtp_scenario needs the marker smtp_scenarios(...) with ids of scenarios, "
            f"or with groups: {', '.join(_ALL_GROUPS)}"
        )
    for marker, own in zip(markers, selected, strict=True):
        for key, ids in marker.declared.items():
            _declare(key, ids, own if marker.names else list(runs.values()), has_names=bool(marker.names))
    return list(runs.values())


def _declare(key: str, ids: frozenset[str], runs: list[Wanted], *, has_names: bool) -> None:
    for run in runs:
        if run.name in ids:
            run.declared[key] |= {run.name}
            if all(run.name in declared for declared in run.declared.values()):
                raise _Nonsense(f"smtp_scenarios: {run.name!r} is in both accepts and refuses; take it out of one")
    strangers = ids - {run.name for run in runs}
    if has_names and strangers:
        raise _Nonsense(
            f"smtp_scenarios: {key}: this marker does not select {', '.join(sorted(strangers))}; take it out, or "
            "declare it for a whole class or module by a marker without names"
        )


def _runs(marker: _Marker) -> Iterator[Wanted]:
    """Return a marker's runs, in the order of its names and, in a group, of ids."""
    mode = marker.mode
    for name in marker.names:
        if name == _MODES:
            yield from (Wanted(str(one), load_scenario("good"), one, marker.fields, by_name=False) for one in Mode)
            continue
        found = [load_scenario(one) for one in (scenario_ids(name) if name in GROUPS else (name,))]
        shown = [scenario for scenario in found if mode in scenario.modes]
        if not shown:
            modes = ", ".join(one for one in Mode if any(one in scenario.modes for scenario in found))
            raise _Nonsense(f"smtp_scenarios: {name!r} cannot be shown in mode {mode}, only in {modes}; set mode=")
        for scenario in shown:
            yield Wanted(scenario.id, scenario, mode, marker.fields, by_name=name not in GROUPS)


def _asked(wanted: Wanted, policy: Policy) -> Policy:
    """Return the policy of a run; skip one of a group whose scenario does not go together with what it is on top of.

    What makes no sense without the scenario either is the user's mistake, and remains an error.
    """
    plain = {"certificate": "good", "scenario": None, **wanted.fields}
    try:
        return policy.replace(wanted.mode, **{**plain, wanted.scenario.policy_field: wanted.scenario.id})
    except InvalidValueError as error:
        if wanted.by_name:
            raise
        try:
            policy.replace(wanted.mode, **plain)
        except InvalidValueError:
            raise error from None
        pytest.skip(f"{wanted.name} cannot be shown with this policy: {error}")


@contextmanager
def run(
    wanted: Wanted, policy: Policy, start: Callable[[Policy], AbstractContextManager[Server]]
) -> Iterator[RunningScenario]:
    """Run a server that shows the scenario; skip one of a group that this policy or installation cannot show."""
    scenario = wanted.scenario
    asked = _asked(wanted, policy)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(start(asked))
        except ExtraMissing as error:
            if wanted.by_name:
                raise
            pytest.skip(str(error))
        yield RunningScenario(scenario, server, **wanted.declared, name=wanted.name)


def fail_unmarked(request: pytest.FixtureRequest) -> NoReturn:
    """Fail a test that asks for its scenario while it runs, when it is too late to run it once for each."""
    pytest.fail(
        f"{request.node.nodeid}: smtp_scenario has to be an argument of the test, or of a fixture that is; "
        "request.getfixturevalue comes too late",
        pytrace=False,
    )
