"""`IMAPService`: what all conversations of an IMAP server share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smtpfix.conversation.service import Service

from .policy import ImapPolicy
from .status import Bye, tagged

if TYPE_CHECKING:
    from smtpfix.mail.accounts import Accounts
    from smtpfix.record.recorder import Recorder


@dataclass(eq=False, repr=False)
class IMAPService(Service):
    """One server's."""

    policy: ImapPolicy

    @property
    def accounts(self) -> Accounts:
        """Where clients find their mail."""
        return self.intake.accounts()

    def turning_away(self, recorder: Recorder) -> bytes:  # noqa: ARG002 - as that of others
        """Return what a client is told, in clear, that has no place in the process."""
        return b"" if self.tls_on_connect else tagged(Bye("too many connections", "UNAVAILABLE"))
