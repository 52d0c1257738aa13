"""`Speech`: the answers of an IMAP session, piece by piece, as fast as the client reads them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

from smtpfix.clock import monotonic
from smtpfix.record.transcript import Kind
from smtpfix.rules.status import Status

from .status import tagged

if TYPE_CHECKING:
    from .conversation import IMAPConversation
    from .fetch import Piece

_TURN_TIME: Final = 0.02
"""Seconds that an answer may take before it is the others' turn."""
_AT_ONCE: Final = 65_536
"""Octets that are written before looking whether the client reads them."""
_SHOWN: Final = 4_096
"""Octets of an answer that one event of the record has."""
_LEFT: Final = 200
"""Octets of a longer one that are kept."""


class Speech:
    """One session's."""

    def __init__(self, conversation: IMAPConversation) -> None:
        self._conversation = conversation
        self._channel = conversation.channel
        self._recorder = conversation.recorder
        self._player = conversation.player
        self.drawing: Iterator[Piece] | None = None
        """The answer that is being said, and has not been said to its end."""

    def say(self, answer: Generator[Piece, None, Status], forced: Status | None) -> None:
        """Say an answer: all at once where a rule changes or replaces it, and else as the client reads it."""
        player, conversation = self._player, self._conversation
        if forced is None and not player.edits and not player.is_silent:
            self.draw(_pieces(answer, conversation.tags.last, None))
        else:
            conversation.state.held_back = []
            whole = b"".join(_pieces(answer, conversation.tags.last, forced))
            conversation.state.settle_written(self.write(whole))

    def draw(self, answer: Iterator[Piece]) -> None:
        """Say more of an answer, until the client does not read, or others want their turn."""
        self.drawing = None
        channel, recorder = self._channel, self._recorder
        until = monotonic() + _TURN_TIME
        text, unflushed = b"", 0
        for piece in answer:
            unflushed += len(piece)
            if type(piece) is memoryview:
                self.write(text)
                text = b""
                recorder.add(Kind.CONTENT, b"%d octets" % len(piece))
                channel.write(piece)
            else:
                text += piece
                if len(text) > _SHOWN:
                    self.write(text)
                    text = b""
            if unflushed > _AT_ONCE:
                self.write(text)
                text, unflushed = b"", 0
                channel.flush()
            if channel.is_blocked or channel.is_closing or monotonic() > until:
                self.drawing = answer
                break
        self.write(text)
        if self.drawing is not None:
            self._conversation.has_detour = True
            if not channel.is_blocked and not channel.is_closing:
                channel.flush()
                self._player.hold(0, _go_on)

    def write(self, octets: bytes) -> bytes:
        """Write octets of an answer, as a rule has them changed, and record them; return what was written."""
        if not octets:
            return b""
        if self._player.is_silent:
            self._recorder.note(f"not sent, as a rule has it: {self._recorder.excerpt(octets, _LEFT)}")
            return b""
        if self._player.edits:
            octets = self._conversation.edited(octets)
        if len(octets) <= 2 * _SHOWN:
            self._recorder.add(Kind.SERVER, octets)
        else:
            self._recorder.add(Kind.SERVER, octets[:_LEFT])
            self._recorder.note(f"and {len(octets) - _LEFT} octets more")
        self._channel.write(octets)
        return octets


def _pieces(answer: Generator[Piece, None, Status], tag: bytes, forced: Status | None) -> Iterator[Piece]:
    """Yield what an answer is made of, how the command ended as the last."""
    ending = yield from answer
    yield tagged(forced or ending, tag)


def _go_on() -> None:
    """Do nothing before going on."""
