"""The markers ``smtp_scenarios``, ``imap_scenarios``, ``pop3_scenarios``: which scenarios a test runs, and its servers.

Imported only when a test requests one of the fixtures ``smtp_scenario``, ``imap_scenario`` and ``pop3_scenario``.
"""

from __future__ import annotations

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
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.server import Server
from smtpfix.suggesting import nearest

from .servers import running_for

_MODES: Final = "modes"
"""The group of good servers, one in each mode; its runs go by the mode's name."""

_ALL_GROUPS: Final = (*GROUPS, _MODES)

_POINTLESS: Final = {"accepts": "accept", "refuses": "refuse"}
"""What a client cannot deviate to, where it is what the scenario calls for."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The scenarios of one protocol, as tests ask for them."""

    protocol: str
    policy: type[ServerPolicy]
    running: type[RunningScenario]

    @property
    def fixture(self) -> str:
        """The fixture's name."""
        return f"{self.protocol}_scenario"

    @property
    def marker(self) -> str:
        """The marker's name."""
        return f"{self.protocol}_scenarios"

    def ids(self, group: str | None = None) -> tuple[str, ...]:
        """Return the ids of all scenarios, or of a group."""
        return scenario_ids(group, self.protocol)


def kind_of(protocol: str) -> Kind:
    """Return the scenarios of a protocol."""
    if protocol == "imap":
        from smtpfix.audit.check_reading import RunningReadingScenario  # noqa: PLC0415 - for whom mail is read
        from smtpfix.imap.policy import ImapPolicy  # noqa: PLC0415 - as above

        return Kind(protocol, ImapPolicy, RunningReadingScenario)
    if protocol == "pop3":
        from smtpfix.audit.check_reading import RunningReadingScenario  # noqa: PLC0415 - for whom mail is read
        from smtpfix.pop3.policy import Pop3Policy  # noqa: PLC0415 - as above

        return Kind(protocol, Pop3Policy, RunningReadingScenario)
    from smtpfix.smtp.policy import Policy  # noqa: PLC0415 - and for whom it is sent

    return Kind(protocol, Policy, RunningScenario)


class _Nonsense(Exception):  # noqa: N818 - never leaves this module
    """A marker that says nothing sensible; the text is for its user."""


@dataclass(frozen=True, slots=True)
class _Marker:
    """One marker, its values checked one by one."""

    kind: Kind
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


def parametrize(metafunc: pytest.Metafunc, protocol: str) -> None:
    """Run a test once for each scenario that its markers name; fail its collection where they make no sense."""
    kind = kind_of(protocol)
    runs, nonsense = _understand(metafunc, kind)
    if nonsense:  # the user's mistake, not ours: without a traceback through this module
        pytest.fail(f"{metafunc.definition.nodeid}: {nonsense}", pytrace=False)
    several = len({run.mode for run in runs if run.name != run.mode}) > 1
    ids = [f"{run.name}-{run.mode}" if several and run.name != run.mode else run.name for run in runs]
    metafunc.parametrize(kind.fixture, runs, ids=ids, indirect=True)


def _understand(metafunc: pytest.Metafunc, kind: Kind) -> tuple[list[Wanted], str]:
    """Return the runs that a test's markers add up to, or else what is wrong with them."""
    try:
        return _select([_read(marker, kind) for marker in metafunc.definition.iter_markers(kind.marker)], kind), ""
    except _Nonsense as nonsense:
        return [], str(nonsense)


def _read(marker: pytest.Mark, kind: Kind) -> _Marker:
    fields = dict(marker.kwargs)
    try:
        mode = Mode(kind.policy(fields.pop("mode", Mode.IMPLICIT_TLS)).mode)
    except InvalidValueError as error:
        raise _Nonsense(str(error.renamed(f"{kind.marker}: mode"))) from error
    declared = {key: _ids(key, fields.pop(key, ()), kind) for key in _POINTLESS}
    for name in sorted(declared["accepts"] & declared["refuses"]):
        raise _Nonsense(f"{kind.marker}: {name!r} is in both accepts and refuses; take it out of one")
    for taken in ("certificate", "scenario"):
        if taken in fields:
            raise _Nonsense(
                f"{kind.marker}: {taken} is what the scenarios set, got {fields[taken]!r}; name the scenario instead, "
                f"or use the marker {kind.protocol}"
            )
    try:
        with suppress(InvalidValueError):  # it may make sense on top of smtp_policy, which is not known yet
            kind.policy().replace(**fields)
    except TypeError as error:
        raise _Nonsense(f"{kind.marker}: {error}") from error
    for name in marker.args:
        if name not in _ALL_GROUPS:
            _check_id(kind.marker, name, (*_ALL_GROUPS, *kind.ids()), kind)
    return _Marker(kind, marker.args, mode, declared, fields)


def _ids(key: str, value: Any, kind: Kind) -> frozenset[str]:
    if isinstance(value, str) or not isinstance(value, Collection):
        raise _Nonsense(f'smtp_scenarios: {key}: expected a set of ids, such as {{"cn-only"}}, got {value!r}')
    for name in value:
        _check_id(f"{kind.marker}: {key}", name, (*kind.ids(), *Mode), kind)
        expected = "accept" if name in tuple(Mode) else load_scenario(name).expected
        if expected == _POINTLESS[key]:
            raise _Nonsense(f"{kind.marker}: {key}: every careful client {key} {name!r}; take it out")
    return frozenset(value)


def _check_id(where: str, name: Any, known: Collection[str], kind: Kind) -> None:
    if isinstance(name, str) and name in known:
        return
    near = nearest(name, map(str, known))
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise _Nonsense(
        f"{where}: expected ids of scenarios{' or groups' if _MODES in known else ''}, got {name!r}{hint}\n"
        f"groups: {', '.join(_ALL_GROUPS)}\nids: {', '.join(kind.ids())}"
    )


def _select(markers: list[_Marker], kind: Kind) -> list[Wanted]:
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
            f"a test with {kind.fixture} needs the marker {kind.marker}(...) with ids of scenarios, "
            f"or with groups: {', '.join(_ALL_GROUPS)}"
        )
    for marker, own in zip(markers, selected, strict=True):
        for key, ids in marker.declared.items():
            _declare(key, ids, own if marker.names else list(runs.values()), has_names=bool(marker.names), kind=kind)
    return list(runs.values())


def _declare(key: str, ids: frozenset[str], runs: list[Wanted], *, has_names: bool, kind: Kind) -> None:
    for run in runs:
        if run.name in ids:
            run.declared[key] |= {run.name}
            if all(run.name in declared for declared in run.declared.values()):
                raise _Nonsense(f"{kind.marker}: {run.name!r} is in both accepts and refuses; take it out of one")
    strangers = ids - {run.name for run in runs}
    if has_names and strangers:
        raise _Nonsense(
            f"{kind.marker}: {key}: this marker does not select {', '.join(sorted(strangers))}; take it out, or "
            "declare it for a whole class or module by a marker without names"
        )


def _runs(marker: _Marker) -> Iterator[Wanted]:
    """Return a marker's runs, in the order of its names and, in a group, of ids."""
    mode, kind = marker.mode, marker.kind
    for name in marker.names:
        if name == _MODES:
            yield from (Wanted(str(one), load_scenario("good"), one, marker.fields, by_name=False) for one in Mode)
            continue
        found = [load_scenario(one) for one in (kind.ids(name) if name in GROUPS else (name,))]
        shown = [scenario for scenario in found if mode in scenario.modes]
        if not shown:
            modes = ", ".join(one for one in Mode if any(one in scenario.modes for scenario in found))
            raise _Nonsense(f"{kind.marker}: {name!r} cannot be shown in mode {mode}, only in {modes}; set mode=")
        for scenario in shown:
            yield Wanted(scenario.id, scenario, mode, marker.fields, by_name=name not in GROUPS)


def _asked(wanted: Wanted, policy: ServerPolicy) -> ServerPolicy:
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
def of_request(request: pytest.FixtureRequest, policy: ServerPolicy) -> Iterator[RunningScenario]:
    """Run the server of a fixture that a test has once for each scenario."""
    if not hasattr(request, "param"):
        _fail_unmarked(request)
    with run(request.param, policy, lambda policy: running_for(request, policy)) as running:
        yield running


@contextmanager
def run(
    wanted: Wanted, policy: ServerPolicy, start: Callable[[ServerPolicy], AbstractContextManager[Server]]
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
        running = kind_of(policy.spoken).running
        yield running(scenario, server, **wanted.declared, name=wanted.name)


def _fail_unmarked(request: pytest.FixtureRequest) -> NoReturn:
    """Fail a test that asks for its scenario while it runs, when it is too late to run it once for each."""
    pytest.fail(
        f"{request.node.nodeid}: {request.fixturename} has to be an argument of the test, or of a fixture that is; "
        "request.getfixturevalue comes too late",
        pytrace=False,
    )
