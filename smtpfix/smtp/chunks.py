"""The content of a message that arrives in chunks, by BDAT (RFC 3030 section 2).

Knows no commands: `delivery` says what a chunk is for, and what becomes of it.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from smtpfix.mail.envelope import NO_DOTS, Dots
from smtpfix.rules.reply import Reply

_ARGUMENT: Final = re.compile(r"([0-9]{1,20})(?:\s+(\S.*))?\Z", re.DOTALL)
"""``chunk-size [SP end-marker]``; a wrong marker is no reason not to know where the chunk ends."""
_MOST: Final = 100_000
"""Chunks of one message, whose sizes are kept."""


class BDATArgument(NamedTuple):
    """The argument of BDAT."""

    text: str
    """All of it, as it came."""
    size: int
    """Octets of the chunk."""
    is_last: bool
    is_right: bool
    """Whether nothing but ``LAST`` followed the size."""


def parse_argument(argument: str) -> BDATArgument | None:
    """Take BDAT's argument apart; None without a size, so that nobody knows where the chunk ends."""
    match = _ARGUMENT.match(argument)
    if match is None:
        return None
    marker = (match[2] or "").upper()
    return BDATArgument(argument, int(match[1]), marker == "LAST", marker in ("", "LAST"))


class Whole(NamedTuple):
    """A message that has come in chunks; the counterpart of `content.Content` once that is complete."""

    size: int
    octets: bytes | None
    """None if it was over the limit."""
    chunks: tuple[int, ...]
    """Octets of each chunk."""
    argument: str
    """The argument of the last BDAT."""
    dots: Dots = NO_DOTS
    """Nothing is stuffed here."""
    ended_by: Literal[""] = ""
    """Its size ends it."""
    is_chunk: Literal[False] = False


class Chunks:
    """The chunks of one message, up to now; with one that is refused, the message is let go."""

    def __init__(self, transaction: object, limit: int | None) -> None:
        self.transaction = transaction
        """Whose content it is; another transaction has other chunks."""
        self.has_failed = False
        """Whether a chunk was refused, so that RSET has to come first."""
        self._limit = limit
        self._octets = bytearray()
        self._sizes: list[int] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Octets of the chunks that were taken."""
        return self._size

    def begin(self, argument: BDATArgument, refusal: Reply | None) -> Chunk:
        """Return a chunk that brings its octets here; one that is refused, or is too much, is only drained."""
        del self._octets[self._size :]  # a chunk that had no effect, as a rule has it
        fits = self._limit is None or self._size + argument.size <= self._limit
        fits = fits and refusal is None and len(self._sizes) < _MOST
        return Chunk(self, argument, self._octets if fits else None, refusal)

    def keep(self, size: int) -> None:
        """Make the octets of the latest chunk a part of the message."""
        self._sizes.append(size)
        self._size += size

    def fail(self) -> None:
        """Let go of the message: a chunk was refused."""
        self.has_failed = True
        self._octets.clear()
        self._size = 0

    def whole(self, argument: str) -> Whole:
        """Return the message; `argument` is the last BDAT's."""
        is_whole = len(self._octets) == self._size
        return Whole(self._size, bytes(self._octets) if is_whole else None, tuple(self._sizes), argument)


class Chunk:
    """One chunk on its way in. Nothing but its size ends it, so nothing in it is looked at."""

    is_chunk: Literal[True] = True

    def __init__(self, message: Chunks, argument: BDATArgument, into: bytearray | None, refusal: Reply | None) -> None:
        self.argument = argument.text
        """BDAT's, as rules see it."""
        self.is_last = argument.is_last
        self.fits = into is not None
        """Whether its octets are kept; otherwise they are only drained."""
        self.refusal = refusal
        """The reply to it, if it had no place where it came."""
        self.size = 0
        """Octets that have come."""
        self._message = message
        self._announced = argument.size
        self._into = into

    def measure(self, buffer: bytearray) -> int:
        """Return how many octets of the message have come, without taking what is there."""
        return self._message.size + self.size + min(self._announced - self.size, len(buffer))

    def take(self, buffer: bytearray) -> bool:
        """Take what is there; return whether the chunk is complete. What follows it is left."""
        count = min(self._announced - self.size, len(buffer))
        if self._into is not None:
            with memoryview(buffer) as view:
                self._into += view[:count]
        del buffer[:count]
        self.size += count
        return self.size == self._announced

    def keep(self) -> None:
        """Make it a part of the message."""
        self._message.keep(self.size)

    def fail(self) -> None:
        """Let go of the message: this chunk was refused."""
        self._message.fail()

    def complete(self) -> Whole:
        """Return the message, whose last chunk this is."""
        self.keep()
        return self._message.whole(self.argument)
