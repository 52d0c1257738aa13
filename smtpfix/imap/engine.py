"""`Engine`: which module performs a command, and in which states it is allowed; no connection, no login.

Synchronous and lazy: what a command is answered is drawn from a generator, piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from smtpfix.rules.status import Ok

from . import appending, folders, listing, messages, searching
from .capabilities import NEEDS, after_login
from .cursor import Cursor, Malformed
from .refusals import Refused
from .status import Bad, Condition, No

if TYPE_CHECKING:
    from .fetch import Piece
    from .state import State

Handler: TypeAlias = Callable[["State", Cursor], Generator["Piece", None, Condition]]

_ENABLED: Final = {"CONDSTORE": "CONDSTORE", "IMAP4REV2": "IMAP4rev2", "UTF8=ACCEPT": "UTF8=ACCEPT"}
"""What ENABLE knows, and how it is written."""
_KEEPS_NUMBERS: Final = frozenset(("FETCH", "STORE", "SEARCH", "SORT"))
"""The commands in whose answers no EXPUNGE may be (section 7.5.1); with UIDs there may."""
_DONE: Final = Ok("done")
_MOST_ID: Final = 60
"""Strings of an ID command: 30 pairs (RFC 2971 section 3.3)."""


def _noop(state: State, cursor: Cursor) -> folders.Answer:  # noqa: ARG001 - a handler
    cursor.end()
    yield b""
    return _DONE


def _id(state: State, cursor: Cursor) -> folders.Answer:  # noqa: ARG001 - as above
    cursor.space()
    if not cursor.take(b"NIL"):
        pairs = cursor.listed(lambda: None if cursor.take(b"NIL") else cursor.string())
        if len(pairs) > _MOST_ID or len(pairs) % 2:
            raise Malformed("expected at most 30 names and their values")
    cursor.end()
    yield b'* ID ("name" "smtpfix")\r\n'
    return Ok("pleased to meet you")


def _enable(state: State, cursor: Cursor) -> folders.Answer:
    done: list[str] = []
    names: list[str] = []
    while not cursor.is_at_end or not names:
        cursor.space()
        names.append(cursor.word())
    for name in names:
        if name in _ENABLED and name not in state.policy.hide and name not in state.enabled:
            state.enabled.add(name)
            done.append(_ENABLED[name])
    yield "".join(("* ENABLED", *(f" {name}" for name in done), "\r\n")).encode("ascii")
    return Ok("enabled")


_ANY: Final = frozenset(("not authenticated", "authenticated", "selected"))
_LOGGED_IN: Final = frozenset(("authenticated", "selected"))
_SELECTED: Final = frozenset(("selected",))

_COMMANDS: Final[dict[str, tuple[Handler, frozenset[str]]]] = {
    "NOOP": (_noop, _ANY),
    "ID": (_id, _ANY),
    "ENABLE": (_enable, frozenset(("authenticated", "selected"))),
    "NAMESPACE": (folders.namespace, _LOGGED_IN),
    "SELECT": (folders.select, _LOGGED_IN),
    "EXAMINE": (folders.examine, _LOGGED_IN),
    "CREATE": (folders.create, _LOGGED_IN),
    "DELETE": (folders.delete, _LOGGED_IN),
    "RENAME": (folders.rename, _LOGGED_IN),
    "SUBSCRIBE": (folders.subscribe, _LOGGED_IN),
    "UNSUBSCRIBE": (folders.unsubscribe, _LOGGED_IN),
    "GETQUOTA": (folders.quota, _LOGGED_IN),
    "GETQUOTAROOT": (folders.quota_root, _LOGGED_IN),
    "LIST": (listing.list_, _LOGGED_IN),
    "LSUB": (listing.lsub, _LOGGED_IN),
    "STATUS": (listing.status, _LOGGED_IN),
    "APPEND": (appending.append, _LOGGED_IN),
    "CHECK": (_noop, _SELECTED),
    "CLOSE": (messages.close, _SELECTED),
    "UNSELECT": (messages.unselect, _SELECTED),
    **{name: (partial(handler, uid=False), _SELECTED) for name, handler in messages.WITH_UID.items()},
    **{f"UID {name}": (partial(handler, uid=True), _SELECTED) for name, handler in messages.WITH_UID.items()},
}
_SEARCHES: Final[dict[str, Callable[..., folders.Answer]]] = {
    "SEARCH": partial(searching.search, uid=False),
    "UID SEARCH": partial(searching.search, uid=True),
    "SORT": partial(searching.sort, uid=False),
    "UID SORT": partial(searching.sort, uid=True),
}
"""These name the command's tag in their answers."""


class Engine:
    """One session's."""

    def __init__(self, state: State) -> None:
        self.state = state

    @property
    def capabilities(self) -> list[str]:
        """What is offered to a client that has logged in."""
        return after_login(self.state.policy)

    def knows(self, name: str) -> bool:
        """Return whether this server has a command; ``UID FETCH`` is one name."""
        known = name in _COMMANDS or name in _SEARCHES
        if name.startswith("GETQUOTA") and self.state.policy.quota is None:
            return False
        return known and NEEDS.get(name, "") not in self.state.policy.hide

    def answer(self, name: str, cursor: Cursor, tag: bytes) -> Generator[Piece, None, Condition]:
        """Perform a command, in upper case, that this server has; yield what is said before the tagged answer."""
        state = self.state
        handler, states = _COMMANDS[name] if name in _COMMANDS else (partial(_SEARCHES[name], tag=tag), _SELECTED)
        if state.name not in states:
            return Bad("log in first" if state.account is None else "select a mailbox first")
        condition: Condition
        try:
            condition = yield from handler(state, cursor)
        except Malformed as error:
            return Bad(f"{name}: {error}")
        except Refused as error:
            condition = No(f"{name}: {error}", error.code)
        yield from state.news(expunge=name not in _KEEPS_NUMBERS)
        return condition
