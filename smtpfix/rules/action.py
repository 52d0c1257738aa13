"""`Action`: what a rule's actions have in common; `Answer`: an action that answers the command.

An action is one class: its fields, how it is written as text, where it may stand, and what it has a `Performance` do.
To add one, write its class in `actions`, or in a protocol's own room, and name it in `smtpfix/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from smtpfix.errors import InvalidValueError

if TYPE_CHECKING:
    from .notation import Form


class Performance(Protocol):
    """A rule being played on one connection, as its actions see it."""

    def perform(self, answer: Answer | None = None) -> None:
        """Perform the command; given an answer, that one goes out, and it takes effect only if both agree."""

    def perform_silently(self) -> None:
        """Perform the command and say nothing."""

    def send(self, octets: bytes, *, performs: bool) -> None:
        """Send octets instead of an answer; the command has no effect unless told so."""

    def send_repeatedly(self, octets: bytes, times: int | None) -> None:
        """Send octets so many times, or without end, instead of an answer; the command has no effect."""

    def wait(self, seconds: float) -> None:
        """Hold everything back; the rest of the rule follows then."""

    def ask(self, function: Callable[[Any], object]) -> None:
        """Ask a function what to do, and hold everything back meanwhile; then do it, and what follows this."""

    def fall_silent(self) -> None:
        """Say nothing more, and take nothing in."""

    def close(self, *, notify: bool) -> None:
        """Close the connection; in TLS with a close_notify unless told otherwise."""

    def reset(self) -> None:
        """Break the connection off."""

    def send_slowly(self, octets: int, every: float) -> None:
        """From here on, send so many octets at a time, so many seconds apart."""

    def read_slowly(self, octets_per_second: int) -> None:
        """From here on, read no more than so many octets a second."""

    def keep_injected(self) -> None:
        """Keep what came in clear after the command that begins TLS."""

    def edit(self, action: Action) -> None:
        """Let a protocol's own action change the answer to this command."""

    def edit_answer(self, action: Action) -> None:
        """Let an action change the octets of the answer; it goes out with the last change that the rule has."""

    def change_elsewhere(self, what: Action) -> None:
        """Have the account of the session change, as by another one."""

    def break_into_flight(self, octets: int | None) -> None:
        """Shake hands up to so many octets; the rest of the rule follows then."""


class Action:
    """One thing that a rule does."""

    __slots__ = ()

    forms: ClassVar[tuple[Form, ...]] = ()
    """How it is written as text."""
    stages: ClassVar[frozenset[str]] = frozenset()
    """The stages at which alone it may stand; empty: at every one."""
    only_once: ClassVar[bool] = False
    """Whether a rule may have only one of these."""
    stands_for_answer: ClassVar[bool] = False
    """Whether it decides what the command is answered, which only one of a rule's actions may."""
    changes_answer: ClassVar[bool] = False
    """Whether it changes the octets of what the command is answered."""
    in_handshake: ClassVar[str] = ""
    """What the record says the server does in a handshake that this ends; empty where it ends none."""

    @property
    def ends(self) -> bool:
        """Whether nothing can follow it."""
        return False

    def as_text(self) -> str:
        """Return how a rule has it, in one of its `forms`. Raises `InvalidValueError` where it can only be a value."""
        raise InvalidValueError("rule", self, f"something that a text can say: {type(self).__name__} is not")

    def play(self, performance: Performance) -> bool:
        """Do it; return whether to go on with the next action at once."""
        raise NotImplementedError


class Answer(Action):
    """What a command is answered with; each protocol has its own."""

    __slots__ = ()

    stands_for_answer = True

    @property
    def is_positive(self) -> bool:
        """Whether it lets the command take effect."""
        raise NotImplementedError

    @property
    def ends_session(self) -> bool:
        """Whether the connection is closed after it."""
        return False

    def encode(self) -> bytes:
        """Return its octets, with every CRLF."""
        raise NotImplementedError

    def play(self, performance: Performance) -> bool:
        """Answer the command with it."""
        performance.perform(self)
        return True
