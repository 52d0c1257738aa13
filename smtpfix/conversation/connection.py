"""`Connection`: one client's connection, as the modules of its conversation see it.

Each room gets this one thing: what the connection is made of, and what the conversation lets its rooms do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.record.recorder import Recorder
from smtpfix.record.session_end import SessionEnd
from smtpfix.rules.action import Action, Answer
from smtpfix.wire.channel import Channel

if TYPE_CHECKING:
    from .player import Player
    from .service import Service
    from .turn import Turn

AnswerT = TypeVar("AnswerT", bound=Answer)
"""What a protocol answers commands with."""

Perform: TypeAlias = Callable[[AnswerT | None], None]
"""Performs a command; given a rule's answer, that one goes out, and the command takes effect only if both agree."""


class Connection(ABC, Generic[AnswerT]):
    """A conversation, as its rooms see it."""

    service: Service
    """What all conversations of the server share."""
    policy: ServerPolicy
    channel: Channel
    recorder: Recorder
    player: Player
    has_detour: bool
    """Whether something comes before any command, or in the place of all: a header, a stall, replies that are due."""

    @property
    @abstractmethod
    def is_free(self) -> bool:
        """Whether the session can go on: no rule holds or stalls it, and it does not end."""

    @abstractmethod
    def readable(self) -> None:
        """Go on with what has come."""

    @abstractmethod
    def send(self, answer: AnswerT, end: SessionEnd = SessionEnd.REFUSED) -> None:
        """Send an answer; one that ends the session does so as `end` says."""

    @abstractmethod
    def at_stage(self, stage: str, argument: str, perform: Perform[AnswerT], octets: int = 0) -> None:
        """Let the rules of a stage have their say, and perform it; inside a content, at a mark of so many octets."""

    def turn(self, stage: str, argument: str) -> Turn:
        """Return what a function is asked about at a stage."""
        from .turn import Turn  # noqa: PLC0415 - few rules ask functions

        return Turn(stage, argument, self.recorder)

    def worded(self, answer: AnswerT, stage: str, argument: str) -> AnswerT:  # noqa: ARG002 - for protocols with texts
        """Return a rule's answer at a stage, with its placeholders filled in."""
        return answer

    def failure(self, *, is_asked: bool) -> AnswerT | None:  # noqa: ARG002 - for protocols that can tell
        """Return what a client is told where code has failed that the server was given; None where it is cut off.

        `is_asked` says whether this is what a command is answered, or the greeting, or comes unasked.
        """
        return None

    def fill(self, octets: bytes) -> bytes:
        """Return octets of a rule with what the session knows in the place of placeholders, where there are such."""
        return octets

    def change_elsewhere(self, what: Action) -> None:
        """Have the account that the session works on change, as by another one, where there is such."""

    def not_a_line(self) -> None:
        """Answer octets that stand where a line is due and are none, where the protocol has an answer to that."""

    @abstractmethod
    def greet(self) -> None:
        """Say the greeting, or what a rule has instead."""

    @abstractmethod
    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said; it is this user if somebody else has said so."""

    @abstractmethod
    def give_up(self, said: bytes = b"") -> None:
        """Let go of what waits for its answer, such as a login: these octets stand in for it."""

    @abstractmethod
    def end(self, end: SessionEnd, *, notify: bool = True) -> None:
        """End the session in order: say what is due, and close."""
