"""`Assembly`: a command from its lines and literals (RFC 9051 section 4.3, RFC 7888), within limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .cursor import LITERAL

_BEFORE_LOGIN: Final = 16_384
"""Octets that all of a command may have before the login: enough for a password as a literal."""
_USUAL: Final = 262_144
"""The same of any command but APPEND."""
_LINES: Final = 1_000
"""Literals that a command may have."""


class Literal:
    """A literal that is being read; a `conversation.Incoming`."""

    def __init__(self, announced: int, *, keeps: bool) -> None:
        self.announced = announced
        """How many octets it has."""
        self.size = 0
        """How many have come."""
        self._keeps = keeps
        self._octets = bytearray()

    def take(self, buffer: bytearray) -> bool:
        """Take what is there; return whether that was the rest of it."""
        count = min(self.announced - self.size, len(buffer))
        if self._keeps:
            self._octets += memoryview(buffer)[:count]
        del buffer[:count]
        self.size += count
        return self.size == self.announced

    @property
    def octets(self) -> bytes:
        """What it holds; nothing, where it was over the limit."""
        return bytes(self._octets)


@dataclass
class Assembly:
    """One command, as far as it has come."""

    pieces: list[bytes] = field(default_factory=list)
    """A line, a literal, a line, …."""
    is_secret: bool = False
    """Whether it carries a credential."""
    is_over: bool = False
    """Whether it is over its limit: what still comes of it is read and forgotten."""
    is_append: bool = False
    _octets: int = 0

    def add(self, octets: bytes) -> None:
        """Take in a line or a literal."""
        self.pieces.append(octets)
        self._octets += len(octets)

    def literal_announced(self) -> tuple[int, bool] | None:
        """Return how many octets follow the last line, and whether the client waits for leave to send them."""
        line = self.pieces[-1]
        begins = line.rfind(b"{") if line.endswith(b"}") else -1
        match = LITERAL.match(line, begins) if begins >= 0 else None
        return None if match is None else (int(match[2]), not match[3])

    def has_room(self, octets: int, append_limit: int, *, logged_in: bool) -> bool:
        """Return whether so many octets more are within the limit."""
        most = _BEFORE_LOGIN if not logged_in else append_limit + _USUAL if self.is_append else _USUAL
        return len(self.pieces) < 2 * _LINES and self._octets + octets <= most
