"""`Case`: a scenario in the server mode in which a client meets it, and what its server does to the client.

What it does is read from the scenario's rules and TLS, so that scenarios of your own are judged as the catalogue's are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import Scenario
from smtpfix.rules.action import Action
from smtpfix.rules.actions import Drip, NoReply, Raw, Repeat, Stall
from smtpfix.rules.rule import Rule
from smtpfix.rules.stages import CONNECT, GREETING, HANDSHAKE
from smtpfix.smtp.language import END_OF_DATA

GOOD: Final = "good"
"""The scenario that every other one is compared with."""

_NEVER_ENDS: Final = (
    *("imap-auth-endless", "imap-literal-short", "imap-strip-continue", "imap-strip-untagged", "imap-wrong-tag"),
)
"""Scenarios whose server says something, and never what ends the answer."""

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
