"""Our transport tells its protocol what asyncio's own would: most tests run with both."""

import asyncio
import contextlib
import gc
import socket
import struct
from weakref import ref

import pytest

from smtpfix.wire.listen import listen
from smtpfix.wire.socket_transport import SocketTransport

LIMIT = 20
"""Seconds for each wait: none takes as long unless something is broken."""
LARGE = bytes(range(256)) * 4_000
"""More than the system takes at once of a socket with a small buffer."""


class Protocol(asyncio.BufferedProtocol):
    """Notes what it is told."""

    def __init__(self):
        self.buffer = bytearray(100)
        self.told = []
        self.news = asyncio.Event()
        self.when_read = lambda: None

    def tell(self, what):
        self.told.append(what)
        self.news.set()

    def connection_made(self, transport):
        self.transport = transport
        self.tell("made")

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.tell(bytes(self.buffer[:nbytes]))
        self.when_read()

    def pause_writing(self):
        self.tell("pause")

    def resume_writing(self):
        self.tell("resume")

    def connection_lost(self, error):
        self.tell(("lost", type(error)))

    async def until(self, *told):
        """Wait until the last that it was told is this."""
        async with asyncio.timeout(LIMIT):
            while tuple(self.told[-len(told) :]) != told:
                self.news.clear()
                await self.news.wait()


async def asyncios(accepted, protocol):
    await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, accepted)


async def ours(accepted, protocol):
    SocketTransport(asyncio.get_running_loop(), accepted, protocol).begin()


@contextlib.asynccontextmanager
async def connection(connect, protocol=None):
    """Give a protocol that is connected, and its client."""
    (listening, *others) = listen("127.0.0.1", 0)
    assert not others
    with listening, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        client.connect(listening.getsockname())
        accepted, _ = listening.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        client.settimeout(LIMIT)
        protocol = protocol or Protocol()
        await connect(accepted, protocol)
        try:
            yield protocol, client
        finally:
            if not isinstance(protocol.told[-1], tuple):
                protocol.transport.abort()
            for _ in range(3):
                await asyncio.sleep(0)
            assert accepted.fileno() == -1


async def read_all(client, most=None):
    """Return what the client is sent until the end, or as many octets."""

    def read():
        data = bytearray()
        while (most is None or len(data) < most) and (more := client.recv(65_536)):
            data += more
        return bytes(data)

    return await asyncio.to_thread(read)


@pytest.fixture(params=[ours, asyncios])
def connect(request):
    return request.param


def test_it_tells_of_what_comes_and_of_the_end(connect):
    async def talk():
        async with connection(connect) as (protocol, client):
            client.sendall(b"x" * 150)
            await protocol.until("made", b"x" * 100, b"x" * 50)
            assert protocol.transport.is_reading()
            client.close()
            await protocol.until(("lost", type(None)))
            assert protocol.transport.is_closing()

    asyncio.run(talk())


def test_a_protocol_that_closes_while_it_is_told_something_learns_of_the_end_when_it_has_come_back(connect):
    def close():
        protocol.transport.write(b"bye")
        protocol.transport.close()
        protocol.tell("closed")

    async def talk():
        async with connection(connect, protocol) as (_, client):
            protocol.when_read = close
            client.sendall(b"quit")
            await protocol.until("made", b"quit", "closed", ("lost", type(None)))
            assert client.recv(100) == b"bye"
            assert client.recv(100) == b""

    protocol = Protocol()
    asyncio.run(talk())


def test_it_sends_as_the_client_reads_and_pauses_who_writes_meanwhile(connect):
    async def talk():
        async with connection(connect) as (protocol, client):
            protocol.transport.write(LARGE)
            protocol.transport.write(b"and more")
            assert protocol.told[-1] == "pause"
            assert protocol.transport.get_write_buffer_size() > len(LARGE) // 2
            protocol.transport.close()
            assert await read_all(client) == LARGE + b"and more"
            await protocol.until("pause", "resume", ("lost", type(None)))

    asyncio.run(talk())


def test_a_protocol_may_abort_when_it_is_told_to_go_on(connect):
    class Aborting(Protocol):
        def resume_writing(self):
            super().resume_writing()
            self.transport.abort()

    async def talk():
        async with connection(connect, Aborting()) as (protocol, client):
            protocol.transport.write(LARGE)
            assert LARGE.startswith(await read_all(client))
            await protocol.until("pause", "resume", ("lost", type(None)))

    asyncio.run(talk())


def test_the_end_of_what_it_says_comes_after_all_of_it_and_it_still_reads(connect):
    async def talk():
        async with connection(connect) as (protocol, client):
            protocol.transport.write(LARGE)
            protocol.transport.write_eof()
            assert await read_all(client) == LARGE
            client.sendall(b"and you")
            await protocol.until(b"and you")
            client.close()
            await protocol.until(("lost", type(None)))

    asyncio.run(talk())


def test_what_comes_while_it_is_paused_stays_until_it_goes_on(connect):
    async def talk():
        async with connection(connect) as (protocol, client):
            protocol.transport.pause_reading()
            client.sendall(b"hello")
            for _ in range(10):  # rounds of the loop, each of which looks at what has come
                await asyncio.sleep(0)
            assert protocol.told == ["made"]
            protocol.transport.resume_reading()
            await protocol.until(b"hello")

    asyncio.run(talk())


def test_an_abort_drops_what_waits(connect):
    async def talk():
        async with connection(connect) as (protocol, client):
            protocol.transport.write(LARGE)
            protocol.transport.abort()
            await protocol.until(("lost", type(None)))
            assert len(await read_all(client)) < len(LARGE)
            protocol.transport.write(b"too late")

    asyncio.run(talk())


@pytest.mark.parametrize("is_waiting", [False, True], ids=["idle", "with more to send"])
def test_a_reset_is_the_end_and_no_news_to_anybody_else(connect, is_waiting, caplog):
    async def talk():
        async with connection(connect) as (protocol, client):
            if is_waiting:
                protocol.transport.write(LARGE)
                protocol.transport.pause_reading()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            await protocol.until(("lost", ConnectionResetError))

    asyncio.run(talk())
    assert caplog.records == []


def test_a_protocol_that_fails_loses_its_connection_and_the_failure_is_logged(connect, caplog):
    async def talk():
        async with connection(connect) as (protocol, client):
            protocol.when_read = lambda: 1 // 0
            client.sendall(b"x")
            await protocol.until(b"x", ("lost", ZeroDivisionError))

    asyncio.run(talk())
    (record,) = caplog.records
    assert "ZeroDivisionError" in caplog.text
    assert record.name == "asyncio"


def test_a_protocol_that_fails_at_once_loses_its_connection():
    class Failing(Protocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            raise ZeroDivisionError

    async def talk():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
        async with connection(ours, Failing()) as (protocol, _):
            assert protocol.told == ["made", ("lost", ZeroDivisionError)]

    failures = []
    asyncio.run(talk())
    assert [type(failure) for failure in failures] == [ZeroDivisionError]


def test_replies_leave_at_once():
    """Nagle's algorithm would hold the second of two back until the client has acknowledged the first."""

    async def talk():
        async with connection(ours) as (protocol, _):
            opened = protocol.transport.get_extra_info("socket")
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    asyncio.run(talk())


def test_a_connection_that_is_over_leaves_nothing_for_the_garbage_collector():
    async def talk():
        async with connection(ours) as (protocol, client):
            held = ref(protocol)
            client.close()
            await protocol.until(("lost", type(None)))
        return held

    gc.disable()
    try:
        assert asyncio.run(talk())() is None
    finally:
        gc.enable()
