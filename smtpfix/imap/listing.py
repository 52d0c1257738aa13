"""LIST, LSUB and STATUS (RFC 9051 sections 6.3.9 and 6.3.11, RFC 5258, RFC 5819, RFC 6154)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smtpfix.mail.accounts import INBOX
from smtpfix.mail.mailbox import Mailbox
from smtpfix.rules.status import Ok

from .cursor import Cursor, Malformed
from .names import Pattern
from .writing import in_parentheses

if TYPE_CHECKING:
    from .folders import Answer
    from .state import State

_SELECTIONS: Final = frozenset(("SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"))
_RETURNS: Final = frozenset(("SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS"))
_MOST_PATTERNS: Final = 20
_STATUS: Final[dict[str, Callable[[State, Mailbox], int]]] = {
    "MESSAGES": lambda _, box: len(box),
    "RECENT": lambda _, box: sum(entry.is_recent for entry in box.entries),
    "UIDNEXT": lambda _, box: box.uidnext,
    "UIDVALIDITY": lambda _, box: box.uidvalidity,
    "UNSEEN": lambda _, box: sum(not entry.is_seen for entry in box.entries),
    "DELETED": lambda _, box: sum(entry.is_deleted for entry in box.entries),
    "SIZE": lambda _, box: box.octets,
    "HIGHESTMODSEQ": lambda _, box: box.modseq,
    "APPENDLIMIT": lambda state, _: state.policy.append_limit,
    "DELETED-STORAGE": lambda _, box: sum(entry.size for entry in box.entries if entry.is_deleted),
}


@dataclass
class _Wanted:
    """What a LIST asks for."""

    selections: Collection[str] = frozenset()
    returns: set[str] = field(default_factory=set)
    status: Sequence[str] = ()


class _Names:
    """The names of an account, and which of them have others in them."""

    def __init__(self, state: State, more: Iterable[str] = ()) -> None:
        self._state = state
        boxes = state.mail.mailboxes
        self._shown = {state.hierarchy.shown(name): name for name in {*boxes, *more}}
        self.all = sorted(self._shown, key=lambda name: (name != INBOX, name))
        self._parents = state.hierarchy.parents({state.hierarchy.shown(name) for name in boxes})

    def matching(self, reference: str, patterns: Iterable[bytes]) -> list[tuple[str, str]]:
        """Return what matches: what this server calls it, and the account's name."""
        delimiter = self._state.hierarchy.delimiter
        found = [Pattern(reference + self._state.read_name_pattern(pattern), delimiter) for pattern in patterns]
        shown = [name for name in self.all if any(_matches(pattern, name, delimiter) for pattern in found)]
        return [(name, self._shown[name]) for name in shown]

    def attributes(self, shown: str, name: str, *, with_subscribed: bool) -> list[bytes]:
        account = self._state.mail
        box = account.mailboxes.get(name)
        found = []
        if box is None:
            found.append(b"\\NonExistent")
        elif not box.is_selectable:
            found.append(b"\\Noselect")
        if with_subscribed and name in account.subscribed:
            found.append(b"\\Subscribed")
        if "CHILDREN" not in self._state.policy.hide:
            found.append(b"\\HasChildren" if shown in self._parents else b"\\HasNoChildren")
        if box is not None and box.special_use and "SPECIAL-USE" not in self._state.policy.hide:
            found.append(box.special_use.encode())
        return found


def _matches(pattern: Pattern, name: str, delimiter: str | None) -> bool:
    """Return whether a pattern matches a name; INBOX in any case, alone or as what others are in (section 5.1)."""
    rest = name.removeprefix(INBOX)
    is_inbox = rest != name and (not rest or rest[0] == delimiter)
    return pattern.matches(name, len(INBOX) if is_inbox else 0)


def list_(state: State, cursor: Cursor) -> Answer:
    """LIST, with the options of RFC 5258."""
    cursor.space()
    wanted = _Wanted()
    if cursor.stands(b"("):
        state.need("LIST-EXTENDED")
        wanted.selections = _options(cursor.listed(cursor.word), _SELECTIONS)
        cursor.space()
    reference = _reference(state, cursor)
    patterns = cursor.listed(cursor.list_mailbox) if cursor.stands(b"(") else [cursor.list_mailbox()]
    if len(patterns) > _MOST_PATTERNS:
        raise Malformed(f"expected {_MOST_PATTERNS} patterns at the most, got {len(patterns)}")
    if not cursor.is_at_end:
        cursor.space()
        state.need("LIST-EXTENDED")
        cursor.need(b"RETURN ")
        wanted.returns = _options(cursor.listed(lambda: _return_option(cursor, wanted)), _RETURNS)
    cursor.end()
    if "RECURSIVEMATCH" in wanted.selections and not set(wanted.selections) - {"RECURSIVEMATCH", "REMOTE"}:
        raise Malformed("RECURSIVEMATCH needs another option with it (RFC 5258 section 3)")
    if patterns == [b""]:
        yield b'* LIST (\\Noselect) %b ""\r\n' % state.hierarchy.written
        return Ok("that is the delimiter")
    subscribed = state.mail.subscribed
    names = _Names(state, subscribed if "SUBSCRIBED" in wanted.selections else ())
    matching = names.matching(reference, patterns)
    above: set[str] = set()
    if "RECURSIVEMATCH" in wanted.selections:
        above = state.hierarchy.parents(set(map(state.hierarchy.shown, subscribed)) - {shown for shown, _ in matching})
    for shown, name in matching:
        box = state.mail.mailboxes.get(name)
        info = b""
        if "SPECIAL-USE" in wanted.selections and (box is None or not box.special_use):
            continue
        if "SUBSCRIBED" in wanted.selections:
            if shown in above:
                info = b' ("CHILDINFO" ("SUBSCRIBED"))'
            elif name not in subscribed:
                continue
        with_subscribed = "SUBSCRIBED" in {*wanted.returns, *wanted.selections}
        attributes = in_parentheses(names.attributes(shown, name, with_subscribed=with_subscribed))
        written = state.written_as_shown(shown)
        yield b"* LIST %b %b %b%b\r\n" % (attributes, state.hierarchy.written, written, info)
        if wanted.status and box is not None and box.is_selectable:
            yield _status(state, box, wanted.status)
    return Ok("listed")


def _return_option(cursor: Cursor, wanted: _Wanted) -> str:
    name = cursor.word()
    if name == "STATUS":
        cursor.space()
        wanted.status = _status_items(cursor)
    return name


def _options(given: Iterable[str], known: Collection[str]) -> set[str]:
    found = set(given)
    if unknown := sorted(found.difference(known)):
        raise Malformed(f"there is no option {unknown[0]}; there are {', '.join(sorted(known))}")
    return found


def _reference(state: State, cursor: Cursor) -> str:
    octets = cursor.astring()
    cursor.space()
    return state.read_name_pattern(octets)


def lsub(state: State, cursor: Cursor) -> Answer:
    """LSUB, RFC 3501 section 6.3.9: where ``%`` ends a pattern, parents of what is subscribed are among it."""
    cursor.space()
    reference = _reference(state, cursor)
    pattern = cursor.list_mailbox()
    cursor.end()
    subscribed = state.mail.subscribed
    names = _Names(state, subscribed)
    parents: set[str] = set()
    if pattern.endswith(b"%"):
        parents = state.hierarchy.parents(set(map(state.hierarchy.shown, subscribed)))
    for shown, name in names.matching(reference, [pattern]):
        if name in subscribed:
            box = state.mail.mailboxes.get(name)
            attributes = b"" if box is not None and box.is_selectable else b"\\Noselect"
        elif shown in parents:
            attributes = b"\\Noselect"
        else:
            continue
        yield b"* LSUB (%b) %b %b\r\n" % (attributes, state.hierarchy.written, state.written_as_shown(shown))
    return Ok("listed")


def status(state: State, cursor: Cursor) -> Answer:
    """STATUS, section 6.3.11."""
    cursor.space()
    name = cursor.astring()
    cursor.space()
    items = _status_items(cursor)
    cursor.end()
    yield _status(state, state.mailbox(name), items)
    return Ok("that is its status")


def _status_items(cursor: Cursor) -> list[str]:
    items = cursor.listed(cursor.word)
    if not items:
        raise Malformed("expected items such as MESSAGES")
    if unknown := next((item for item in items if item not in _STATUS), None):
        raise Malformed(f"there is no item {unknown}; there are {', '.join(_STATUS)}")
    return list(dict.fromkeys(items))


def _status(state: State, box: Mailbox, items: Iterable[str]) -> bytes:
    values = in_parentheses(b"%b %d" % (item.encode(), _STATUS[item](state, box)) for item in items)
    return b"* STATUS %b %b\r\n" % (state.written_name(box.name), values)
