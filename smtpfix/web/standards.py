"""The violations of a stored message, and of the session that it arrived in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import NO_SESSION, CapturedMessage
from smtpfix.record.violation import Violation
from smtpfix.store.row import Row
from smtpfix.store.store import StoredSession

_ANY: Final = ("SMTPUTF8", "BODY=8BITMIME")
"""What is taken as declared where nobody knows any more what was."""


def against_standards(row: Row, content: bytes, session: StoredSession | None) -> tuple[Violation, ...]:
    """Return what is against them in a message; what its session did is the session's."""
    declared = _ANY if session is None else tuple(_declared(session.dialogue, row.reverse_path))
    envelope = Envelope(row.reverse_path, row.recipients, mail_parameters=declared)
    message = CapturedMessage(
        0, envelope, content, row.received, None, in_tls=row.in_tls, user=None, _source=NO_SESSION
    )
    return message.violations


def _declared(dialogue: Any, reverse_path: str) -> Iterator[str]:
    """Yield the parameters of the MAIL commands that named this path; without any, what may have been."""
    found = False
    for event in dialogue or ():
        for line in event["lines"] if event["kind"] == "C" else ():
            if line[:5].upper() == "MAIL " and f"<{reverse_path}>" in line:
                found = True
                yield from line.rpartition(">")[2].split()
    if not found:
        yield from _ANY
