"""What a client, or a message, may take of the machine: time, rows, places in a queue, files."""

import re
import socket
import threading
from contextlib import closing

import pytest
from mails import mail

from smtpfix.store.row import entry_of
from smtpfix.web import guard, mailpit, runner

pytestmark = pytest.mark.slow

BOUND = 20

EVIL = ("../../evil", "/etc/evil", "..%2f..%2fevil", "C:\\evil", "a\0b", ".", "..", "a/b", "~root", "evil\r\nX: y")
"""What would be a path, or a part of one, if anything took it for such."""


def ending(site, sent, then=b""):
    """Return what a connection is told until the server ends it, where this much of a request, or of two, is sent."""
    with closing(socket.create_connection(("127.0.0.1", site.web.port), timeout=BOUND)) as connection:
        connection.sendall(sent)
        said = b""
        while more := connection.recv(65_536):
            said += more
            connection.sendall(then)
            then = b""
        return said


def test_a_head_that_does_not_come_ends_the_connection(open_site, monkeypatch):
    """Also the second one on a connection; a request that waits for its answer, and a WebSocket, are not meant."""
    monkeypatch.setattr(runner, "HEAD_SECONDS", 0.2)
    site = open_site()
    whole = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for start in (b"", whole[:20], whole[:-2]):
        assert ending(site, start) == b"", start
    assert ending(site, whole, whole[:20]).count(b"HTTP/1.1 200") == 1
    waited = site.ask("/api/smtpfix/v1/messages/wait?timeout=0.6")
    assert waited.status == 408
    with closing(socket.create_connection(("127.0.0.1", site.web.port), timeout=BOUND)) as connection:
        connection.sendall(
            b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b" 101 " in connection.recv(4096)
        assert site.ask("/api/smtpfix/v1/messages/wait?timeout=0.6&query=nothing").status == 408
        site.send()
        said = b""
        while b'"Type":"new"' not in said.replace(b" ", b""):
            more = connection.recv(65_536)
            assert more
            said += more


def test_a_body_that_does_not_come_is_answered_408(open_site, monkeypatch):
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.2)
    head = b"PUT /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{"
    assert ending(open_site(), head).startswith(b"HTTP/1.1 408 ")


def test_lists_have_an_end_whatever_limit_is_asked_for(site, monkeypatch):
    site.store.append([entry_of(mail(b"\r\n"), server="plain", run="run") for _ in range(260)])
    monkeypatch.setattr(mailpit, "MOST_LISTED", 255)
    for path, most in (
        ("/api/smtpfix/v1/messages?limit={}", 200),
        ("/api/v2/messages?limit={}", 250),
        ("/api/v1/messages?limit={}", 255),
        ("/api/v1/search?query=bob&limit={}", 255),
    ):
        for limit in (10_000, 999_999_999, 10**30):
            found = site.ask(path.format(limit)).json
            assert len(found.get("messages", found.get("items"))) in (most, 50), path


def test_a_search_looks_at_each_message_once_and_few_searches_run_at_a_time(site, monkeypatch):
    running, most, looked = [], [], []
    lock, free = threading.Lock(), threading.Event()
    page = site.store.page

    def slow(*arguments, **options):
        with lock:
            running.append(1)
            most.append(len(running))
            looked.append(arguments)
        free.wait(BOUND if len(most) < 4 else 0)
        free.set()
        with lock:
            running.pop()
        return page(*arguments, **options)

    monkeypatch.setattr(site.store, "page", slow)
    threads = [threading.Thread(target=site.ask, args=("/api/v1/search?query=x",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert (max(most), len(looked)) == (4, 12)


def test_a_list_and_a_search_look_through_the_messages_once(site, monkeypatch):
    """Lists count only when something has changed, and a search whose page is not full has counted already."""
    counted = []
    count = site.store.count
    monkeypatch.setattr(site.store, "count", lambda *query, **of: counted.append(query) or count(*query, **of))
    first, second = site.send(), site.send()
    for path in ("/api/v1/messages", "/api/v2/messages"):
        for _ in range(3):
            found = site.ask(path).json
            assert found["total"] == 2
        assert found.get("unread", 2) == 2
    assert len(counted) == 1
    site.ask(f"/api/v1/message/{first}")
    found = site.ask("/api/v1/search?query=hello").json
    assert (found["messages_count"], found["messages_unread"], found["unread"]) == (2, 1, 1)
    assert site.ask("/api/v2/search?kind=containing&query=nothing").json["total"] == 0
    assert site.ask("/api/smtpfix/v1/messages?query=nothing").json["matching"] == 0
    few = site.ask("/api/v1/search?query=hello&limit=1").json
    assert (few["messages_count"], few["messages"][0]["ID"]) == (2, second)
    beyond = site.ask("/api/v1/search?query=hello&start=5").json
    assert (beyond["messages_count"], beyond["messages"]) == (2, [])


def test_nothing_of_a_message_becomes_a_path(open_site, tmp_path):
    site = open_site()
    parts = "".join(
        f'--b\r\nContent-Type: image/png; name="{name}"\r\nContent-ID: <{name}>\r\n'
        f'Content-Disposition: attachment; filename="{name}"\r\n\r\nx\r\n'
        for name in EVIL
    )
    content = (
        f"Message-ID: <{EVIL[0]}>\r\nX-Tags: {', '.join(EVIL[:6])}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        f"{parts}--b--\r\n"
    )
    before = {path.name for path in tmp_path.rglob("*")}
    id_ = site.send(content.encode(), to=["../../evil@example.org"])
    message = site.ask(f"/api/v1/message/{id_}").json
    for one in (*message["Attachments"], *message["Inline"]):
        saved = site.ask(f"/api/v1/message/{id_}/part/{one['PartID']}").headers["Content-Disposition"]
        assert re.fullmatch(r'(inline|attachment); filename="[A-Za-z0-9._~%-]*"', saved), saved
    for evil in ("../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/etc/passwd", "..\\..\\etc\\passwd"):
        for path in (f"/{evil}", f"/view/{evil}", f"/api/v1/message/{id_}/part/{evil}", f"/static/{evil}"):
            answer = site.ask(path)
            assert answer.status in (302, 400, 404), path
            assert b"root:" not in answer.body
    assert {path.name for path in tmp_path.rglob("*")} == before
    assert {path.name for path in tmp_path.parent.parent.glob("evil*")} == set()
