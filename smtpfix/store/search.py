"""From a search as people write it to a query: ``invoice from:ann -is:read after:2026-11-28 larger:20k``.

Its words are Mailpit's, so that what finds something there finds it here. Beside them ``is:accepted``,
``is:in-clear`` and ``server:starttls``. Anything can be read; only what is too long is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Final

from smtpfix.errors import InvalidValueError

from .query import AllOf, Contains, Is, Larger, Not, OnServer, Place, Query, Since, Smaller, State, Tagged, Term, UpTo
from .row import searchable
from .statements import MOST_TERMS
from .tags import clean_tag

LONGEST_SEARCH: Final = 2_000
"""Characters."""

_STATES: Final = {
    "is": {
        "read": State.READ,
        "unread": State.UNREAD,
        "tagged": State.TAGGED,
        "accepted": State.ACCEPTED,
        "in-clear": State.IN_CLEAR,
    },
    "has": {
        "attachment": State.HAS_ATTACHMENTS,
        "attachments": State.HAS_ATTACHMENTS,
        "inline": State.HAS_INLINES,
        "inlines": State.HAS_INLINES,
    },
}
_UNITS: Final = {"": 1, "k": 1024, "kb": 1024, "m": 1_048_576, "mb": 1_048_576}
_LONGEST_NUMBER: Final = 15
_PLACES: Final = {str(place): place for place in Place if place is not Place.ANYWHERE}


def parse_search(text: str, zone: tzinfo | None = None) -> Query:
    """Return the query that a text stands for: all of its words have to match.

    Dates are those of a time zone, the system's own if there is none. Raises `InvalidValueError`.
    """
    if len(text) > LONGEST_SEARCH:
        raise InvalidValueError("query", f"{len(text):,} characters", f"{LONGEST_SEARCH:,} characters at most")
    terms: list[Query] = []
    for word in _words(text):
        is_denied = word[0] in "-!"
        term = _term(word[1:] if is_denied else word, zone)
        if term is not None:
            terms.append(Not(term) if is_denied else term)
    if len(terms) > MOST_TERMS:
        raise InvalidValueError("query", f"{len(terms)} words", f"{MOST_TERMS} words at most")
    return AllOf(tuple(terms))


def _words(text: str) -> Iterator[str]:
    """Yield the words between blanks; a blank between double quotes parts nothing, and the quotes are dropped."""
    word: list[str] = []
    for number, piece in enumerate(text.split('"')):
        if number % 2:
            word.append(piece)
            continue
        first, *others = piece.replace("\t", " ").replace("\r", " ").replace("\n", " ").split(" ")
        word.append(first)
        for other in others:
            if joined := "".join(word).strip():
                yield joined
            word = [other]
    if joined := "".join(word).strip():
        yield joined


def _term(word: str, zone: tzinfo | None) -> Term | None:
    """Return what a word stands for; None: it says nothing."""
    prefix, colon, rest = word.partition(":")
    prefix, rest = prefix.lower(), rest.strip()
    if colon and prefix in _KNOWN:
        if not rest:
            return None
        if prefix in _PLACES:
            return _contains(_PLACES[prefix], rest)
        if prefix == "tag":
            return Tagged(clean_tag(rest) or rest)
        if prefix == "server":
            return OnServer(rest)
        if prefix in _MOMENTS:
            return _at(_MOMENTS[prefix], rest, zone)
        if prefix in _SIZES and (octets := _octets(rest.lower())) is not None:
            return _SIZES[prefix](octets)
        if (state := _STATES.get(prefix, {}).get(rest.lower())) is not None:
            return Is(state)
    return _contains(Place.ANYWHERE, word)


def _contains(place: Place, text: str) -> Contains | None:
    return Contains(place, text) if searchable(text) else None


def _at(term: Callable[[datetime], Since | UpTo], text: str, zone: tzinfo | None) -> Since | UpTo | None:
    """Return a term about a date; None where it is no date that there is."""
    text = text.replace("/", "-")
    date, blank, time = text.partition(" ") if " " in text else text.partition("T")
    parts = date.split("-")
    if len(parts) == 3 and len(parts[2]) == 4:  # noqa: PLR2004 - 11/28/2026
        parts = [parts[2], *parts[:2]]
    date = "-".join(part.zfill(2) for part in parts)
    try:
        moment = datetime.fromisoformat(date + (f"T{time}" if blank else ""))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()
        return term(moment)
    except (ValueError, OverflowError, OSError):  # the system's time zone knows no year 1
        return None


def _octets(text: str) -> int | None:
    """Return a size such as ``1.5mb``; None where it is none."""
    number = text.rstrip("bkm")
    unit = _UNITS.get(text[len(number) :])
    whole, _, fraction = number.partition(".")
    digits = whole + fraction
    if unit is None or len(number) > _LONGEST_NUMBER or not (digits.isascii() and digits.isdecimal()):
        return None
    return int(float(number) * unit)


_MOMENTS: Final[Mapping[str, Callable[[datetime], Since | UpTo]]] = MappingProxyType({"after": Since, "before": UpTo})
_SIZES: Final[Mapping[str, Callable[[int], Larger | Smaller]]] = MappingProxyType(
    {"larger": Larger, "smaller": Smaller}
)
_KNOWN: Final = frozenset((*_PLACES, *_STATES, *_MOMENTS, *_SIZES, "tag", "server"))
