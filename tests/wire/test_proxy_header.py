"""The PROXY protocol: its header's syntax, and a server that takes none but forwarded connections."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import ssl
import struct
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtpfix import InvalidValueError, Mode, Policy, ProxyTLS, Reply, Server, SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.wire.proxy_header import CRC32C, SIGNATURE, SSL, Malformed, ProxyHeader, _crc32c, parse_header

LINE = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n"
LINE6 = b"PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:7 0 65535\r\n"
CLIENT, SERVER = ("192.0.2.1", 56324), ("198.51.100.7", 25)
GREETING = "220 mx.smtpfix.test ESMTP smtpfix"
MODES = pytest.mark.parametrize("mode", list(Mode))
CLEAR_MODES = pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.IMPLICIT_TLS])


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def binary(block=b"", *, what=0x21, how=0x11):
    return SIGNATURE + struct.pack("!BBH", what, how, len(block)) + block


def addresses(source="192.0.2.1", destination="198.51.100.7", ports=(56324, 25)):
    ends = (ipaddress.ip_address(end).packed for end in (source, destination))
    return b"".join(ends) + struct.pack("!HH", *ports)


def checked(block):
    """Return a header with its checksum, as section 2.2.3 has it made."""
    header = binary(block + tlv(CRC32C, bytes(4)))
    return header[:-4] + _crc32c(header).to_bytes(4, "big")


FULL = binary(
    addresses()
    + tlv(0x02, "mäx.example".encode())
    + tlv(SSL, b"\x07" + bytes(4) + tlv(0x21, b"TLSv1.3") + tlv(0x23, b"TLS_AES_128_GCM_SHA256") + tlv(0x22, b"ann"))
    + tlv(0x05, b"id-7")
)
GOOD = {
    "TCP4": (LINE, 1, "TCP4", CLIENT, SERVER),
    "TCP6": (LINE6, 1, "TCP6", ("2001:db8::1", 0), ("2001:db8::7", 65535)),
    "IPv4 in IPv6": (
        LINE6.replace(b"2001:db8::1", b"::ffff:192.0.2.1"),
        1,
        "TCP6",
        (str(ipaddress.ip_address("::ffff:192.0.2.1")), 0),
        ("2001:db8::7", 65535),
    ),
    "UNKNOWN": (b"PROXY UNKNOWN\r\n", 1, "UNKNOWN", None, None),
    "UNKNOWN, and more": (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", 1, "UNKNOWN", None, None),
    "the longest": (b"PROXY TCP6 " + b" ".join([b":".join([b"ffff"] * 8)] * 2) + b" 65535 65535\r\n", 1, "TCP6")
    + (("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),) * 2,
    "binary IPv4": (binary(addresses()), 2, "TCP4", CLIENT, SERVER),
    "binary IPv6": (
        binary(addresses("2001:db8::1", "::1", (1, 2)), how=0x21),
        2,
        "TCP6",
        ("2001:db8::1", 1),
        ("::1", 2),
    ),
    "datagrams": (binary(addresses(), how=0x12), 2, "UDP4", CLIENT, SERVER),
    "a Unix socket": (binary(bytes(216), how=0x31), 2, "UNIX", None, None),
    "unspecified": (binary(b"whatever", how=0x00), 2, "UNKNOWN", None, None),
    "unspecified transport": (binary(addresses(), how=0x10), 2, "UNKNOWN", None, None),
    "local": (binary(b"to be skipped", what=0x20, how=0xFF), 2, "UNKNOWN", None, None),
    "with extensions": (FULL, 2, "TCP4", CLIENT, SERVER),
    "with its checksum": (checked(addresses() + tlv(0x04, b"\0\0\0")), 2, "TCP4", CLIENT, SERVER),
}
BAD = {
    "a command": b"EHLO client.example\r\n",
    "a ClientHello": b"\x16\x03\x01\x02\x00",
    "in lower case": LINE.lower(),
    "LF alone": LINE.replace(b"\r\n", b"\n"),
    "CR alone": LINE.replace(b" 25\r\n", b"\r 25\r\n"),
    "two spaces": LINE.replace(b" 25", b"  25"),
    "a tab": LINE.replace(b" 25", b"\t25"),
    "a space behind": LINE.replace(b"\r\n", b" \r\n"),
    "nothing but the name": b"PROXY \r\n",
    "a protocol that is none": LINE.replace(b"TCP4", b"UDP4"),
    "CR alone in UNKNOWN": b"PROXY UNKNOWN a\rb\r\n",
    "UNKNOWN run together": b"PROXY UNKNOWNS\r\n",
    "IPv6 under TCP4": LINE6.replace(b"TCP6", b"TCP4"),
    "IPv4 under TCP6": LINE.replace(b"TCP4", b"TCP6"),
    "IPv4 in IPv6 alone": LINE6.replace(b"2001:db8::1", b"192.0.2.1"),
    "heading zeroes in an address": LINE.replace(b"192.0.2.1", b"192.0.02.1"),
    "an octet too high": LINE.replace(b"192.0.2.1", b"192.0.2.256"),
    "heading zeroes in a port": LINE.replace(b" 25\r", b" 025\r"),
    "a port too high": LINE.replace(b" 25\r", b" 65536\r"),
    "a port below zero": LINE.replace(b" 25\r", b" -1\r"),
    "one port": LINE.replace(b" 25\r", b"\r"),
    "a zone": LINE6.replace(b"2001:db8::1", b"fe80::1%lo"),
    "108 octets": b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    "no end in sight": b"PROXY UNKNOWN " + b"f" * 93,
    "version 1 in binary": binary(addresses(), what=0x11),
    "version 3": binary(addresses(), what=0x31),
    "an unassigned command": binary(addresses(), what=0x22),
    "an unassigned family": binary(addresses(), how=0x41),
    "an unassigned transport": binary(addresses(), how=0x13),
    "addresses that are too short": binary(addresses()[:-1]),
    "IPv4 addresses for IPv6": binary(addresses(), how=0x21),
    "a path that is too short": binary(bytes(215), how=0x31),
    "an extension cut off": binary(addresses() + tlv(0x02, b"mx")[:-1]),
    "an extension's head cut off": binary(addresses() + b"\x02\x00"),
    "TLS without its fields": binary(addresses() + tlv(SSL, b"\x01" + bytes(3))),
    "an extension in TLS cut off": binary(addresses() + tlv(SSL, b"\x01" + bytes(4) + b"\x21\x00\x09TLSv1")),
    "another checksum": binary(addresses() + tlv(CRC32C, b"\1\2\3\4")),
    "a checksum of another length": binary(addresses() + tlv(CRC32C, b"\1\2\3")),
}


# Syntax


@pytest.mark.parametrize(("octets", "version", "transport", "source", "destination"), GOOD.values(), ids=GOOD)
def test_a_header_is_read_and_what_is_behind_it_left(octets, version, transport, source, destination):
    for behind in (b"", b"EHLO x\r\n", b"\n", octets):
        header = parse_header(octets + behind)
        assert isinstance(header, ProxyHeader)
        assert (header.version, header.transport, header.size) == (version, transport, len(octets))
        assert (header.source, header.destination) == (source, destination)


@pytest.mark.parametrize("octets", [case[0] for case in GOOD.values()], ids=GOOD)
def test_a_header_that_has_not_come_whole_is_waited_for(octets):
    assert {parse_header(octets[:length]) for length in range(len(octets))} == {None}


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
def test_what_is_no_header_is_malformed_whatever_follows(octets):
    for behind in (b"", LINE, b"\0" * 300):
        assert isinstance(parse_header(octets + behind), Malformed)


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
def test_malformed_is_never_said_too_early_and_then_taken_back(octets):
    answers = [parse_header(octets[:length]) for length in range(len(octets) + 1)]
    kinds = [type(answer) for answer in answers]
    first = kinds.index(Malformed)
    assert set(kinds[:first]) <= {type(None)}
    assert set(kinds[first:]) == {Malformed}


@given(st.binary(max_size=600) | st.builds(bytes.__add__, st.sampled_from([SIGNATURE, b"PROXY "]), st.binary()))
@example(b"")
@example(binary(tlv(SSL, b""), how=0x00))
def test_no_octets_make_it_raise(octets):
    header = parse_header(octets)
    assert header is None or isinstance(header, Malformed | ProxyHeader)
    if isinstance(header, ProxyHeader):
        assert 0 < header.size <= len(octets)
        assert isinstance(header.tls, ProxyTLS | None)
        assert isinstance(header.authority, str | None)
        assert str(header)


@given(
    st.ip_addresses(v=4) | st.ip_addresses(v=6),
    st.integers(0, 65535),
    st.lists(st.tuples(st.integers(0xE0, 0xFF), st.binary(max_size=40)), max_size=4),
)
def test_both_versions_say_the_same(address, port, extensions):
    text = f"PROXY TCP{address.version} {address} {address} {port} {port}\r\n"
    block = addresses(address, address, (port, port)) + b"".join(tlv(*one) for one in extensions)
    line, octets = parse_header(text.encode()), parse_header(binary(block, how=0x11 if address.version == 4 else 0x21))
    assert line.source == line.destination == octets.source == octets.destination == (str(address), port)
    assert line.transport == octets.transport
    assert (line.tlvs, octets.tlvs) == ((), tuple(extensions))


def test_extensions_say_what_was_before_the_proxy():
    header = parse_header(FULL)
    assert (header.authority, header.unique_id) == ("mäx.example", b"id-7")
    assert header.tls == ProxyTLS("TLSv1.3", "TLS_AES_128_GCM_SHA256", "ann", verified=True)
    bare = parse_header(LINE)
    assert (bare.authority, bare.unique_id, bare.tls, bare.value(7)) == (None, None, None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\x01" + bytes(4), ProxyTLS(None, None, None, verified=False)),  # no certificate was shown
        (b"\x03" + bytes(3) + b"\1", ProxyTLS(None, None, None, verified=False)),  # a bad one was
        (b"\x05" + bytes(4), ProxyTLS(None, None, None, verified=True)),
        (b"\x00" + bytes(4), None),
    ],
)
def test_tls_is_verified_where_a_certificate_was_shown_and_good(value, expected):
    assert parse_header(binary(addresses() + tlv(SSL, value))).tls == expected


def test_the_checksum_is_crc_32c():
    assert _crc32c(b"123456789") == 0xE3069283  # the check value of the catalogue of CRCs


# A server behind a proxy


@pytest.fixture
def connect(start_smtp_server, wire):
    """Return a function that starts a server behind a proxy, connects, and sends octets before all else."""

    def connect(octets, mode="plain", **fields):
        server = start_smtp_server(mode, proxy_protocol=True, **fields)
        client = wire(server, greeted=False)
        client.send(octets)
        return server, client

    return connect


@CLEAR_MODES
@pytest.mark.parametrize("octets", [LINE, FULL], ids=["1", "2"])
@pytest.mark.usefixtures("nothing_logged")
def test_the_session_is_the_client_s_and_the_proxy_is_known(connect, octets, mode):
    server, client = connect(octets, mode)
    assert client.reply() == GREETING
    session = server.sessions[-1]
    assert session.client == CLIENT
    assert session.peer == client.socket.getsockname()
    assert (session.proxy.source, session.proxy.destination) == (CLIENT, SERVER)
    assert session.server == client.socket.getpeername()
    assert f"from 192.0.2.1 port 56324 to 198.51.100.7 port 25, forwarded by 127.0.0.1 port {session.peer[1]}" in str(
        session.transcript
    )
    assert session.transcript.commands == ()


@pytest.mark.usefixtures("nothing_logged")
def test_a_message_is_delivered_behind_the_header(connect):
    server, client = connect(LINE)
    assert client.reply() == GREETING
    client.hello()
    assert client.deliver().startswith("250 ")
    assert client.say("QUIT").startswith("221 ")
    assert server.inbox.one().session.client == CLIENT
    assert server.sessions[-1].violations == ()


@pytest.mark.parametrize("octets", [b"PROXY UNKNOWN\r\n", binary(what=0x20, how=0), binary(how=0)])
def test_a_connection_of_the_proxy_s_own_counts_as_the_proxy_s(connect, octets):
    server, client = connect(octets)
    assert client.reply() == GREETING
    session = server.sessions[-1]
    assert session.client == session.peer == client.socket.getsockname()
    assert session.proxy.source is None


def test_without_the_policy_a_header_is_an_unknown_command(start_smtp_server, wire):
    server = start_smtp_server()
    client = wire(server)
    assert client.say(LINE[:-2]) == "500 5.5.1 Command unrecognized"
    session = server.sessions[-1]
    assert (session.client, session.proxy) == (session.peer, None)


@pytest.mark.parametrize("octets", [LINE, FULL], ids=["1", "2"])
def test_nothing_is_said_before_the_header_has_come_and_it_may_come_octet_by_octet(connect, octets):
    server, client = connect(octets[:1])
    for at in range(1, len(octets)):
        assert server.sessions[-1].transcript.replies == ()
        client.send(octets[at : at + 1])
    assert client.reply() == GREETING
    assert server.sessions[-1].client == CLIENT


def test_commands_in_the_header_s_segment_are_answered_behind_the_greeting(connect):
    _, client = connect(LINE + b"EHLO client.example\r\nNOOP\r\n")
    assert client.reply() == GREETING
    assert client.reply().startswith("250-")
    assert client.reply() == "250 2.0.0 OK"


@pytest.mark.parametrize("in_one", [True, False], ids=["in one segment", "in two"])
@pytest.mark.usefixtures("nothing_logged")
def test_implicit_tls_begins_behind_the_header(start_smtp_server, in_one):
    server = start_smtp_server("implicit-tls", proxy_protocol=True)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = server.ssl_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if in_one:
            opened.sendall(FULL + hello)
        else:
            opened.sendall(FULL)
            assert server.sessions[-1].transcript.replies == ()
            opened.sendall(hello)
        said = b""
        while not said:
            incoming.write(opened.recv(65536))
            try:
                tls.do_handshake()
                opened.sendall(outgoing.read())
                said = tls.read()
            except ssl.SSLWantReadError:
                opened.sendall(outgoing.read())
    assert said == GREETING.encode() + b"\r\n"
    session = server.sessions[-1]
    assert (session.client, session.tls.started_by) == (CLIENT, "connect")
    assert session.client_hello.server_name == "localhost"


@pytest.mark.parametrize("scenario", ["handshake-alert", "handshake-close"])
def test_what_a_scenario_has_instead_of_tls_comes_behind_the_header_too(start_smtp_server, scenario):
    server = start_smtp_server("implicit-tls", proxy_protocol=True, scenario=scenario)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as opened:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.ssl_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        opened.sendall(LINE + outgoing.read())
        said = opened.recv(65536)
    assert said == (bytes.fromhex("15030300020228") if scenario == "handshake-alert" else b"")
    session = server.sessions.wait(1)[0]
    assert (session.client, session.end) == (CLIENT, SessionEnd.HANDSHAKE_FAILED)


def test_a_scenario_that_goes_on_in_clear_does_so_behind_the_header(start_smtp_server, wire):
    server = start_smtp_server("implicit-tls", proxy_protocol=True, scenario="plain-on-tls-port")
    client = wire(server, greeted=False)
    client.send(LINE + b"NOOP\r\n")
    assert client.replies(2) == [GREETING, "250 2.0.0 OK"]


class Told:
    """An observer that notes what it is told."""

    def __init__(self):
        self.said = []

    def session_started(self, _server, session):
        self.said.append(("started", session.client, session.proxy is not None))

    def message_captured(self, _server, _message):
        pass

    def session_ended(self, _server, session):
        self.said.append(("ended", session.client, session.proxy is not None))


def test_an_observer_hears_of_a_session_when_its_client_is_known(wire):
    told = Told()
    with Server(Policy(proxy_protocol=True), observer=told) as server:
        client = wire(server, greeted=False)
        client.send(LINE[:10])
        assert not server.sessions[-1].is_over
        assert told.said == []
        client.send(LINE[10:])
        assert client.reply() == GREETING
        assert told.said == [("started", CLIENT, True)]
        client.say("QUIT")
        server.sessions.wait(1)
    assert told.said == [("started", CLIENT, True), ("ended", CLIENT, True)]


def test_it_hears_of_one_without_a_header_at_its_end(wire):
    told = Told()
    with Server(Policy(proxy_protocol=True), observer=told) as server:
        client = wire(server, greeted=False)
        proxy = client.socket.getsockname()
        client.send(b"EHLO client.example\r\n")
        assert client.reply() == ""
        server.sessions.wait(1)
    assert told.said == [("started", proxy, False), ("ended", proxy, False)]


def test_the_server_s_own_client_says_that_it_cannot_send_a_header(start_smtp_server):
    with pytest.raises(InvalidValueError, match="smtplib sends no PROXY protocol header; use a socket of your own"):
        start_smtp_server(proxy_protocol=True).client()


def test_a_session_in_one_line_says_for_whom_it_was_forwarded(connect, start_smtp_server, wire):
    server, client = connect(LINE)
    assert client.reply() == GREETING
    assert str(server.sessions[-1]).startswith("session 1 (plain): for 192.0.2.1, forwarded by 127.0.0.1; in clear")
    direct = start_smtp_server()
    wire(direct)
    assert "forwarded" not in str(direct.sessions[-1])


@MODES
@pytest.mark.parametrize("octets", [b"EHLO client.example\r\n", LINE.replace(b"192", b"392"), binary(what=0x31)])
@pytest.mark.usefixtures("nothing_logged")
def test_a_connection_without_a_header_is_closed_and_nothing_said(connect, octets, mode):
    server, client = connect(octets + b"MAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nDATA\r\n\r\n.\r\n", mode)
    assert client.rest() == b""
    session = server.sessions.wait(1)[0]
    assert session.end is SessionEnd.NO_PROXY_HEADER
    assert (session.client, session.proxy) == (session.peer, None)
    (note, _) = (event for event in session.transcript if event.kind is Kind.NOTE)
    assert note.data.startswith(b"no PROXY protocol header: expected ")
    assert session.transcript.commands == session.transcript.replies == ()
    assert len(server.inbox) == len(server.inbox.refused) == 0


def test_the_note_on_what_came_instead_gives_no_password_away(connect):
    server, client = connect(b"AUTH PLAIN AGFubgBzM2NyZXQ=\r\n")
    assert client.rest() == b""
    assert "AGFubg" not in str(server.sessions.wait(1)[0].transcript)


def test_a_header_that_does_not_come_in_time_ends_the_session(connect):
    server, client = connect(b"PROX", handshake_timeout=0.02)
    assert client.rest() == b""
    session = server.sessions.wait(1)[0]
    assert session.end is SessionEnd.TIMEOUT
    assert "no PROXY protocol header came in time" in str(session.transcript)


def test_a_client_that_closes_before_its_header_is_no_fault(connect):
    server, client = connect(b"")
    client.close()
    assert server.sessions.wait(1)[0].end is SessionEnd.CLIENT_CLOSED


def test_a_rule_can_refuse_by_the_address_in_the_header(start_smtp_server, wire):
    server = start_smtp_server(proxy_protocol=True)
    server.on("CONNECT", Reply(554, "5.7.1", "Not you"), argument="192.0.2.*")
    refused, welcome = wire(server, greeted=False), wire(server, greeted=False)
    refused.send(LINE)
    welcome.send(LINE.replace(b"192.0.2.1", b"203.0.113.1"))
    assert refused.reply() == "554 5.7.1 Not you"
    assert welcome.reply() == GREETING


# A client from elsewhere


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
@pytest.mark.parametrize(("version", "family"), [(1, "TCP4"), (1, "TCP6"), (2, "AF_INET"), (2, "AF_INET6")])
@pytest.mark.usefixtures("nothing_logged")
def test_swaks_delivers_as_a_proxy(start_smtp_server, version, family):
    server = start_smtp_server(proxy_protocol=True)
    source, destination = ("192.0.2.1", "198.51.100.7") if family[-1] in "4T" else ("2001:db8::1", "2001:db8::7")
    options = ["--proxy-version", version, "--proxy-family", family, "--proxy-source", source]
    options += ["--proxy-source-port", 56324, "--proxy-dest", destination, "--proxy-dest-port", 25]
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(server.port), "--to", "bob@example.org", *map(str, options)],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    session = server.inbox.one(to="bob@example.org").session
    assert (session.client, session.proxy.destination) == ((source, 56324), (destination, 25))
    assert (session.proxy.version, session.peer[0]) == (version, "127.0.0.1")
