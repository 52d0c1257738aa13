"""SEARCH and SORT (RFC 9051 section 6.4.4, RFC 5256, RFC 5267), and their responses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from smtpfix.mail.mailbox import Entry
from smtpfix.rules.status import Ok

from .cursor import Cursor, Malformed
from .messages import TURN, use_modseq
from .refusals import Refused
from .search import Scope, read_charset, read_criterion
from .sets import compact
from .sort import KEYS, read_order
from .writing import string

if TYPE_CHECKING:
    from .folders import Answer
    from .state import State

_RETURNS: Final = frozenset(("MIN", "MAX", "ALL", "COUNT", "SAVE"))


def search(state: State, cursor: Cursor, *, uid: bool, tag: bytes = b"") -> Answer:
    """SEARCH."""
    cursor.space()
    returns = _read_returns(state, cursor)
    if cursor.take(b"CHARSET "):
        _read_charset(state, cursor, returns)
        cursor.space()
    return (yield from _found(state, cursor, [], returns, uid=uid, tag=tag))


def sort(state: State, cursor: Cursor, *, uid: bool, tag: bytes = b"") -> Answer:
    """SORT."""
    cursor.space()
    returns = _read_returns(state, cursor)
    order = read_order(cursor)
    cursor.space()
    _read_charset(state, cursor, returns)
    cursor.space()
    return (yield from _found(state, cursor, order, returns, uid=uid, tag=tag))


def _read_returns(state: State, cursor: Cursor) -> set[str] | None:
    """Read what is to be returned (section 6.4.4.1); None where that is not said."""
    if not cursor.take(b"RETURN "):
        return None
    state.need("ESEARCH")
    returns = set(cursor.listed(cursor.word))
    if unknown := sorted(returns - _RETURNS):
        raise Malformed(f"there is no option {unknown[0]}; there are {', '.join(sorted(_RETURNS))}")
    cursor.space()
    return returns or {"ALL"}


def _read_charset(state: State, cursor: Cursor, returns: set[str] | None) -> None:
    """Read a charset's name; a search that is refused and was to be saved leaves nothing saved (section 6.4.4.1)."""
    try:
        read_charset(cursor)
    except Refused:
        if returns is not None and "SAVE" in returns:
            state.saved = frozenset()
        raise


def _found(
    state: State, cursor: Cursor, order: list[tuple[bool, str]], returns: set[str] | None, *, uid: bool, tag: bytes
) -> Answer:
    view = state.selected
    scope = Scope(len(view.entries), view.entries[-1].uid if view.entries else 0, state.saved, view.recent.__contains__)
    criterion = read_criterion(cursor, scope)
    if scope.asks_modseq:
        yield from use_modseq(state)
    found: list[tuple[int, Entry]] = []
    for number, entry in enumerate(tuple(view.entries), 1):
        yield TURN
        if criterion(number, entry):
            found.append((number, entry))
    for reverse, name in reversed(order):
        keys = {}
        for number, entry in found:
            yield TURN
            keys[number] = KEYS[name](entry)
        found.sort(key=lambda one: keys[one[0]], reverse=reverse)
    highest = max((entry.modseq for _, entry in found), default=0) if scope.asks_modseq else 0
    numbers = [entry.uid if uid else number for number, entry in found]
    if returns is None and (order or not state.is_rev2):
        yield b"* %b%b%b\r\n" % (
            b"SORT" if order else b"SEARCH",
            b"".join(b" %d" % number for number in numbers),
            b" (MODSEQ %d)" % highest if highest else b"",
        )
        return Ok("searched")
    returns = returns or {"ALL"}
    if "SAVE" in returns:
        state.saved = _saved(found, returns)
        if returns == {"SAVE"}:
            return Ok("searched and saved")
    if highest and returns <= {"MIN", "MAX"}:  # RFC 7162 section 3.1.5: of what is returned
        ends = [found[place] for place, name in ((0, "MIN"), (-1, "MAX")) if name in returns]
        highest = max(entry.modseq for _, entry in ends)
    yield _esearch(numbers, returns, uid=uid, tag=tag, highest=highest)
    return Ok("searched")


def _saved(found: Sequence[tuple[int, Entry]], returns: set[str]) -> Collection[int]:
    """Return the UIDs to be saved: with MIN or MAX alone only theirs (section 6.4.4.1)."""
    uids = [entry.uid for _, entry in found]
    if returns & {"ALL", "COUNT"} or not returns & {"MIN", "MAX"}:
        return frozenset(uids)
    return frozenset(uids[:1] if "MIN" in returns else ()) | frozenset(uids[-1:] if "MAX" in returns else ())


def _esearch(numbers: list[int], returns: set[str], *, uid: bool, tag: bytes, highest: int) -> bytes:
    """Write ESEARCH, section 7.3.4; sorted, MIN is the first (RFC 5267 section 3.1)."""
    answer = b"* ESEARCH (TAG %b)%b" % (string(tag), b" UID" if uid else b"")
    if numbers and "MIN" in returns:
        answer += b" MIN %d" % numbers[0]
    if numbers and "MAX" in returns:
        answer += b" MAX %d" % numbers[-1]
    if "COUNT" in returns:
        answer += b" COUNT %d" % len(numbers)
    if numbers and "ALL" in returns:
        answer += b" ALL " + compact(numbers)
    if highest:
        answer += b" MODSEQ %d" % highest
    return answer + b"\r\n"
