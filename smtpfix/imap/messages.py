"""Commands on the messages of the selected mailbox (RFC 9051 section 6.4)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from smtpfix.mail.mailbox import Entry, Mailbox, known_flags
from smtpfix.rules.status import Ok

from .cursor import Cursor, Malformed
from .fetch import Fetch
from .items import MOST_MODSEQ, read_wanted
from .refusals import Refused
from .sets import SequenceSet, compact

if TYPE_CHECKING:
    from .folders import Answer
    from .state import State

TURN: Final = b""
"""What is yielded where nothing is to be said, and others may have their turn."""
_MOST_FLAGS: Final = 100
"""Flags of one command, and keywords of one message."""
_LONGEST_KEYWORD: Final = 200
_FETCHED: Final = Ok("fetched")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Messages, oldest first, with their sequence numbers.

    The pairs are made one by one: as a list, those of a large mailbox would have Python's garbage collector go through
    all that is in memory.
    """

    numbers: Sequence[int]
    entries: Sequence[Entry]

    def __iter__(self) -> Iterator[tuple[int, Entry]]:
        return zip(self.numbers, self.entries, strict=True)


def chosen(state: State, wanted: SequenceSet, *, uid: bool) -> Chosen:
    """Return the messages of a set.

    A sequence number that there is not is BAD; a UID that there is not is nothing (section 6.4.9).
    """
    entries = state.selected.entries
    numbers: Sequence[int]
    if wanted.is_saved:
        numbers = [number for number, entry in enumerate(entries, 1) if entry.uid in state.saved]
    else:
        if uid:
            uids = wanted.runs(entries[-1].uid if entries else 1)
            runs = [_numbers(entries, low, high) for low, high in uids]
        else:
            runs = [range(low, high + 1) for low, high in wanted.runs(len(entries))]
            if not entries or runs[-1].stop - 1 > len(entries):
                raise Malformed(f"there are {len(entries)} messages")
        numbers = runs[0] if len(runs) == 1 else list(chain.from_iterable(runs))
    return Chosen(numbers, [entries[number - 1] for number in numbers])


def _numbers(entries: list[Entry], low: int, high: int) -> range:
    """Return the sequence numbers of the UIDs from `low` to `high`."""
    first = bisect_left(entries, low, key=_uid)
    end = bisect_right(entries, high, first, min(first + high - low + 1, len(entries)), key=_uid)
    return range(first + 1, end + 1)


def _uid(entry: Entry) -> int:
    return entry.uid


def _set_of(cursor: Cursor) -> SequenceSet:
    cursor.space()
    wanted = cursor.sequence_set()
    cursor.space()
    return wanted


def _writable(state: State) -> Mailbox:
    if state.selected.read_only:
        raise Refused("the mailbox was opened to be looked at only", "NOPERM")
    return state.selected.mailbox


# Reading


def fetch(state: State, cursor: Cursor, *, uid: bool) -> Answer:
    """FETCH, section 6.4.5; with ``(CHANGEDSINCE n)`` as in RFC 7162 section 3.1.4.1."""
    numbers = _set_of(cursor)
    wanted = read_wanted(cursor, uid=uid)
    for capability in wanted.needs:
        state.need(capability)
    found = chosen(state, numbers, uid=uid)
    if wanted.has_modseq:
        yield from use_modseq(state)
    yield from state.new_keywords(found.entries)
    one, since = Fetch(state, wanted), wanted.since
    for number, entry in found:
        if since is None or entry.modseq > since:
            yield from one.of(number, entry)
    return _FETCHED


def use_modseq(state: State) -> Iterator[bytes]:
    """Enable CONDSTORE, as a command does that needs it (RFC 7162 section 3.1)."""
    state.need("CONDSTORE")
    if "CONDSTORE" not in state.enabled:
        state.enabled.add("CONDSTORE")
        yield b"* OK [HIGHESTMODSEQ %d] the highest\r\n" % state.selected.mailbox.modseq


# Changing


def store(state: State, cursor: Cursor, *, uid: bool) -> Answer:
    """STORE, section 6.4.6; with ``(UNCHANGEDSINCE n)`` as in RFC 7162 section 3.1.3."""
    wanted = _set_of(cursor)
    since: int | None = None
    if cursor.take(b"(UNCHANGEDSINCE "):
        since = cursor.number(most=MOST_MODSEQ)
        cursor.need(b")")
        cursor.space()
    sign = b"+" if cursor.take(b"+") else b"-" if cursor.take(b"-") else b""
    cursor.need(b"FLAGS")
    is_silent = cursor.take(b".SILENT")
    cursor.space()
    flags = read_flags(cursor)
    cursor.end()
    mailbox = _writable(state)
    if since is not None:
        yield from use_modseq(state)
    failed = []
    with_modseq = "CONDSTORE" in state.enabled
    for number, entry in chosen(state, wanted, uid=uid):
        yield TURN
        if not mailbox.holds(entry):
            continue
        if since is not None and entry.modseq > since:
            failed.append(entry.uid if uid else number)
            continue
        state.set_flags(entry, _changed(entry.flags, sign, flags))
        yield from state.new_keywords((entry,))
        shown = [] if is_silent else [b"FLAGS " + state.written_flags(entry)]
        if uid or state.is_rev2:
            shown.append(b"UID %d" % entry.uid)
        if with_modseq:
            shown.append(b"MODSEQ (%d)" % entry.modseq)
        if with_modseq or not is_silent:
            yield b"* %d FETCH (%b)\r\n" % (number, b" ".join(shown))
    return Ok("stored", f"MODIFIED {compact(failed).decode()}" if failed else "")


def _changed(before: frozenset[str], sign: bytes, flags: frozenset[str]) -> frozenset[str]:
    """Return flags with others added, taken away, or in their place; keywords are the same in any case."""
    if sign == b"+":
        known = {flag.lower() for flag in before}
        after = before | {flag for flag in flags if flag.lower() not in known}
    elif sign == b"-":
        low = {flag.lower() for flag in flags}
        after = frozenset(flag for flag in before if flag.lower() not in low)
    else:
        after = flags
    if len(after) > _MOST_FLAGS:
        raise Refused(f"a message has {_MOST_FLAGS} flags at the most", "LIMIT")
    return after


def read_flags(cursor: Cursor) -> frozenset[str]:
    """Read flags, in parentheses or without."""
    if cursor.stands(b"("):
        flags = cursor.listed(cursor.flag)
    else:
        flags = [cursor.flag()]
        while not cursor.is_at_end:
            cursor.space()
            flags.append(cursor.flag())
    if len(flags) > _MOST_FLAGS or any(len(flag) > _LONGEST_KEYWORD for flag in flags):
        raise Refused(f"the most are {_MOST_FLAGS} flags, of {_LONGEST_KEYWORD} characters", "LIMIT")
    try:
        return known_flags(flag for flag in flags if flag.lower() != "\\recent")
    except ValueError as error:
        raise Malformed(str(error)) from None


def copy(state: State, cursor: Cursor, *, uid: bool) -> Answer:
    """COPY, section 6.4.7."""
    wanted = _set_of(cursor)
    target = state.mailbox(cursor.astring(), "TRYCREATE")
    cursor.end()
    entries = chosen(state, wanted, uid=uid).entries
    check_room(state, entries)
    present = [entry for entry in entries if state.selected.mailbox.holds(entry)]
    copies = state.selected.mailbox.copy(present, target)
    yield TURN
    return Ok("copied", _copy_code(state, target, present, copies))


def move(state: State, cursor: Cursor, *, uid: bool) -> Answer:
    """MOVE, section 6.4.8."""
    wanted = _set_of(cursor)
    target = state.mailbox(cursor.astring(), "TRYCREATE")
    cursor.end()
    mailbox = _writable(state)
    entries = [entry for entry in chosen(state, wanted, uid=uid).entries if mailbox.holds(entry)]
    copies = mailbox.move(entries, target, state.source)
    if code := _copy_code(state, target, entries, copies):
        yield b"* OK [%b] moved\r\n" % code.encode()
    return Ok("moved")


def check_room(state: State, entries: Iterable[Entry] = (), octets: int = 0) -> None:
    """Raise `Refused` where there is no room for copies of messages, or where nothing may change."""
    if state.policy.read_only:
        raise Refused("nothing can be changed here", "NOPERM")
    quota = state.policy.quota
    if quota is not None and state.mail.octets + octets + sum(entry.size for entry in entries) > quota:
        raise Refused(f"the account may hold {quota} octets", "OVERQUOTA")


def _copy_code(state: State, target: Mailbox, entries: list[Entry], copies: list[Entry]) -> str:
    if not copies or "UIDPLUS" in state.policy.hide:
        return ""
    uids, new = (compact(entry.uid for entry in some).decode() for some in (entries, copies))
    return f"COPYUID {target.uidvalidity} {uids} {new}"


def expunge(state: State, cursor: Cursor, *, uid: bool) -> Answer:
    """EXPUNGE, section 6.4.3; UID EXPUNGE takes only those of a set, section 6.4.9."""
    mailbox, wanted = _writable_or_refused(state, cursor, uid=uid)
    entries = mailbox.entries if wanted is None else chosen(state, wanted, uid=True).entries
    mailbox.remove([entry for entry in entries if entry.is_deleted], "EXPUNGE", state.source)
    yield TURN
    return Ok("expunged")


def _writable_or_refused(state: State, cursor: Cursor, *, uid: bool) -> tuple[Mailbox, SequenceSet | None]:
    wanted: SequenceSet | None = None
    if uid:
        cursor.space()
        wanted = cursor.sequence_set()
    cursor.end()
    return _writable(state), wanted


def close(state: State, cursor: Cursor) -> Answer:
    """CLOSE, section 6.4.1: what is marked goes, unless the mailbox is only looked at."""
    cursor.end()
    view = state.selected
    if not view.read_only:
        view.mailbox.remove([entry for entry in view.mailbox.entries if entry.is_deleted], "CLOSE", state.source)
    state.close()
    yield TURN
    return Ok("closed")


def unselect(state: State, cursor: Cursor) -> Answer:
    """UNSELECT, section 6.4.2: nothing goes."""
    cursor.end()
    state.close()
    yield TURN
    return Ok("closed, and nothing deleted")


WITH_UID: Final[dict[str, Callable[..., Answer]]] = {
    "FETCH": fetch,
    "STORE": store,
    "COPY": copy,
    "MOVE": move,
    "EXPUNGE": expunge,
}
