"""What happens is told over WebSockets and as server-sent events; a listener that does not read is dropped."""

import asyncio
import contextlib
import json
import socket
import threading

import pytest

from smtpfix.store.store import Change, Kind, Which
from smtpfix.web import runner
from smtpfix.web.events import MOST_WAITING, Event, Listener

pytestmark = pytest.mark.slow

BOUND = 10
"""Seconds after which an event has failed to come."""


class Frames:
    """The text frames of a WebSocket: a client as small as it can be (RFC 6455 section 5.2)."""

    def __init__(self, site, path):
        self.socket = socket.create_connection(("127.0.0.1", site.web.port), timeout=BOUND)
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.web.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.file = self.socket.makefile("rb")
        while self.file.readline() != b"\r\n":
            pass

    def next(self):
        _, size = self.file.read(2)
        if size > 125:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8))
        return json.loads(self.file.read(size))

    def of(self, kind):
        """Return the next frame of a kind; others are passed over."""
        while (frame := self.next())["Type"] != kind:
            pass
        return frame["Data"]

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def frames(site):
    with contextlib.closing(Frames(site, "/api/events")) as opened:
        assert opened.next()["Type"] == "stats"
        yield opened


def test_mailpit_s_socket_tells_each_kind_of_change(site, frames):
    id_ = site.send()
    new = frames.of("new")
    assert new == site.ask("/api/v1/messages").json["messages"][0]
    stats = frames.of("stats")
    assert (stats["Total"], stats["Unread"]) == (1, 1)
    site.ask("/api/v1/messages", "PUT", {"IDs": [id_], "Read": True})
    assert frames.of("update") == {"ID": id_, "Read": True}
    site.ask("/api/v1/tags", "PUT", {"IDs": [id_], "Tags": ["a"]})
    assert frames.of("update") == {"ID": id_, "Tags": ["a"]}
    site.ask("/api/v1/tags/a", "DELETE")
    assert frames.of("prune") is None
    site.ask("/api/v1/messages", "DELETE", {"IDs": [id_]})
    assert frames.of("delete") == {"ID": id_}
    site.ask("/api/v1/messages", "DELETE")
    assert frames.of("truncate") is None


@pytest.mark.once  # the oldest uvicorn that will do sends no pings
def test_a_socket_with_nothing_to_tell_gives_signs_of_life(open_site, monkeypatch):
    """Proxies end a connection that is silent for a minute (a ping, RFC 6455 section 5.5.2)."""
    monkeypatch.setattr(runner, "PING_SECONDS", 0.1)
    with contextlib.closing(Frames(open_site(), "/api/events")) as frames:
        assert frames.next()["Type"] == "stats"
        opcode, _ = frames.file.read(2)
        assert opcode == 0x89


def test_mailhog_s_socket_and_stream_tell_each_message(site):
    with contextlib.closing(Frames(site, "/api/v2/websocket")) as frames, stream(site, "/api/v1/events") as lines:
        assert ": here" in lines
        id_ = site.send()
        assert frames.next()["ID"] == f"{id_}@smtpfix.test"
        told = next(line for line in lines if line.startswith("data: "))
        assert json.loads(told[6:])["ID"] == f"{id_}@smtpfix.test"


@contextlib.contextmanager
def stream(site, path, **headers):
    """Yield the lines of a stream of server-sent events."""
    with socket.create_connection(("127.0.0.1", site.web.port), timeout=BOUND) as connection:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        with connection.makefile("r", encoding="utf-8", newline="\r\n") as file:
            head = []
            while (line := file.readline()) != "\r\n":
                head.append(line)
            assert "content-type: text/event-stream\r\n" in head
            chunks = (file.readline() for _ in iter(int, 1))
            yield (part for chunk in chunks for part in chunk.rstrip("\r\n").split("\n") if part)


def test_who_was_away_misses_nothing(site):
    """Last-Event-ID is the journal's number."""
    site.send()
    seen = site.store.last_change()
    missed = [site.send(), site.send()]
    with stream(site, "/api/smtpfix/v1/events", Last_Event_ID=seen) as lines:
        data = (json.loads(line[6:]) for line in lines if line.startswith("data: {"))
        assert [next(data)["ID"] for _ in missed] == missed
        now = site.send()
        assert next(data)["ID"] == now


def test_the_store_is_asked_nothing_while_nobody_listens(site, frames):
    """The pump ends with the last listener, and begins again with the next one."""
    ended = next(thread for thread in threading.enumerate() if thread.name == "smtpfix store watch")
    frames.close()
    ended.join(BOUND)
    assert not ended.is_alive()
    with contextlib.closing(Frames(site, "/api/events")) as again:
        site.send()
        assert again.of("new")["Subject"] == "hello"


def test_a_listener_that_does_not_read_is_dropped():
    """Behind so many events its task is cancelled, wherever it hangs, and nothing is kept for it."""

    async def hang():
        listener = Listener()
        listening.set_result(listener)
        await asyncio.Event().wait()

    async def run():
        nonlocal listening
        listening = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(hang())
        listener = await listening
        for number in range(1, MOST_WAITING + 1):
            listener.tell(Event(Change(number, Kind.PRUNE)))
        await asyncio.sleep(0)
        assert not task.done()
        listener.tell(Event(Change(MOST_WAITING + 1, Kind.PRUNE)))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert listener.is_dropped

    listening = None
    asyncio.run(run())


def test_a_client_that_does_not_read_holds_up_nobody_and_is_dropped(site, frames):
    """What one does not read is no burden to another: the reader has all events in order."""
    with contextlib.closing(Frames(site, "/api/events")) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        id_ = site.send()
        assert frames.of("new")["ID"] == id_
        for turn in range(3 * MOST_WAITING // 2):
            site.store.mark(Which(ids=(id_,)), read=turn % 2 == 0)
        for turn in range(3 * MOST_WAITING // 2):
            assert frames.of("update")["Read"] is (turn % 2 == 0)


def test_closing_ends_streams_that_are_open(site, frames):
    site.web.close()
    frames.file.read()  # to its end, within the socket's limit
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("smtpfix web")]
