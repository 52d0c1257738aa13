"""What a rule may do, in general: `Action`, and `Answer`, by which a command is answered."""

from __future__ import annotations


class Action:
    """One thing that a rule does."""

    __slots__ = ()


class Answer(Action):
    """What a command is answered with; each protocol has its own."""

    __slots__ = ()

    @property
    def is_positive(self) -> bool:
        """Whether it lets the command take effect."""
        raise NotImplementedError

    @property
    def ends_session(self) -> bool:
        """Whether the connection is closed behind it."""
        return False

    def encode(self) -> bytes:
        """Return its octets, with every CRLF."""
        raise NotImplementedError
