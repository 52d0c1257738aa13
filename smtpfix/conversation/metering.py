"""What clients have used up of a server's limits, and who was greylisted: a `Ledger` a server, a `Meter` a session.

Knows when something is too much and which reply says so; asking, and sending it, is the conversation's part. Used in
the server's thread only, but for `Ledger.advance`.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from smtpfix.policy.limits import Limits, Rate
from smtpfix.record.recorder import Recorder
from smtpfix.rules.reply import (
    BAD_CREDENTIALS,
    GREYLISTED,
    MAIL_RATE_EXCEEDED,
    RECIPIENT_RATE_EXCEEDED,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_ERRORS,
    TOO_MANY_LOGINS,
    TOO_MANY_MESSAGES,
    Reply,
)
from smtpfix.smtp.arguments import split_path
from smtpfix.smtp.policy import Policy

_NONE: Final = Limits()
_MOST: Final = 100_000
"""Triplets that are remembered; the oldest go first."""


class Ledger:
    """One server's account of its clients, over its life."""

    def __init__(self, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = policy.limits or _NONE
        self.greylist = policy.greylist
        self._clock = clock
        self._advanced = 0.0
        self.open: Counter[str] = Counter()
        """Connections by client."""
        self._past: dict[tuple[str, str], deque[float]] = {}
        self._seen: dict[tuple[str, str, str], float] = {}

    @property
    def now(self) -> float:
        """The time in seconds, from some beginning."""
        return self._clock() + self._advanced

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._advanced += seconds

    def left(self, client: str) -> None:
        """Note that a connection of a client is gone."""
        self.open[client] -= 1
        if not self.open[client]:
            del self.open[client]

    def is_over(self, what: str, client: str, rate: Rate | str | None) -> bool:
        """Return whether a client has had as many as its rate allows."""
        if not isinstance(rate, Rate):
            return False
        past = self._past.get((what, client))
        if past is None:
            return False
        since = self.now - rate.seconds
        while past and past[0] <= since:
            past.popleft()
        return len(past) >= rate.count

    def count(self, what: str, client: str, rate: Rate | str | None) -> None:
        """Note that a client has had one more."""
        if isinstance(rate, Rate):
            self._past.setdefault((what, client), deque(maxlen=rate.count)).append(self.now)

    def is_greylisted(self, client: str, sender: str, recipient: str) -> bool:
        """Return whether a triplet has to come back later; one that is new has to."""
        if self.greylist is None:
            return False
        now, seen = self.now, self._seen
        first = seen.setdefault((client, sender, recipient), now)
        if len(seen) > _MOST:
            del seen[next(iter(seen))]
        return now < first + self.greylist


class Meter:
    """One session's."""

    def __init__(self, ledger: Ledger, recorder: Recorder) -> None:
        self._ledger = ledger
        self._limits = ledger.limits
        self._recorder = recorder
        self._client = client = recorder.client[0]
        self._messages = 0
        self._logins = 0
        self._errors = 0
        self._accepted = 0
        self._sender = ""
        self._is_open = True
        self.refusal = self._refuse_connection()
        """What the client is greeted with instead of 220; None: it is welcome."""
        ledger.open[client] += 1
        if self.refusal is None:
            ledger.count("connections", client, self._limits.connection_rate)

    def close(self) -> None:
        """Note that the connection is gone."""
        if self._is_open:
            self._is_open = False
            self._ledger.left(self._client)

    def _refuse_connection(self) -> Reply | None:
        limits, ledger, client = self._limits, self._ledger, self._client
        too_many = (
            (limits.connections is not None and ledger.open.total() >= limits.connections)
            or (limits.connections_per_client is not None and ledger.open[client] >= limits.connections_per_client)
            or ledger.is_over("connections", client, limits.connection_rate)
        )
        return TOO_MANY_CONNECTIONS if too_many else None

    def refuse(self, verb: str, argument: str, *, in_transaction: bool, authenticated: bool) -> Reply | None:
        """Return the reply to a MAIL or RCPT that is too much; None where the command's own reply is due."""
        if verb == "MAIL":
            return None if in_transaction else self._refuse_mail()
        if verb != "RCPT" or not in_transaction or (found := split_path("TO:", argument)) is None:
            return None
        if self._ledger.is_over("recipients", self._client, self._limits.recipient_rate):
            return RECIPIENT_RATE_EXCEEDED
        # Who has logged in is known, and need not come back.
        recipient = (found.plain or found.address).lower()
        if not authenticated and self._ledger.is_greylisted(self._client, self._sender, recipient):
            return GREYLISTED
        return None

    def _refuse_mail(self) -> Reply | None:
        most = self._limits.messages_per_connection
        if most is not None and self._messages >= most:
            return TOO_MANY_MESSAGES
        if self._ledger.is_over("messages", self._client, self._limits.message_rate):
            return MAIL_RATE_EXCEEDED
        return None

    def accepted(self, verb: str, argument: str) -> None:
        """Count a MAIL or RCPT that was answered 250."""
        if verb == "MAIL":
            self._messages += 1
            self._ledger.count("messages", self._client, self._limits.message_rate)
            found = split_path("FROM:", argument)
            self._sender = found.address.lower() if found is not None else ""
        elif verb == "RCPT":
            self._ledger.count("recipients", self._client, self._limits.recipient_rate)

    def replied(self, code: int) -> Reply | None:
        """Count a reply that was sent; return the one that has to follow it and ends the session, if any."""
        if code < 400:  # noqa: PLR2004 - the boundary of the positive classes
            return None
        if self._recorder.message_count != self._accepted:
            self._accepted, self._errors = self._recorder.message_count, 0
        self._errors += 1
        if code == BAD_CREDENTIALS.code:
            self._logins += 1
            if self._limits.failed_logins is not None and self._logins >= self._limits.failed_logins:
                return TOO_MANY_LOGINS
        if self._limits.errors is not None and self._errors >= self._limits.errors:
            return TOO_MANY_ERRORS
        return None
