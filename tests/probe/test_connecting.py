"""How a probe finds a server, what it calls itself and the server, and what it says where it finds none."""

from __future__ import annotations

import re
import socket
import threading

import pytest
from scripted_server import GREETING, scripted

from smtpfix import Policy, Server
from smtpfix.probe.connecting import in_words
from smtpfix.probe.measurement import Connection, Probe
from smtpfix.probe.probe import probe

pytestmark = pytest.mark.usefixtures("nothing_logged")


@pytest.fixture
def endless_look_up(monkeypatch):
    """Look-ups that end with the test."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait() and [])
    yield
    over.set()
    for thread in threading.enumerate():
        if thread.name == "smtpfix probe's look-up":
            thread.join()


@pytest.mark.usefixtures("endless_look_up")
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"deadline": 0.1}, "it was not over after 0.1 s, the deadline"),
        ({"timeout": 0.1}, "the name was not found in 0.1 s"),
    ],
)
def test_a_look_up_without_end_ends_with_the_time_there_is(fields, error):
    result = probe(Probe("mail.example.org", 25, **fields))
    assert (result.reply_code, result.stage, result.error) == (-1, "connect", error)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "the name has no address for IPv6: name or service not known",
        ),
        (UnicodeError("label too long"), "no host can have this name: a part of it is empty or too long"),
        (OSError(24, "Too many open files"), "too many open files"),
        (None, "the name has no address"),
    ],
)
def test_a_name_that_leads_nowhere_is_told_in_words(monkeypatch, failure, error):
    def look_up(*_):
        if failure is not None:
            raise failure
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    result = probe(Probe("mail.example.org", 25, ip_version=6))
    assert (result.reply_code, result.stage, result.error) == (-1, "connect", error)


@pytest.mark.parametrize(("version", "family"), [(None, socket.AF_UNSPEC), (4, socket.AF_INET), (6, socket.AF_INET6)])
def test_it_asks_for_addresses_of_the_version_it_is_told(monkeypatch, version, family):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: asked.append(arguments) or [])
    probe(Probe("mail.example.org", 25, ip_version=version))
    assert asked == [("mail.example.org", 25, family, socket.SOCK_STREAM)]


def test_an_address_of_the_other_version_is_not_connected_to():
    with Server() as server:
        assert probe(Probe("127.0.0.1", server.port, ip_version=4)).succeeded
        assert probe(Probe("127.0.0.1", server.port, ip_version=6)).stage == "connect"
        assert len(server.sessions) == 1


def test_it_calls_itself_as_it_is_told():
    with Server(Policy("starttls")) as server:
        settings = Probe(
            "127.0.0.1", server.port, Connection.STARTTLS, ca_file=server.ca_file, ehlo_name="probe.example.org"
        )
        assert probe(settings).succeeded
        assert server.sessions[-1].client_name == "probe.example.org"


def test_the_certificate_is_verified_for_the_name_it_is_told_and_the_server_hears_it():
    with Server(Policy("implicit-tls")) as server:
        trusting = {"connection": Connection.IMPLICIT_TLS, "ca_file": server.ca_file}
        assert probe(Probe("127.0.0.1", server.port, name="mx.smtpfix.test", **trusting)).succeeded
        assert server.sessions[-1].client_hello.server_name == "mx.smtpfix.test"
        result = probe(Probe("127.0.0.1", server.port, name="mail.example.org", **trusting))
        assert (result.reply_code, result.stage, result.certificate.verify_code) == (-1, "tls", 62)


def test_an_address_outside_ascii_takes_smtputf8_and_is_not_sent_without():
    addresses = {"sender": "probe@example.org", "recipient": "jörg@example.org"}
    with Server() as server:
        assert probe(Probe("127.0.0.1", server.port, **addresses)).sent
        assert server.inbox.one(to="jörg@example.org").violations == ()
    with scripted() as (port, heard):
        result = probe(Probe("127.0.0.1", port, **addresses))
    assert result.error == "an address is not ASCII, and the server does not offer SMTPUTF8 (RFC 6531)"
    assert not any(line.startswith(b"MAIL") for line in heard)


def test_a_text_with_dots_and_letters_outside_ascii_arrives_as_it_is():
    with Server() as server:
        settings = Probe(
            "127.0.0.1", server.port, sender="a@example.org", recipient="b@example.org", text=".\n..ü\n.\n"
        )
        assert probe(settings).sent
        message = server.inbox.one()
        assert message.html == ".\n..ü\n.\n"
        assert message.violations == ()


def test_the_reply_that_refused_stays_the_last_one():
    refusal = b"550 5.1.1 Nobody\r\n"
    with scripted(b"250 ok\r\n", refusal) as (port, heard):
        result = probe(Probe("127.0.0.1", port, sender="a@example.org", recipient="b@example.org"))
    assert (result.reply_code, result.last_reply) == (550, (refusal,))
    assert heard[-1] == b"QUIT\r\n"


# Words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (TimeoutError("timed out"), "timed out: nothing came for 2 s"),
        (TimeoutError(110, "Connection timed out"), "connection timed out"),
        (OSError("who knows"), "the connection failed"),
        (ValueError("who knows"), "the connection failed"),
    ],
)
def test_a_failure_is_told_in_words_and_not_by_the_name_of_an_exception(error, words):
    assert in_words(error, 2) == words


def test_what_goes_wrong_in_tls_is_told_without_the_names_of_exceptions():
    with scripted() as (port, _):
        result = probe(Probe("127.0.0.1", port, Connection.IMPLICIT_TLS))
    assert result.stage == "tls"
    assert re.fullmatch(r"TLS failed: [a-z ]+", result.error)
    assert GREETING not in result.last_reply
