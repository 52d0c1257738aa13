"""`Inbox`: the captured messages, and waiting for them.

A message is in the inbox before its reply is sent. So a client that has its reply need not wait for the inbox.
"""

from __future__ import annotations

import itertools
import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias, Unpack, overload

from smtpfix.errors import MessageIndexError, NoMessage, UnexpectedMessage
from smtpfix.later import Later
from smtpfix.policy.server_policy import DEFAULT_MAX_OCTETS
from smtpfix.record.waiting import Bell

from .message import CapturedMessage

if TYPE_CHECKING:
    from . import matching
    from .accounts import Accounts
    from .attempts import Attempts, EarlyAttempt
    from .matching import Criteria, Matcher
else:
    matching = Later("mail.matching")

_NEAR_MISSES = 5
_SESSIONS_SHOWN = 5
_HINTS_SHOWN = 5
_LISTED = 10
"""Messages that the repr of an inbox has."""

Witness: TypeAlias = Callable[[], Sequence[object]]
"""A function that returns what each client did."""
Advice: TypeAlias = Callable[[], Iterable[str]]
"""A function that returns hints for clients that failed."""


class Inbox(Sequence[CapturedMessage]):
    """The accepted messages of one or more servers, oldest first. Messages refused at the final dot are in `refused`.

    It is a sequence: ``inbox[0]``, ``inbox[-1]``, ``len(inbox)`` and iteration work as with a tuple. ``inbox[0]``
    raises `NoMessage` (and `IndexError`) if there is no such message.
    """

    def __init__(self, max_messages: int = 100_000, max_octets: int = DEFAULT_MAX_OCTETS) -> None:
        self._bell = Bell()
        self._messages: deque[CapturedMessage] = deque(maxlen=max_messages)
        self._refused: deque[CapturedMessage] = deque(maxlen=max_messages)
        self._most_octets = max_octets
        self._octets = 0
        self._turned_away: dict[EarlyAttempt, int] = {}
        """What was refused before its content, with the number of the last message that was here before it."""
        self._early_octets = 0
        self._last_number = 0
        self._accepted_count = self._cleared_count = 0
        self.next_number: Callable[[], int] = itertools.count(1).__next__
        """Return the number of the message about to be added; for the server."""
        self._witnesses: list[tuple[Witness, Advice]] = []
        self._accounts: Accounts | None = None

    # Reading

    @overload
    def __getitem__(self, index: int) -> CapturedMessage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CapturedMessage, ...]: ...
    def __getitem__(self, index: int | slice) -> CapturedMessage | tuple[CapturedMessage, ...]:
        __tracebackhide__ = True
        if isinstance(index, slice):
            return self.messages[index]
        try:
            return self._messages[index]
        except IndexError:
            at = operator.index(index)
            raise MessageIndexError(self._explain(at + 1 if at >= 0 else -at, None, matching.Matcher({}), "")) from None

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[CapturedMessage]:
        return iter(self.messages)

    def __repr__(self) -> str:
        """Return its messages in one line, so that a failed ``assert len(inbox) == 1`` lists them."""
        messages, refused = self.messages, self.refused
        facts = [_count(len(messages), "message")] + ([f"{len(refused)} refused"] if refused else [])
        listed = [str(message) for message in messages[:_LISTED]]
        listed += [f"refused {message}" for message in refused[: _LISTED - len(listed)]]
        left_out = len(messages) + len(refused) - len(listed)
        listed += [f"and {left_out} more"] if left_out else []
        return f"<Inbox of {', '.join(facts)}{': ' if listed else ''}{'; '.join(listed)}>"

    @property
    def messages(self) -> tuple[CapturedMessage, ...]:
        """The accepted messages that the inbox has now, oldest first."""
        with self._bell.lock:
            return tuple(self._messages)

    @property
    def refused(self) -> tuple[CapturedMessage, ...]:
        """The messages that arrived complete but were not accepted: the final dot was refused, or got no reply."""
        with self._bell.lock:
            return tuple(self._refused)

    @property
    def newest(self) -> int:
        """The number of the newest message, accepted or refused; 0 if there is none."""
        with self._bell.lock:
            return max((kept[-1].number for kept in (self._messages, self._refused) if kept), default=0)

    @property
    def dropped(self) -> int:
        """How many accepted messages the inbox has dropped because of its limits on messages and octets."""
        with self._bell.lock:
            return self._accepted_count - self._cleared_count - len(self._messages)

    @property
    def accounts(self) -> Accounts:
        """The accounts in which IMAP and POP3 clients find the messages, created on first use."""
        with self._bell.lock:
            if self._accounts is None:
                from .accounts import Accounts  # noqa: PLC0415 - nobody reads mail in most runs

                self._accounts = Accounts(self._most_octets, self._messages)
            return self._accounts

    def find(self, **criteria: Unpack[Criteria]) -> tuple[CapturedMessage, ...]:
        """Return the messages that match, without waiting; without criteria, all of them.

        Raises `TypeError`, which names an unknown criterion.
        """
        matcher = matching.Matcher(criteria)
        return tuple(message for message in self.messages if matcher.matches(message))

    # Asserting

    def one(self, *, timeout: float = 0.0, **criteria: Unpack[Criteria]) -> CapturedMessage:
        """Return the one message that matches. With `timeout`, wait up to so many seconds for it.

        Raises `NoMessage` if none matches and `UnexpectedMessage` if several match. Both are assertion errors, and
        explain what came near. With `timeout`, raises `BlockingWaitError` on a running event loop: use `received`
        there.
        """
        __tracebackhide__ = True
        if timeout > 0:
            self.wait(1, timeout=timeout, **criteria)
        found = self.find(**criteria)
        if len(found) == 1:
            return found[0]
        if found:
            listed = "\n".join(f"  {message}" for message in found[:_NEAR_MISSES])
            raise UnexpectedMessage(
                f"expected one message ({matching.Matcher(criteria)}), {len(found)} match:\n{listed}"
            )
        raise NoMessage(self._explain(1, 0, matching.Matcher(criteria), ""))

    def attempts(self, message_id: str | None = None, **criteria: Unpack[Criteria]) -> Attempts:
        """Return all attempts to deliver the one message that matches, accepted or not, oldest first.

        Pass its Message-ID or criteria; pass nothing if there is only one message. Raises `NoMessage` if no message
        matches, and `UnexpectedMessage` if the matching ones have several Message-IDs: a retry keeps its Message-ID
        (RFC 5322 section 3.6.4).

        Some attempts end before their content, because MAIL, RCPT or DATA was refused or a rule disconnected the client
        there. Such an attempt counts if its envelope identifies the message: it has the sender, and a recipient, of
        this message and of no other one. If no attempt had any content, the only criteria are `to`, `reverse_path` and
        `user`.
        """
        __tracebackhide__ = True
        from .attempts import select  # noqa: PLC0415 - few tests ask for them

        with self._bell.lock:
            seen = [*self._messages, *self._refused]
            early = list(self._turned_away.items())
        seen.sort(key=lambda message: message.number)
        anonymous = [(attempt.message(), behind) for attempt, behind in early]
        return select(seen, anonymous, message_id, matching.Matcher(criteria), self._told)

    def wait(
        self, count: int = 1, *, timeout: float = 5.0, **criteria: Unpack[Criteria]
    ) -> tuple[CapturedMessage, ...]:
        """Return the first `count` messages that match. Wait up to `timeout` seconds for them.

        Raises `NoMessage`, and `BlockingWaitError` on a running event loop: use `received` there.
        """
        __tracebackhide__ = True
        search = _Search(self, count, matching.Matcher(criteria))
        found = self._bell.wait(search.look, timeout, "'await inbox.received(...)'")
        return found if found is not None else self._fail(search, timeout)

    async def received(
        self,
        count: int = 1,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 - same face as wait()
        **criteria: Unpack[Criteria],
    ) -> tuple[CapturedMessage, ...]:
        """Wait as `wait` does, without blocking the event loop. Raises `NoMessage`."""
        __tracebackhide__ = True
        search = _Search(self, count, matching.Matcher(criteria))
        found = await self._bell.wait_async(search.look, timeout)
        return found if found is not None else self._fail(search, timeout)

    def expect_none(self, *, within: float = 0.0, **criteria: Unpack[Criteria]) -> None:
        """Raise `UnexpectedMessage` if a message matches, now or within the next `within` seconds.

        Raises `BlockingWaitError` on a running event loop: use `received_none` there.
        """
        __tracebackhide__ = True
        search = _Search(self, 1, matching.Matcher(criteria))
        _refuse(self._bell.wait(search.look, within, "'await inbox.received_none(...)'"), search)

    async def received_none(self, *, within: float = 0.0, **criteria: Unpack[Criteria]) -> None:
        """Check as `expect_none` does, without blocking the event loop. Raises `UnexpectedMessage`."""
        __tracebackhide__ = True
        search = _Search(self, 1, matching.Matcher(criteria))
        _refuse(await self._bell.wait_async(search.look, within), search)

    def clear(self) -> None:
        """Forget every message and the count of dropped ones, and empty all accounts. Message numbers continue."""
        with self._bell.lock:
            self._messages.clear()
            self._refused.clear()
            self._turned_away.clear()
            self._octets = self._early_octets = 0
            self._cleared_count = self._accepted_count
            accounts = self._accounts
        if accounts is not None:
            accounts.clear()

    # For the server

    def add(self, message: CapturedMessage) -> None:
        """Add a message to the accepted ones or to the refused ones, depending on its reply."""
        accepted = message.accepted
        with self._bell.lock:
            kept = self._messages if accepted else self._refused
            oldest = kept[0] if kept else None
            kept.append(message)
            self._octets += message.weight
            self._last_number = message.number
            if oldest is not None and kept[0] is not oldest:
                self._octets -= oldest.weight
            while self._octets > self._most_octets and len(self._messages) + len(self._refused) > 1:
                self._octets -= self._oldest().popleft().weight
            if accepted:
                self._accepted_count += 1
                self._bell.ring()
            accounts = self._accounts
        if accounts is not None and accepted:
            accounts.deliver(message)

    def take_back(self, message: CapturedMessage, instead: CapturedMessage) -> None:
        """Remove a message that was not accepted after all, and add another one in its place."""
        with self._bell.lock:
            if message in self._messages:
                self._messages.remove(message)
                self._octets -= message.weight
                self._cleared_count += 1
        self.add(instead)

    def turn_away(self, attempt: EarlyAttempt, octets: int) -> None:
        """Add an attempt that was refused before its content, or update it; it takes up so many octets more."""
        with self._bell.lock:
            self._turned_away.setdefault(attempt, self._last_number)
            self._early_octets += octets
            most = self._messages.maxlen or 0
            while len(self._turned_away) > most or (
                self._early_octets > self._most_octets and len(self._turned_away) > 1
            ):
                self._forget(next(iter(self._turned_away)))

    def withdraw(self, attempt: EarlyAttempt) -> None:
        """Remove an attempt that was refused before its content: its content has arrived after all."""
        with self._bell.lock:
            if attempt in self._turned_away:
                self._forget(attempt)

    def _forget(self, attempt: EarlyAttempt) -> None:
        del self._turned_away[attempt]
        self._early_octets -= attempt.weight

    def _oldest(self) -> deque[CapturedMessage]:
        """Return where the oldest message is."""
        accepted, refused = self._messages, self._refused
        is_refused = bool(refused) and (not accepted or refused[0].number < accepted[0].number)
        return refused if is_refused else accepted

    def _since(self, seen: int) -> tuple[list[CapturedMessage], int]:
        """Return the accepted messages after the first `seen` that ever came, as far as they are here, and their end.

        The cost is that of the new messages, and nobody who adds one waits for more than a copy of the list.
        """
        with self._bell.lock:
            count = self._accepted_count
            new = list(itertools.islice(reversed(self._messages), count - seen))
        return new[::-1], count

    def attach(self, witness: Witness, advice: Advice = tuple) -> None:
        """Let a failed wait show the sessions of a server, which `witness` returns, and the hints of `advice`."""
        self._witnesses.append((witness, advice))

    def _fail(self, search: _Search, timeout: float) -> tuple[CapturedMessage, ...]:
        __tracebackhide__ = True
        raise NoMessage(self._explain(search.count, len(search.found), search.matcher, f" within {timeout:g} s"))

    def _explain(self, wanted: int, found: int | None, matcher: Matcher, when: str) -> str:
        messages = self.messages
        got = "" if found is None else f"{found} of "
        lines = [f"expected {_count(wanted, 'message')} ({matcher}){when}, got {got}{len(messages)} captured"]
        misses = [(difference, message) for message in messages if (difference := matcher.difference(message))]
        misses.sort(key=lambda miss: len(miss[0]))
        for difference, message in misses[:_NEAR_MISSES]:
            lines += [f"  {message}", *(f"    {line}" for line in difference)]
        if len(misses) > _NEAR_MISSES:
            lines.append(f"  and {len(misses) - _NEAR_MISSES} more that differ")
        for message in self.refused[-_NEAR_MISSES:]:
            lines.append(f"  not accepted, answered {str(message.reply) if message.reply else 'nothing'!r}: {message}")
        return "\n".join([*lines, *self._told()])

    def _told(self) -> Iterator[str]:
        """Yield what the clients did, and what may help them."""
        told = [(witness(), advice) for witness, advice in self._witnesses]
        sessions = [session for own, _ in told for session in own[-_SESSIONS_SHOWN:]]
        yield f"what the clients did: {_count(sum(len(own) for own, _ in told), 'session')}"
        yield from (f"  {session}" for session in sessions[-_SESSIONS_SHOWN:])
        # Where some server has met a client, nobody has to be told of one that has not.
        advised = (hint for own, advice in told if own or not sessions for hint in advice())
        yield from (f"hint: {hint}" for hint in itertools.islice(dict.fromkeys(advised), _HINTS_SHOWN))


class _Search:
    """Looks at each message once, however often it is asked: waiting stays linear in the messages that come."""

    def __init__(self, inbox: Inbox, count: int, matcher: Matcher) -> None:
        if count < 0:
            raise ValueError(f"expected a count of messages, 0 or more, got {count}")
        self.count = count
        self.matcher = matcher
        self.found: list[CapturedMessage] = []
        self._inbox = inbox
        self._seen = 0

    def look(self) -> tuple[CapturedMessage, ...] | None:
        """Return the first `count` matches once there are so many; no lock is held while a message is read."""
        new, self._seen = self._inbox._since(self._seen)  # noqa: SLF001 - the other half of one class
        self.found += filter(self.matcher.matches, new)
        return tuple(self.found[: self.count]) if len(self.found) >= self.count else None


def _refuse(found: tuple[CapturedMessage, ...] | None, search: _Search) -> None:
    __tracebackhide__ = True
    if found:
        raise UnexpectedMessage(f"expected no message ({search.matcher}), but there is one:\n  {found[0]}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
