"""`plan`: the scenarios that a client meets, the server modes, and what a careful client would do.

Knows no server. What a client with the declaration cannot meet is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.catalogue_files import check_scenario_id, load_scenario, read_scenario, scenario_ids
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import GROUPS, Scenario
from smtpfix.rules.action import Action
from smtpfix.rules.actions import Drip, NoReply, Raw, Repeat, Stall
from smtpfix.rules.rule import Rule
from smtpfix.rules.stages import AUTH_ANSWER, CONNECT, GREETING, HANDSHAKE
from smtpfix.smtp.edits import Advertise
from smtpfix.smtp.language import END_OF_DATA
from smtpfix.suggesting import one_of

from .protocols import policy_class
from .result import Declaration, DeclaredMode, Trust

EVERYTHING: Final = "everything"
"""The name of all groups together."""

GOOD: Final = "good"
"""The scenario that every other one is compared with."""

DEFAULT: Final = (
    # certificates
    *("good", "good-intermediate", "wildcard-ok", "ip-san", "case-insensitive", "self-signed-pinned"),
    # auth, replies, timing, delivery
    *("auth-535", "auth-none-in-tls", "stale-auth", "tls-ehlo-fails", "ehlo-lowercase"),
    *("ehlo-lowercase-mechanisms", "mixed-codes", "mixed-codes-reversed"),
    *("greeting-554", "greeting-close", "ehlo-421", "data-250", "reply-lf-only"),
    *("greeting-none", "greeting-slow", "mail-stall", "quit-hang", "slow-drip"),
    *("rcpt-550", "mail-421", "size-too-small", "greylisting", "final-dot-451", "final-dot-550", "final-dot-close"),
    *("final-dot-lost-reply", "quit-421", "crlf-in-address"),
)
"""What runs unless somebody asks for other things, quick and telling: beside the whole groups of `DEFAULT_GROUPS`, and
every certificate that a flaw lets pass, so that more scenarios give the same grade."""

DEFAULT_GROUPS: Final = ("tls", "stripping", "injection")
_GROUPS_OF_READERS: Final = tuple(group for group in GROUPS if group != "certificates")
"""The same for clients that read mail."""

_NEVER_ENDS: Final = (
    *("imap-auth-endless", "imap-literal-short", "imap-strip-continue", "imap-strip-untagged", "imap-wrong-tag"),
)
"""Scenarios whose server says something, and never what ends the answer."""

_CONTROL: Final = "control-"
_STANDARDS: Final = {"smtp": "RFC 5321 section 3", "imap": "RFC 9051 section 2", "pop3": "RFC 1939 section 3"}
_SERVER_MODES: Final = {
    DeclaredMode.IMPLICIT: (Mode.IMPLICIT_TLS,),
    DeclaredMode.STARTTLS_REQUIRED: (Mode.STARTTLS, Mode.TLS_REQUIRED),
    DeclaredMode.OPPORTUNISTIC: (Mode.STARTTLS, Mode.TLS_REQUIRED),
    DeclaredMode.NONE: (Mode.PLAIN,),
}
"""The modes in which a server meets a client, the usual one first."""
PATIENCE: Final = 4.0
"""Seconds after which the built-in clients give up on a silent server."""
_SLOW: Final = 0.1
"""Seconds for one octet from which on a server is slow."""
_LONG: Final = 15.0
"""Seconds in which such a server has said what it says, inside TLS too, where a reply is four times as long."""
_OLD: Final = ("TLSv1", "TLSv1.1")
_WEAK_SIGNATURES: Final = ("sha1", "md5")
_BEFORE_TLS: Final = (CONNECT, GREETING, "EHLO", "HELO", "STARTTLS", "CAPABILITY", "CAPA", "STLS")
"""The stages that a client passes before it can begin TLS in a conversation."""
_WITHOUT_CERTIFICATE: Final = ("anonymous",)
"""TLS scenarios whose server shows no certificate: nothing else is wrong for whoever looks at none."""


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario, in the server mode in which this client meets it."""

    scenario: Scenario
    mode: Mode
    expected: str
    """What a careful client with the declaration does: one of `scenario.OUTCOMES`."""
    control: str | None = None
    """The id of the scenario that decides about this one; None: it speaks for itself."""
    file: Path | None = None
    """Where the scenario stands; None: in the catalogue."""

    @property
    def source(self) -> str | Path:
        """What a policy takes for the scenario: its file, or its id."""
        return self.file or self.scenario.id

    @property
    def key(self) -> tuple[str, Mode]:
        """What tells it from others."""
        return self.scenario.id, self.mode

    @property
    def stalls(self) -> bool:
        """Whether the server lets the client wait for something that does not come."""
        return stalls(self.scenario)

    @property
    def is_endless(self) -> bool:
        """Whether that is the end of a reply, which goes on and on."""
        return _is_endless(self.scenario)

    @property
    def is_slow(self) -> bool:
        """Whether the server takes longer for a reply than many clients wait; RFC 5321 section 4.5.3.2 has minutes."""
        return any(
            isinstance(action, Drip) and action.every / action.octets > _SLOW
            for rule in self.scenario.rules
            for action in rule.actions
        )

    @property
    def only_waits(self) -> bool:
        """Whether the run takes time, and next to nothing of a processor."""
        return self.stalls or self.is_slow

    @property
    def patience(self) -> float:
        """Seconds that a client has to wait for a reply to be judged fairly."""
        return _LONG if self.is_slow else PATIENCE

    @property
    def loses_the_reply(self) -> bool:
        """Whether the client is not told, or not in order, what became of a message that came whole."""
        scenario = self.scenario
        return (
            bool(scenario.control)  # whoever takes one reply more for the server's is one behind
            or (scenario.tls.fault or "").startswith("truncate-")
            or any(
                rule.stage == END_OF_DATA and any(action.ends or isinstance(action, NoReply) for action in rule.actions)
                for rule in scenario.rules
            )
        )

    @property
    def is_old_tls(self) -> bool:
        """Whether nothing is wrong but the version of TLS: below 1.2."""
        return self.old_version is not None

    @property
    def old_version(self) -> str | None:
        """The only version that the server speaks, where that is one below 1.2."""
        if self.scenario.tls.legacy == "ssl30":
            return "SSLv3"
        return self.scenario.tls.max if self.scenario.tls.max in _OLD else None

    @property
    def ends_before_tls(self) -> bool:
        """Whether the server refuses to go on before TLS can begin: whoever does so in clear was never offered it."""
        return (
            self.mode is not Mode.IMPLICIT_TLS
            and self.expected != "accept"
            and any(
                rule.stage in _BEFORE_TLS and rule.in_tls is not True and any(map(_is_instead, rule.actions))
                for rule in self.scenario.rules
            )
        )

    @property
    def is_about_suites(self) -> bool:
        """Whether what there is to refuse is the cipher suite: to offer none of them is to refuse it."""
        return self.scenario.tls.ciphers is not None or self.scenario.tls.legacy not in (None, "ssl30")

    @property
    def is_about_signatures(self) -> bool:
        """Whether what there is to refuse is how a certificate is signed: to offer no such algorithm is to refuse it.

        In signature_algorithms_cert (RFC 8446 section 4.2.3), which servers heed and fail.
        """
        scenario = self.scenario
        intermediates = scenario.intermediates if isinstance(scenario.intermediates, tuple) else ()
        return any(one.signature in _WEAK_SIGNATURES for one in (scenario.leaf, *intermediates))


def stalls(scenario: Scenario) -> bool:
    """Return whether a scenario's server lets the client wait for something that does not come."""
    return (
        scenario.tls.fault in ("stall", "tls-first")
        or scenario.id in _NEVER_ENDS
        or _is_endless(scenario)
        or any(_says_nothing(action) for rule in scenario.rules for action in rule.actions)
        or any(map(_leaves_a_line_open, scenario.rules))
        or any(map(_changes_its_code, scenario.rules))
    )


def _is_instead(action: Action) -> bool:
    return action.ends or action.stands_for_answer


def _says_nothing(action: Action) -> bool:
    return isinstance(action, Stall | NoReply) or (isinstance(action, Raw) and not action.octets)


def _leaves_a_line_open(rule: Rule) -> bool:
    """Return whether the end of a reply never comes; where TLS begins, what comes is no reply."""
    said = b"".join(action.octets for action in rule.actions if isinstance(action, Raw | Repeat))
    is_reply = rule.stage not in (CONNECT, HANDSHAKE, "STARTTLS") and not any(action.ends for action in rule.actions)
    return is_reply and bool(said) and not said.endswith(b"\n")


def _changes_its_code(rule: Rule) -> bool:
    """Return whether lines of one reply have different codes: who waits for one with the first code finds no end."""
    replies = [action.octets for action in rule.actions if isinstance(action, Raw)]
    return any(len({line[:3] for line in reply.splitlines()}) > 1 for reply in replies if reply[3:4] == b"-")


def _is_endless(scenario: Scenario) -> bool:
    return any(
        isinstance(action, Repeat) and action.times is None for rule in scenario.rules for action in rule.actions
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run, in the order of the catalogue's groups, the good scenario first."""

    good: Case
    """Shows whether the client delivers at all; without it a refusal says nothing."""
    cases: tuple[Case, ...]
    controls: tuple[Case, ...] = ()
    """Needed beside them."""
    left_out: tuple[str, ...] = ()
    """Ids of what was asked for and cannot be met in the declared mode, or without a login."""


def plan(declaration: Declaration, *, groups: Collection[str] = (), ids: Collection[str | Path] = ()) -> Plan:
    """Return what to run: these groups (or ``everything``) and these scenarios; the default set where none is named.

    A `Path`, or a text that ends in ``.toml``, is a scenario's file. Raises `InvalidValueError` for a group that is not
    there and for a file that is wrong, and `UnknownScenario` for an id that is not there.
    """
    own = _own(ids)
    named, is_default = [str(one) for one in ids if not is_file(one)], not groups and not ids
    wanted = [*_wanted(groups, named, declaration.protocol, is_default=is_default)]
    wanted += [scenario for scenario, _ in own.values()]
    modes = _SERVER_MODES[declaration.mode]
    good = _case(
        load_scenario(GOOD) if declaration.mode is not DeclaredMode.NONE else _plain_good(declaration.protocol),
        modes,
        declaration,
    )
    assert good is not None  # noqa: S101 - it can be shown in every mode
    cases, controls, left_out = {good.key: good}, {}, []
    for scenario in wanted:
        if scenario.id == GOOD:
            continue
        _, file = own.get(scenario.id, (scenario, None))
        case = _case(scenario, modes, declaration, file)
        if case is None:
            left_out.append(scenario.id)
            continue
        cases[case.key] = case
        if case.control is not None and case.control != GOOD:
            control = _case(load_scenario(case.control), modes, declaration)
            if control is not None:
                controls[control.key] = control
    return Plan(good, tuple(cases.values()), tuple(controls.values()), tuple(left_out))


def _plain_good(protocol: str) -> Scenario:
    """Return the good scenario of a server without TLS."""
    return Scenario(
        id=GOOD,
        summary="A server that does nothing wrong, without TLS",
        expected="accept",
        standard=_STANDARDS[protocol],
        group="delivery",
        modes=(Mode.PLAIN,),
    )


def is_file(text: str | Path) -> bool:
    """Return whether a scenario is named by its file, and not by its id."""
    return isinstance(text, Path) or (isinstance(text, str) and text.endswith(".toml"))


def _own(ids: Collection[str | Path]) -> dict[str, tuple[Scenario, Path]]:
    """Return the scenarios in files of one's own, by their ids."""
    own: dict[str, tuple[Scenario, Path]] = {}
    for file in map(Path, filter(is_file, ids)):
        try:
            scenario = read_scenario(file)
        except OSError as error:
            raise InvalidValueError("ids", str(file), f"a file that can be read ({error.strerror})") from error
        if scenario.id in scenario_ids():
            sentence = f"the catalogue has a scenario {scenario.id!r} already; rename {str(file)!r}"
            raise InvalidValueError.saying("ids", str(file), sentence)
        if own.setdefault(scenario.id, (scenario, file))[1] != file:
            sentence = f"{str(own[scenario.id][1])!r} and {str(file)!r} have one name; rename one of them"
            raise InvalidValueError.saying("ids", str(file), sentence)
        if scenario.control:
            check_scenario_id(scenario.control, f"{file.name}: control")
    return own


def _wanted(groups: Collection[str], ids: Collection[str], protocol: str, *, is_default: bool) -> list[Scenario]:
    for group in groups:
        if group not in (*GROUPS, EVERYTHING):
            raise InvalidValueError("groups", group, one_of(group, (*GROUPS, EVERYTHING)))
    for one in ids:
        check_scenario_id(one, "ids")
        if not (found := load_scenario(one)).is_for(protocol):
            theirs = (found.protocol or "smtp").upper()
            sentence = f"{one!r} is a scenario of {theirs}, and the client is audited with {protocol.upper()}"
            raise InvalidValueError.saying("ids", one, sentence)
    if is_default:
        groups, ids = DEFAULT_GROUPS if protocol == "smtp" else _GROUPS_OF_READERS, DEFAULT
    named = frozenset(ids)
    whole = GROUPS if EVERYTHING in groups else groups
    everything = (load_scenario(one) for group in GROUPS for one in scenario_ids(group, protocol))
    return [
        one
        for one in everything
        if one.id in named
        or (one.group in whole and not one.id.startswith(_CONTROL))
        or (is_default and one.its_flaw and one.group == "certificates")
    ]


def _case(scenario: Scenario, modes: Iterable[Mode], declaration: Declaration, file: Path | None = None) -> Case | None:
    """Return a scenario as this client meets it; None where it cannot be shown to it."""
    mode = next((mode for mode in modes if mode in scenario.modes), None)
    if mode is None or (declaration.user is None and _is_about_login(scenario)):
        return None
    if not scenario.id.startswith(_CONTROL) and _is_about_others(scenario, declaration.mechanisms):
        return None
    control = scenario.control if not _is_before_tls(scenario) else ""
    if file is not None:  # what it sets of the policy is checked there, and before anything is run
        try:
            policy_class(declaration.protocol)(mode).replace(**{scenario.policy_field: file})
        except InvalidValueError as error:
            raise error.within(file.name) from error
    return Case(scenario, mode, _expected(scenario, declaration), control or None, file)


def _is_about_login(scenario: Scenario) -> bool:
    """Return whether only a client that logs in meets what the scenario is about."""
    return scenario.group == "auth" and (
        any(rule.stage in ("AUTH", AUTH_ANSWER) for rule in scenario.rules)
        or any(name in ("mechanisms", "require_auth") for name, _ in scenario.policy)
    )


def _is_about_others(scenario: Scenario, mechanisms: Collection[str]) -> bool:
    """Return whether a scenario's server names mechanisms, and none of those that a client is declared to use."""
    written = [
        tuple(line.upper().split()[1:])
        for rule in scenario.rules
        for action in rule.actions
        if isinstance(action, Advertise)
        for line in action.lines
        if line.upper().startswith("AUTH ")
    ]
    offered = {name for names in written or [mechanisms_of(scenario)] for name in names}
    return bool(mechanisms and offered) and {*scenario.injected_mechanisms, *offered}.isdisjoint(mechanisms)


def mechanisms_of(scenario: Scenario) -> tuple[str, ...]:
    """Return the mechanisms that a scenario sets; none: it does not say."""
    return tuple(str(name) for key, names in scenario.policy if key == "mechanisms" for name in names)  # type: ignore[attr-defined]


def _is_before_tls(scenario: Scenario) -> bool:
    """Return whether what is injected comes where all is in clear anyway: what it leads to there is seen there."""
    return any(rule.stage == GREETING for rule in scenario.rules)


def _lacks_staple(scenario: Scenario) -> bool:
    """Return whether a client that demands a stapled response that says good, gets none."""
    demands = any(profile.must_staple for profile in scenario.profiles)
    return scenario.tls.staple == "revoked" or (demands and scenario.tls.staple is None)


def _expected(scenario: Scenario, declaration: Declaration) -> str:
    """Return what a careful client with this declaration does: as its mode has it, and then as its trust has it."""
    expected = scenario.expected_for(declaration.mode)
    if declaration.expects_staple and expected == "either" and _lacks_staple(scenario):
        return "refuse"
    if not scenario.is_about_trust or expected in ("accept", "either"):
        if declaration.trust is Trust.PINNED and scenario.tls.rotate_keys:
            return "refuse"
        return expected
    is_about_certificate = scenario.group == "certificates" or scenario.openssl.verify_code not in (0, None)
    shows_wrong_one = scenario.id in _WITHOUT_CERTIFICATE or scenario.trust == "authority"
    if declaration.trust is Trust.NONE and (is_about_certificate or shows_wrong_one):
        return "either"
    if declaration.trust is Trust.PINNED and is_about_certificate and scenario.trust != "other-key":
        return "either"
    return expected
