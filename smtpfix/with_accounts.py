"""`WithAccounts`: the accounts of a server, from which clients read mail."""

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
    """The part of a server that deals with accounts."""

    inbox: Inbox

    def account(self, user: str) -> Account:
        """Return the account of a user: what IMAP and POP3 clients find in it, and what they did to it.

        All servers that share an inbox have the same accounts. Raises `InvalidValueError`, which lists the known users,
        for any other name.
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
        """Put a message into the account of a user, or of every user, without SMTP.

        `to` is the name or the address of a user; None means every user. Returns the stored messages. Raises
        `InvalidValueError` for an unknown user or folder.
        """
        return self.inbox.accounts.put(content, to=to, folder=folder, flags=flags, date=date)
