"""What is known of a client that reads mail: what it finds, and what it read, lost and said unasked.

The fixtures ``imap_scenario`` and ``pop3_scenario`` judge by it, and the audit.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Collection, Iterable
from typing import Final

from smtpfix.mail.stored import Gone
from smtpfix.policy.scenario import Scenario
from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind
from smtpfix.record.violation import Violation
from smtpfix.server import Server

MESSAGES: Final = 3
"""How many there are to be read."""
ANOTHER_PASSWORD: Final = Violation(
    "another-password",
    "it tried another password though the first one was not at fault",
    "RFC 5530 section 3, RFC 2449 section 8.1",
)
_BODY: Final = (
    "".join(f"Line {number} of the text.\r\n" for number in range(1, 13)) + ".\r\nBehind a line with a dot.\r\n"
)
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


def forbidden(scenario: Scenario, sessions: Collection[Session]) -> tuple[Violation, ...]:
    """Return what clients did that the scenario forbids, each kind once."""
    if not scenario.forbids:
        return ()
    found: dict[str, Violation] = {}
    passwords = {one.password for session in sessions for one in session.auth if one.password is not None}
    if len(passwords) > 1:
        found[ANOTHER_PASSWORD.id] = ANOTHER_PASSWORD
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
