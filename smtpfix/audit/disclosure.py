"""What a client revealed in a session, and whether revealing it before a refusal was a fault."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from smtpfix.policy.scenario import Scenario
from smtpfix.record.session import Session
from smtpfix.record.transcript import Event

SPEAKS_OF_MAIL: Final = ("AUTH", "MAIL", "RCPT", "DATA", "BDAT")
"""Commands by which a client of SMTP gives something away."""
_SPEAKS_OF: Final = {
    "imap": (
        *("LOGIN", "AUTHENTICATE", "ENABLE", "NAMESPACE", "SELECT", "EXAMINE", "LIST", "LSUB", "STATUS", "APPEND"),
        *("CREATE", "SUBSCRIBE", "UID", "FETCH", "SEARCH", "STORE", "COPY", "MOVE", "EXPUNGE", "IDLE"),
    ),
    "pop3": ("USER", "PASS", "APOP", "AUTH", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE"),
}
"""The same of other protocols."""


def verbs(events: Iterable[Event]) -> tuple[str, ...]:
    """Return the first word of each of a client's lines, in upper case."""
    return tuple(event.verb for event in events if event.verb)


def speaks_of(protocol: str) -> tuple[str, ...]:
    """Return the commands of a protocol by which a client gives something away."""
    return _SPEAKS_OF.get(protocol, SPEAKS_OF_MAIL)


def gave_away(session: Session) -> bool:
    """Return whether a client said more than it takes to begin TLS and to leave."""
    return bool(session.auth) or not {verb for _, verb in session.verbs}.isdisjoint(speaks_of(session.protocol))


def may_be_late(scenario: Scenario) -> bool:
    """Whether the server is who it says, or there is nothing to refuse until the whole message has been sent."""
    return not scenario.is_about_trust or scenario.tls.fault == "truncate-before-reply"
