"""What the guard counts with: clients in memory, a tally of the calls that the server makes for them, and the servers.

No sockets are used for the sessions, and nothing depends on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import math
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from smtpfix import ImapPolicy, Inbox, Policy, Pop3Policy, Server
from smtpfix.conversation import conversation
from smtpfix.imap import speech
from smtpfix.pki.authority import Authority
from smtpfix.wire.loop import LOOP_THREAD

_PATIENCE: Final = 120.0
_ROUNDS: Final = 12
"""Flights that a TLS handshake may take, at the most."""
_LINE: Final = b"The quick brown fox jumps over the lazy dog, again and again, and again, ok.\r\n"
HEAD: Final = b"From: <ann@example.org>\r\nTo: <bob@example.org>\r\nSubject: Measured\r\n\r\n"
MAIL: Final = b"MAIL FROM:<ann@example.org>\r\n"
RCPT: Final = b"RCPT TO:<bob@example.org>\r\n"
END: Final = b".\r\n"

T = TypeVar("T")


class Tally:
    """Counts calls while it is on; only this thread's."""

    def __init__(self) -> None:
        self.calls = 0
        self.c_calls = 0

    @contextmanager
    def on(self) -> Iterator[None]:
        """Count what happens inside."""
        sys.setprofile(self._seen)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _seen(self, _frame: object, event: str, argument: object) -> None:
        if event == "call":
            self.calls += 1
        elif event == "c_call" and argument is not sys.setprofile:
            self.c_calls += 1


class Wire(asyncio.Transport):
    """The server's end of a connection that only exists in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 25)})
        self.sent = bytearray()
        self._closing = False

    def write(self, data: Any) -> None:
        """Keep what the server sends."""
        self.sent += data

    def is_closing(self) -> bool:
        """Return whether the server has closed."""
        return self._closing

    def close(self) -> None:
        """Close."""
        self._closing = True

    abort = close

    def pause_reading(self) -> None:
        """Do nothing: the client never sends while it waits."""

    resume_reading = pause_reading


class Client:
    """A client in memory; counts what the server does about it, not what it does itself."""

    def __init__(
        self,
        server: Server[Any],
        tally: Tally,
        *,
        context: ssl.SSLContext | None = None,
        begins_tls: bool = True,
    ) -> None:
        self._tally = tally
        self._wire = Wire()
        self._context = context
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        assert server._serving is not None  # noqa: S101, SLF001 - it runs
        with tally.on():
            self._channel = server._serving.new_channel()  # noqa: SLF001 - what the listener calls for each connection
            self._channel.connection_made(self._wire)
        if server.mode == "implicit-tls" and begins_tls:
            self.start_tls()

    def say(self, data: bytes, code: bytes, *, block: int = 65_536) -> None:
        """Send octets in blocks and make sure that the last reply begins with a code."""
        for start in range(0, len(data), block):
            piece = data[start : start + block]
            if self._tls is not None:
                self._tls.write(piece)
                piece = self._outgoing.read()
            self._feed(piece)
        answer = self._answer()
        last = answer.removesuffix(b"\r\n").rpartition(b"\r\n")[2]
        if not last.startswith(code):
            raise RuntimeError(f"expected {code!r} to {data[:60]!r}, got {answer!r}")

    def throw(self, data: bytes) -> None:
        """Send octets as they are, whatever is answered."""
        self._feed(data)
        self._wire.sent.clear()

    def hello(self) -> None:
        """Send EHLO."""
        self.say(b"EHLO client.example.org\r\n", b"250")

    def message(self, content: bytes, *, recipients: int = 1) -> None:
        """Send a message, waiting for each reply."""
        self.say(MAIL, b"250")
        for _ in range(recipients):
            self.say(RCPT, b"250")
        self.say(b"DATA\r\n", b"354")
        self.say(content + END, b"250")

    def pipelined_message(self, content: bytes) -> None:
        """Send a message in two writes (RFC 2920)."""
        self.say(MAIL + RCPT + b"DATA\r\n", b"354")
        self.say(content + END, b"250")

    def upgrade(self) -> None:
        """Send STARTTLS, shake hands and begin anew."""
        self.hello()
        self.say(b"STARTTLS\r\n", b"220")
        self.start_tls()

    def start_tls(self) -> None:
        """Shake hands."""
        assert self._context is not None  # noqa: S101 - whoever begins TLS was given one
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        for _ in range(_ROUNDS):
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            else:
                self._feed(self._outgoing.read())
                return
            self._feed(self._outgoing.read())
            self._take()
        raise RuntimeError("the TLS handshake does not come to an end")

    def quit(self) -> None:
        """Say QUIT, and lose the connection."""
        self.say(b"QUIT\r\n", b"221")
        self.lose()

    def lose(self) -> None:
        """Lose the connection."""
        with self._tally.on():
            self._channel.connection_lost(None)

    def _feed(self, data: bytes) -> None:
        for start in range(0, len(data), 65_536):
            piece = data[start : start + 65_536]
            with self._tally.on():
                view = self._channel.get_buffer(-1)
                view[: len(piece)] = piece
                self._channel.buffer_updated(len(piece))

    def _take(self) -> bytes:
        sent = bytes(self._wire.sent)
        self._wire.sent.clear()
        if self._tls is not None:
            self._incoming.write(sent)
        return sent

    def _answer(self) -> bytes:
        sent = self._take()
        if self._tls is None:
            return sent
        pieces = []
        for _ in range(_ROUNDS):
            try:
                pieces.append(self._tls.read(65_536))
            except ssl.SSLWantReadError:
                break
        return b"".join(pieces)


def content(size: int) -> bytes:
    """Return a message's content of about so many octets."""
    return HEAD + _LINE * ((size - len(HEAD)) // len(_LINE))


def in_loop(act: Callable[[dict[str, Server[Any]], ssl.SSLContext], T]) -> T:
    """Return what is counted in the loop's thread, as the server runs there, with servers of every kind."""
    with Authority() as authority:
        users = {"ann": "s3cret"}
        inbox = Inbox()
        servers: dict[str, Server[Any]] = {
            "plain": Server(Policy("plain", users=users), authority=authority),
            "starttls": Server(Policy("starttls"), authority=authority),
            "implicit-tls": Server(Policy("implicit-tls"), authority=authority),
            "read": Server(Policy("plain"), inbox=inbox),
            "imap": Server(ImapPolicy("plain", users=users), inbox=inbox),
            "pop3": Server(Pop3Policy("plain", users=users), inbox=inbox),
        }
        loop = LOOP_THREAD.hold()
        try:
            for server in servers.values():
                server.start()
            done: concurrent.futures.Future[T] = concurrent.futures.Future()
            context = authority.client_context()
            loop.call_soon_threadsafe(_act_here, lambda: act(servers, context), done)
            return done.result(_PATIENCE)
        finally:
            for server in servers.values():
                server.close()
            LOOP_THREAD.release()


def _act_here(act: Callable[[], T], done: concurrent.futures.Future[T]) -> None:
    for module in (conversation, speech):
        vars(module)["_TURN_TIME"] = math.inf  # on a busy machine an answer would be given in several turns
    gc.disable()  # a collection would call finalizers whenever it likes
    try:
        done.set_result(act())
    except BaseException as error:  # noqa: BLE001 - whoever waits has to hear of it
        done.set_exception(error)
    finally:
        gc.enable()
