"""However the network cuts up what a client sends: the same octets have the same replies, messages and record."""

from __future__ import annotations

import dataclasses
import socket
import ssl

import fuzzing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix import Policy, Server

SEEDS = fuzzing.octets("sessions")
PIECES = [
    b"\r\n",
    b"\r",
    b"\n",
    b".\r\n",
    b"\r\n.\r\n",
    b"BDAT 7\r\n",
    b"AUTH LOGIN\r\n",
    b"*\r\n",
    b"RSET\r\n",
    b"QUIT\r\n",
]
POLICY = Policy(
    users={"ann": "s3cret"},
    auth_in_clear=True,
    mechanisms=["PLAIN", "LOGIN", "XOAUTH2"],  # whose challenges are the same every time
    offer=["CHUNKING", "BINARYMIME", "DSN"],
    size_limit=300,
    line_limit=100,
    max_recipients=2,
    xclient=True,
)
WAYS = {
    "in clear": {},
    "behind STARTTLS": {"mode": "starttls"},
    "behind a proxy": {"proxy_protocol": True},
    "in TLS behind a proxy": {"mode": "implicit-tls", "proxy_protocol": True},
}
HEADERS = {
    "line": b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n",
    "binary": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f" + bytes.fromhex("c0000201 c6336407 dc04 0019 04 0000"),
}


class Client:
    """Sends octets piece by piece; the server has worked through each before the next comes."""

    def __init__(self, server, places):
        self._server, self._places = server, places
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None
        self.heard = b""

    def send(self, octets, places=None):
        """Send octets in pieces, and hear what the server says to each; in TLS each is a record, which is cut again."""
        for piece in fuzzing.cut(octets, self._places if places is None else places):
            if self._tls is not None:
                self._tls.write(piece)
            self._send(self._outgoing.read() if self._tls is not None else piece)

    def _send(self, octets):
        for piece in fuzzing.cut(octets, self._places):
            try:
                self._socket.sendall(piece)
            except ConnectionError:
                return
            self._hear()

    def _hear(self):
        """Take in what the server has said by now."""
        assert self._server.sessions  # for which the server catches up
        self._socket.setblocking(False)
        try:
            while octets := self._socket.recv(65_536):
                self._take(octets)
        except (BlockingIOError, ConnectionError):
            pass
        self._socket.settimeout(10)

    def _take(self, octets):
        if self._tls is None:
            self.heard += octets
            return
        self._incoming.write(octets)
        try:
            while more := self._tls.read():
                self.heard += more
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass

    def start_tls(self):
        """Shake hands; what the client says is cut up too."""
        context = self._server.ssl_context()
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._send_in_clear(self._outgoing.read())
                self._incoming.write(self._socket.recv(65_536))
        self._send_in_clear(self._outgoing.read())
        self._tls = tls
        self._take(b"")

    def _send_in_clear(self, octets):
        for piece in fuzzing.cut(octets, self._places):
            self._socket.sendall(piece)
            assert self._server.sessions

    def end(self):
        """Close, as soon as the server has said everything."""
        with self._socket:
            try:
                self._socket.shutdown(socket.SHUT_WR)
                while octets := self._socket.recv(65_536):
                    self._take(octets)
            except OSError:
                pass


def told(server, stream, places, header=b""):
    """Return all that comes of octets which are cut at some places: replies, messages, and what is on record."""
    server.inbox.clear()
    client = Client(server, places)
    port = client._socket.getsockname()[1]
    client.send(header)
    if server.mode == "starttls":
        client.send(b"EHLO a\r\nSTARTTLS\r\n", [8])
        client.heard = b""
    if server.mode != "plain":
        client.start_tls()
    client.send(stream)
    client.end()
    session = server.sessions.wait(1, timeout=10)[-1]
    assert session.is_over
    record = {
        field.name: getattr(session, field.name)
        for field in dataclasses.fields(session)
        if field.name not in ("number", "client", "peer", "started", "duration", "transcript", "_reading")
    }
    events = [(event.kind, event.data.replace(b" by 127.0.0.1 port %d" % port, b"")) for event in session.transcript]
    messages = [
        {
            name: getattr(message, name)
            for name in ("envelope", "content", "chunks", "reply", "user", "in_tls", "stuffed_lines", "unstuffed_lines")
        }
        for kept in (server.inbox, server.inbox.refused)
        for message in kept
    ]
    return {"heard": client.heard, "record": record, "events": events, "messages": messages}


@pytest.fixture(scope="module", params=WAYS)
def server(request, smtp_authority):
    with Server(dataclasses.replace(POLICY, max_sessions=1, **WAYS[request.param]), authority=smtp_authority) as server:
        yield server


def header_for(server, which="line"):
    return HEADERS[which] if server.policy.proxy_protocol else b""


@pytest.mark.parametrize("stream", SEEDS.values(), ids=SEEDS)
def test_octet_by_octet_is_the_same_as_in_one_write(server, stream):
    places = range(0, len(stream), 1 if server.mode == "plain" else 11)  # each record is cut there again
    whole = told(server, stream, [], header_for(server))
    assert whole["heard"].endswith(b"\r\n")
    assert told(server, stream, places, header_for(server)) == whole


@fuzzing.budget(40)
@given(
    fuzzing.mutants(list(SEEDS.values()), PIECES),
    st.lists(st.integers(0, 1000), min_size=1, max_size=6),
    st.sampled_from(sorted(HEADERS)),
)
def test_wherever_it_is_cut_it_is_the_same(server, stream, places, which):
    header = header_for(server, which)
    assert told(server, stream, places, header) == told(server, stream, [], header)
