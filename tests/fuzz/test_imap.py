"""What IMAP clients say, changed in a few places and cut anywhere, is answered the same, and the server goes on."""

from __future__ import annotations

import re
import socket

import fuzzing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from values import whole
from wire import LAST, MIXED, PLAIN, WITHIN

from smtpfix import ImapPolicy, Server
from smtpfix.imap.message_text import Text
from smtpfix.imap.structure import body_structure, envelope
from smtpfix.mail.mime import split

SEEDS = fuzzing.octets("imap")
PIECES = [b"\r\n", b"{3}\r\n", b"{3+}\r\n", b"{0}", b'"', b"(", b")", b"*", b"\\", b" ", b"UID ", b"1:*", b"\0", b"]"]
MAILS = [PLAIN, MIXED, LAST, *fuzzing.octets("mails").values()]
_VARYING = re.compile(
    rb"(UIDVALIDITY|APPENDUID|COPYUID) \d+|\d{1,2}-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}|(MODSEQ) \(?\d+"
)

pytestmark = pytest.mark.usefixtures("nothing_logged")


def told(stream, places):
    """Return what a server says to octets that come in pieces; what differs between two servers is left out."""
    with Server(ImapPolicy(users={"ann": "s3cret"}, append_limit=1000)) as server:
        for content in (PLAIN, MIXED, LAST):
            server.put(content, to="ann")
        with socket.create_connection((server.host, server.port), WITHIN) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for piece in fuzzing.cut(stream, places):
                    client.sendall(piece)
                    assert server.sessions  # for which the server catches up
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            heard = b"".join(iter(lambda: client.recv(65_536), b""))
        session = server.sessions[0]
        shown = f"{session}{session!r}{session.transcript}{session.violations}{session.refusal}"
        assert len(shown) > 0
        with server.client() as other:  # it goes on
            other.login("ann", "s3cret")
    return _VARYING.sub(b"", heard), session.end


@fuzzing.budget(30)
@given(fuzzing.mutants(list(SEEDS.values()), PIECES), st.lists(st.integers(0, 1000), max_size=6))
def test_wherever_it_is_cut_the_answers_are_the_same(stream, places):
    heard, end = told(stream, [])
    assert heard.startswith(b"* OK [CAPABILITY ")
    assert end is not None
    assert told(stream, places) == (heard, end)


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_are_answered_well_octet_by_octet(name):
    stream = SEEDS[name]
    heard, _ = told(stream, range(0, len(stream), 7))
    assert b" BAD " not in heard
    assert heard.count(b" OK ") > 3


@fuzzing.budget(60)
@given(fuzzing.mutants(MAILS, [b"\r\n\r\n", b"--b", b"\r\n--b--", b"Content-Type: message/rfc822\r\n", b'"', b"<"]))
def test_any_message_has_a_structure_that_can_be_read(content):
    root = split(content)[0]
    assert len(whole(envelope(root))) == 10
    assert whole(body_structure(root, extended=True))
    assert whole(body_structure(root, extended=False))
    text = Text(content, {})
    assert isinstance(text.headers + text.body + text.subject + text.display_name(b"from"), str)
    assert text.sent is None or text.sent.tzinfo is not None
