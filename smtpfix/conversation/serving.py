"""`Serving`: the life of a running server in the loop thread. It listens, accepts, sweeps and closes.

Knows no protocol and no rules: what is said on a connection is its conversation's.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from smtpfix.clock import monotonic
from smtpfix.event_loops import on_trio, running_library
from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.record.history import History
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Event, Kind
from smtpfix.wire.channel import Channel, Listener
from smtpfix.wire.door import Address, Door, Doorkeeper, server_address

from .conversation import Conversation
from .protocol import ServedProtocol
from .service import Service

if TYPE_CHECKING:
    import socket

    from smtpfix.record.session import Session

CLOSE_BOUND: Final = 1.0
"""Seconds that closing may take."""
_UNUSED: Final[concurrent.futures.Future[None]] = concurrent.futures.Future()
"""Has been waited for: where no client has come, nothing has to end."""
_UNUSED.set_result(None)
_HEARS: Final = CLOSE_BOUND / 4
"""Seconds that a client has to take in that the server closes."""
_SWEEP: Final = 1.0
"""Seconds between two looks for silent clients, at the most."""

Attach: TypeAlias = Callable[[Channel], Listener]
"""Returns whom a channel tells what happens, once it is connected."""


class Watch(NamedTuple):
    """Who is told of sessions as they begin and end; in the loop thread."""

    started: Callable[[Session], bool]
    """Returns whether nothing went wrong; raises nothing."""
    ended: Callable[[Session], bool]
    said: Callable[[int, Event], None] | None = None
    """Is told each event of a session, by its number, where somebody reads along."""


class _InForce(NamedTuple):
    """What holds for whoever connects; one value, so that a switch in another thread is never seen in part."""

    service: Service
    recorded: RecordedServer


class Serving:
    """One server's, from its start on; not started again."""

    def __init__(
        self, protocol: ServedProtocol, service: Service, sessions: History, watch: Watch | None = None
    ) -> None:
        policy = service.policy
        self._in_force = _InForce(service, _recorded(protocol, policy))
        self.conversations: set[Conversation[Any]] = set()
        """Those that are not over."""
        self.new_channel: Callable[[], Channel]
        """Returns the channel of a connection that was accepted; there once it listens."""
        self._protocol = protocol
        self._sessions = sessions
        self._watch = watch
        self._unknown: set[Conversation[Any]] = set()
        """Those whose client a proxy has still to name, and the watch has not heard of."""
        self._pause = _pause(policy)
        self._loop = service.loop
        self._listening: list[socket.socket] = []
        self._door: Door | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed: concurrent.futures.Future[None] | None = None

    # From any thread

    def listen(self, sockets: list[socket.socket], keeper: Doorkeeper, channel: Callable[[Attach], Channel]) -> None:
        """Serve whoever connects to these sockets, which the loop's own keeper watches, each on a channel."""
        self.new_channel = functools.partial(channel, self._attach)
        self._listening = sockets
        self._door = Door(keeper, sockets, self._welcome, self._turn_away)
        self._door.open()

    def switch(self, service: Service) -> None:
        """Serve whoever connects from now on by another service, which has the `Closing` of this one."""
        self._pause = min(self._pause, _pause(service.policy))  # earlier sessions may be on a shorter leash
        self._in_force = _InForce(service, _recorded(self._protocol, service.policy))

    @property
    def service(self) -> Service:
        """By which whoever connects now is served."""
        return self._in_force.service

    def close(self, *, graceful: bool = False) -> None:
        """Stop listening and end every session, once. Raises `TimeoutError` after `CLOSE_BOUND`.

        A `graceful` server tells clients that idle.
        """
        self._begin_close(graceful=graceful).result(CLOSE_BOUND)

    async def aclose(self, *, graceful: bool = False) -> None:
        """Like `close`, awaited: the event loop goes on."""
        if running_library() == "trio":
            await on_trio(lambda: self.close(graceful=graceful), to_the_end=True)
            return
        closed = self._begin_close(graceful=graceful)
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(closed)), CLOSE_BOUND)
        except asyncio.CancelledError:
            concurrent.futures.wait((closed,), CLOSE_BOUND)  # what has begun to close is closed to the end
            raise

    def disconnect_idle(self) -> int:
        """Tell clients that idle, and end their sessions; return how many.

        Raises `TimeoutError` after `CLOSE_BOUND`.
        """
        told: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(lambda: told.set_result(self._dismiss(SessionEnd.REFUSED)))
        return told.result(CLOSE_BOUND)

    @property
    def is_closed(self) -> bool:
        """Whether nothing of it is left."""
        return self._closed is not None and self._closed.done()

    @property
    def open_sessions(self) -> tuple[Session, ...]:
        """The sessions that are not over."""
        return tuple(conversation.recorder.session() for conversation in tuple(self.conversations))

    def abandon(self) -> None:
        """Let go of every socket, in a forked child that could end the parent's connections or keep them from ending.

        Their numbers stay taken, by nothing: Python's objects would close whatever has them next.
        """
        arriving = () if self._door is None else self._door.arriving.values()
        numbers = [one.fileno() for one in (*self._listening, *arriving)]
        numbers += [conversation.channel.number for conversation in self.conversations]
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in numbers:
            if number >= 0:
                os.dup2(nowhere, number, inheritable=False)
        os.close(nowhere)

    def _begin_close(self, *, graceful: bool) -> concurrent.futures.Future[None]:
        assert self._door is not None  # noqa: S101 - who closes has listened
        self.service.closing.has_begun = True
        if self._door.close_unused():
            self._closed = _UNUSED
            return _UNUSED
        closed: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(self._shut_down, closed, graceful)
        return closed

    # In the loop thread

    def _welcome(self, peer: Address) -> Channel:
        channel = self.new_channel()
        channel.peer = peer
        return channel

    def _turn_away(self, connected: socket.socket, peer: Address) -> None:
        """Tell a client for which there is no room, and record that it was here."""
        here = server_address(connected.getsockname())
        service, recorded = self._in_force
        recorder = self._new_recorder(recorded, peer, here)
        self._sessions.add(recorder)
        if self._watch is not None:
            self._watch.started(recorder.session())
        if words := service.turning_away(recorder):
            recorder.add(Kind.SERVER, words)
        recorder.note("turned away: there are too few file descriptors for more connections (RLIMIT_NOFILE)")
        recorder.finish(SessionEnd.REFUSED)
        self._sessions.ring(recorder)
        if self._watch is not None:
            self._watch.ended(recorder.session())
        connected.setblocking(False)
        connected.send(words)

    def _attach(self, channel: Channel) -> Conversation[Any]:
        service, recorded = self._in_force
        recorder = self._new_recorder(recorded, channel.address("peername"), channel.address("sockname"))
        conversation = self._protocol.conversation(service, channel, recorder, self._ended)
        self._sessions.add(recorder)
        self.conversations.add(conversation)
        if self._closed is not None:  # it came too late
            self._loop.call_soon(conversation.shut_down)
        elif self._sweeper is None:
            self._sweep_later()
        if self._watch is not None:
            if conversation.policy.proxy_protocol:
                self._unknown.add(conversation)
                conversation.named = functools.partial(self._introduce, conversation)
            else:
                self._begun(conversation, self._watch)
        return conversation

    def _new_recorder(self, recorded: RecordedServer, peer: Address, here: Address) -> Recorder:
        number = self._sessions.next_number()
        if self._watch is None or self._watch.said is None:
            return Recorder(recorded, number, peer, here)
        from smtpfix.record.telling import TellingRecorder  # noqa: PLC0415 - few servers have somebody who reads along

        return TellingRecorder(self._watch.said, recorded, number, peer, here)

    def _begun(self, conversation: Conversation[Any], watch: Watch) -> None:
        """Tell the watch of a session; one that it cannot bear ends at once."""
        if not watch.started(conversation.recorder.session()):
            self._loop.call_soon(conversation.player.give_in, "the observer")

    def _introduce(self, conversation: Conversation[Any]) -> None:
        """Tell the watch of a session that it has not heard of."""
        if self._watch is not None and conversation in self._unknown:
            self._unknown.remove(conversation)
            self._begun(conversation, self._watch)

    def _ended(self, conversation: Conversation[Any]) -> None:
        self.conversations.discard(conversation)
        self._sessions.ring(conversation.recorder)
        self._introduce(conversation)  # where no proxy has ever named its client
        if self._watch is not None:
            self._watch.ended(conversation.recorder.session())
        self._tell_closed()

    def _sweep_later(self) -> None:
        self._sweeper = self._loop.call_later(self._pause, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        now = monotonic()
        for conversation in tuple(self.conversations):
            conversation.check_time(now)
        if self.conversations:
            self._sweep_later()

    def _dismiss(self, end: SessionEnd) -> int:
        """Tell clients that idle, and end their sessions; return how many."""
        idle = [conversation for conversation in self.conversations if conversation.is_idle]
        for conversation in idle:
            conversation.dismiss(end)
        return len(idle)

    def _shut_down(self, closed: concurrent.futures.Future[None], graceful: bool) -> None:  # noqa: FBT001 - a callback
        assert self._door is not None  # noqa: S101 - who closes has listened
        self._closed = closed
        self._door.close()
        for arrival in self._door.arriving:
            arrival.add_done_callback(self._tell_closed)
        for conversation in tuple(self.conversations):
            if graceful and conversation.is_idle:
                conversation.dismiss(SessionEnd.SERVER_CLOSED)
                self._loop.call_later(_HEARS, conversation.shut_down)
            else:
                conversation.shut_down()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._tell_closed()

    def _tell_closed(self, _: object = None) -> None:
        if self._closed is None or self._closed.done() or self.conversations:
            return
        if self._door is None or not self._door.arriving:
            self._closed.set_result(None)


def _recorded(protocol: ServedProtocol, policy: ServerPolicy) -> RecordedServer:
    return RecordedServer(Mode(policy.mode), protocol.reading, policy.max_events, policy.max_transcript_octets)


def _pause(policy: ServerPolicy) -> float:
    """Return the seconds between two looks for silent clients."""
    return min(_SWEEP, policy.timeout / 4, policy.handshake_timeout / 4)
