"""A web server on a store in a temporary file, and what asks it."""

import http.client
import json
import smtplib
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest

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


class Site:
    """A web server, the mail server beside it, and their store."""

    def __init__(self, web, server, store):
        self.web = web
        self.server = server
        self.store = store

    def ask(self, path, method="GET", body=None, **headers):
        """Send one request, with headers as keyword arguments (``content_type``), and return the answer."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        octets = json.dumps(body).encode() if isinstance(body, dict) else body
        with closing(http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=BOUND)) as connection:
            connection.request(method, path, octets, names)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())

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

        def open_one(**settings):
            statistics, names = Statistics(), {}
            path = str(tmp_path / "mail.db")
            by = settings.get("mailbox_by")
            kept = opened.enter_context(keeping(path, None, None, names.__getitem__, statistics.note, mailbox_by=by))
            server = Server(Policy(**settings.pop("policy", {})), keep=kept.keep)
            names[server] = "plain"
            opened.enter_context(server)
            settings = WebSettings(host="127.0.0.1", port=0, **settings)
            web = WebServer(kept.store, settings, servers={"plain": server}, statistics=statistics)
            opened.enter_context(web)
            return Site(web, server, kept.store)

        yield open_one


@pytest.fixture
def site(open_site):
    return open_site()
