"""What all tests share: a client that says exactly what it is told, and a watch on the log."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import logging
import os
import random
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import smtpfix
from smtpfix import Mode, Server
from smtpfix.clock import monotonic
from smtpfix.running import RUNNING
from smtpfix.smtp.conversation import SMTPConversation
from smtpfix.wire.loop import LOOP_THREAD

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell lets what it starts in the background ignore Ctrl-C, and the programs that tests start inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

TIMEOUT = 10.0
"""Seconds after which a client here gives up: none of these tests waits for it unless something is broken."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests be run in another order, which has to make no difference."""
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in the order that this seed makes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle, where that is asked for: modules, and the tests in each, so that each module is still set up once."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        chance = random.Random(seed)  # noqa: S311 - the same order in every worker
        places = {path: chance.random() for path in dict.fromkeys(item.path for item in items)}
        items.sort(key=lambda item: (places[item.path], chance.random()))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep ten thousand tests out of garbage collections: with them, one that a test asks for takes 0.3 s."""
    if "hypothesis" in sys.modules:  # when it is imported, it looks for referrers, which freezing hides
        gc.collect()
        gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Have no event loop that nobody closes, and leave one file of coverage's when the whole run is over."""
    # pytest-asyncio asks which loop there is. Without this answer, Python up to 3.12 makes one that nobody closes.
    asyncio.set_event_loop(None)
    # Coverage's subprocesses write hundreds of files.
    if "COVERAGE_PROCESS_CONFIG" in os.environ and not hasattr(config, "workerinput"):
        # After coverage's own last deed: it writes what this process has measured.
        atexit.register(_combine_coverage, Path(__file__).parents[1])


def _combine_coverage(root: Path) -> None:
    """Make one file of many; drop those cut off because a test killed the process that was writing its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-m", "coverage", "combine", "-q"], cwd=root, env=environment, check=False)
    if done.returncode == 0:
        for cut_off in root.glob(".coverage.*"):
            cut_off.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def _everything_is_imported() -> None:
    """Import what child sessions would: pytester forgets their imports, and a second import makes other classes."""
    for name in smtpfix.__all__:
        getattr(smtpfix, name)


@pytest.fixture
def pytester(
    _everything_is_imported: None,  # before pytester notes what there is
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> pytest.Pytester:
    """Give child sessions none of this session's servers."""
    monkeypatch.setattr(RUNNING, "_started", weakref.WeakValueDictionary())
    return pytester


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Let files have the permissions that they are made with."""
    before = os.umask(0)
    yield
    os.umask(before)


class Wire:
    """A client on a raw socket. It follows no protocol: it sends octets and reads replies."""

    def __init__(self, server: Server, host: str = "127.0.0.1", receive_buffer: int | None = None) -> None:
        self._server = server
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.settimeout(TIMEOUT)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((host, server.port))
        self._unread = bytearray()

    def send(self, data: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(data)

    def reply(self) -> str:
        """Read one complete reply; its lines without CRLF, separated by LF. Empty once the server has closed."""
        lines = []
        while True:
            while (end := self._unread.find(b"\r\n")) < 0:
                data = self.socket.recv(65_536)
                if not data:
                    assert not self._unread, f"the server closed in the middle of {bytes(self._unread)!r}"
                    return ""
                self._unread += data
            lines.append(self._unread[:end].decode())
            del self._unread[: end + 2]
            if lines[-1][3:4] != "-":
                return "\n".join(lines)

    def replies(self, count: int) -> list[str]:
        """Read so many replies."""
        return [self.reply() for _ in range(count)]

    def say(self, line: str | bytes) -> str:
        """Send a line and read the reply."""
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()

    def hello(self) -> str:
        """Say EHLO."""
        return self.say("EHLO client.example")

    def deliver(self, content: bytes = b"Subject: x\r\n\r\nx\r\n") -> str:
        """Send one message, which has to be accepted up to its content; return the reply to the final dot."""
        self.send(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
        assert [reply[:3] for reply in self.replies(3)] == ["250", "250", "354"]
        self.send(content + b".\r\n")
        return self.reply()

    def rest(self) -> bytes:
        """Read until the server closes; whether by FIN or by reset."""
        data = bytes(self._unread)
        self._unread.clear()
        try:
            while more := self.socket.recv(65_536):
                data += more
        except ConnectionError:
            pass
        return data

    def flood(self, data: bytes, most: int = 200_000_000) -> None:
        """Send again and again until the server stops reading; fail if it never does."""
        self.socket.settimeout(0.2)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < most:
                sent += self.socket.send(data)
        assert sent < most, "the server reads on and on"
        self.socket.settimeout(TIMEOUT)

    def narrow(self) -> SMTPConversation:
        """Let the operating system keep next to nothing of what the server sends; return its one conversation."""
        (conversation,) = self._server._serving.conversations
        accepted = conversation.channel._transport.get_extra_info("socket")
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return conversation

    def handshake(self, context: ssl.SSLContext | None = None, name: str = "localhost") -> None:
        """Begin TLS now; with a context that trusts the server, or the one given."""
        assert not self._unread, f"left over before TLS: {bytes(self._unread)!r}"
        self.socket = (context or self._server.ssl_context()).wrap_socket(self.socket, server_hostname=name)

    def start_tls(self, context: ssl.SSLContext | None = None, name: str = "localhost") -> None:
        """Say STARTTLS, which has to be granted, and begin TLS."""
        assert self.say("STARTTLS").startswith("220 ")
        self.handshake(context, name)

    def reset(self) -> None:
        """Close with a TCP reset, as a crashed machine or a killed program may."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if _WINDOWS else "ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Close, without QUIT."""
        self.socket.close()


_WINDOWS = not hasattr(socket, "AF_UNIX")


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """Return a function that connects a `Wire` to a server and reads the greeting; in TLS where that comes first.

    ``wire(server, greeted=False)`` leaves handshake and greeting to the test.
    """
    wires: list[Wire] = []

    def connect(server: Server, *, greeted: bool = True, **options: object) -> Wire:
        client = Wire(server, **options)
        wires.append(client)
        if greeted:
            if server.mode is Mode.IMPLICIT_TLS:
                client.handshake()
            assert client.reply() == "220 mx.smtpfix.test ESMTP smtpfix"
        return client

    yield connect
    for client in wires:
        client.close()


@pytest.fixture
def sweep() -> Callable[..., None]:
    """Return a function that has a server look for clients that are silent for too long, as if it were later.

    ``sweep(server, 301)`` looks as it would in 301 seconds, ``sweep(server, at=...)`` at a time of the monotonic clock;
    what has come up to now has been read by then. So a test of idleness needs no time, and has all the time it needs.
    """

    def look(server: Server, later: float = 0.0, *, at: float | None = None) -> None:
        assert server.sessions  # for which the server catches up
        when = monotonic() + later if at is None else at
        done = threading.Event()

        def check() -> None:
            for conversation in tuple(server._serving.conversations):
                conversation.check_time(when)
            done.set()

        server._serving.service.loop.call_soon_threadsafe(check)
        assert done.wait(TIMEOUT)

    return look


@pytest.fixture
def no_garbage() -> None:
    """Collect what other tests have left, such as pytest-asyncio's loops, before a test collects what is its own."""
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


@pytest.fixture
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail the test if anything was logged at WARNING or above, by whomever: asyncio logs there what nobody caught."""
    yield
    records = [record for phase in ("setup", "call", "teardown") for record in caplog.get_records(phase)]
    logged = [record.getMessage() for record in records if record.levelno >= logging.WARNING]
    # In Python's development mode asyncio remarks on everything that took longer than 0.1 s; so does a busy machine.
    assert [line for line in logged if not line.startswith("Executing <")] == []


def _ipv6_works() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def ipv6() -> None:
    """Skip the test where the machine has no IPv6 loopback."""
    if not _ipv6_works():
        pytest.skip("this machine has no ::1")


@pytest.fixture
def longest_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Return a function that returns the longest step of the loop thread up to now, in seconds of processor time."""
    longest = 0.0
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest
        began = time.thread_time()
        run(handle)
        if LOOP_THREAD.is_current:
            longest = max(longest, time.thread_time() - began)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    gc.collect()  # what the tests before have left is not the server's to look through
    return lambda: longest
