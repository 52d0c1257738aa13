"""What a client can say, and say wrong: a proper reply to everything, exact content, bounded memory, and a calm log."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl

import pytest

from smtpfix import Delay, SessionEnd
from smtpfix.clock import monotonic
from smtpfix.wire.channel import READ_SIZE

SIZE_EXPECTED = "501 5.5.4 Parameter SIZE has a malformed value, expected octets, 1 to 20 digits (RFC 1870 section 3)"

pytestmark = pytest.mark.usefixtures("nothing_logged")

OK = "250 2.0.0 OK"
CAPTURED = "250 2.0.0 OK, message captured"
TOO_LONG = "500 5.5.2 Command line too long"
MODES = pytest.mark.parametrize("mode", ["plain", "implicit-tls"])
"""In clear and in TLS: the two ways octets take."""


@pytest.fixture
def greet(start_smtp_server, wire):
    """Return a function that starts a server and says EHLO to it."""

    def greet(mode="plain", **fields):
        server = start_smtp_server(mode, **fields)
        client = wire(server)
        client.hello()
        return server, client

    return greet


# One line


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        # no command
        ("", "500 5.5.2 Expected a command, got an empty line"),
        ("   ", "500 5.5.2 Expected a command, got an empty line"),
        ("WHAT", "500 5.5.1 Command unrecognized"),
        (" NOOP", "500 5.5.1 Command unrecognized"),
        ("MAIL\tFROM:<a@example.org>", "500 5.5.1 Command unrecognized"),
        ("GET / HTTP/1.1", "500 5.5.1 Command unrecognized"),
        ("smtp_NOOP", "500 5.5.1 Command unrecognized"),
        ("__INIT__", "500 5.5.1 Command unrecognized"),
        # commands of other servers
        ("BDAT 10 LAST", "502 5.5.1 Command not implemented"),
        ("ETRN example.org", "502 5.5.1 Command not implemented"),
        ("TURN", "502 5.5.1 Command not implemented"),
        ("SEND FROM:<a@example.org>", "502 5.5.1 Command not implemented"),
        # control characters and 8-bit octets
        (b"NO\0OP", "500 5.5.2 Control character in the command line"),
        (b"NOOP \0", "500 5.5.2 Control character in the command line"),
        (b"NOOP \x1b[2J", "500 5.5.2 Control character in the command line"),
        (b"NOOP \r", "500 5.5.2 Control character in the command line"),
        (b"NO\rOP", "500 5.5.2 Control character in the command line"),
        (b"\xff\xfe", "500 5.5.2 Command verbs are ASCII letters"),
        ("ÑOOP", "500 5.5.2 Command verbs are ASCII letters"),
        (b"NOOP \xff", "501 5.5.4 The argument is neither ASCII nor UTF-8"),
        (b"MAIL FROM:<j\xfcrgen@example.org>", "501 5.5.4 The argument is neither ASCII nor UTF-8"),
        # arguments
        ("EHLO", "501 Syntax: EHLO hostname"),
        ("HELO", "501 Syntax: HELO hostname"),
        ("RSET now", "501 5.5.4 This command takes no argument"),
        ("QUIT now", "501 5.5.4 This command takes no argument"),
        ("NOOP anything", OK),
        ("noop", OK),
        ("nOoP", OK),
        ("NOOP   ", OK),
        ("MAIL", "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]"),
        ("MAIL FROM", "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]"),
        ("MAIL TO:<a@example.org>", "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]"),
        ("MAIL FROM:", "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]"),
        ("mail from:<a@example.org>", "250 2.1.0 Sender OK"),
        ("MAIL FROM: <a@example.org>", "250 2.1.0 Sender OK"),
        ("MAIL FROM:<>", "250 2.1.0 Sender OK"),
        ("MAIL FROM:<a@example.org", "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]"),
        ("MAIL FROM:<a@b@c>", "553 5.1.7 Malformed sender address"),
        ("MAIL FROM:<a@example.org> SIZE", SIZE_EXPECTED),
        ("MAIL FROM:<a@example.org> SIZE=many", SIZE_EXPECTED),
        ("MAIL FROM:<a@example.org> SIZE=1 SIZE=1", "501 5.5.4 Parameter SIZE is given twice"),
        ("MAIL FROM:<a@example.org> =", "501 5.5.4 Malformed parameter"),
        ("MAIL FROM:<a@example.org> X=1", "555 5.5.4 Parameter X not recognized or not implemented"),
        ("MAIL FROM:<a@example.org> SIZE=99999999999", "552 5.3.4 Message size exceeds the limit"),
        # addresses that only a full parser can refuse, which once ended the session
        ("VRFY", "501 5.5.4 Syntax: VRFY <address>"),
        ("VRFY <", "553 5.1.3 Malformed address"),
        ('VRFY "', "553 5.1.3 Malformed address"),
        ("VRFY <@", "553 5.1.3 Malformed address"),
        ("VRFY bob@example.org", re.compile(r"252 2\.0\.0 .*")),
        ('MAIL FROM:<"', "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]"),
        ("MAIL FROM:<@>", "553 5.1.7 Malformed sender address"),
        # at the wrong time
        ("RCPT TO:<b@example.org>", "503 5.5.1 Send MAIL first"),
        ("DATA", "503 5.5.1 Send MAIL first"),
    ],
)
def test_a_line_gets_its_reply_and_the_connection_stays_usable(greet, line, reply):
    server, client = greet()
    answer = client.say(line)
    assert reply.fullmatch(answer) if isinstance(reply, re.Pattern) else answer == reply
    assert client.say("RSET") == OK
    assert client.deliver() == CAPTURED
    assert not server.sessions[-1].is_over


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("RCPT", "501 5.5.4 Syntax: RCPT TO:<address> [parameters]"),
        ("RCPT FROM:<b@example.org>", "501 5.5.4 Syntax: RCPT TO:<address> [parameters]"),
        ("RCPT TO:<>", "553 5.1.3 Malformed address"),
        ("RCPT TO:<b@example.org> NOTIFY=NEVER", "555 5.5.4 Parameter NOTIFY not recognized or not implemented"),
        ("MAIL FROM:<a@example.org>", "503 5.5.1 Nested MAIL command"),
        ("DATA", "503 5.5.1 Send RCPT first"),
        ("AUTH PLAIN", "503 5.5.1 AUTH is not permitted during a mail transaction"),
    ],
)
def test_within_a_transaction_a_wrong_line_does_not_end_it(greet, line, reply):
    server, client = greet(users={"ann": "s3cret"})
    assert client.say("MAIL FROM:<a@example.org>") == "250 2.1.0 Sender OK"
    assert client.say(line) == reply
    assert client.say("RCPT TO:<b@example.org>") == "250 2.1.5 Recipient OK"
    assert client.say("DATA x") == "501 5.5.4 This command takes no argument"
    assert client.say("DATA").startswith("354")
    assert client.say(".") == CAPTURED
    assert server.inbox.one().to == ("b@example.org",)


@pytest.mark.parametrize(
    "path",
    [
        "<postmaster>",
        '<"a b"@example.org>',
        '<"<>"@example.org>',
        "<a@[127.0.0.1]>",
        "<a@[IPv6:::1]>",
        "<jürgen@example.org>",
        "<a+b@example.org>",
    ],
)
def test_unusual_addresses_are_recorded_as_they_came(greet, path):
    server, client = greet()
    client.say("MAIL FROM:<> SMTPUTF8")
    assert client.say(f"RCPT TO:{path}") == "250 2.1.5 Recipient OK"
    client.say("DATA")
    client.say(".")
    assert server.inbox.one().to == (path[1:-1],)


@pytest.mark.parametrize("verb", ["RSET", "EHLO again.example", "HELO again.example"])
def test_a_transaction_is_given_up(greet, verb):
    server, client = greet()
    client.say("MAIL FROM:<eve@example.org>")
    client.say("RCPT TO:<eve@example.org>")
    assert client.say(verb)[:3] == "250"
    assert client.say("DATA") == "503 5.5.1 Send MAIL first"
    client.deliver()
    assert server.inbox.one().to == ("bob@example.org",)


def test_parameters_need_ehlo(start_smtp_server, wire):
    client = wire(start_smtp_server())
    client.say("HELO client.example")
    assert client.say("MAIL FROM:<a@example.org> SIZE=1") == "555 5.5.4 Parameters need EHLO"
    client.hello()
    assert client.say("MAIL FROM:<a@example.org> SIZE=1") == "250 2.1.0 Sender OK"


def test_mail_needs_a_greeting(start_smtp_server, wire):
    client = wire(start_smtp_server())
    for line in ("MAIL FROM:<>", "RCPT TO:<b@example.org>", "DATA"):
        assert client.say(line) == "503 5.5.1 Send EHLO first"
    client.say("HELO client.example")
    assert client.deliver() == CAPTURED


def test_random_lines_never_break_a_session(greet):
    """Nothing a line can hold makes the server fail; what is at stake is that it never closes but for QUIT."""
    _, client = greet(users={"ann": "s3cret"})
    chance = random.Random(0)  # noqa: S311 - the same lines in every run
    verbs = ["MAIL FROM:", "RCPT TO:", "VRFY ", "EXPN ", "HELO ", "EHLO ", "NOOP ", "HELP ", "AUTH ", "AUTH PLAIN "]
    pieces = ["<", ">", '"', "\\", "@", "a", "b.c", "[", "]", "(", ")", ":", ",", " ", ";", "=", "SIZE=", "SMTPUTF8"]
    pieces += ["ü", "127.0.0.1", "IPv6:::1", "\t", "..", "%", "AUTH=<>", "*", "\u200b", "abcd", "\0", "postmaster"]
    for _ in range(3000):
        line = chance.choice(verbs) + "".join(chance.choices(pieces, k=chance.randrange(8)))
        reply = client.say(line)
        if reply.startswith("334"):
            reply = client.say("*")
        assert reply[:1] in "25", (line, reply)
        if chance.random() < 0.1:
            assert client.say(chance.choice(["RSET", "MAIL FROM:<a@example.org>"]))[:3] in ("250", "503")


# Line ends and lengths


@MODES
@pytest.mark.parametrize("length", [4095, 4096, 10_000, 300_000, 2_000_000])
def test_an_over_long_command_line_is_refused_once_and_the_connection_stays_usable(greet, mode, length):
    server, client = greet(mode)
    client.send(b"NOOP " + b"x" * (length - 5) + b"\r\nNOOP\r\n")
    assert client.replies(2) == [TOO_LONG, OK]
    assert client.deliver() == CAPTURED
    transcript = server.sessions[-1].transcript
    assert f"the line was {length + 2} octets long, the limit is 4096" in str(transcript)
    assert max(len(event.data) for event in transcript) < 1000


@pytest.mark.parametrize("limit", [512, 4096, 20_000])
def test_the_longest_line_there_may_be_is_taken(greet, limit):
    _, client = greet(command_limit=limit)
    assert client.say("NOOP".ljust(limit - 2, "x").replace("NOOPx", "NOOP ")) == OK
    assert client.say("NOOP".ljust(limit - 1, "x").replace("NOOPx", "NOOP ")) == TOO_LONG


def test_an_endless_line_takes_no_memory(greet):
    server, client = greet()
    (conversation,) = server._serving.conversations
    for _ in range(64):
        client.send(b"x" * 65_536)
    assert not server.sessions[-1].is_over  # and all of it has been read
    assert len(conversation.channel.received) <= READ_SIZE
    client.send(b"\r\n")
    assert client.reply() == TOO_LONG
    assert client.say("NOOP") == OK
    assert sum(len(event.data) for event in server.sessions[-1].transcript) < 2000


def test_an_endless_line_that_just_stops_is_no_command(greet):
    server, client = greet()
    client.send(b"x" * 100_000)
    client.close()
    session = server.sessions[-1]
    assert session.end is SessionEnd.CLIENT_CLOSED
    assert session.transcript.replies[-1] == "250 HELP"


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\r\n"])
def test_a_bare_line_feed_ends_a_command_too_and_is_shown(greet, line):
    server, client = greet()
    client.send(line)
    assert client.reply() == OK
    assert server.sessions[-1].transcript.commands[-1] == ("NOOP" if b"\r" in line else r"NOOP\n")


# Content


@MODES
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"no header, no line end at the end is possible here\r\n",
        b"Subject: x\r\n\r\n" + bytes(range(256)) + b"\r\n",
        b"\0\0\0\r\n",
        "Subject: Grüße\r\n\r\nöäü\r\n".encode(),
        b"\xff\xfe\r\n",
        b"x" * 998 + b"\r\n",
        b"x" * 999 + b"\r\n",
        b"x" * 100_000 + b"\r\n",
        b"bare\nline\nfeeds\n.\nand more\r\n",
        b"bare\rcarriage\rreturns\r.\r\r\n",
        b"\n.\n\r\n",
        b"\r\n\n.\r\r\n",
        b"\r.\r\n",
        b"\r\n" * 5000,
    ],
)
def test_content_is_captured_octet_by_octet(greet, mode, content):
    server, client = greet(mode)
    assert client.deliver(content) == CAPTURED
    assert client.say("NOOP") == OK
    message = server.inbox.one()
    assert message.content == content
    assert message.longest_line == max(map(len, content.split(b"\r\n")))
    assert message.has_bare_line_feeds is bool(re.search(rb"(?<!\r)\n", content))
    assert message.has_bare_carriage_returns is bool(re.search(rb"\r(?!\n)", content))
    assert message.is_8bit is not content.isascii()


@pytest.mark.parametrize(
    ("sent", "content"),
    [(b"..\r\n", b".\r\n"), (b"...\r\n", b"..\r\n"), (b".x\r\n", b"x\r\n"), (b"x\r\n..\r\ny\r\n", b"x\r\n.\r\ny\r\n")],
)
def test_dots_are_unstuffed(greet, sent, content):
    server, client = greet()
    assert client.deliver(sent) == CAPTURED
    assert server.inbox.one().content == content


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r\n.\n\r\n"])
def test_nothing_but_a_dot_between_two_crlf_ends_a_message(greet, end):
    """What else would end it lets mail be smuggled: CVE-2023-51764 and its kin."""
    server, client = greet()
    smuggled = b"x" + end + b"MAIL FROM:<eve@example.org>\r\n"
    assert client.deliver(smuggled) == CAPTURED
    assert client.say("NOOP") == OK
    assert len(server.inbox) == 1
    assert b"eve@example.org" in server.inbox.one().content


@pytest.mark.parametrize(
    ("limit", "length", "reply"),
    [
        (None, 5000, CAPTURED),
        (998, 998, CAPTURED),
        (998, 999, "500 5.6.0 Line too long (RFC 5321 section 4.5.3.1.6)"),
    ],
)
def test_over_long_lines_of_content_are_accepted_unless_the_policy_limits_them(greet, limit, length, reply):
    server, client = greet(line_limit=limit)
    content = b"short\r\n" + b"x" * length + b"\r\n"
    assert client.deliver(content) == reply
    (message,) = server.inbox if reply == CAPTURED else server.inbox.refused
    assert message.longest_line == length
    assert message.content == content
    assert client.say("NOOP") == OK


@MODES
@pytest.mark.parametrize(("size", "accepted"), [(999, True), (1000, True), (1001, False), (5_000_000, False)])
def test_a_message_over_the_size_limit_is_drained_and_refused(greet, mode, size, accepted):
    server, client = greet(mode, size_limit=1000)
    content = (b"x" * (size - 2)) + b"\r\n"
    assert client.deliver(content) == (CAPTURED if accepted else "552 5.3.4 Message size exceeds the limit")
    assert client.say("NOOP") == OK
    assert client.deliver() == CAPTURED
    assert [message.size for message in server.inbox] == [size, 17][not accepted :]
    assert server.inbox.refused == ()
    assert server.sessions[-1].message_count == 1 + accepted


def test_dots_do_not_count_against_the_size_limit(greet):
    server, client = greet(size_limit=999)
    assert client.deliver(b"..\r\n" * 333) == CAPTURED
    assert server.inbox.one().size == 999


def test_a_message_over_the_size_limit_takes_no_memory(greet):
    server, client = greet(size_limit=1000)
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
    client.replies(3)
    (conversation,) = server._serving.conversations
    for _ in range(64):
        client.send(b"x" * 65_534 + b"\r\n")
    assert not server.sessions[-1].is_over  # and all of it has been read
    assert len(conversation.channel.received) <= READ_SIZE
    client.send(b".\r\n")
    assert client.reply() == "552 5.3.4 Message size exceeds the limit"


def test_a_size_announced_over_the_limit_is_refused_at_once(greet):
    _, client = greet(size_limit=1000)
    assert client.say("MAIL FROM:<a@example.org> SIZE=1001") == "552 5.3.4 Message size exceeds the limit"
    assert client.say("MAIL FROM:<a@example.org> SIZE=1000") == "250 2.1.0 Sender OK"


def test_ten_thousand_recipients(greet):
    server, client = greet()
    client.say("MAIL FROM:<ann@example.org>")
    count = 10_000
    for start in range(0, count, 1000):
        client.send(b"".join(b"RCPT TO:<r%d@example.org>\r\n" % number for number in range(start, start + 1000)))
        assert set(client.replies(1000)) == {"250 2.1.5 Recipient OK"}
    assert client.say("RCPT TO:<bob@example.org>") == "452 4.5.3 Too many recipients"
    client.say("DATA")
    assert client.say(".") == CAPTURED
    message = server.inbox.one(to="r9999@example.org")
    assert message.to == tuple(f"r{number}@example.org" for number in range(count))


def test_a_message_is_in_the_inbox_before_its_reply_is_written(start_smtp_server, wire, monkeypatch):
    """A client that waits for its 250 never waits for the inbox."""
    server = start_smtp_server()
    client = wire(server)
    client.hello()
    (conversation,) = server._serving.conversations
    seen = []
    write = conversation.channel.write
    monkeypatch.setattr(
        conversation.channel, "write", lambda data: (seen.append((data, len(server.inbox))), write(data))
    )
    assert client.deliver() == CAPTURED
    assert seen[-1] == (CAPTURED.encode() + b"\r\n", 1)
    assert seen[-2] == (b"354 End data with <CR><LF>.<CR><LF>\r\n", 0)


# How the octets come


DIALOGUE = (
    b"EHLO client.example\r\nNOOP\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
    b"Subject: x\r\n\r\n..\r\n.\r\n"
    b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<carl@example.org>\r\nDATA\r\n.\r\nQUIT\r\n"
)
DIALOGUE_CODES = ["250", "250", "250", "250", "354", "250", "250", "250", "354", "250", "221"]


@MODES
@pytest.mark.parametrize("step", [1, 2, 3, 7, len(DIALOGUE)])
def test_a_dialogue_is_the_same_however_it_is_cut(start_smtp_server, wire, mode, step):
    """From one octet at a time to everything in one segment."""
    server = start_smtp_server(mode)
    client = wire(server)
    for start in range(0, len(DIALOGUE), step):
        client.send(DIALOGUE[start : start + step])
    assert [reply[:3] for reply in client.replies(len(DIALOGUE_CODES))] == DIALOGUE_CODES
    assert client.rest() == b""
    assert [(message.to, message.content) for message in server.inbox] == [
        (("bob@example.org",), b"Subject: x\r\n\r\n.\r\n"),
        (("carl@example.org",), b""),
    ]
    assert server.sessions[-1].end is SessionEnd.QUIT


def test_replies_to_pipelined_commands_leave_together(greet):
    """RFC 2920 section 3.2. In TLS a read returns what one write sent."""
    _, client = greet("implicit-tls")
    client.send(b"NOOP\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n")
    data = client.socket.recv(65_536)
    assert data == b"250 2.0.0 OK\r\n250 2.0.0 OK\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"


def test_a_half_closed_connection_still_gets_its_replies(start_smtp_server, wire):
    """As of ``printf … | nc``: the client has said everything, and listens."""
    server = start_smtp_server()
    client = wire(server)
    client.send(DIALOGUE.removesuffix(b"QUIT\r\n"))
    client.socket.shutdown(socket.SHUT_WR)
    assert [reply[:3] for reply in client.replies(len(DIALOGUE_CODES) - 1)] == DIALOGUE_CODES[:-1]
    assert client.rest() == b""
    assert len(server.inbox) == 2
    assert server.sessions[-1].end is SessionEnd.CLIENT_CLOSED


def test_a_half_closed_connection_gets_a_delayed_reply_too(start_smtp_server, wire):
    server = start_smtp_server()
    server.on("NOOP", Delay(0.05))
    client = wire(server)
    client.send(b"NOOP\r\nRSET\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.replies(2) == [OK, OK]
    assert client.rest() == b""


@pytest.mark.parametrize("commands", [1, 5000])
def test_a_client_that_says_close_notify_still_gets_its_replies(start_smtp_server, wire, commands):
    """The half-close of TLS (RFC 8446 section 6.1), behind a delay and behind many commands."""
    server = start_smtp_server("implicit-tls")
    server.on("NOOP", Delay(0.05), times=1)
    context = server.ssl_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    client = wire(server, greeted=False)

    def until(step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                client.send(outgoing.read())
                incoming.write(client.socket.recv(65_536))

    until(tls.do_handshake)
    assert until(lambda: tls.read(1000)).startswith(b"220 ")
    tls.write(b"NOOP\r\n" * commands)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.unwrap()
    client.send(outgoing.read())
    incoming.write(client.rest())
    replies = bytearray()
    with contextlib.suppress(ssl.SSLZeroReturnError):
        while data := tls.read(65_536):
            replies += data
    assert replies == b"250 2.0.0 OK\r\n" * commands


@MODES
def test_a_client_that_reads_no_replies_is_not_served_further(greet, mode):
    """Back-pressure: the server stops reading, so that what it has to keep stays bounded."""
    server, client = greet(mode)
    conversation = client.narrow()
    transport = conversation.channel._transport
    client.flood(b"EHLO client.example\r\n" * 3000)
    assert server.sessions[-1].end is None
    # What one read can ask for; the replies are eight times as long as the commands.
    assert transport.get_write_buffer_size() <= 12 * READ_SIZE
    assert len(conversation.channel.received) <= READ_SIZE
    client.close()


def test_a_client_that_reads_its_replies_late_gets_all_of_them(start_smtp_server, wire):
    client = wire(start_smtp_server(), receive_buffer=4096)
    count = 20_000
    client.send(b"NOOP\r\n" * count)
    assert client.say("QUIT") == OK
    assert set(client.replies(count - 1)) == {OK}
    assert client.reply() == "221 2.0.0 Bye"


# How it ends

STAGES = {
    "at once": b"",
    "in a command": b"EHLO cli",
    "after EHLO": b"EHLO client.example\r\n",
    "in AUTH": b"EHLO client.example\r\nAUTH LOGIN\r\n",
    "after MAIL": b"EHLO client.example\r\nMAIL FROM:<>\r\n",
    "after RCPT": b"EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n",
    "after DATA": b"EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
    "in content": b"EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: x\r\n..\r\n.",
    "in an over-long line": b"x" * 10_000,
}


@MODES
@pytest.mark.parametrize("leave", ["close", "reset"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_client_may_leave_at_any_stage(start_smtp_server, wire, mode, leave, stage):
    server = start_smtp_server(mode, users={"ann": "s3cret"})
    client = wire(server)
    client.send(STAGES[stage])
    assert not server.sessions[-1].is_over  # everything has been read
    getattr(client, leave)()
    (session,) = server.sessions.wait(1)
    # Closing with replies unread is a reset too.
    assert session.end in (SessionEnd.CLIENT_CLOSED, SessionEnd.RESET)
    assert leave == "close" or session.end is SessionEnd.RESET
    assert len(server.inbox) == len(server.inbox.refused) == 0
    assert wire(server).say("NOOP") == OK
    if stage == "in content":
        assert "the connection ended inside the content, after" in str(session.transcript)


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_message_is_there_though_its_sender_does_not_wait_for_the_reply(greet, leave):
    server, client = greet()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n.\r\n")
    assert not server.sessions[-1].is_over
    getattr(client, leave)()
    server.sessions.wait(1)
    assert server.inbox.one().accepted


@MODES
def test_a_silent_client_is_sent_away(start_smtp_server, wire, mode):
    server = start_smtp_server(mode, timeout=0.1)
    client = wire(server)
    assert client.reply() == "421 4.4.2 Idle for too long, closing"
    assert client.rest() == b""
    session = server.sessions[-1]
    assert session.end is SessionEnd.TIMEOUT
    assert 0.1 < session.duration < 5


def test_a_client_that_goes_silent_in_its_content_is_sent_away(start_smtp_server, wire, sweep):
    server = start_smtp_server()
    client = wire(server)
    client.send(STAGES["in content"])
    sweep(server, 301)
    assert [reply[:3] for reply in client.replies(5)] == ["250", "250", "250", "354", "421"]
    assert server.sessions[-1].end is SessionEnd.TIMEOUT
    assert len(server.inbox) == 0


def test_a_client_that_goes_silent_without_reading_its_replies_is_dropped(start_smtp_server, wire):
    """The 421 never gets through, and nobody waits for it for ever."""
    server = start_smtp_server(timeout=0.1)
    client = wire(server, receive_buffer=4096)
    client.narrow()
    with contextlib.suppress(ConnectionError):
        client.flood(b"EHLO client.example\r\n" * 3000)
    (session,) = server.sessions.wait(1)
    assert session.end is SessionEnd.TIMEOUT
    assert not server._serving.conversations


def test_a_client_that_speaks_now_and_then_is_not_idle(start_smtp_server, wire, sweep):
    server = start_smtp_server(timeout=300)
    client = wire(server)
    later = monotonic()
    assert client.say("NOOP") == OK
    sweep(server, at=later + 300)
    assert server.sessions[-1].end is None
    sweep(server, 300.1)
    assert server.sessions[-1].end is SessionEnd.TIMEOUT


def test_quit_is_the_last_command_of_a_session(greet):
    server, client = greet()
    client.send(b"QUIT\r\nNOOP\r\nMAIL FROM:<>\r\n")
    assert client.reply() == "221 2.0.0 Bye"
    assert client.rest() == b""
    assert server.sessions[-1].transcript.commands[-1] == "QUIT"
