"""`WithAccounts`: what clients find in the accounts of a server that mail is read from, and what they did to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from email.message import EmailMessage

    from .mail.accounts import Account
    from .mail.inbox import Inbox
    from .mail.stored import StoredMessage


class WithAccounts:
    """A server, as far as accounts go."""

    inbox: Inbox

    def account(self, user: str) -> Account:
        """Return the account of a user, with what IMAP and POP3 clients find in it, and what they did to it.

        It is the same for all servers of one inbox. Raises `InvalidValueError` listing the users there are.
        """
        return self.inbox.accounts[user]

    def put(
        self,
        content: bytes | str | EmailMessage,
        *,
        to: str | None = None,
        folder: str = "INBOX",
        flags: Iterable[str] = (),
        date: datetime | None = None,
    ) -> tuple[StoredMessage, ...]:
        """Put a message into the account of a user, named by name or by address, or of every user; no SMTP is needed.

        Returns what was stored. Raises `InvalidValueError` for a user or a folder there is not.
        """
        return self.inbox.accounts.put(content, to=to, folder=folder, flags=flags, date=date)
