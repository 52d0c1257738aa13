"""Violations in a message's header fields: duplicates, dates, encoded words.

Knows names and values as they stand; `message` asks it with what it has.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from smtpfix.record.violation import Violation
from smtpfix.safe_text import printable

from .header_values import misplaced_word, outside_comments

HEADER_VIOLATIONS: Final = (
    *("missing-from", "missing-date", "duplicate-header", "malformed-date", "encoded-word-misplaced"),
)
"""Every `Violation.id` of a message's header fields."""
RECOMMENDATIONS: Final = ("missing-message-id",)
"""Every `Violation.id` of what they should have."""

_ONCE: Final = {
    **dict.fromkeys(
        (
            *("date", "from", "sender", "reply-to", "to", "cc", "bcc"),
            *("message-id", "in-reply-to", "references", "subject"),
        ),
        "RFC 5322 section 3.6",
    ),
    "mime-version": "RFC 2045 section 4",
    **dict.fromkeys(
        ("content-type", "content-transfer-encoding", "content-id", "content-description"), "RFC 2045 section 3"
    ),
}
"""Fields that may stand once in a message, each with what says so."""
_ADDRESSES: Final = frozenset(
    (
        *("from", "sender", "reply-to", "to", "cc", "bcc"),
        *(f"resent-{name}" for name in ("from", "sender", "to", "cc", "bcc")),
    )
)
"""Fields of addresses: an encoded word may stand in a display name."""
_NO_WORDS: Final = frozenset(
    (
        *("date", "resent-date", "message-id", "resent-message-id", "in-reply-to", "references", "received"),
        *("return-path", "mime-version", "content-type", "content-disposition", "content-id"),
        *("content-transfer-encoding", "auto-submitted", "dkim-signature"),
        *(
            f"list-{name}"
            for name in ("help", "unsubscribe", "unsubscribe-post", "subscribe", "post", "owner", "archive")
        ),
    )
)
"""Other structured fields: an encoded word may stand in a comment only."""
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DATE: Final = re.compile(
    r"(?:([A-Z]{3}),)?[ \t]*+([0-9]{1,2})[ \t]++([A-Z]{3})[ \t]++([0-9]{4})"
    r"[ \t]++([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?[ \t]++[+-][0-9]{2}([0-9]{2})",
    re.IGNORECASE,
)
_LONGEST_SHOWN: Final = 60
_SHOWN: Final = 3


def in_headers(fields: Iterable[tuple[str, str]], parts: Iterable[Mapping[str, str]]) -> Iterator[Violation]:
    """Yield what is wrong with header fields.

    `fields` are the message's, in order. `parts` are those about each part in it, by name in lower case without
    ``content-``.
    """
    by_name: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, value in fields:
        by_name[name.lower()].append((name, value))
    if "from" not in by_name:
        yield Violation("missing-from", "there is no From header", "RFC 5322 section 3.6")
    if "date" not in by_name:
        yield Violation("missing-date", "there is no Date header", "RFC 5322 section 3.6")
    for name, those in by_name.items():
        if name in _ONCE and len(those) > 1:
            yield Violation(
                "duplicate-header",
                f"{printable(those[0][0])} is there {len(those)} times: {_shown([value for _, value in those])}",
                _ONCE[name],
            )
    for name, value in itertools.chain(by_name.get("date", ()), by_name.get("resent-date", ())):
        if not _is_date(value):
            yield Violation(
                "malformed-date",
                f"{printable(name)} is {_shown([value])}, which is no date, or not written as one",
                "RFC 5322 section 3.3",
            )
    seen = set()
    about_parts = ((f"Content-{name.capitalize()}", value) for part in parts for name, value in part.items())
    for name, value in itertools.chain(*by_name.values(), about_parts):
        lower = name.lower()
        if lower in seen or lower not in _ADDRESSES | _NO_WORDS:
            continue
        word = misplaced_word(value, in_names=lower in _ADDRESSES)
        if word is not None:
            seen.add(lower)
            yield Violation(
                "encoded-word-misplaced",
                f"{printable(name)} has {_shown([word])} where no encoded word may stand, so it is what it says",
                "RFC 2047 section 5",
            )


def recommended(fields: Iterable[tuple[str, str]]) -> Iterator[Violation]:
    """Yield what header fields should have, and have not."""
    if not any(name.lower() == "message-id" for name, _ in fields):
        yield Violation("missing-message-id", "there is no Message-ID header", "RFC 5322 section 3.6.4")


def _is_date(value: str) -> bool:
    """Return whether a value is a date as it may be sent: what RFC 5322 section 4.3 has of old is only to be read."""
    match = _DATE.fullmatch(outside_comments(value).strip())
    if match is None:
        return False
    day_name, day, month, year, hour, minute, second, zone_minute = match.groups()
    if month.lower() not in _MONTHS or hour > "23" or minute > "59" or (second or "0") > "60" or zone_minute > "59":
        return False
    try:
        that_day = date(int(year), _MONTHS.index(month.lower()) + 1, int(day))
    except ValueError:
        return False
    return day_name is None or day_name.lower() == _DAYS[that_day.weekday()]


def _shown(values: Sequence[str]) -> str:
    texts = [value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…" for value in values[:_SHOWN]]
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(printable(repr(text)) for text in texts) + more
