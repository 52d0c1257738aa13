"""APPEND (RFC 9051 section 6.3.12), also with several messages (RFC 3502), and its dates."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from smtpfix.mail.shelf import Mail
from smtpfix.rules.status import Ok

from .cursor import Cursor, Malformed
from .messages import TURN, check_room, read_flags
from .refusals import Refused
from .sets import compact
from .writing import MONTHS

if TYPE_CHECKING:
    from .folders import Answer
    from .state import State

_DATE_TIME: Final = re.compile(
    rb" ?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
_MONTH_NUMBERS: Final = {month.upper().encode(): number for number, month in enumerate(MONTHS, 1)}


def append(state: State, cursor: Cursor) -> Answer:
    """APPEND, section 6.3.12; of several messages as in RFC 3502, in UTF-8 as in RFC 6855 section 4."""
    cursor.space()
    target = state.mailbox(cursor.astring(), "TRYCREATE")
    found: list[tuple[bytes, frozenset[str], datetime | None]] = []
    while not cursor.is_at_end or not found:
        found.append(_read_message(cursor))
    cursor.end()
    if len(found) > 1:
        state.need("MULTIAPPEND")
    if any(not content for content, _, _ in found):
        raise Refused("a message without octets is none")
    check_room(state, octets=sum(len(content) for content, _, _ in found))
    new = []
    for content, flags, date in found:
        new.append(target.add(Mail(content), flags, date))
        yield TURN
    code = f"APPENDUID {target.uidvalidity} {compact(entry.uid for entry in new).decode()}"
    return Ok("appended", "" if "UIDPLUS" in state.policy.hide else code)


def _read_message(cursor: Cursor) -> tuple[bytes, frozenset[str], datetime | None]:
    cursor.space()
    flags: frozenset[str] = frozenset()
    date: datetime | None = None
    if cursor.stands(b"("):
        flags = read_flags(cursor)
        cursor.space()
    if cursor.stands(b'"'):
        date = read_date_time(cursor.string())
        cursor.space()
    if cursor.take(b"UTF8 ("):
        content = cursor.string()
        cursor.need(b")")
    else:
        content = cursor.string()
    return content, flags, date


def read_date_time(octets: bytes) -> datetime:
    """Read a date-time (section 9). Raises `Malformed`."""
    match = _DATE_TIME.fullmatch(octets)
    try:
        if match is not None:
            day, _, year, hour, minute, second = (int(match[n]) if n != 2 else 0 for n in range(1, 7))  # noqa: PLR2004
            offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
            zone = timezone(-offset if match[7] == b"-" else offset)
            return datetime(year, _MONTH_NUMBERS.get(match[2].upper(), 0), day, hour, minute, second, tzinfo=zone)
    except ValueError:
        pass
    shown = octets[:30].decode("ascii", "backslashreplace")
    raise Malformed(f'expected a date such as "17-Jul-2030 02:44:25 -0700", got {shown!r}')
