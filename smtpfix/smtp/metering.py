"""What SMTP counts for each client: transactions, recipients, refusals; and greylisting (RFC 6647)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from smtpfix.clock import monotonic
from smtpfix.conversation.metering import Ledger, Meter
from smtpfix.policy.limits import Limits
from smtpfix.record.recorder import Recorder
from smtpfix.rules.reply import Reply

from .arguments import split_path
from .policy import Policy
from .replies import (
    BAD_CREDENTIALS,
    GREYLISTED,
    MAIL_RATE_EXCEEDED,
    RECIPIENT_RATE_EXCEEDED,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_ERRORS,
    TOO_MANY_LOGINS,
    TOO_MANY_MESSAGES,
)

_NONE: Final = Limits()
_MOST: Final = 100_000
"""Triplets that are remembered; the oldest go first."""


class MailLedger(Ledger):
    """One server's account of its clients, and of what it has seen of their mail."""

    def __init__(self, policy: Policy, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(policy.limits or _NONE, clock)
        self.greylist = policy.greylist
        self._seen: dict[bytes, float] = {}

    def forget(self) -> None:
        """Forget what clients have used up, and every triplet."""
        super().forget()
        self._seen.clear()

    def is_greylisted(self, client: str, sender: str, recipient: str) -> bool:
        """Return whether a triplet has to come back later; one that is new has to."""
        if self.greylist is None:
            return False
        now, seen = self.now, self._seen
        # A digest, since clients choose how long their addresses are.
        triplet = f"{client}\0{sender}\0{recipient}".encode("utf-8", "surrogateescape")
        first = seen.setdefault(hashlib.blake2b(triplet, digest_size=16).digest(), now)
        if len(seen) > _MOST:
            del seen[next(iter(seen))]
        return now < first + self.greylist


class MailMeter(Meter):
    """One session's."""

    def __init__(self, ledger: MailLedger, recorder: Recorder) -> None:
        super().__init__(ledger, recorder)
        self._mail = ledger
        self._messages = 0
        self._logins = 0
        self._errors = 0
        self._accepted = 0
        self._sender = ""

    @property
    def refusal(self) -> Reply | None:
        """What the client is greeted with instead of 220; None: it is welcome."""
        return None if self.is_welcome else TOO_MANY_CONNECTIONS

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
        if not authenticated and self._mail.is_greylisted(self._client, self._sender, recipient):
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
