"""`History`: the sessions of one server, oldest first, and waiting for their end."""

from __future__ import annotations

import itertools
import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

from smtpfix.clock import monotonic
from smtpfix.errors import NoSession, SessionIndexError
from smtpfix.policy.server_policy import DEFAULT_MAX_OCTETS

from .recorder import Recorder
from .waiting import Bell

if TYPE_CHECKING:
    from .session import Session

_SHOWN = 10
_HINTS_SHOWN = 5


class Mark(NamedTuple):
    """A moment of a server's history."""

    begun: int
    """Sessions that had begun."""
    at: float
    """The time, by the process's own clock."""


class History(Sequence["Session"]):
    """The sessions of a server, oldest first. Each access shows them as they are now.

    A client that has just failed a handshake or closed its connection may be slightly ahead of the server's thread.
    Each access first lets that thread process everything that the operating system has received, so no test has to
    sleep.
    """

    def __init__(
        self,
        max_sessions: int,
        catch_up: Callable[[], None],
        max_octets: int = DEFAULT_MAX_OCTETS,
        advice: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._advice = advice
        self._bell = Bell()
        self._most, self._most_octets = max_sessions, max_octets
        self._octets = 0
        self._recorders: deque[Recorder] = deque()
        self._weights: dict[int, int] = {}
        self._count = self._dropped = 0
        self._over_count = 0
        self._forgotten: set[int] = set()
        """Numbers of the sessions that were over and have not rung when the history was cleared."""
        self._catch_up = catch_up

    @overload
    def __getitem__(self, index: int) -> Session: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Session, ...]: ...
    def __getitem__(self, index: int | slice) -> Session | tuple[Session, ...]:
        __tracebackhide__ = True
        self._catch_up()
        if isinstance(index, slice):
            return tuple(recorder.session() for recorder in self._now()[index])
        try:
            return self._recorders[index].session()
        except IndexError:
            at = operator.index(index)
            raise SessionIndexError(self._explain(_count(at + 1 if at >= 0 else -at), None)) from None

    def __len__(self) -> int:
        self._catch_up()
        return len(self._recorders)

    def __iter__(self) -> Iterator[Session]:
        self._catch_up()
        return (recorder.session() for recorder in self._now())

    def __repr__(self) -> str:
        """Return its sessions in one line, so that a failed ``assert len(server.sessions) == 1`` lists them."""
        count, sessions = len(self), self[-_SHOWN:]
        left_out = count - len(sessions)
        more = f"{left_out} more; " if left_out > 0 else ""
        listed = f": {more}{'; '.join(map(str, sessions))}" if sessions else ""
        return f"<History of {_count(count)}{listed}>"

    def _now(self) -> tuple[Recorder, ...]:
        with self._bell.lock:
            return tuple(self._recorders)

    @property
    def dropped(self) -> int:
        """How many sessions were dropped because of the policy's limits on sessions and octets."""
        return self._dropped

    def wait(self, count: int = 1, *, timeout: float = 5.0) -> tuple[Session, ...]:
        """Return the first `count` sessions that have ended. Wait up to `timeout` seconds for them.

        Raises `NoSession`, and `BlockingWaitError` on a running event loop: use `ended` there.
        """
        __tracebackhide__ = True
        found = self._bell.wait(lambda: self._over(count), timeout, "'await sessions.ended(...)'")
        return found if found is not None else self._fail(count, timeout)

    async def ended(self, count: int = 1, *, timeout: float = 5.0) -> tuple[Session, ...]:  # noqa: ASYNC109 - as wait()
        """Wait as `wait` does, without blocking the event loop. Raises `NoSession`."""
        __tracebackhide__ = True
        found = await self._bell.wait_async(lambda: self._over(count), timeout)
        return found if found is not None else self._fail(count, timeout)

    def _over(self, count: int) -> tuple[Session, ...] | None:
        if self._over_count < count:
            return None
        over = [recorder for recorder in self._now() if recorder.end is not None][:count]
        return tuple(recorder.session() for recorder in over) if len(over) >= count else None

    def _fail(self, count: int, timeout: float) -> tuple[Session, ...]:
        __tracebackhide__ = True
        over = sum(session.is_over for session in self)
        raise NoSession(self._explain(f"{count} ended sessions within {timeout:g} s", over))

    def _explain(self, wanted: str, found: int | None) -> str:
        count = len(self)
        got = f"{count}" if found is None else f"{found} of {count}"
        lines = [f"expected {wanted}, got {got}", *(f"  {session}" for session in self[-_SHOWN:])]
        return "\n".join([*lines, *(f"hint: {hint}" for hint in itertools.islice(self._advice(), _HINTS_SHOWN))])

    def mark(self) -> Mark:
        """Return the current moment, for `since`."""
        self._catch_up()
        with self._bell.lock:
            return Mark(self._count, monotonic())

    def since(self, mark: Mark, most: int | None = None) -> tuple[Session, ...]:
        """Return what clients did since a moment: new sessions, and the later part of older ones.

        With `most`, look at the newest sessions only.
        """
        self._catch_up()
        recorders = [one for one in self._now() if one.number > mark.begun or one.lasted_beyond(mark.at)]
        found = (
            recorder.session() if recorder.number > mark.begun else recorder.session_since(mark.at)
            for recorder in recorders[-most if most else None :]
        )
        return tuple(session for session in found if session is not None)

    def clear(self) -> int:
        """Forget every ended session and the count of dropped ones; return how many sessions there have been so far.

        Session numbers continue. A running session stays: its further events belong to whoever looks next.
        """
        self._catch_up()
        with self._bell.lock:
            over = [recorder.number for recorder in self._recorders if recorder.end is not None]
            self._forgotten.update(number for number in over if number not in self._weights)
            self._recorders = deque(recorder for recorder in self._recorders if recorder.end is None)
            self._weights.clear()
            self._octets = self._over_count = self._dropped = 0
            return self._count

    # For the server

    def next_number(self) -> int:
        """Return the number of the session about to be added."""
        with self._bell.lock:
            self._count += 1
            return self._count

    def add(self, recorder: Recorder) -> None:
        """Take in a session that begins."""
        with self._bell.lock:
            self._recorders.append(recorder)
            if len(self._recorders) > self._most:
                self._drop()

    def ring(self, recorder: Recorder) -> None:
        """Say that a session has ended."""
        with self._bell.lock:
            if self._forgotten and recorder.number in self._forgotten:
                self._forgotten.remove(recorder.number)
                return
            self._over_count += 1
            if self._recorders and recorder.number >= self._recorders[0].number:
                self._weights[recorder.number] = weight = recorder.weight
                self._octets += weight
                while self._octets > self._most_octets and len(self._recorders) > 1:
                    self._drop()
            self._bell.ring()

    def _drop(self) -> None:
        """Let go of the oldest session, whether it is over or not."""
        self._dropped += 1
        self._octets -= self._weights.pop(self._recorders.popleft().number, 0)


def _count(sessions: int) -> str:
    return f"{sessions} session{'' if sessions == 1 else 's'}"
