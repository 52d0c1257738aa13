"""`Attempts`: one message as a client brought it once or several times, with what became of each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from smtpfix.safe_text import printable

from .message import CapturedMessage


@dataclass(frozen=True, slots=True, repr=False)
class Attempts(Sequence[CapturedMessage]):
    """The attempts to deliver one message, accepted or not, oldest first."""

    messages: tuple[CapturedMessage, ...]
    """Each as it came; `CapturedMessage.reply` says what became of it."""

    @overload
    def __getitem__(self, index: int) -> CapturedMessage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CapturedMessage, ...]: ...
    def __getitem__(self, index: int | slice) -> CapturedMessage | tuple[CapturedMessage, ...]:
        return self.messages[index]

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def accepted(self) -> tuple[CapturedMessage, ...]:
        """Those that the client was told were accepted; more than one means that the message was sent twice."""
        return tuple(message for message in self.messages if message.accepted)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Seconds from each final dot to the next, one fewer than there are attempts."""
        return tuple(
            (later.received - earlier.received).total_seconds() for earlier, later in itertools.pairwise(self.messages)
        )

    @property
    def session_numbers(self) -> tuple[int, ...]:
        """`Session.number` of each; the same number twice is a connection that was used again."""
        return tuple(message.session_number for message in self.messages)

    def __str__(self) -> str:
        """Return one line for each attempt."""
        times = itertools.accumulate((0.0, *self.spacing))
        return "\n".join(
            f"{number}: session {message.session_number}, +{at:.3f} s, {_outcome(message)}"
            for number, (at, message) in enumerate(zip(times, self.messages, strict=False), 1)  # none have no time
        )

    def __repr__(self) -> str:
        return f"<Attempts {'; '.join(str(self).splitlines())}>"


def _outcome(message: CapturedMessage) -> str:
    return "not answered" if message.reply is None else f"answered {printable(str(message.reply))!r}"
