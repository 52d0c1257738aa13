"""`Shelf`: the messages of all accounts of an inbox, within a limit; `Mail`: the octets that copies share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from smtpfix.record.waiting import Bell

from .message import CapturedMessage, unsent

if TYPE_CHECKING:
    from threading import RLock

T = TypeVar("T")


class Shelf:
    """The room that all accounts of an inbox share: its lock, and its bound, at which the oldest goes first."""

    def __init__(self, most_octets: int) -> None:
        self.bell = Bell()
        self.dropped = 0
        """How many messages had to go because there was no room."""
        self._most_octets = most_octets
        self._octets = 0
        self._kept: OrderedDict[Any, tuple[int, Callable[[Any], object]]] = OrderedDict()

    @property
    def lock(self) -> RLock:
        """The one of `bell`; another one in a forked child, where nobody would ever release the parent's."""
        return self.bell.lock

    def keep(self, item: T, octets: int, drop: Callable[[T], object]) -> None:
        """Take something in; `drop` is called with it when it has to go, with the lock held, as is this.

        It is kept for each item, so it had better be the same for all.
        """
        self.forget(item)
        self._kept[item] = octets, drop
        self._octets += octets
        while self._octets > self._most_octets and len(self._kept) > 1:
            oldest, (weight, drop_oldest) = self._kept.popitem(last=False)
            self._octets -= weight
            drop_oldest(oldest)

    def forget(self, item: object) -> int:
        """Return what an item took, which is no longer here."""
        octets, _ = self._kept.pop(item, (0, None))
        self._octets -= octets
        return octets


class Mail:
    """What a message says, in one account: its copies in several folders share it."""

    __slots__ = ("_content", "_given", "_read", "cache", "captured", "copies", "retrievals")

    def __init__(self, given: bytes, captured: CapturedMessage | None = None) -> None:
        self.captured = captured
        self.retrievals = 0
        """How often it was written out whole."""
        self.copies = 0
        """Entries of it that are in folders."""
        self.cache: dict[Any, Any] = {}
        """What a protocol has found out about the octets, under keys of its own."""
        self._given = given
        self._content: bytes | None = None
        self._read: CapturedMessage | None = captured

    @property
    def content(self) -> bytes:
        """Its octets, with CRLF at the end of each line; the inbox's own where they have that."""
        if self._content is None:
            given = self._given
            if given.count(b"\n") != given.count(b"\r\n"):
                given = given.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            self._content = self._given = given
        return self._content

    @property
    def body_at(self) -> int:
        """Where the body begins; the content's length where there is none."""
        content = self.content
        end = content.find(b"\r\n\r\n")
        return 2 if content.startswith(b"\r\n") else len(content) if end < 0 else end + 4

    def read(self, date: datetime) -> CapturedMessage:
        """Return what it says; whoever was not sent has an envelope of what its headers say."""
        if self._read is None:
            self._read = unsent(self.content, date)
        return self._read
