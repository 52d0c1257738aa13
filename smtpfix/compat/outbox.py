"""`Outbox`: captured messages as a list of `email.message.Message`, as the tests of other packages expect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence
from email.message import Message
from typing import Any, overload

from smtpfix.mail.inbox import Inbox
from smtpfix.mail.message import CapturedMessage


class Outbox(MutableSequence[Message]):
    """What was accepted, oldest first, until the test takes it out.

    Whoever looks sees what has come up to now. Messages are parsed by whoever looks too, and never in the server's
    thread.
    """

    def __init__(self, convert: Callable[[CapturedMessage], Message]) -> None:
        self._convert = convert
        self._inboxes: list[Inbox] = []
        self._seen: dict[int, int] = {}
        """The last number of each inbox."""
        self._messages: list[Message] = []

    def follow(self, inbox: Inbox) -> None:
        """Take in what comes into another inbox too."""
        self._inboxes.append(inbox)

    def _now(self) -> list[Message]:
        for position, inbox in enumerate(self._inboxes):
            seen = self._seen.get(position, 0)
            for message in inbox:
                if message.number > seen:
                    self._messages.append(self._convert(message))
                    self._seen[position] = message.number
        return self._messages

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return self._now()[index]

    @overload
    def __setitem__(self, index: int, value: Message) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Message]) -> None: ...
    def __setitem__(self, index: Any, value: Any) -> None:
        self._now()[index] = value

    def __delitem__(self, index: int | slice) -> None:
        del self._now()[index]

    def __len__(self) -> int:
        return len(self._now())

    def __iter__(self) -> Iterator[Message]:
        return iter(tuple(self._now()))

    def insert(self, index: int, value: Message) -> None:
        """Put a message in."""
        self._now().insert(index, value)

    def __eq__(self, other: object) -> bool:
        return self._now() == (other._now() if isinstance(other, Outbox) else other)

    __hash__ = None  # type: ignore[assignment]  # as of every list

    def __repr__(self) -> str:
        return repr(self._now())
