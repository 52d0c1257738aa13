"""What a conversation lends to the rooms that do parts of its work: `Host`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from smtpfix.record.session import SessionEnd
from smtpfix.rules.reply import Reply
from smtpfix.smtp.engine import Engine

Perform: TypeAlias = Callable[[Reply | None], None]
"""Performs a command; given a rule's reply, that one goes out, and the command takes effect only if both agree."""


class Host(Protocol):
    """A conversation, as the rooms below it see it."""

    engine: Engine
    """The transaction's state; another one once TLS is on."""
    has_detour: bool
    """Whether something comes before any command, or in the place of all: a header, a stall, replies that are due."""

    @property
    def user(self) -> str | None:
        """Whom the client has shown to be."""

    @property
    def is_free(self) -> bool:
        """Whether the session can go on: no rule holds or stalls it, and it does not end."""

    def readable(self) -> None:
        """Go on with what has come."""

    def send(self, reply: Reply, end: SessionEnd = SessionEnd.REFUSED) -> None:
        """Send a reply; 421 ends the session (RFC 5321 section 3.8), as `end` says."""

    def at_stage(self, stage: str, argument: str, perform: Perform, octets: int = 0) -> None:
        """Let the rules of a stage have their say, and perform it; inside a content, at a mark of so many octets."""

    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said; it is this user if somebody else has said so."""

    def greet(self) -> None:
        """Say the greeting, or what a rule has instead."""

    def give_up(self, said: bytes = b"") -> None:
        """Let go of what waits for its reply, a message or an AUTH: these octets stand in for it."""

    def end(self, end: SessionEnd, *, notify: bool = True) -> None:
        """End the session in order: say what is due, and close."""
