"""Errors of the own API: JSON with one sentence, whoever refuses; on Mailpit's paths, what Mailpit says."""

import http.client
import socket
from contextlib import closing

import jsonschema
import pytest

from smtpfix.errors import StoreError
from smtpfix.web import guard, runner
from smtpfix.web.openapi import SCHEMAS, schema

from .conftest import Response
from .test_guard import basic

BASE = "/api/smtpfix/v1"
ANN = {"Authorization": basic("ann", "secret")}
FOREIGN = {"Origin": "http://evil.example"}


def assert_error(answer, status, *words):
    """Check that an answer is an error as the own API's description has it."""
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    jsonschema.validate(answer.json, SCHEMAS["Error"], jsonschema.Draft202012Validator)
    assert str(status) in schema()["info"]["description"]
    for word in words:
        assert word in answer.json["error"]


def assert_text(answer, status, sentence):
    assert (answer.status, answer.text) == (status, sentence)
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("where", ["", "/m/suite"])
def test_what_is_refused_before_a_path_is_looked_up(open_site, where):
    site = open_site(users={"ann": "secret"}, max_body=100)
    messages = f"{where}{BASE}/messages"
    refused = site.ask(messages)
    assert_error(refused, 401, "HTTP Basic")
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="Login"'
    assert_error(site.ask(messages, **FOREIGN), 403, "expected no Origin")
    assert_error(site.ask(messages, "PATCH", b"x" * 101, **ANN), 413, "100 octets")
    assert_error(site.ask(messages, "PATCH", iter([b"x" * 60] * 2), **ANN), 413, "100 octets")
    mailpits = f"{where}/api/v1/messages"
    assert_text(site.ask(mailpits), 401, "Unauthorized.\n")
    assert_text(site.ask(mailpits, **FOREIGN), 403, "Blocked due to CORS violation")
    assert_text(site.ask(mailpits, "PUT", b"x" * 101, **ANN), 413, "http: request body too large")


def test_a_path_a_method_or_a_host_that_is_none(site):
    for path in (f"{BASE}/nothing", BASE, f"{BASE}/", f"{BASE}/messages/none/raw"):
        assert_error(site.ask(path), 404)
    refused = site.ask(f"{BASE}/messages", "PUT", b"{}")
    assert_error(refused, 405, "schema.json")
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "PATCH", "DELETE"}
    assert_error(site.ask(f"{BASE}/messages", Host="evil.example"), 421, "expected a Host")
    assert_error(site.ask(f"{BASE}/messages?sort=up"), 400, "unknown name")
    assert_text(site.ask("/api/smtpfix/v10"), 404, "404 page not found")


def test_what_fails_inside(site, monkeypatch):
    for failure, status, sentence in (
        (StoreError("the database is away"), 503, "the database is away"),
        (KeyError("secret"), 500, "KeyError"),
    ):

        def fail(*_, failure=failure, **__):
            raise failure

        monkeypatch.setattr(site.store, "page", fail)
        assert_error(site.ask(f"{BASE}/messages"), status, sentence)
        mailpits = site.ask("/api/v1/messages")
        assert (mailpits.status, sentence in mailpits.text) == (status, True)
        assert "secret" not in site.ask(f"{BASE}/messages").text


def raw(site, octets):
    """Return the answer to what need not be a request."""
    with closing(socket.create_connection(("127.0.0.1", site.web.port), timeout=10)) as connection:
        connection.sendall(octets)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
        return Response(answer.status, answer.headers, body)


def test_what_is_too_long_too_slow_or_no_request(site, monkeypatch):
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.2)
    host = b" HTTP/1.1\r\nHost: localhost\r\n"
    slow = host + b"Content-Length: 9\r\n\r\n{"
    too_long = b"?query=" + b"x" * 20_000
    malformed = host + b"no header\r\n\r\n"
    for path in (BASE.encode() + b"/messages", b"/m/suite" + BASE.encode() + b"/messages"):
        assert_error(raw(site, b"PATCH " + path + slow), 408, "0.2 s")
        assert_error(raw(site, b"GET " + path + too_long), 431, "16384 octets")
        assert_error(raw(site, b"GET " + path + malformed), 400, "expected an HTTP request")
    assert_text(raw(site, b"PUT /api/v1/messages" + slow), 408, "Request Timeout")
    assert raw(site, b"GET /api/v1/messages" + too_long).status == 431
    assert_text(raw(site, b"GET /api/v1/messages" + malformed), 400, "Invalid HTTP request received.")
    assert_text(raw(site, b"EHLO there\r\n\r\n"), 400, "Invalid HTTP request received.")


def test_one_connection_too_many(site, monkeypatch):
    monkeypatch.setattr(runner, "MOST_CONNECTIONS", 2)
    assert site.ask(f"{BASE}/messages").status == 200
    with closing(site.connect()) as first:
        first.request("GET", "/livez")
        assert first.getresponse().read() == b""
        assert_error(site.ask(f"{BASE}/messages"), 503, "fewer connections")
        assert_text(site.ask("/api/v1/messages"), 503, "Service Unavailable")
