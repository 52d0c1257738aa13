"""Links are asked for where that is switched on, in public networks only, whatever names and redirects say."""

import http.server
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from smtpfix.web import fetch
from smtpfix.web.fetch import BlockedAddressError, Request, anywhere, ask, is_public
from smtpfix.web.links import checked, links_of
from smtpfix.web.outgoing import Outgoing

HTML = (
    b'Content-Type: text/html\r\n\r\n<link rel="x stylesheet" href="http://a.example/s.css"><link rel=next href="http://a.example/n">'
    b'<a href="http://a.example/?a=1&amp;b=2">x</a><a href="mailto:x@a.example">m</a><img src=\'http://a.example/i\'>'
    b'<!-- <a href="http://a.example/hidden"> --><a href="http://a.example/?a=1&b=2">again</a><img src="cid:x">'
)

NOT_PUBLIC = (
    *("127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"),
    *("192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::1", "::", "fe80::1", "fe80::1%lo", "fc00::1", "ff02::1", "2001:db8::1", "3fff::1", "fec0::1"),
    *("::ffff:8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "::127.0.0.1"),
    *("2002:7f00:1::", "2002:808:808::1", "2001:0:4136:e378::1", "2600::5efe:10.0.0.1", "2600::200:5efe:8.8.8.8"),
)


class Site(http.server.BaseHTTPRequestHandler):
    """Redirects where the path says."""

    def do_HEAD(self):
        self.server.asked.append((self.path, self.headers["Host"], dict(self.headers)))
        kind, _, where = self.path[1:].partition("/")
        self.send_response({"to": 302, "gone": 404}.get(kind, 200))
        if kind == "to":
            self.send_header("Location", where)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def web_site():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        server.asked = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public_or_lead_elsewhere_are_refused(address):
    assert not is_public(address)
    with pytest.raises(BlockedAddressError):  # also as one of several
        ask(Request("http://a.example/"), may_connect=is_public, resolve=lambda *_: ["8.8.8.8", address])


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_not(address):
    assert is_public(address)


def test_the_address_that_was_checked_is_the_one_that_is_connected_to():
    """The name is resolved once, and nothing else is asked; the Host is the name."""
    with web_site() as site:
        seen = []

        def resolve(name, port):
            seen.append((name, port))
            return ["127.0.0.1"] if len(seen) == 1 else ["127.0.0.9"]

        port = site.server_port
        reached = ask(Request(f"http://shop.example:{port}/", "HEAD"), may_connect="127.0.0.1".__eq__, resolve=resolve)
        assert (reached.status, seen) == (200, [("shop.example", port)])
        assert site.asked[0][1] == f"shop.example:{port}"


def test_each_redirect_is_checked_and_there_are_few_of_them():
    with web_site() as site:
        may = {"may_connect": "127.0.0.1".__eq__}
        inside = f"{site.url}/to/http://127.0.0.2:{site.server_port}/inside"
        assert checked(inside, follow=True, **may)["StatusCode"] == 451
        assert checked(inside, follow=False, **may)["StatusCode"] == 302
        assert checked(f"{site.url}/to//to//ok", follow=True, **may)["StatusCode"] == 200
        site.asked.clear()
        assert checked(f"{site.url}{'/to/' * 9}/x", follow=True, **may)["StatusCode"] == 302
        assert len(site.asked) == 4
        assert all("Referer" not in headers and "Cookie" not in headers for _, _, headers in site.asked)
        for where in ("file:///etc/passwd", "ftp://127.0.0.1/", "//[", "gopher://x"):
            assert checked(f"{site.url}/to/{where}", follow=True, **may)["StatusCode"] == 0, where


def test_links_are_asked_for_only_where_that_is_switched_on(open_site):
    with web_site() as there:
        content = f"Subject: x\r\n\r\n{there.url}/ok and {there.url}/gone, http://127.0.0.1:1/\r\n".encode()
        off = open_site()
        id_ = off.send(content)
        assert off.ask(f"/api/v1/message/{id_}/link-check").status == 501
        default = open_site(outgoing=Outgoing(check_links=True))
        found = default.ask(f"/api/v1/message/{id_}/link-check?follow=true").json
        assert (found["Errors"], {one["StatusCode"] for one in found["Links"]}) == (3, {451})
        assert found["Links"][0] == {
            "URL": f"{there.url}/ok",
            "StatusCode": 451,
            "Status": "Blocked private/reserved address",
        }
        assert there.asked == []
        inside = open_site(outgoing=Outgoing(check_links=True, check_internal=True))
        found = inside.ask(f"/api/v1/message/{id_}/link-check").json
        assert (found["Errors"], [one["StatusCode"] for one in found["Links"]]) == (2, [200, 404, 0])
        assert "refused" in found["Links"][2]["Status"]
        assert inside.ask("/api/v1/message/none/link-check").status == 404


def test_what_a_browser_would_ask_for_is_asked_for_once():
    assert links_of(HTML) == (*("http://a.example/s.css", "http://a.example/?a=1&b=2", "http://a.example/i"),)
    assert len(links_of(b"\r\n" + b"".join(b"http://a.example/%d " % n for n in range(1000)))) == 100
    assert links_of(b"\r\nhttp://a.example/" + b"x" * 5000) == ()


@pytest.mark.parametrize(
    ("drip", "said"),
    [(b"", "timed out"), (b"HTTP/1.1 200 OK\r\n", "timed out"), (b"SSH-2.0-x\r\n", "HTTP|timed out")],
)
def test_a_server_that_does_not_answer_is_given_up(drip, said):
    """One that says nothing, one that says a bit of its head again and again, and one of another protocol."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        ended = threading.Event()

        def talk():
            taken, _ = server.accept()
            with closing(taken):
                while not ended.wait(0.02):
                    try:
                        taken.sendall(drip.replace(b"\r\n", b"\r\nX: y\r\n", 1) if drip else b"")
                    except OSError:
                        return

        thread = threading.Thread(target=talk)
        thread.start()
        began = time.monotonic()
        request = Request(f"http://127.0.0.1:{server.getsockname()[1]}/", "HEAD", seconds=0.3)
        with pytest.raises(OSError, match=said):
            ask(request, may_connect=anywhere)
        ended.set()
        thread.join()
        assert time.monotonic() - began < 20


def test_what_is_resolved_is_what_the_system_says():
    assert "127.0.0.1" in fetch.resolved("127.0.0.1", 1)
    with pytest.raises(OSError, match=r"."):
        fetch.resolved("no such name.invalid", 1)
