"""What IMAP and POP3 clients of this process find in their accounts, and what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from smtpfix.policy.protocol import DEFAULT_PROTOCOL
from smtpfix.safe_text import printable
from smtpfix.server import Server
from smtpfix.store.row import session_id

from .desk import Desk
from .exchange import BASE, Answer, Call, Route, as_json, error
from .message_json import timestamp

if TYPE_CHECKING:
    from smtpfix.mail.accounts import Account
    from smtpfix.mail.inbox import Inbox
    from smtpfix.mail.stored import Folder, Gone, StoredMessage

MOST_ACCOUNTS: Final = 50
MOST_FOLDERS: Final = 50
"""Of each account."""
MOST_MESSAGES: Final = 500
"""Of all accounts together; the newest of each folder first."""
MOST_GONE: Final = 50
"""Of each account, the last ones."""
LONGEST: Final = 300
"""Characters of a name, a flag or a subject."""


def readers(desk: Desk) -> dict[str, Server]:
    """Return the servers that mail is read from; none in one mailbox, since accounts belong to all."""
    if desk.mailbox is not None:
        return {}
    return {name: one for name, one in desk.servers.items() if one.policy.spoken != DEFAULT_PROTOCOL}


def accounts(desk: Desk, _: Call) -> Answer:
    """List the accounts: their folders, what is in them and how it is marked, and what readers took out."""
    if desk.mailbox is not None:
        return error(403, "expected a path without /m/NAME/: accounts belong to no mailbox")
    found: list[dict[str, Any]] = []
    left = MOST_MESSAGES
    servers = readers(desk)
    count = 0
    for inbox in _inboxes(servers):
        for account in inbox.accounts.values():
            count += 1
            if len(found) < MOST_ACCOUNTS:
                shown = _account(desk, account, left)
                left -= sum(len(folder["messages"]) for folder in shown["folders"])
                found.append(shown)
    return as_json({"seq": desk.store.last_change(), "servers": list(servers), "count": count, "accounts": found})


def _inboxes(servers: dict[str, Server]) -> list[Inbox]:
    """Return the inboxes behind some servers, each once."""
    return list({id(one.inbox): one.inbox for one in servers.values()}.values())


def _account(desk: Desk, account: Account, most: int) -> dict[str, Any]:
    folders, gone = account.folders, account.gone
    listed = []
    for folder in folders[:MOST_FOLDERS]:
        shown = _folder(folder, most)
        most -= len(shown["messages"])
        listed.append(shown)
    return {
        "user": _cut(account.user),
        "messages": sum(map(len, folders)),
        "folder_count": len(folders),
        "folders": listed,
        "gone_count": len(gone),
        "lost_count": len(account.lost),
        "gone": [_gone(desk, one) for one in reversed(gone[-MOST_GONE:])],
    }


def _folder(folder: Folder, most: int) -> dict[str, Any]:
    return {
        "name": _cut(folder.name),
        "special_use": folder.special_use,
        "count": len(folder),
        "seen": sum(one.is_seen for one in folder),
        "deleted": sum(one.is_deleted for one in folder),
        "messages": [_message(one) for one in reversed(folder.messages[-most:] if most > 0 else ())],
    }


def _message(stored: StoredMessage) -> dict[str, Any]:
    return {
        "uid": stored.uid,
        "subject": _cut(stored.subject),
        "size": stored.size,
        "date": timestamp(stored.date),
        "flags": sorted(_cut(flag) for flag in stored.flags),
        "retrievals": stored.retrievals,
        "is_captured": stored.captured is not None,
    }


def _gone(desk: Desk, gone: Gone) -> dict[str, Any]:
    session = gone.session
    by = None
    if session is not None and desk.process:
        port = session.server[1]
        by = next(
            (session_id(desk.process, name, session.number) for name, one in desk.servers.items() if one.port == port),
            None,
        )
    return {"how": gone.how, "folder": _cut(gone.stored.folder), "session": by, **_message(gone.stored)}


def _cut(text: str) -> str:
    return printable(text[:LONGEST])


ROUTES: Final = (Route(f"{BASE}/accounts", {"GET": accounts}),)
