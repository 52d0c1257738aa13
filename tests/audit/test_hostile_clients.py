"""A client does not break its judge: whatever it sent can be read, shown and judged."""

from __future__ import annotations

import dataclasses
import io
import itertools
import re
import socket
from email.message import Message
from pkgutil import resolve_name

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smtpfix import NoMessage, NoSession, Policy
from smtpfix.audit.auditing import Audit, declare
from smtpfix.audit.digest import lines
from smtpfix.audit.evidence import gather
from smtpfix.audit.process import Ended
from smtpfix.audit.report import to_html, to_json, to_junit, to_sarif
from smtpfix.audit.report.words import without_secret
from smtpfix.audit.result import Ending
from smtpfix.audit.target import Target
from smtpfix.audit.wire import WireServer, outside_tls
from smtpfix.cli.audit_terminal import AuditTerminal
from smtpfix.cli.events import MessageCaptured, SessionEnded, SessionStarted
from smtpfix.cli.json_output import JSONOutput
from smtpfix.cli.save import _text as text_of_a_session
from smtpfix.cli.terminal import Terminal
from smtpfix.mail.attempts import Attempts
from smtpfix.mail.outline import outline
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.mode import Mode
from smtpfix.record.hints import hints
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.session import SessionEnd as Ends
from smtpfix.record.transcript import CUT, Kind
from smtpfix.smtp.reading import SMTPReading
from smtpfix.tls.client_hello import has_begun, parse_client_hello
from smtpfix.wire.proxy_header import parse_header

BUDGET = settings(max_examples=100, deadline=None, derandomize=True)
"""The same examples in every run: what fails here, fails for everybody."""

VERBS = (
    *(b"EHLO", b"HELO", b"LHLO", b"MAIL", b"RCPT", b"DATA", b"BDAT", b"RSET", b"NOOP", b"VRFY", b"QUIT", b"STARTTLS"),
    *(b"AUTH", b"AUTH PLAIN", b"AUTH LOGIN", b"XCLIENT", b"PROXY", b"MAIL FROM:", b"RCPT TO:", b"X", b"", b"e", b"ma"),
)
ODD = (
    *(b"\0", b"\x01", b"\x07", b"\t", b"\x0b", b"\x0c", b"\x1b[2J", b"\x1c", b"\x7f", b"\x85", b"\xa0", b"\xff"),
    *("\u2028".encode(), "\u202e".encode(), "ß".encode(), b"\xed\xb2\x80", b"\r", b"\n", b" ", b"  ", b" \t "),
)
WORDS = (
    *(b"<ann@example.org>", b"<>", b"<", b">", b'<"a b"@x>', b"<@a,@b:c@d>", b"<a@[1.2.3.4]>", b"=", b"+", b"+4", b"%"),
    *(b"SIZE=", b"SIZE=99999999999999999999", b"BODY=8BITMIME", b"ADDR=", b"NAME=+FF", b"TCP4 1.2.3.4 5.6.7.8 1 99999"),
    *(
        b"UNKNOWN",
        b"client.example",
        b"[IPv6:",
        b"AHBhcw==",
        b"\x16\x03\x01\x00\x05\x01\x00",
        b"s3cret-word",
        b"0 LAST",
    ),
)
PIECE = st.one_of(st.sampled_from(ODD), st.sampled_from(WORDS), st.sampled_from(VERBS), st.binary(max_size=6))
LINE = st.builds(
    lambda before, verb, blank, rest, end: before + verb + blank + b"".join(rest) + end,
    st.sampled_from((b"", b"", b" ", b"\x01", b"\0", b"\xff", b"\x85", b"\t")),
    st.sampled_from(VERBS),
    st.sampled_from((b"", b" ", b" ", b"  ", b"  ", b"\t", b"\x1c")),
    st.lists(PIECE, max_size=4),
    st.sampled_from((b"", b"", b" ", b"  ", b"\t", b"\n", b"\r")),
)
"""What may come in the place of a command: most have a verb, and most have something wrong."""


def read(value, seen=None):
    """Read everything that a value has to say, down to the last property of what is in it."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    assert isinstance(str(value), str)
    assert isinstance(repr(value), str)
    if isinstance(value, tuple | list):
        for item in value:
            read(item, seen)
    if type(value).__module__.startswith("smtpfix.") and not isinstance(value, str):
        names = {item.name for item in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else set()
        names |= {name for name in dir(type(value)) if isinstance(getattr(type(value), name), property)}
        for name in sorted(names):
            if not name.startswith("_"):
                inner = getattr(value, name)
                if not isinstance(inner, Message):  # the standard library's, which does raise
                    read(inner, seen)


def shown(session, messages):
    """Show a session and its messages in every form that `smtpfix serve` has, and in those of a failed test."""
    stream = io.StringIO()
    for output in (JSONOutput(stream), Terminal(stream)):
        output.show(SessionStarted("plain", session))
        for message in messages:
            output.show(MessageCaptured("plain", Mode.PLAIN, message))
        output.show(SessionEnded("plain", session))
    assert text_of_a_session("plain", session).encode()


# As it is recorded

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("line"), LINE),
        st.tuples(st.sampled_from(("secret", "stray", "cut", "cut answer")), LINE),
        st.tuples(
            st.just("reply"), st.sampled_from((b"250 ok\r\n", b"250-x\r\n250-PIPELINING\r\n250 \r\n", b"220 go\r\n"))
        ),
        st.tuples(st.sampled_from(("content", "note")), LINE),
    ),
    max_size=8,
)


@BUDGET
@example(events=[("line", b"\x01X  y")], followed=[])
@given(events=EVENTS, followed=st.lists(st.booleans(), max_size=8))
def test_whatever_is_recorded_of_a_client_can_be_read_and_shown(events, followed):
    recorder = Recorder(RecordedServer(reading=SMTPReading(), max_events=6), 1, ("192.0.2.1", 4711), ("127.0.0.1", 25))
    for (what, octets), has_more in itertools.zip_longest(events, followed[: len(events)], fillvalue=False):
        if has_more:
            recorder.follow()
        match what:
            case "line" | "secret" | "reply" | "content":
                kind = {"line": Kind.CLIENT, "secret": Kind.SECRET, "reply": Kind.SERVER, "content": Kind.CONTENT}[what]
                recorder.add(kind, octets)
            case "note":
                recorder.note(recorder.excerpt(octets, 20))
            case "stray":
                recorder.add_stray(octets)
            case _:
                recorder.add_beginning(octets, is_answer=what == "cut answer")
                recorder.add(Kind.NOTE, CUT + b"too long")
    recorder.finish(Ends.CLIENT_CLOSED)
    session = recorder.session()
    read(session)
    read(recorder.session_since(0))
    read(hints((session,), Policy(), SMTPReading()))
    shown(session, ())


@BUDGET
@given(octets=st.lists(st.one_of(PIECE, st.sampled_from((b"\x16\x03\x01", b"\r\n\r\n\0\r\nQUIT\n\x21")))).map(b"".join))
def test_whatever_a_connection_begins_with_can_be_read(octets):
    for read_one in (parse_client_hello, has_begun, parse_header, outside_tls):
        read(read_one(octets))
    read(parse_header(b"PROXY " + octets + b"\r\n"))
    read(parse_header(b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(octets).to_bytes(2, "big") + octets))


# As it comes over the wire

CONTENT = st.lists(
    st.one_of(
        PIECE,
        st.sampled_from(
            (
                *(
                    b"Subject: ",
                    b"To: ",
                    b"From: ",
                    b"Bcc: x@y",
                    b"Date: ",
                    b"Content-Type: multipart/mixed;boundary=b",
                ),
                *(b"Content-Type: text/html; charset=", b"=?utf-8?q?", b"?=", b"\r\n", b"\r\n\r\n", b"\r\n--b", b"."),
                *(b"Content-Transfer-Encoding: base64", b"Content-Type: message/rfc822", b"\r\n..\n", b"<a href="),
            )
        ),
    ),
    max_size=12,
).map(b"".join)
TRANSACTION = b"RSET\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
TO_NOBODY_IN_PARTICULAR = declare("none", "none", ("ann", "s3cret-word"))


class Raw:
    """A client that sends octets, reads what comes, and leaves without a word."""

    language = ""

    def __init__(self, octets):
        self.octets = octets

    def start(self, slots):
        pass

    def close(self):
        pass

    def cannot_reach(self, target):
        return None

    def run(self, target, *, timeout, stop):
        host = target.address if isinstance(target, Target) else target.host  # a server has no name to look up
        with socket.create_connection((host, target.port), timeout) as connection:
            connection.sendall(self.octets)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
        return Ended(Ending.SUCCEEDED, 0, said=repr(self.octets))


def audited(client, *ids):
    """Return the result of an audit, after every report has been made of it."""
    result = Audit(client, TO_NOBODY_IN_PARTICULAR, ids=ids, jobs=1).run()
    for report in (to_html, to_json, to_junit, to_sarif):
        assert report(without_secret(result))
    assert all(line.isprintable() for line in lines(result, with_evidence=True))
    stream = io.StringIO()
    AuditTerminal(stream).show(result)
    assert stream.getvalue()
    return result


@settings(BUDGET, max_examples=40)
@given(said=st.lists(LINE, max_size=8), content=CONTENT, protocol=st.sampled_from(("smtp", "lmtp")))
def test_whatever_comes_over_the_wire_can_be_read_shown_and_judged(said, content, protocol):
    hello = b"EHLO client.example" if protocol == "smtp" else b"LHLO client.example"
    octets = b"\r\n".join((hello, *said, b"")) + TRANSACTION + content + b"\r\n.\r\n"
    policy = Policy(users={"ann": "s3cret-word"}, xclient=True, protocol=protocol, offer=["CHUNKING", "BINARYMIME"])
    with WireServer(policy) as server:
        Raw(octets).run(server, timeout=10, stop=None)
        (session,) = server.sessions.wait(1)
        messages = (*server.inbox.messages, *server.inbox.refused)
        for value in (session, *messages, Attempts(messages), Attempts(())):
            read(value)
        for message in messages:
            read([message.header(name) for name in ("Subject", "To", "Date", "Content-Type")])
            assert all(line.isprintable() for line in outline(message).split("\n"))
        shown(session, messages)
        with pytest.raises(NoMessage, match="expected"):
            server.inbox.one(subject="another", text=re.compile("another"), headers={"To": "nobody"}, to="nobody@x")
        read(server.hints())
        assert (repr(server.inbox) + repr(server.sessions)).isprintable()
        with pytest.raises(NoSession, match="expected"):
            server.sessions.wait(2, timeout=0)
        for scenario in ("crlf-in-address", "end-of-data"):
            read(gather(server, TO_NOBODY_IN_PARTICULAR, load_scenario(scenario)))


@settings(BUDGET, max_examples=10)
@given(said=st.lists(LINE, max_size=8), content=CONTENT)
def test_no_client_ends_its_own_audit(said, content):
    octets = b"\r\n".join((b"EHLO client.example", *said, b"")) + TRANSACTION + content + b"\r\n.\r\n"
    result = audited(Raw(octets), "end-of-data")
    assert not [one.reason for one in result.findings if "fault of smtpfix" in one.reason]


@pytest.mark.parametrize("breaks", ["smtpfix.audit.runner.gather", "smtpfix.audit.auditing.judge"])
def test_a_run_that_cannot_be_read_is_not_known_and_the_others_are_judged(monkeypatch, breaks):
    right = resolve_name(breaks)

    def wrong(*arguments, **others):
        if any("end-of-data" in repr(one) for one in arguments) and "fault of smtpfix" not in repr(arguments):
            raise IndexError("no such octet\x1b")
        return right(*arguments, **others)

    monkeypatch.setattr(breaks, wrong)
    octets = b"EHLO client.example\r\n" + TRANSACTION + b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"
    result = audited(Raw(octets), "good", "end-of-data", "final-dot-550")
    reasons = {one.scenario: one.reason for one in result.findings}
    assert reasons.pop("end-of-data") == (
        "what it did could not be judged, which is a fault of smtpfix: IndexError: no such octet\\x1b"
    )
    assert set(reasons.values()) == {""}
    assert len(reasons) == 2
