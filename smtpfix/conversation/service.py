"""`Service`: what all conversations of a server share, created when the server starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.rules.rulebook import Rulebook

from .failures import Failures

if TYPE_CHECKING:
    from smtpfix.mail.accounts import Accounts
    from smtpfix.mail.attempts import EarlyAttempt
    from smtpfix.mail.message import CapturedMessage
    from smtpfix.record.recorder import Recorder
    from smtpfix.tls.side import TLSSide

    from .metering import Ledger


Done: TypeAlias = Callable[[Exception | None], None]
"""Is told that a message is kept, or why it is not."""


def _ignored(*_: object) -> None:
    """Do nothing."""


class Intake(NamedTuple):
    """Where messages go that a server takes in."""

    next_number: Callable[[], int]
    """Returns the number of the message about to be captured."""
    capture: Callable[[CapturedMessage], None]
    """Takes a message in, before it is answered. Raises `OSError` for one that may not be answered: it is not kept."""
    accounts: Callable[[], Accounts]
    """Returns where readers find the messages."""
    turned_away: Callable[[EarlyAttempt, int], None] = _ignored
    """Is told of a message that was refused before its content, and how many octets more it takes to keep that."""
    taken_back: Callable[[CapturedMessage, CapturedMessage], None] = _ignored
    """Is told that a message has not been accepted after all, and what it is instead."""
    withdrawn: Callable[[EarlyAttempt], None] = _ignored
    """Is told that its content has come all the same."""
    keep: Callable[[CapturedMessage, Done], CapturedMessage | None] | None = None
    """Begins to keep a message for good, and returns at once; what it is given is called later, in the loop.
    An accepted message is answered only then. It may return the message with another reply. None keeps nothing."""


class Closing:
    """Whether somebody closes the server: then no client is answered any more, however many have said something."""

    has_begun = False


@dataclass(eq=False, repr=False)
class Service:
    """One server's. What only one protocol shares, its own kind of this has."""

    policy: ServerPolicy
    rulebook: Rulebook
    loop: asyncio.AbstractEventLoop
    new_tls: Callable[[], TLSSide]
    """Returns the TLS side of a new connection; only called where the policy uses TLS."""
    intake: Intake
    closing: Closing = field(default_factory=Closing)
    failures: Failures = field(default_factory=Failures)
    """What the code has raised that the server was given."""

    @cached_property
    def fault(self) -> str | None:
        """What the scenario has the server do wrong in TLS, one of `tls_profile.FAULTS`."""
        return None if self.policy.is_good or not self.policy.uses_tls else self.policy.tls_profile.fault

    @cached_property
    def tls_on_connect(self) -> bool:
        """Whether TLS begins as soon as a client connects."""
        return self.policy.mode is Mode.IMPLICIT_TLS or self.fault == "tls-first"

    @cached_property
    def ledger(self) -> Ledger | None:
        """What clients have used up; None where nothing is limited, and so nothing is counted."""
        return None

    def turning_away(self, recorder: Recorder) -> bytes:  # noqa: ARG002 - for protocols with words of their own
        """Return what a client is told, in clear, that has no place in the process; empty: it is told nothing."""
        return b""
