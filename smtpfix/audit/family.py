"""Client families: the promises of a client's manual, from TOML files, compared with the result of an audit.

A family file states what is documented and nothing else; what the documentation does not say is not compared. Knows no
server and no client.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.catalogue_files import check_scenario_id, load_scenario
from smtpfix.policy.scenario import GROUPS
from smtpfix.policy.tables import check_table, read_toml
from smtpfix.suggesting import one_of

from .protocols import PROTOCOLS
from .result import AuditResult, Declaration, DeclaredMode, Finding, Outcome, Trust

_DID: Final[Mapping[Outcome, tuple[str, str]]] = {
    Outcome.DELIVERED: ("delivered", "deliver"),
    Outcome.RETRIEVED: ("read its mail", "read its mail"),
    Outcome.LOST_MAIL: ("deleted what it had not read", "delete what it has not read"),
    Outcome.REFUSED_CLEAN: ("refused", "refuse"),
    Outcome.REFUSED_LATE: ("refused after giving something away", "refuse after giving something away"),
    Outcome.FALSE_REFUSAL: ("refused a good server", "refuse a good server"),
    Outcome.DOWNGRADED: ("went on in clear", "go on in clear"),
    Outcome.LEAKED_CREDENTIALS: ("sent the password in clear", "send the password in clear"),
    Outcome.LEAKED_MESSAGE: ("sent the message in clear", "send the message in clear"),
    Outcome.UNAUTHENTICATED_SEND: ("sent the message without a login", "send the message without a login"),
    Outcome.ACTED_ON_INJECTION: ("acted on an injected reply", "act on an injected reply"),
    Outcome.HUNG: ("hung", "hang"),
    Outcome.MISREPORTED: ("reported what was not so", "report what is not so"),
}
"""Outcomes in words, as something that happened and as something to do; those that a manual can imply."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_LARGEST_PORT: Final = 65_535
_FILE_KEYS: Final = ("title", "source", "variant")
_VARIANT_KEYS: Final = ("title", "source", "protocol", "mode", "trust", "port", "expect")
_EXPECT_KEYS: Final = ("scenarios", "groups", "except", "login", "outcomes", "why")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a manual implies for some scenarios."""

    outcomes: tuple[Outcome, ...]
    """The outcomes that agree with the manual."""
    why: str
    """What the manual says, in one sentence."""
    scenarios: tuple[str, ...] = ()
    """The ids of scenarios. They take precedence over their groups."""
    groups: tuple[str, ...] = ()
    """Whole groups of the catalogue."""
    exceptions: tuple[str, ...] = ()
    """Scenarios of these groups about which the manual says nothing."""
    login: bool | None = None
    """True: only if the client logs in. False: only if it does not. None: in both cases."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One setting of a family: a port, a switch, a release."""

    name: str
    """The name of its table: ``other-port``, ``_MailSmtpTls``."""
    title: str
    source: str
    """Where this is documented, in one sentence."""
    mode: DeclaredMode
    """The mode to declare for such a client."""
    port: int
    """The port that the manual names."""
    trust: Trust | None = None
    """The trust to declare for such a client; None: the manual does not say."""
    expectations: tuple[Expectation, ...] = ()
    protocol: str = "smtp"
    """The protocol: ``smtp``, or ``imap`` or ``pop3`` if the client reads mail."""

    def declaration(self, user: str | None = None, password: str | None = None) -> Declaration:
        """Return the declaration for an audit. If the manual says nothing about trust, it has `Trust.PKI`."""
        return Declaration(self.mode, self.trust or Trust.PKI, user, password, protocol=self.protocol)

    def expectation(self, scenario: str, group: str, *, login: bool) -> Expectation | None:
        """Return what is documented about a scenario; None if nothing is. A scenario's own entry beats its group's."""
        applying = [one for one in self.expectations if one.login in (None, login)]
        for one in applying:
            if scenario in one.scenarios:
                return one
        return next((one for one in applying if group in one.groups and scenario not in one.exceptions), None)


@dataclass(frozen=True, slots=True)
class Family:
    """Mail clients that one manual describes."""

    name: str
    """The name of the file without ``.toml``."""
    title: str
    source: str
    """The documentation that the family comes from, in one sentence."""
    variants: Mapping[str, Variant] = field(default_factory=lambda: MappingProxyType({}))
    """The variants by name, in the file's order."""

    def variant(self, name: str) -> Variant:
        """Return one variant. Raises `InvalidValueError`, which lists all variants."""
        if name not in self.variants:
            raise InvalidValueError(f"variant of {self.name}", name, one_of(name, self.variants))
        return self.variants[name]

    @classmethod
    def parse(cls, name: str, text: str) -> Family:
        """Build a family from the text of a file.

        Raises `InvalidValueError`, which names the file, table, key and what is allowed, and `UnknownScenario` for an
        id that is not in the catalogue.
        """
        where = f"{name}.toml"
        values = read_toml(where, text)
        check_table(where, values, _FILE_KEYS)
        tables = values.get("variant")
        if not isinstance(tables, Mapping) or not tables:
            raise InvalidValueError(f"{where}: variant", tables, "one [variant.NAME] table or more")
        variants = {key: _variant(f"{where}, [variant.{key}]", key, table) for key, table in tables.items()}
        return cls(name, _text(where, values, "title"), _text(where, values, "source"), MappingProxyType(variants))


# Reading


@functools.cache
def family_names() -> tuple[str, ...]:
    """Return the names of the families that come with smtpfix, sorted."""
    folder = resources.files("smtpfix.audit") / "families"
    return tuple(sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml")))


@functools.cache
def load_family(name: str) -> Family:
    """Return a family that comes with smtpfix. Raises `InvalidValueError`, which lists all families."""
    if name not in family_names():
        raise InvalidValueError("family", name, one_of(name, family_names()))
    file = resources.files("smtpfix.audit") / "families" / f"{name}.toml"
    return Family.parse(name, file.read_text(encoding="utf-8"))


def read_family(path: Path) -> Family:
    """Return the family of a file of your own. Raises `InvalidValueError`, which names the file, and `OSError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValueError(path.name, str(error), "UTF-8") from error
    return Family.parse(path.stem, text)


def _variant(where: str, name: str, table: Any) -> Variant:
    if not _NAME.fullmatch(name):
        raise InvalidValueError(where, name, "a name of letters, digits, '_', '.' and '-'")
    check_table(where, table, _VARIANT_KEYS)
    port = table.get("port")
    if type(port) is not int or not 0 < port <= _LARGEST_PORT:
        raise InvalidValueError(f"{where}: port", port, f"a number from 1 to {_LARGEST_PORT}")
    expect = table.get("expect", [])
    if not isinstance(expect, list):
        raise InvalidValueError(f"{where}: expect", expect, "[[…expect]] tables")
    protocol = _choice(where, table, "protocol", PROTOCOLS) if "protocol" in table else "smtp"
    expectations = tuple(
        _expectation(f"{where}, expect {number}", one, protocol) for number, one in enumerate(expect, 1)
    )
    _check_unique(where, expectations)
    return Variant(
        name=name,
        title=_text(where, table, "title"),
        source=_text(where, table, "source"),
        mode=DeclaredMode(_choice(where, table, "mode", tuple(DeclaredMode))),
        port=port,
        trust=Trust(_choice(where, table, "trust", tuple(Trust))) if "trust" in table else None,
        expectations=expectations,
        protocol=protocol,
    )


def _expectation(where: str, table: Any, protocol: str) -> Expectation:
    check_table(where, table, _EXPECT_KEYS)
    scenarios, groups = _texts(where, table, "scenarios"), _texts(where, table, "groups")
    exceptions, outcomes = _texts(where, table, "except"), _texts(where, table, "outcomes")
    for scenario in (*scenarios, *exceptions):
        key = f"{where}: {'scenarios' if scenario in scenarios else 'except'}"
        check_scenario_id(scenario, key)
        if not load_scenario(scenario).is_for(protocol):
            raise InvalidValueError(key, scenario, f"scenarios that servers of {protocol.upper()} can show")
    for group in groups:
        if group not in GROUPS:
            raise InvalidValueError(f"{where}: groups", group, one_of(group, GROUPS))
    if not scenarios and not groups:
        raise InvalidValueError(where, table, "scenarios, groups, or both")
    for scenario in exceptions:
        if load_scenario(scenario).group not in groups:
            raise InvalidValueError(f"{where}: except", scenario, "scenarios of the groups above")
    for outcome in outcomes:
        if outcome not in tuple(_DID):
            raise InvalidValueError(f"{where}: outcomes", outcome, one_of(outcome, _DID))
        if outcome == (Outcome.RETRIEVED if protocol == "smtp" else Outcome.DELIVERED):
            expected = "delivered of who sends mail, retrieved of who reads it"
            raise InvalidValueError(f"{where}: outcomes", str(outcome), expected)
    if not outcomes:
        raise InvalidValueError(f"{where}: outcomes", list(outcomes), f"one or more of {', '.join(_DID)}")
    login = table.get("login")
    if login is not None and not isinstance(login, bool):
        raise InvalidValueError(f"{where}: login", login, "true, false, or no such key")
    why = _text(where, table, "why")
    return Expectation(tuple(map(Outcome, outcomes)), why, scenarios, groups, exceptions, login)


def _check_unique(where: str, expectations: tuple[Expectation, ...]) -> None:
    """Raise `InvalidValueError` where two expectations are about the same."""
    seen: set[tuple[str, bool]] = set()
    for number, one in enumerate(expectations, 1):
        for login in (True, False) if one.login is None else (one.login,):
            for name in (*one.scenarios, *one.groups):
                if (name, login) in seen:
                    raise InvalidValueError(f"{where}, expect {number}", name, "each scenario and each group once")
                seen.add((name, login))


def _text(where: str, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidValueError(f"{where}: {key}", value, "a sentence")
    return value


def _texts(where: str, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidValueError(f"{where}: {key}", value, "a list of texts")
    return tuple(value)


def _choice(where: str, table: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = table.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise InvalidValueError(f"{where}: {key}", value, one_of(value, allowed))
    return value


# Comparing


def documented(result: AuditResult, variant: Variant) -> tuple[Finding, ...]:
    """Return the findings for which there is evidence and about which the manual says something."""
    return tuple(finding for finding, _ in _pairs(result, variant))


def compare(result: AuditResult, variant: Variant) -> tuple[str, ...]:
    """Return how a client differs from its documentation, one sentence each; empty if it does not.

    It compares the outcome of each finding, which is the worst that the client did, and not what else it did. An audit
    with another declaration, or without any scenario that the manual speaks of, is no evidence: then one sentence says
    so.
    """
    declared, meant = result.declaration, variant.declaration()
    if declared.protocol != meant.protocol:
        audited = f"it was audited as a client of {declared.protocol.upper()} and cannot be compared"
        return (f"{audited}; {variant.name} is documented as one of {meant.protocol.upper()}",)
    if declared.mode != meant.mode or variant.trust not in (None, declared.trust):
        trust = "" if variant.trust is None else f" with trust {variant.trust}"
        audited = f"it was audited as {declared.mode} with trust {declared.trust} and cannot be compared"
        return (f"{audited}; {variant.name} is documented as {variant.mode}{trust}",)
    pairs = tuple(_pairs(result, variant))
    if not pairs:
        return ("nothing that the manual speaks of was run, so nothing is known",)
    return tuple(
        f"under {finding.scenario} in mode {finding.mode} it {_DID[finding.outcome][0]}; the manual has it "
        f"{' or '.join(_DID[outcome][1] for outcome in expectation.outcomes)}: {expectation.why}"
        for finding, expectation in pairs
        if finding.outcome not in expectation.outcomes
    )


def _pairs(result: AuditResult, variant: Variant) -> Iterator[tuple[Finding, Expectation]]:
    login = result.declaration.user is not None
    for finding in result.findings:
        expectation = variant.expectation(finding.scenario, finding.group, login=login)
        if expectation is not None and finding.outcome in _DID:
            yield finding, expectation
