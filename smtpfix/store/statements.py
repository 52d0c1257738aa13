"""From a query to SQL: every piece is a constant in this module, and all values are parameters.

The placeholder is ``?``; a database that has another one puts it in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from smtpfix.errors import InvalidValueError

from .query import (
    AllOf,
    Contains,
    InSession,
    Is,
    Larger,
    Not,
    OnServer,
    Place,
    Query,
    Since,
    Smaller,
    State,
    Tagged,
    Term,
    UpTo,
)
from .row import searchable, storable

Parameter: TypeAlias = str | int
"""What stands for a placeholder."""

MOST_TERMS: Final = 100
"""Terms of a query."""
LONGEST_WORD: Final = 2_000
"""Characters of a text that is searched for."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_FOUND: Final = "EXISTS (SELECT 1 FROM words WHERE words.seq = message.seq AND "
_CONTAINS: Final = {
    Place.ANYWHERE: _FOUND + r"anywhere LIKE ? ESCAPE '\')",
    Place.FROM: _FOUND + r"in_from LIKE ? ESCAPE '\')",
    Place.TO: _FOUND + r"in_to LIKE ? ESCAPE '\')",
    Place.CC: _FOUND + r"in_cc LIKE ? ESCAPE '\')",
    Place.BCC: _FOUND + r"in_bcc LIKE ? ESCAPE '\')",
    Place.REPLY_TO: _FOUND + r"in_reply_to LIKE ? ESCAPE '\')",
    Place.ADDRESSED: _FOUND
    + "(in_from || ' ' || in_to || ' ' || in_cc || ' ' || in_bcc || ' ' || in_reply_to)"
    + r" LIKE ? ESCAPE '\')",
    Place.SENDER: _FOUND + r"(in_from || ' ' || lower(message.reverse_path)) LIKE ? ESCAPE '\')",
    Place.RECIPIENT: _FOUND + r"(in_to || ' ' || in_cc || ' ' || in_bcc) LIKE ? ESCAPE '\')",
    Place.SUBJECT: _FOUND + r"in_subject LIKE ? ESCAPE '\')",
    Place.MESSAGE_ID: _FOUND + r"in_message_id LIKE ? ESCAPE '\')",
}
_IS: Final = {
    State.READ: "is_read = 1",
    State.UNREAD: "is_read = 0",
    State.TAGGED: "EXISTS (SELECT 1 FROM tag WHERE tag.seq = message.seq)",
    State.ACCEPTED: "accepted = 1",
    State.IN_CLEAR: "in_tls = 0",
    State.HAS_ATTACHMENTS: "attachments > 0",
    State.HAS_INLINES: "inlines > 0",
}
_TAGGED: Final = "EXISTS (SELECT 1 FROM tag WHERE tag.seq = message.seq AND folded = ?)"
_HIGHEST: Final = 2**63 - 1


def condition(query: Query) -> tuple[str, list[Parameter]]:
    """Return what follows WHERE, and its parameters. Raises `InvalidValueError` for a query that is too long."""
    pieces, parameters = [], []
    for number, (term, is_wanted) in enumerate(_terms(query, is_wanted=True)):
        if number == MOST_TERMS:
            raise InvalidValueError("query", "more", f"{MOST_TERMS} terms at most")
        sql, own = _term(term)
        pieces.append(sql if is_wanted else f"NOT ({sql})")
        parameters += own
    return " AND ".join(pieces) or "1 = 1", parameters


def microseconds(moment: datetime) -> int:
    """Return a moment as it is stored."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    """Return a moment that was stored, in UTC."""
    return _EPOCH + stored * _MICROSECOND


def _terms(query: Query, *, is_wanted: bool) -> Iterator[tuple[Term, bool]]:
    match query:
        case AllOf(terms=terms):
            if not is_wanted:
                raise InvalidValueError("Not.term", "AllOf", "a single term")
            for term in terms:
                yield from _terms(term, is_wanted=True)
        case Not(term=inner):
            yield from _terms(inner, is_wanted=not is_wanted)
        case _:
            yield query, is_wanted


def _term(term: Term) -> tuple[str, list[Parameter]]:
    match term:
        case Contains(place=place, text=text):
            if len(text) > LONGEST_WORD:
                raise InvalidValueError("query", f"{len(text):,} characters", f"texts of {LONGEST_WORD:,} at most")
            return _CONTAINS[place], [f"%{_escaped(searchable(text))}%"]
        case Tagged(name=name):
            return _TAGGED, [storable(name).lower()]
        case Is(state=state):
            return _IS[state], []
        case OnServer(name=name):
            return "server = ?", [storable(name)]
        case InSession(id=session):
            return "session = ?", [storable(session)]
        case Since(moment=earliest):
            return "received >= ?", [microseconds(earliest)]
        case UpTo(moment=latest):
            return "received <= ?", [microseconds(latest)]
        case Larger(octets=octets):
            return "size > ?", [min(octets, _HIGHEST)]
        case Smaller(octets=octets):
            return "size < ?", [min(octets, _HIGHEST)]


def _escaped(text: str) -> str:
    r"""Return a text as LIKE takes it literally, with ``\`` as its escape character."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
