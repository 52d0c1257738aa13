"""What the audit knows about a client that reads mail: what it finds, and what it read, lost and said unprompted.

The fixtures ``imap_scenario`` and ``pop3_scenario`` judge by it, and the audit.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Collection, Iterable
from typing import Final

from smtpfix.mail.stored import Gone
from smtpfix.policy.scenario import Scenario
from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind
from smtpfix.record.violation import Violation
from smtpfix.server import Server

from .copying import deleted_though_not_copied
from .evidence import where_tls_begins

MESSAGES: Final = 3
"""How many there are to be read."""
ANOTHER_PASSWORD: Final = Violation(
    "another-password",
    "it tried another password though the first one was not at fault",
    "RFC 5530 section 3, RFC 2449 section 8.1",
)
DELETED_THOUGH_NOT_COPIED: Final = Violation(
    "deleted-though-not-copied",
    "it deleted a message whose copy had been refused",
    "RFC 9051 section 6.4.7",
)
_BODY: Final = (
    "".join(f"Line {number} of the text.\r\n" for number in range(1, 13)) + ".\r\nBehind a line with a dot.\r\n"
)
_READS: Final = ("RETR", "TOP")
_FETCHES_MAIL: Final = re.compile(
    rb"[^ ]++ (?:UID )?FETCH [^ ]++ .*?(?:BODY|BINARY|ENVELOPE|RFC822(?!\.SIZE)|\bALL\b|\bFULL\b)", re.IGNORECASE
)
"""A FETCH of a message's content, header or structure, and not of flags and sizes only."""
_UNANSWERED: Final = b"not sent, as a rule has it"
_LEAVES: Final = ("QUIT", "LOGOUT")


def put_messages(server: Server) -> None:
    """Put messages where whoever logs in finds them, with other Message-IDs than another server's have.

    So they are new to a client that has read another server's.
    """
    word = secrets.token_hex(4)
    for number in range(1, MESSAGES + 1):
        headers = f"From: shop@example.org\r\nTo: ann@example.org\r\nSubject: Message {number}\r\n"
        identity = f"Message-ID: <{number}.{word}@example.org>\r\n\r\n"
        server.put(headers + identity + _BODY)


def count_read(sessions: Iterable[Session]) -> int:
    """Return how many messages were written out whole, each once."""
    return len({(one.user, one.uid) for session in sessions for one in session.retrievals})


def lost(server: Server) -> tuple[Gone, ...]:
    """Return the messages that clients deleted and never read whole; what a rule took away is not the client's."""
    accounts = [*server.inbox.accounts.values()]
    return tuple(gone for account in accounts for gone in account.lost if gone.session is not None)


def taken_away(server: Server) -> int:
    """Return how many messages a rule took away before a client had read them whole: nobody can read these."""
    accounts = [*server.inbox.accounts.values()]
    return sum(gone.session is None for account in accounts for gone in account.lost)


def read_in_clear(session: Session) -> bool:
    """Return whether somebody who was let in asked for mail, or a part of it, outside TLS.

    A greeting PREAUTH lets in whoever reads it (RFC 9051 section 7.1.4).
    """
    events, begins = session.transcript.events, where_tls_begins(session)
    is_in = any(one.accepted and one.in_clear for one in session.auth) or greeted_as_logged_in(session)
    verbs = ((verb, events[at].data) for at, verb in session.verbs if at < begins)
    return is_in and any(verb in _READS or _FETCHES_MAIL.match(line) for verb, line in verbs)


def greeted_as_logged_in(session: Session) -> bool:
    """Return whether the greeting was PREAUTH, in clear (RFC 9051 section 7.1.4)."""
    events = itertools.islice(session.transcript.events, where_tls_begins(session))
    greeting = next((event.data for event in events if event.kind is Kind.SERVER), b"")
    return session.protocol == "imap" and greeting[:9].upper() == b"* PREAUTH"


def forbidden(scenario: Scenario, sessions: Collection[Session], server: Server) -> tuple[Violation, ...]:
    """Return what clients did that the scenario forbids, each kind once."""
    if not scenario.forbids:
        return ()
    found: dict[str, Violation] = {}
    passwords = {one.password for session in sessions for one in session.auth if one.password is not None}
    if len(passwords) > 1:
        found[ANOTHER_PASSWORD.id] = ANOTHER_PASSWORD
    if DELETED_THOUGH_NOT_COPIED.id in scenario.forbids and deleted_though_not_copied(sessions, server):
        found[DELETED_THOUGH_NOT_COPIED.id] = DELETED_THOUGH_NOT_COPIED
    for violation in (one for session in sessions for one in session.violations):
        found.setdefault(violation.id, violation)
    return tuple(found[one] for one in scenario.forbids if one in found)


def went_on_unanswered(session: Session) -> bool:
    """Return whether a client said more, and did not just leave, while the only answer that it was due was withheld.

    It may come together with the command that is not answered: who takes an injected answer need not wait. Nor does it
    pipeline, as it cannot know yet what is offered inside TLS.
    """
    events = session.transcript.events
    for at, event in enumerate(events):
        if event.kind is Kind.NOTE and event.data.startswith(_UNANSWERED):
            behind = itertools.islice((verb for place, verb in session.verbs if place > at), 1)
            return any(verb not in _LEAVES for verb in behind)
    return False
