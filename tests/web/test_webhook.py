"""The webhook is told of new mail, and mail never waits for it."""

import base64
import json
import socket
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from smtpfix import InvalidValueError
from smtpfix.web.outgoing import Outgoing
from smtpfix.web.settings import WebSettings

pytestmark = pytest.mark.slow

BOUND = 20


class Hooked(BaseHTTPRequestHandler):
    """Keeps what is told."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.server.woken.set()

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def hooked(status=200):
    with ThreadingHTTPServer(("127.0.0.1", 0), Hooked) as server:
        server.told, server.status, server.woken = [], status, threading.Event()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def until_told(server):
    assert server.woken.wait(BOUND)
    server.woken.clear()


def counted(site, line):
    """Return whether the metrics come to say so."""
    return any(line in site.ask("/metrics").text.splitlines() for _ in range(1000))


def test_new_mail_is_told_as_mailpit_does_with_the_url_s_credentials_in_a_header(open_site):
    with hooked() as server:
        url = f"http://ann:tops3cret@127.0.0.1:{server.server_port}/hook?x=1"
        site = open_site(outgoing=Outgoing(webhook=url))
        assert counted(site, "mailpit_webhook_sent_total 0")
        id_ = site.send()
        until_told(server)
        path, headers, told = server.told[0]
        assert (path, told["ID"], told["Subject"], told["Read"]) == ("/hook?x=1", id_, "hello", False)
        assert headers["User-Agent"].startswith("Mailpit/")
        assert headers["Authorization"] == f"Basic {base64.b64encode(b'ann:tops3cret').decode()}"
        assert "tops3cret" not in repr(site.web._settings) + repr(Outgoing(webhook=url))
        assert counted(site, "mailpit_webhook_sent_total 1")


@pytest.mark.parametrize("status", [500, 302])
def test_a_webhook_that_fails_is_counted_and_a_redirect_is_not_followed(open_site, status):
    with hooked(status) as server:
        site = open_site(outgoing=Outgoing(webhook=f"http://127.0.0.1:{server.server_port}/"))
        site.send()
        until_told(server)
        result = "failed" if status == 500 else "sent"
        assert counted(site, f"mailpit_webhook_{result}_total 1")
        assert [path for path, _, _ in server.told] == ["/"]


def test_mail_and_the_end_do_not_wait_for_a_webhook_that_hangs(open_site):
    """It takes the connection and says nothing; what comes meanwhile is stored, listed, and not told."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.settimeout(BOUND)
        site = open_site(outgoing=Outgoing(webhook=f"http://127.0.0.1:{silent.getsockname()[1]}/"))
        site.send()
        with closing(silent.accept()[0]):
            for _ in range(5):
                site.send()
            assert site.ask("/api/v1/messages").json["total"] == 6
            site.web.close()


@pytest.mark.parametrize("url", ["ftp://a.example/", "a.example", "http://", "http://a b/", "http://a:x/", "http://ä/"])
def test_what_is_no_url_is_told_without_showing_it(url):
    with pytest.raises(InvalidValueError, match="--webhook: expected a URL") as caught:
        WebSettings.read("", {"MP_WEBHOOK_URL": url})
    assert url not in str(caught.value) or url in "expected a URL that begins with http://"
