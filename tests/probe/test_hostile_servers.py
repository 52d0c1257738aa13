"""A probe comes to an end and says why, whatever the server does: bounds of time, lines and octets, certificates."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading

import pytest

from smtpfix import Authority, InvalidValueError, Policy, Server
from smtpfix.cli.probe import run
from smtpfix.cli.probe_reports import as_object
from smtpfix.pki import der
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place
from smtpfix.probe import speaking
from smtpfix.probe.measurement import Connection, Probe
from smtpfix.probe.probe import probe

pytestmark = pytest.mark.slow

GREETING = b"220 mail.example.org ESMTP\r\n"
MAIL = {"sender": "probe@example.org", "recipient": "ann@example.org"}


@pytest.fixture
def hostile():
    """Return a function that has a server do something with every connection, and returns its port.

    It is told to stop by an event once the test is over; until then it may go on and on.
    """
    stop = threading.Event()
    with contextlib.ExitStack() as stack:

        def serve(behave):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept():
                while not stop.is_set():
                    with contextlib.suppress(OSError), listener.accept()[0] as connection:
                        behave(connection, stop)

            thread = threading.Thread(target=accept)
            thread.start()
            stack.callback(thread.join)
            stack.callback(wake, listener.getsockname())
            return listener.getsockname()[1]

        def wake(address):
            with contextlib.suppress(OSError):
                socket.create_connection(address).close()

        try:
            yield serve
        finally:
            stop.set()


def endlessly(octets, *, first=b"", every=0.0):
    """Return what sends octets again and again, until nobody is there or the test is over."""

    def behave(connection, stop):
        connection.sendall(first)
        while not stop.wait(every) if every else not stop.is_set():
            connection.sendall(octets)

    return behave


def says(*replies):
    """Return what says one thing after the other, each but the first when something has come, and then hangs up."""

    def behave(connection, _stop):
        for number, reply in enumerate(replies):
            if number and not connection.recv(65_536):
                return
            connection.sendall(reply)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass

    return behave


def found(port, kind=Connection.PLAIN, **fields):
    return probe(Probe("127.0.0.1", port, kind, **fields))


# Time


@pytest.mark.parametrize(
    ("stage", "kind", "first"),  # the stage that it gets to, unless the machine is very busy
    [
        ("greeting", Connection.PLAIN, b"22"),
        ("greeting", Connection.PLAIN, b"220-"),
        ("ehlo", Connection.PLAIN, GREETING + b"250-"),
        ("starttls", Connection.STARTTLS, GREETING + b"250-x\r\n250 STARTTLS\r\n220 "),
        ("tls", Connection.STARTTLS, GREETING + b"250-x\r\n250 STARTTLS\r\n220 go\r\n"),
        ("tls", Connection.IMPLICIT_TLS, b"\x16\x03\x03\x3f\x00"),
    ],
)
def test_one_octet_at_a_time_ends_with_the_deadline(hostile, stage, kind, first):
    if stage == "tls" and kind is Connection.STARTTLS:
        first_part, octets = first, b"\x16\x03\x03\x3f\x00"

        def behave(connection, stop):
            connection.sendall(first_part)
            while b"STARTTLS" not in connection.recv(999):
                pass
            endlessly(b"\x02", first=octets, every=0.02)(connection, stop)
    else:
        behave = endlessly(b"2", first=first, every=0.02)
    result = found(hostile(behave), kind, deadline=0.3)
    assert (result.reply_code, result.error) == (-1, "it was not over after 0.3 s, the deadline")


def test_a_server_that_reads_no_content_ends_with_the_deadline(hostile):
    def behave(connection, stop):
        says_until_data = (GREETING, b"250 mail.example.org\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")
        for number, reply in enumerate(says_until_data):
            if not number or connection.recv(999):
                connection.sendall(reply)
        stop.wait()

    result = found(hostile(behave), **MAIL, text=f"{'x' * 70}\n" * 150_000, deadline=1)
    assert (result.reply_code, result.error) == (-1, "it was not over after 1 s, the deadline")


def test_the_deadline_is_for_both_connections_of_a_probe_and_counts_by_the_clock(hostile, monkeypatch):
    """The clock jumps when the certificate has been seen once; no second connection waits for anything."""
    seen = threading.Event()
    monkeypatch.setattr(
        "smtpfix.probe.probe.Deadline",
        lambda seconds: speaking.Deadline(seconds, lambda: 1_000.0 if seen.is_set() else 0.0),
    )
    with Server(Policy("implicit-tls", certificate="expired")) as server:
        wrap_socket = ssl.SSLContext.wrap_socket

        def wrap_and_see(*arguments, **others):
            seen.set()
            return wrap_socket(*arguments, **others)

        monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap_and_see)
        result = found(server.port, Connection.IMPLICIT_TLS, ca_file=server.ca_file, verify=False, deadline=60)
    assert (result.reply_code, result.stage) == (-1, "connect")
    assert result.error == "it was not over after 60 s, the deadline"


def test_a_deadline_of_no_time_is_an_error_at_once():
    with pytest.raises(InvalidValueError, match=r"Probe\.deadline: expected seconds above 0, got 0"):
        Probe("localhost", 25, deadline=0)


# Lines and octets


@pytest.mark.parametrize(
    ("behave", "error", "lines", "octets"),
    [
        (endlessly(b"220-more\r\n" * 1000), "a reply goes on after 200 lines: the rest was not read", 200, 2000),
        (
            endlessly(b"x" * 65_536, first=b"220-"),
            "a line of a reply has more than 8,192 octets: no more was read",
            *(1, 8192),
        ),
        (
            endlessly((b"220-" + b"x" * 8000 + b"\r\n") * 10),
            "the replies have more than 262,144 octets: no more was read",
            *(None, None),
        ),
    ],
    ids=["lines without end", "a line without end", "long lines"],
)
def test_a_reply_without_end_is_given_up_and_the_result_says_what_was_not_read(hostile, behave, error, lines, octets):
    result = found(hostile(behave))
    assert (result.reply_code, result.stage, result.error) == (-1, "greeting", error)
    assert sum(map(len, result.last_reply)) <= speaking.MOST_OCTETS
    if lines is not None:
        assert (len(result.last_reply), sum(map(len, result.last_reply))) == (lines, octets)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"HTTP/1.1 400 Bad Request\r\n",
            b"000 all is well\r\n",
            b"999 x\r\n",
            b"-1  x\r\n",
            b"2200 x\r\n",
            b"22\r\n",
        ),
        *(b"\xff\xfe\0\r\n", "٢٢٠ x\r\n".encode(), b"\r\n", b"250\x1b[2J x\r\n"),
    ],
)
def test_what_is_no_reply_has_no_reply_code_and_is_kept_as_it_came(hostile, line, capsys):
    port = hostile(says(line))
    result = found(port)
    assert (result.reply_code, result.stage) == (-1, "greeting")
    assert result.error.startswith("no valid reply: expected a code and a text, got")
    assert result.last_reply == (line,)
    (shown,) = as_object(result)["last_reply"]
    assert shown.isprintable()


def test_the_last_reply_is_shown_with_nothing_in_it_that_a_terminal_obeys(hostile, capsys):
    octets = b"554-no\x1b[2J\r\n" * 4 + b"554 \xff\r\n"
    port = hostile(says(octets))
    status = run(
        sys.stdout,
        as_json=False,
        where=f"127.0.0.1:{port}",
        connection="plain",
        password=None,
        password_file=None,
        no_verify=False,
        ca_file=None,
    )
    out = capsys.readouterr().out
    assert status == 1
    assert "Last reply:       554-no\\x1b[2J\n" in out
    assert "and 2 more lines" in out
    assert found(port).last_reply == tuple(octets.splitlines(keepends=True))


def test_a_connection_that_ends_in_a_line_shows_what_came_of_it(hostile):
    result = found(hostile(says(b"220-mail\r\n220 ma")))
    assert result.reply_code == -1
    assert "the server closed the connection instead of replying" in result.error
    assert result.last_reply == (b"220-mail\r\n", b"220 ma")


def test_a_refusal_counts_also_where_the_server_hangs_up_behind_it(hostile):
    behave = says(GREETING, b"250 mail.example.org\r\n", b"250 ok\r\n", b"550 5.1.1 Nobody\r\n")
    result = found(hostile(behave), **MAIL)
    assert (result.reply_code, result.stage, result.error) == (550, "transfer", "550 5.1.1 Nobody")


def test_what_a_server_said_in_clear_behind_its_220_is_no_reply_inside_tls():
    with Server(Policy("starttls", scenario="inject-extra-220")) as server:
        result = found(server.port, Connection.STARTTLS, ca_file=server.ca_file)
        assert result.succeeded
        assert "STARTTLS" not in result.extensions
        assert result.extensions


# TLS


def test_octets_that_are_no_tls_are_an_error_in_the_result(hostile):
    result = found(hostile(endlessly(b"\xff\0garbage" * 1000)), Connection.IMPLICIT_TLS)
    assert (result.reply_code, result.stage) == (-1, "tls")
    assert result.error.startswith("TLS failed: ")


NAMES, ACCESS = b"\x06\x03\x55\x1d\x11", b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x01"
"""Identifiers of extensions: alternative names, and authority information access, which OpenSSL does not read."""


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        (NAMES, b"\x30\x00"),  # no name
        (NAMES, b"\x30\x02\x87\x00"),  # an address of no octets
        (NAMES, b"\x30\x05\x82\x03\x1b\x5b\x4a"),
        (ACCESS, b"\xff\xff\xff"),
        (ACCESS, b"\x30\x0d\x30\x0b\x06\x01\x2a\xa0\x06\x06\x02\x2a\x03\xa0\x00"),  # a name without what it is
    ],
)
def test_a_hostile_certificate_is_described(hostile, tmp_path, identifier, value):
    file = certificate(tmp_path, identifier, value)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def behave(connection, stop):
        with context.wrap_socket(connection, server_side=True) as secured:
            says(GREETING, b"250 mail.example.org\r\n", b"221 Bye\r\n")(secured, stop)

    result = found(hostile(behave), Connection.IMPLICIT_TLS)
    assert (result.reply_code, result.stage) == (-1, "tls")
    assert result.certificate.verify_code != 0
    assert "CN = mx.smtpfix.test" in result.certificate.subject
    assert result.certificate.names.isprintable()


def certificate(folder, identifier, value):
    """Write a certificate, with its key, with one extension."""
    with Authority() as authority:
        chain = authority.chain(load_scenario("good"), Place("localhost", "mx.smtpfix.test", "127.0.0.1"))
    tbs, algorithm, signature = der.sequence(chain.leaf.octets)
    parts = [part.whole for part in der.sequence(tbs.whole) if part.tag != der.EXTENSIONS]
    extension = der.encode(der.SEQUENCE, identifier, der.encode(4, value))
    tbs = der.encode(der.SEQUENCE, *parts, der.encode(der.EXTENSIONS, der.encode(der.SEQUENCE, extension)))
    octets = der.encode(der.SEQUENCE, tbs, algorithm.whole, signature.whole)
    file = folder / "hostile.pem"
    file.write_bytes(ssl.DER_cert_to_PEM_cert(octets).encode() + chain.key_pem)
    return file
