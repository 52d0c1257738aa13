"""A web server on a store in a temporary file, what asks it, and a browser."""

import http.client
import json
import smtplib
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest

from benchmarks.browser import browser
from smtpfix import Policy, Server
from smtpfix.cli.keeping import keeping
from smtpfix.web.runner import WebServer
from smtpfix.web.settings import WebSettings
from smtpfix.web.statistics import Statistics

BOUND = 10
"""Seconds after which an answer has failed to come."""


@dataclass
class Response:
    """What was answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Sessions:
    """Has the sessions of a server kept, as `smtpfix serve` has."""

    def __init__(self, keeper):
        self.keeper = keeper

    def session_started(self, server, session):
        pass

    def message_captured(self, server, message):
        pass

    def session_ended(self, server, session):
        self.keeper.put(server, session)


class Site:
    """A web server, the mail server beside it, and their store."""

    def __init__(self, web, server, store):
        self.web = web
        self.server = server
        self.store = store

    def kept_sessions(self, count):
        """Wait until so many sessions have been stored; return them, newest first."""
        stored = threading.Event()
        with closing(self.store.listen(stored.set)):
            while len(found := self.store.sessions()) < count:
                assert stored.wait(BOUND)
                stored.clear()
        return found

    def ask(self, path, method="GET", body=None, **headers):
        """Send one request, with headers as keyword arguments (``content_type``), and return the answer."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        octets = json.dumps(body).encode() if isinstance(body, dict) else body
        with closing(self.connect()) as connection:
            connection.request(method, path, octets, names)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=BOUND)

    def send(
        self, content=b"Subject: hello\r\nFrom: ann@example.org\r\nTo: bob@example.org\r\n\r\nhello\r\n", **envelope
    ):
        """Send a message by SMTP; return the id it is stored under."""
        sender, to = envelope.get("sender", "ann@example.org"), envelope.get("to", ["bob@example.org"])
        with smtplib.SMTP(self.server.host, self.server.port, timeout=BOUND) as client:
            client.sendmail(sender, to, content)
        return self.store.page(limit=1).rows[0].id


@pytest.fixture
def open_site(tmp_path):
    with ExitStack() as opened:

        def open_one(*, keeps_sessions=False, **settings):
            statistics, names = Statistics(), {}
            path = str(tmp_path / "mail.db")
            by = settings.get("mailbox_by")
            kept = opened.enter_context(keeping(path, None, None, names.__getitem__, statistics.note, mailbox_by=by))
            server = Server(
                Policy(**settings.pop("policy", {})),
                keep=kept.keep,
                observer=Sessions(kept) if keeps_sessions else None,
            )
            names[server] = "plain"
            opened.enter_context(server)
            settings = WebSettings(host="127.0.0.1", port=0, **settings)
            web = WebServer(kept.store, settings, servers={"plain": server}, statistics=statistics, run=kept.run)
            opened.enter_context(web)
            return Site(web, server, kept.store)

        yield open_one


@pytest.fixture
def site(open_site):
    return open_site()


@pytest.fixture(scope="session")
def chromium():
    with browser() as run:
        yield run


@pytest.fixture
def tab(chromium):
    with chromium.tab() as opened:
        yield opened
        assert opened.failures == []


@pytest.fixture
def inbox(site, tab):
    """Open the page, and wait until it is live."""
    tab.open(site.web.url)
    tab.wait("document.querySelector('.lamp.on')")
    return tab
