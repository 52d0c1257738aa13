"""`deleted_though_not_copied`: whether a client that reads mail deleted what it could not copy.

Told only where it is certain which message a refused COPY meant, and where no other way kept it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind
from smtpfix.server import Server

_COPY: Final = re.compile(rb"([^ ]++) (UID )?(?:COPY|MOVE) ([0-9:,*]++) ", re.IGNORECASE)
_TAKES_AWAY: Final = re.compile(rb"[^ ]++ (?:UID )?(?:EXPUNGE|CLOSE|MOVE)\b", re.IGNORECASE)
_MOST: Final = 1_000
"""Messages of a set that are looked at."""


def deleted_though_not_copied(sessions: Collection[Session], server: Server) -> bool:
    """Return whether a message is gone whose copy was refused, and whose client put it nowhere else."""
    if any(verb == "APPEND" for session in sessions for _, verb in session.verbs):
        return False  # it may have kept the message in this way
    first = min((session.number for session in sessions), default=0)
    refused = {uid for session in sessions for uid in _refused(session, is_first=session.number == first)}
    accounts = [*server.inbox.accounts.values()]
    gone = (gone for account in accounts for gone in account.gone if gone.session is not None and gone.how != "MOVE")
    return any(one.stored.uid in refused for one in gone)


def _refused(session: Session, *, is_first: bool) -> Iterator[int]:
    """Yield the UIDs of the messages whose COPY or MOVE was answered NO.

    Where sequence numbers stand for them, these are UIDs too as long as nothing has been taken away.
    """
    awaited: dict[bytes, tuple[bool, bytes]] = {}
    is_whole = is_first
    for event in session.transcript.events:
        if event.kind is Kind.CLIENT:
            if (match := _COPY.match(event.data)) is not None:
                awaited[match[1]] = bool(match[2]) or is_whole, match[3]
            if _TAKES_AWAY.match(event.data) and match is None:
                is_whole = False
        elif event.kind is Kind.SERVER:
            for line in event.data.splitlines():
                tag, _, rest = line.partition(b" ")
                is_known, numbers = awaited.pop(tag, (False, b""))
                if is_known and rest.startswith(b"NO "):
                    yield from _members(numbers)


def _members(numbers: bytes) -> Iterator[int]:
    """Yield the numbers of a set; of a range with ``*`` only the one that is named."""
    for part in numbers.split(b",")[:_MOST]:
        ends = [int(end[:10]) for end in part.split(b":") if end.isdigit()]
        if ends:
            yield from range(min(ends), min(max(ends), min(ends) + _MOST) + 1)
