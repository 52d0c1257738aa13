"""What a client did over time and against the standards: attempts, pipelining, QUIT, dots, 8-bit, Bcc, the envelope."""

import re
import smtplib
import threading
from email.message import EmailMessage
from pathlib import Path

import pytest

from smtpfix import (
    Alert,
    Delay,
    Disconnect,
    Hide,
    KeepInjected,
    NoMessage,
    Policy,
    Reply,
    Server,
    SessionEnd,
    UnexpectedMessage,
    Violation,
)
from smtpfix.mail import header_violations
from smtpfix.mail import violations as message_violations
from smtpfix.mail.violations import in_message, without
from smtpfix.policy.mode import Mode
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.said import Transcript
from smtpfix.record.transcript import Event, Kind
from smtpfix.smtp import grammar, violations
from smtpfix.smtp.reading import SMTPReading
from smtpfix.smtp.violations import VIOLATIONS

REQUIRED = b"From: ann@example.org\r\nDate: Mon, 7 Jan 2030 10:00:00 +0000\r\n"
"""The headers that every message has to have."""
HEADERS = REQUIRED + b"\r\n"
TRANSACTION = b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"


def invoice(message_id="<7@shop.example>"):
    message = EmailMessage()
    message["From"] = "shop@example.org"
    message["To"] = "ann@example.org"
    message["Subject"] = "Invoice 7"
    if message_id is not None:
        message["Message-ID"] = message_id
    message.set_content("Please pay.\n")
    return message


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def deliver(server, wire):
    """Return a function that delivers content as it is, and returns the message."""

    def deliver(content=HEADERS, *, sender="<ann@example.org>", to=("bob@example.org",)):
        client = wire(server)
        client.hello()
        for line in (f"MAIL FROM:{sender}", *(f"RCPT TO:<{address}>" for address in to)):
            assert client.say(line)[:3] == "250"
        client.say("DATA")
        client.send(content + b".\r\n")
        assert client.reply()[:3] == "250"
        return server.inbox[-1]

    return deliver


def ids(subject):
    return [violation.id for violation in subject.violations]


# Attempts


def send(server, message, *, fails=False):
    with server.client() as client:
        if fails:
            with pytest.raises(smtplib.SMTPDataError):
                client.send_message(message)
        else:
            client.send_message(message)


def test_attempts_at_one_message_are_found_over_sessions_those_refused_at_the_final_dot_too(server):
    server.on("END-OF-DATA", Reply(451, "4.3.0", "Later"), times=2)
    send(server, invoice(), fails=True)
    send(server, invoice("<8@shop.example>"), fails=True)
    send(server, invoice())
    attempts = server.inbox.attempts("<7@shop.example>")
    assert [message.accepted for message in attempts] == [False, True]
    assert attempts.session_numbers == (1, 3)
    assert attempts.accepted == attempts[1:] == tuple(server.inbox)
    assert attempts.messages[0] is attempts[0]
    first, second = attempts
    assert attempts.spacing == ((second.received - first.received).total_seconds(),)
    lines = str(attempts).splitlines()
    assert lines[0] == "1: session 1, +0.000 s, answered '451 4.3.0 Later'"
    assert lines[1].startswith(f"2: session 3, +{attempts.spacing[0]:.3f} s, answered '250 ")
    assert repr(attempts) == f"<Attempts {'; '.join(lines)}>"


def test_a_message_sent_once_is_one_attempt_without_spacing(server):
    send(server, invoice())
    attempts = server.inbox.attempts()
    assert len(attempts) == 1
    assert attempts.spacing == ()


def test_an_attempt_whose_connection_broke_at_the_final_dot_was_not_answered(server):
    server.on("END-OF-DATA", Disconnect(), times=1)
    client = server.client()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.send_message(invoice())
    send(server, invoice())
    attempts = server.inbox.attempts(subject="Invoice 7")
    assert str(attempts).splitlines()[0] == "1: session 1, +0.000 s, not answered"
    assert len(attempts.accepted) == 1


@pytest.mark.parametrize("asked", ["<7@shop.example>", "7@shop.example", " <7@shop.example> "])
def test_a_message_id_is_asked_for_with_or_without_angle_brackets(server, asked):
    send(server, invoice())
    assert len(server.inbox.attempts(asked)) == 1


def test_criteria_lead_to_all_attempts_at_the_message_they_match(server):
    with server.client() as client:
        client.send_message(invoice(), to_addrs=["ann@example.org"])
        client.send_message(invoice(), to_addrs=["bob@example.org"])
    assert [message.to[0] for message in server.inbox.attempts(to="bob@example.org")] == [
        "ann@example.org",
        "bob@example.org",
    ]


def test_a_retry_under_another_message_id_is_told(server):
    send(server, invoice())
    send(server, invoice("<other@shop.example>"))
    with pytest.raises(UnexpectedMessage, match="2 Message-IDs; a retry keeps its Message-ID") as caught:
        server.inbox.attempts(subject="Invoice 7")
    assert "  <other@shop.example>: message 2: from shop@example.org" in str(caught.value)


def test_messages_without_a_message_id_are_attempts_at_one(server):
    for _ in range(2):
        send(server, invoice(None))
    assert [message.message_id for message in server.inbox.attempts(subject="Invoice 7")] == ["", ""]


def test_no_attempt_is_a_failure_that_lists_what_came(server):
    send(server, invoice())
    with pytest.raises(NoMessage, match=r"expected an attempt \(Message-ID <9@x>, any\), got none of 1 message that"):
        server.inbox.attempts("<9@x>")
    with pytest.raises(NoMessage, match=r"  <7@shop\.example>: message 1"):
        server.inbox.attempts(subject="Other")


# Pipelining, QUIT


def test_commands_sent_together_are_pipelined_up_to_the_one_that_was_waited_for(server, wire):
    client = wire(server)
    client.hello()
    client.send(TRANSACTION)
    client.replies(3)
    client.send(HEADERS + b".\r\n")
    client.reply()
    client.say("QUIT")
    (session,) = server.sessions
    assert session.pipelined == (("MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.org>", "DATA"),)
    assert session.violations == ()


def test_commands_said_one_by_one_are_not_pipelined(server):
    send(server, invoice())
    (session,) = server.sessions
    assert session.pipelined == ()
    assert session.violations == ()
    assert not any(event.has_more for event in session.transcript)


# The greeting


class Gate:
    """Keeps a server from greeting a client until the test says so."""

    def __init__(self):
        self.open = threading.Event()

    def session_started(self, _server, _session):
        assert self.open.wait(60)

    def session_ended(self, _server, _session):
        pass


@pytest.mark.parametrize("stage", ["CONNECT", "GREETING"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"EHLO client.example\r\n", ["spoke-before-greeting"]),
        (b"", []),
        (b"\x16\x03\x01\x00\x05", []),  # TLS has to begin with the client, if on another port
    ],
)
def test_a_client_that_speaks_before_a_delayed_greeting_is_told(wire, stage, said, expected):
    gate = Gate()
    with Server(observer=gate) as server:
        server.on(stage, Delay(0))
        client = wire(server, greeted=False)
        client.send(said)
        gate.open.set()
        assert client.reply().startswith("220 ")
        found = server.sessions[-1].violations
        assert [violation.id for violation in found if violation.id == "spoke-before-greeting"] == expected


@pytest.mark.parametrize(("said", "expected"), [(b"EHLO client.example\r\n", ["spoke-before-greeting"]), (b"", [])])
def test_so_is_one_that_speaks_with_its_proxy_s_header(wire, said, expected):
    with Server(Policy(proxy_protocol=True, xclient=True)) as server:
        client = wire(server, greeted=False)
        client.send(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n" + said)
        assert client.reply().startswith("220 ")
        client.reply() if said else client.hello()
        client.send(b"XCLIENT NAME=a.example\r\nEHLO a.example\r\n")  # behind which it is greeted again
        assert client.reply().startswith("220 ")
        found = [violation.id for violation in server.sessions[-1].violations]
        assert found == [*expected, "pipelined-too-far"]


def test_content_may_begin_a_group(server, wire):
    client = wire(server)
    client.hello()
    client.send(TRANSACTION)
    client.replies(3)
    client.send(HEADERS + b".\r\nMAIL FROM:<ann@example.org>\r\nQUIT\r\n")
    assert client.replies(3)[-1].startswith("221")
    (session,) = server.sessions
    assert session.pipelined[1] == (f"<{len(HEADERS)} octets of content>", "MAIL FROM:<ann@example.org>", "QUIT")
    assert session.violations == ()


@pytest.mark.parametrize(
    ("sent", "count", "culprit"),
    [
        (b"NOOP\r\nNOOP\r\n", 2, "NOOP"),
        (b"RSET\r\nEHLO again.example\r\nRSET\r\n", 3, "EHLO again.example"),
        (b"VRFY ann\r\nRSET\r\n", 2, "VRFY ann"),
        (TRANSACTION + HEADERS + b".\r\n", 4, "DATA"),
    ],
)
def test_a_group_that_goes_on_behind_a_command_to_wait_for_is_a_violation(server, wire, sent, count, culprit):
    client = wire(server)
    client.hello()
    client.send(sent)
    client.replies(count)
    client.say("QUIT")
    (violation,) = server.sessions[-1].violations
    assert violation.id == "pipelined-too-far"
    assert violation.explanation.startswith(
        f"more was sent after {culprit!r}, whose reply the client has to wait for: "
    )
    assert violation.standard == "RFC 2920 section 3.1"


@pytest.mark.parametrize("greeting", ["HELO client.example", None])
def test_pipelining_that_was_not_offered_is_a_violation(server, wire, greeting):
    server.on("EHLO", Hide("PIPELINING"))
    client = wire(server)
    client.say(greeting) if greeting else client.hello()
    client.send(b"RSET\r\nRSET\r\n")
    client.replies(2)
    client.say("QUIT")
    (violation,) = server.sessions[-1].violations
    assert str(violation) == (
        "pipelining-not-offered: before its reply came, more was sent after 'RSET': RSET / RSET (RFC 2920 section 3.1)"
    )


def test_what_is_pipelined_with_ehlo_came_before_the_offer(server, wire):
    client = wire(server)
    client.send(b"EHLO client.example\r\nRSET\r\n")
    client.replies(2)
    client.say("QUIT")
    assert ids(server.sessions[-1]) == ["pipelining-not-offered", "pipelined-too-far"]


def test_what_comes_behind_starttls_ends_the_group_and_the_offer(wire):
    with Server(Policy("starttls")) as server:
        server.on("STARTTLS", KeepInjected(), Reply(220))
        client = wire(server)
        client.hello()
        client.send(b"STARTTLS\r\nRSET\r\n")
        client.reply()
        client.handshake()
        client.send(b"NOOP\r\nQUIT\r\n")
        client.rest()
        (session,) = server.sessions
        assert session.pipelined[0] == ("STARTTLS",)
        assert session.injected == b"RSET\r\n"
        assert ids(session)[0] == "pipelined-too-far"
        assert ids(session)[1:] == ["pipelining-not-offered", "pipelined-too-far"]


def test_a_pipelined_credential_is_shortened(wire):
    with Server(Policy("plain", users={"ann": "s3cret"})) as server:
        client = wire(server)
        client.hello()
        client.send(b"AUTH LOGIN\r\nYW5u\r\nczNjcmV0\r\nQUIT\r\n")
        client.replies(4)
        (session,) = server.sessions
        assert session.pipelined == (("AUTH LOGIN", "…(4 octets)", "…(8 octets)", "QUIT"),)
        assert ids(session) == ["pipelined-too-far"]
        assert "czNj" not in repr(session.violations)


def test_auth_with_its_initial_response_may_be_followed(wire):
    with Server(Policy("plain", users={"ann": "s3cret"})) as server:
        client = wire(server)
        client.hello()
        client.send(b"AUTH PLAIN AGFubgBzM2NyZXQ=\r\nQUIT\r\n")
        client.replies(2)
        assert len(server.sessions[-1].pipelined) == 1
        assert server.sessions[-1].violations == ()


def test_a_connection_closed_without_quit_is_a_violation(server, wire):
    client = wire(server)
    client.hello()
    client.close()
    (session,) = server.sessions.wait()
    assert [(violation.id, violation.standard) for violation in session.violations] == [
        ("no-quit", "RFC 5321 section 4.1.1.10")
    ]


@pytest.mark.parametrize(
    ("end", "alert", "expected"),
    [
        (SessionEnd.CLIENT_CLOSED, None, ["no-quit"]),
        (SessionEnd.RESET, None, ["no-quit"]),
        (SessionEnd.CLIENT_CLOSED, Alert("client", "close_notify", is_fatal=False), ["no-quit"]),
        (SessionEnd.CLIENT_CLOSED, Alert("client", "unknown_ca", is_fatal=True), []),
        (SessionEnd.QUIT, None, []),
        (SessionEnd.HANDSHAKE_FAILED, None, []),
        (SessionEnd.SERVER_CLOSED, None, []),
        (None, None, []),
    ],
)
def test_only_a_client_that_could_have_said_quit_is_blamed(end, alert, expected):
    recorder = Recorder(RecordedServer(Mode.PLAIN, SMTPReading()), 1, ("127.0.0.1", 1), ("127.0.0.1", 2))
    recorder.alerts += [alert] if alert else []
    if end is not None:
        recorder.finish(end)
    assert ids(recorder.session()) == expected


def test_a_connection_the_server_closed_needs_no_quit(server, wire):
    server.on("NOOP", Disconnect())
    client = wire(server)
    client.send(b"NOOP\r\n")
    client.rest()
    assert server.sessions[-1].violations == ()


def test_places_of_pipelined_commands_survive_what_a_long_transcript_leaves_out():
    recorder = Recorder(RecordedServer(Mode.PLAIN, SMTPReading(), max_events=20), 1, ("127.0.0.1", 1), ("127.0.0.1", 2))
    for number in range(100):
        if number % 3 == 0:
            recorder.follow()
        recorder.add(Kind.CLIENT, b"RSET %d" % number)
    said = [event for event in recorder.events if event.kind is Kind.CLIENT]
    assert len(said) < 20
    assert [event.has_more for event in said] == [int(event.data[5:]) % 3 == 0 for event in said]
    assert not any(event.has_more for event in recorder.events if event.kind is Kind.NOTE)


def test_a_group_whose_end_never_came_is_there(server, wire):
    client = wire(server)
    client.hello()
    client.send(b"RSET\r\nRSE")
    client.reply()
    assert server.sessions[-1].pipelined == (("RSET",),)


def test_an_event_has_nothing_behind_it_unless_said():
    assert not Event(0.0, Kind.CLIENT, b"NOOP").has_more
    assert len(Transcript((Event(0.0, Kind.CLIENT, b"NOOP", has_more=True),))) == 1


# Dots, lines, 8-bit


def test_stuffed_dots_are_counted(deliver):
    message = deliver(HEADERS + b"..\r\n..a\r\nb.\r\n...\r\n")
    assert (message.stuffed_lines, message.unstuffed_lines) == (3, 0)
    assert message.content == HEADERS + b".\r\n.a\r\nb.\r\n..\r\n"
    assert message.violations == ()


def test_a_line_whose_dot_was_not_stuffed_lost_it(deliver):
    message = deliver(HEADERS + b".first\r\n\r\n.a\r\n..b\r\n")
    assert (message.stuffed_lines, message.unstuffed_lines) == (1, 2)
    assert message.content == HEADERS + b"first\r\n\r\na\r\n.b\r\n"
    (violation,) = message.violations
    assert str(violation) == (
        "dot-not-stuffed: 2 lines that begin with a dot came without a second one, so the dot is lost "
        "(RFC 5321 section 4.5.2)"
    )


def test_content_without_dots_has_neither(deliver):
    message = deliver()
    assert (message.stuffed_lines, message.unstuffed_lines, message.violations) == (0, 0, ())


@pytest.mark.parametrize(
    ("line", "id_", "explanation"),
    [
        (b"a\r\nb\nc\r\n", "bare-line-feed", "an LF without its CR ends line 5"),
        (b"a\rb\r\n", "bare-carriage-return", "a CR without its LF is in line 4"),
        (b"a" * 999 + b"\r\n", "line-too-long", "line 4 has 999 octets, 998 are allowed"),
    ],
)
def test_line_ends_and_lengths_are_told_with_their_line(deliver, line, id_, explanation):
    (violation,) = deliver(HEADERS + line).violations
    assert (violation.id, violation.explanation) == (id_, explanation)
    assert violation.standard.startswith("RFC 5321 section ")


def test_a_line_of_998_octets_is_allowed(deliver):
    assert deliver(HEADERS + b"a" * 998 + b"\r\n").violations == ()


EIGHT_BIT_BODY = HEADERS + "für\r\n".encode()
EIGHT_BIT_HEADERS = REQUIRED + "Subject: für\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("content", "parameters", "expected"),
    [
        (EIGHT_BIT_BODY, "", ["body-without-8bitmime"]),
        (EIGHT_BIT_BODY, " BODY=7BIT", ["body-without-8bitmime"]),
        (EIGHT_BIT_BODY, " body=8bitmime", []),
        (EIGHT_BIT_BODY, " SMTPUTF8", []),
        (EIGHT_BIT_HEADERS, "", ["headers-without-smtputf8"]),
        (EIGHT_BIT_HEADERS, " BODY=8BITMIME", ["headers-without-smtputf8"]),
        (EIGHT_BIT_HEADERS, " SMTPUTF8", []),
        (HEADERS, "", []),
    ],
)
def test_octets_outside_ascii_have_to_be_declared(deliver, content, parameters, expected):
    assert ids(deliver(content, sender="<ann@example.org>" + parameters)) == expected


@pytest.mark.parametrize(("parameters", "expected"), [((), ["address-without-smtputf8"]), (("SMTPUTF8",), [])])
def test_addresses_outside_ascii_have_to_be_declared(parameters, expected):
    found = in_message(
        HEADERS,
        addresses=("ann@example.org", "jürgen@example.org"),
        mail_parameters=parameters,
        unstuffed_lines=0,
        ends=(),
        bcc=(),
        not_bcc=(),
    )
    assert [violation.id for violation in found] == expected


# What may pass for the end of a content

LOOKALIKES = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "LF.CR": b"\n.\r",
    "CR.CR": b"\r.\r",
    "CR.LF": b"\r.\n",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CRLF.CR": b"\r\n.\r",
    "CRLF NUL.CRLF": b"\r\n\x00.\r\n",
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_some_servers_take_for_the_end_is_named(deliver, name):
    message = deliver(HEADERS + b"x" + LOOKALIKES[name] + b"MAIL FROM:<eve@example.net>\r\n")
    assert message.end_like_sequences == (name,)
    (found,) = [violation for violation in message.violations if violation.id == "smuggled-end-of-data"]
    assert name in found.explanation


def test_it_is_named_at_the_beginning_of_a_content_too(deliver):
    assert deliver(b".\nMAIL FROM:<eve@example.net>\r\n").end_like_sequences == ("CRLF.LF",)


def test_several_are_named_each_once(deliver):
    content = HEADERS + b"\n.\n.\n.\r\nx\r\n.\ry\r\n.\rz\r\n"
    assert set(deliver(content).end_like_sequences) == {"LF.LF", "LF.CRLF", "CRLF.CR"}


@pytest.mark.parametrize(
    "line",
    [b"..\n", b"..\rx", b"x.\n", b"\n..\n", b"\r..\r\n", b"\r\n\x00..\r\n", b"..\r\n", b"\n.x\n"],
    ids=repr,
)
def test_a_dot_that_was_stuffed_or_is_not_alone_is_no_end(deliver, line):
    message = deliver(HEADERS + line + b"\r\n")
    assert message.end_like_sequences == ()
    assert "smuggled-end-of-data" not in [violation.id for violation in message.violations]


def test_every_violation_there_is_has_its_id_in_the_table(deliver):
    message = deliver(HEADERS + b"\n.\n\xe4" + b"x" * 1000 + b"\r\n.y\r\n")
    shown = {violation.id for violation in message.violations}
    assert len(shown) == 5
    assert shown < set(VIOLATIONS)
    source = "".join(
        Path(room.__file__).read_text(encoding="utf-8")
        for room in (message_violations, header_violations, violations, grammar)
    )
    assert set(re.findall(r'(?:Violation|Fault|_fault)\(\s*"([a-z0-9-]+)"', source)) == {
        *VIOLATIONS,
        *header_violations.RECOMMENDATIONS,
    }


# The envelope against the headers

NAMED = REQUIRED + b"To: Bob <bob@example.org>\r\nCc: eve@example.org\r\n"


def test_recipients_no_header_names_are_blind(deliver):
    message = deliver(NAMED + b"\r\n", to=("bob@EXAMPLE.org", "audit@example.org"))
    assert message.addressees == ("bob@example.org", "eve@example.org")
    assert message.blind_recipients == ("audit@example.org",)
    assert message.violations == ()


def test_a_bcc_header_that_others_see_is_a_violation(deliver):
    message = deliver(NAMED + b"Bcc: audit@example.org\r\n\r\n", to=("bob@example.org", "audit@example.org"))
    assert message.blind_recipients == ()
    assert [str(violation) for violation in message.violations] == [
        "bcc-in-headers: the headers name audit@example.org in Bcc to bob@example.org (RFC 5322 section 3.6.3)"
    ]


@pytest.mark.parametrize("header", [b"Bcc: audit@example.org\r\n", b"Bcc:\r\n", b"bcc: \r\n"])
def test_a_bcc_header_in_the_copy_of_those_it_names_or_an_empty_one_is_none(deliver, header):
    assert deliver(NAMED + header + b"\r\n", to=("audit@example.org",)).violations == ()


def test_a_from_header_that_differs_from_the_reverse_path_is_none(deliver):
    message = deliver(HEADERS.replace(b"ann@", b"shop@"), sender="<>")
    assert (message.sender, message.reverse_path, message.violations) == ("shop@example.org", "", ())


def test_broken_address_headers_name_nobody(deliver):
    message = deliver(
        REQUIRED + b"To: <<\xff,;:@@\r\nCc: " + b"a" * 40 + b"\r\nBcc: (\r\n\r\n", sender="<a@example.org> SMTPUTF8"
    )
    assert message.blind_recipients == ("bob@example.org",)
    assert message.violations == ()


def test_many_addressees_are_all_read(deliver):
    named = [f"user{number}@example.org" for number in range(2000)]
    message = deliver(b"To: " + ",\r\n ".join(f'"User, {name}" <{name}>' for name in named).encode() + b"\r\n\r\n")
    assert message.addressees == tuple(named)


def test_addressees_in_utf_8_and_in_groups_are_read(deliver):
    content = "To: Jürgen <jürgen@example.org>, team: ann@example.org, bob@example.org;\r\n\r\n".encode()
    message = deliver(content, sender="<a@example.org> SMTPUTF8")
    assert message.addressees == ("jürgen@example.org", "ann@example.org", "bob@example.org")


def test_only_a_domain_may_differ_in_case():
    assert without(("Ann@Example.org", "bob@example.org"), ("ann@example.org", "bob@EXAMPLE.org")) == (
        "Ann@Example.org",
    )


def test_a_violation_shows_itself_in_a_failed_assertion():
    violation = Violation("no-quit", "it closed", "RFC 5321 section 4.1.1.10")
    assert repr(violation) == f"<{violation}>" == "<no-quit: it closed (RFC 5321 section 4.1.1.10)>"
