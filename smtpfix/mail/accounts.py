"""`Accounts`: where clients read the captured messages, with an `Account` for each user. Tests can look into them.

Deleting, moving and appending change accounts, but never the inbox, which is the evidence of what was sent.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Final, Unpack

from smtpfix.errors import InvalidValueError, NoMessage, UnexpectedMessage
from smtpfix.safe_text import printable
from smtpfix.suggesting import one_of

from .mailbox import Entry, Mailbox, known_flags
from .matching import Criteria, Matcher
from .message import CapturedMessage, SessionSource, unsent
from .shelf import Mail, Shelf
from .stored import Folder, Gone, StoredMessage
from .view import View

if TYPE_CHECKING:
    import asyncio
    from threading import RLock

INBOX: Final = "INBOX"
"""The folder that every account has, under this name in any case (RFC 9051 section 5.1)."""
DELIMITER: Final = "/"
"""What separates the names of a folder and of one inside it."""
_SPECIAL_USE: Final = {name: f"\\{name}" for name in ("Archive", "Drafts", "Junk", "Sent", "Trash")}
_NEAR_MISSES: Final = 5


class Account:
    """One user's folders. What it returns to a test are values of that moment."""

    def __init__(self, user: str, shelf: Shelf, next_uidvalidity: Callable[[], int]) -> None:
        self.user = user
        """Who logs in to read it."""
        self.mailboxes: dict[str, Mailbox] = {}
        """For protocols: its folders by their names, while `lock` is held or in the loop thread."""
        self.subscribed: set[str] = set()
        """The names that IMAP clients subscribed to."""
        self._shelf = shelf
        self._next_uidvalidity = next_uidvalidity
        self._gone: OrderedDict[Entry, Gone] = OrderedDict()
        self._holder: object | None = None
        self.create(INBOX)

    @property
    def lock(self) -> RLock:
        """The lock of all accounts of the inbox."""
        return self._shelf.lock

    # For tests

    @property
    def inbox(self) -> Folder:
        """The folder INBOX, where mail arrives; in POP3 the only one."""
        return self[INBOX]

    @property
    def folders(self) -> tuple[Folder, ...]:
        """All folders, INBOX first."""
        return tuple(mailbox.folder() for mailbox in self._boxes())

    def __getitem__(self, folder: str) -> Folder:
        """Return a folder by its name. Raises `InvalidValueError` listing those there are."""
        return self._box(folder).folder()

    @property
    def gone(self) -> tuple[Gone, ...]:
        """What clients removed from the folders, oldest first."""
        with self.lock:
            return tuple(self._gone.values())

    @property
    def lost(self) -> tuple[Gone, ...]:
        """The messages of `gone` that no client ever read completely and that are in no other folder.

        Each message appears once, as it was last.
        """
        with self.lock:
            last = {entry.mail: gone for entry, gone in self._gone.items()}
            return tuple(gone for mail, gone in last.items() if not mail.retrievals and not mail.copies)

    def find(self, *, folder: str | None = None, **criteria: Unpack[Criteria]) -> tuple[StoredMessage, ...]:
        """Return the messages that match, in one folder or in all of them, without waiting."""
        matcher = Matcher(criteria)
        return tuple(stored for stored in self._stored(folder) if matcher.matches(stored.message))

    def one(self, *, timeout: float = 0.0, folder: str | None = None, **criteria: Unpack[Criteria]) -> StoredMessage:
        """Return the one message that matches. With `timeout`, wait up to so many seconds for it.

        Raises `NoMessage` if none matches and `UnexpectedMessage` if several match. Both are assertion errors, and
        explain what came near. With `timeout`, raises `BlockingWaitError` on a running event loop.
        """
        __tracebackhide__ = True
        if timeout > 0:
            self.wait(1, timeout=timeout, folder=folder, **criteria)
        found = self.find(folder=folder, **criteria)
        if len(found) == 1:
            return found[0]
        if not found:
            raise NoMessage(self._explain(1, folder, Matcher(criteria)))
        listed = "\n".join(f"  {stored}" for stored in found[:_NEAR_MISSES])
        raise UnexpectedMessage(f"expected one message ({Matcher(criteria)}), {len(found)} match:\n{listed}")

    def wait(
        self, count: int = 1, *, timeout: float = 5.0, folder: str | None = None, **criteria: Unpack[Criteria]
    ) -> tuple[StoredMessage, ...]:
        """Return the first `count` messages that match. Wait up to `timeout` seconds for them.

        Raises `NoMessage`, and `BlockingWaitError` on a running event loop.
        """
        __tracebackhide__ = True
        matcher, known = Matcher(criteria), dict[CapturedMessage, bool]()

        def matches(stored: StoredMessage) -> bool:
            if (message := stored.message) not in known:
                known[message] = matcher.matches(message)
            return known[message]

        def look() -> tuple[StoredMessage, ...] | None:
            if folder is not None and folder not in self.mailboxes:
                return None
            found = [stored for stored in self._stored(folder) if matches(stored)]
            return tuple(found[:count]) if len(found) >= count else None

        found = self._shelf.bell.wait(look, timeout, "a thread to wait in, such as asyncio.to_thread")
        if found is None:
            raise NoMessage(self._explain(count, folder, matcher))
        return found

    def put(
        self,
        content: bytes | str | EmailMessage,
        *,
        folder: str = INBOX,
        flags: Iterable[str] = (),
        date: datetime | None = None,
    ) -> StoredMessage:
        """Put a message into a folder, as if it had arrived, and return it. Raises `InvalidValueError`."""
        mailbox = self._box(folder)
        try:
            known = known_flags(flags)
        except ValueError as error:
            raise InvalidValueError("Account.put flags", flags, f"system flags or keywords ({error})") from None
        return mailbox.stored(mailbox.add(Mail(octets(content)), known, date))

    def _boxes(self) -> list[Mailbox]:
        with self.lock:
            boxes = [box for box in self.mailboxes.values() if box.is_selectable]
        return sorted(boxes, key=lambda box: (box.name != INBOX, box.name))

    def _box(self, name: str) -> Mailbox:
        box = self.mailbox(name)
        if box is None or not box.is_selectable:
            raise InvalidValueError("folder", name, one_of(name, (box.name for box in self._boxes())))
        return box

    def _stored(self, folder: str | None) -> Iterator[StoredMessage]:
        for box in self._boxes() if folder is None else (self._box(folder),):
            yield from box.folder()

    def _explain(self, wanted: int, folder: str | None, matcher: Matcher) -> str:
        stored = list(self._stored(folder)) if folder is None or self.mailbox(folder) else []
        where = f"{printable(self.user)!r}" + ("" if folder is None else f", folder {folder!r}")
        lines = [f"expected {wanted} of the messages of {where} ({matcher}), there are {len(stored)}:"]
        for one in stored[-_NEAR_MISSES:]:
            lines += [f"  {one}", *(f"    {line}" for line in matcher.difference(one.message))]
        lines += [f"  {gone}" for gone in self.gone[-_NEAR_MISSES:]]
        return "\n".join(lines)

    # For protocols

    def mailbox(self, name: str) -> Mailbox | None:
        """Return a folder to work on (INBOX in any case); None without one."""
        return self.mailboxes.get(INBOX if name.upper() == INBOX else name)

    def create(self, name: str, special_use: str | None = None) -> Mailbox:
        """Create a folder and those that it is inside; an existing one is returned, and can be selected again."""
        with self.lock:
            parent = name.rpartition(DELIMITER)[0]
            if parent and parent not in self.mailboxes:
                self.create(parent)
            box = self.mailboxes.get(name)
            if box is None:
                box = Mailbox(self._shelf, name, self._next_uidvalidity(), self._gone, special_use)
                self.mailboxes[name] = box
            box.is_selectable = True
            return box

    def delete(self, name: str, source: SessionSource | None = None) -> None:
        """Delete a folder and its messages; if folders are inside it, its name stays (RFC 9051 section 6.3.5)."""
        with self.lock:
            box = self.mailboxes[name]
            box.remove(box.entries, "DELETE", source)
            if any(other.startswith(name + DELIMITER) for other in self.mailboxes):
                box.is_selectable = False
            else:
                del self.mailboxes[name]

    def rename(self, name: str, to: str, source: SessionSource | None = None) -> None:
        """Rename a folder and those inside it, with a new UIDVALIDITY; of INBOX, only the messages move."""
        with self.lock:
            if name == INBOX:
                inbox = self.mailboxes[INBOX]
                inbox.move(inbox.entries, self.create(to), source)
                return
            parent = to.rpartition(DELIMITER)[0]
            if parent and parent not in self.mailboxes:
                self.create(parent)
            for old in [other for other in self.mailboxes if other == name or other.startswith(name + DELIMITER)]:
                box = self.mailboxes.pop(old)
                box.name = to + old[len(name) :]
                box.uidvalidity = self._next_uidvalidity()
                self.mailboxes[box.name] = box

    def view(
        self,
        mailbox: Mailbox,
        *,
        read_only: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        told: Callable[[], None] | None = None,
    ) -> View:
        """Return a session's view of a folder; `told` is called in the loop's thread when something has changed."""
        return View(self._shelf, mailbox, read_only=read_only, loop=loop, told=told)

    def hold(self, holder: object) -> bool:
        """Lock the account for one POP3 session (RFC 1939 section 4); return whether no other session has it."""
        with self.lock:
            if self._holder is None:
                self._holder = holder
            return self._holder is holder

    def let_go(self, holder: object) -> None:
        """Release the lock if this session has it."""
        with self.lock:
            if self._holder is holder:
                self._holder = None

    @property
    def octets(self) -> int:
        """The octets of all its messages together."""
        return sum(box.octets for box in self._boxes())

    def empty(self) -> None:
        """Forget all messages and what is gone. The folders stay, and their UIDs continue."""
        with self.lock:
            for entry in self._gone:
                self._shelf.forget(entry)
            self._gone.clear()
            for box in self.mailboxes.values():
                box.empty()


class Accounts(Mapping[str, Account]):
    """The accounts of all servers that share an inbox, by their users.

    A message goes to every recipient that is a user, by the whole address or by the local part, and to everybody where
    none is, so that nothing is ever out of reach.
    """

    def __init__(self, most_octets: int, so_far: Iterable[CapturedMessage] = ()) -> None:
        self._shelf = Shelf(most_octets)
        self._accounts: dict[str, Account] = {}
        self._anybody = False
        self._folders: dict[str, None] = {}
        self._next_uidvalidity = itertools.count(int(time.time())).__next__
        self._for_everybody: dict[CapturedMessage, bool] = {}
        """Each with whether it came over SMTP."""
        for message in so_far:
            self.deliver(message)

    # Reading

    def __getitem__(self, user: str) -> Account:
        """Return a user's account. Raises `InvalidValueError`, which is no `KeyError`, listing those there are.

        Where a server takes any user, an account begins when it is asked for.
        """
        account = self._accounts.get(user)
        if account is None:
            if not self._anybody:
                known = one_of(user, self._accounts) if self._accounts else "no user: nobody can log in to this server"
                raise InvalidValueError("user", user, known)
            account = self.open(user)
        return account

    def __len__(self) -> int:
        return len(self._accounts)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._accounts))

    def __contains__(self, user: object) -> bool:
        return user in self._accounts

    @property
    def dropped(self) -> int:
        """How many messages had to go because they were more than `Policy.max_octets` together."""
        return self._shelf.dropped

    def put(
        self,
        content: bytes | str | EmailMessage,
        *,
        to: str | None = None,
        folder: str = INBOX,
        flags: Iterable[str] = (),
        date: datetime | None = None,
    ) -> tuple[StoredMessage, ...]:
        """Put a message into the account of a user, or of every user, and return what was stored.

        Users who are there later find what is for all of them, as it is with mail that came.
        """
        if to is not None:
            return (self._addressed(to).put(content, folder=folder, flags=flags, date=date),)
        message = unsent(octets(content), date or datetime.now(UTC))
        with self._shelf.lock:
            if folder == INBOX and not flags:
                self._keep_for_everybody(message, is_captured=False)
            return tuple(account.put(content, folder=folder, flags=flags, date=date) for account in self._all())

    # For servers

    def admit(self, users: Collection[str] | None, folders: Iterable[str] = ()) -> None:
        """Have accounts for these users, None for whoever logs in, with these folders beside INBOX."""
        with self._shelf.lock:
            self._folders.update(dict.fromkeys(folders))
            if users is None:
                self._anybody = True
            new = [user for user in users or () if user not in self._accounts]
            for user in new:
                self._accounts[user] = Account(user, self._shelf, self._next_uidvalidity)
            for account in self._accounts.values():
                for name in self._folders:
                    if account.mailbox(name) is None:
                        account.create(name, _SPECIAL_USE.get(name))
            added = [self._accounts[user] for user in new]
            for message, is_captured in self._for_everybody.items() if added else ():
                meant = _meant(message, added) if is_captured else []
                for account in meant or added:
                    self._store(message, account, 0, is_captured=is_captured)

    def open(self, user: str) -> Account:
        """Return the account of somebody who has logged in; it begins with that, where it has not begun."""
        if user not in self._accounts:
            self.admit((user,))
        return self._accounts[user]

    def deliver(self, message: CapturedMessage) -> None:
        """Put a captured message into the INBOX of whom it is for."""
        with self._shelf.lock:
            taken = message.weight
            meant = _meant(message, self._accounts.values())
            if not meant:
                self._keep_for_everybody(message, is_captured=True)
                meant, taken = self._all(), 0
            for account in meant:
                self._store(message, account, taken)
                taken = 0  # its content is shared

    def clear(self) -> None:
        """Empty all accounts; they stay, and their UIDs go on."""
        with self._shelf.lock:
            for message in self._for_everybody:
                self._shelf.forget(message)
            self._for_everybody.clear()
            for account in self._accounts.values():
                account.empty()

    def _all(self) -> list[Account]:
        with self._shelf.lock:
            return list(self._accounts.values())

    def _addressed(self, to: str) -> Account:
        """Return the account of a user, or of an address."""
        if to not in self._accounts and (found := _named({to.lower()}, self._all())):
            return found[0]
        return self[to]

    def _keep_for_everybody(self, message: CapturedMessage, *, is_captured: bool) -> None:
        self._for_everybody[message] = is_captured
        self._shelf.keep(message, message.weight, self._for_everybody.pop)

    @staticmethod
    def _store(message: CapturedMessage, account: Account, taken: int, *, is_captured: bool = True) -> None:
        mail = Mail(message.content, message if is_captured else None)
        account.mailboxes[INBOX].add(mail, date=message.received, octets=taken)


def _meant(message: CapturedMessage, accounts: Iterable[Account]) -> list[Account]:
    """Return the accounts of those among the recipients who are users."""
    return _named({recipient.lower() for recipient in message.to}, accounts)


def _named(addresses: Collection[str], accounts: Iterable[Account]) -> list[Account]:
    names = {*addresses, *(address.rpartition("@")[0] for address in addresses)}
    return [account for account in accounts if account.user.lower() in names]


def octets(content: bytes | str | EmailMessage) -> bytes:
    """Return the octets of a message that somebody wrote down."""
    if isinstance(content, EmailMessage):
        return content.as_bytes(policy=SMTP)
    return content.encode() if isinstance(content, str) else content
