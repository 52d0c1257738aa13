"""BDAT: chunks of any octets, in any portions, are the message; a refused chunk is drained and answered."""

import contextlib
import smtplib
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix import Delay, Disconnect, NoReply, Policy, Raw, Reply, Reset, RunningScenario, ScenarioFailed, Stall
from smtpfix.audit.check import Outcome
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.smtp.chunks import Chunks, parse_argument

pytestmark = pytest.mark.usefixtures("nothing_logged")

MAIL = "MAIL FROM:<ann@example.org>"
RCPT = "RCPT TO:<bob@example.org>"
BINARY = f"{MAIL} BODY=BINARYMIME"
OCTETS = b"From: ann@example.org\r\nDate: Mon, 7 Jan 2030 10:00:00 +0000\r\n\r\n\x00\xff.\r\n.\r\n\n\r"
"""What DATA could not carry: dots at the beginning of lines, NUL, bare CR and LF."""
ACCEPTED = "250 2.0.0 OK, message captured"


@pytest.fixture
def server(start_smtp_server):
    return start_smtp_server(Policy(offer=["CHUNKING", "BINARYMIME"]))


@pytest.fixture
def client(server, wire):
    client = wire(server)
    client.hello()
    return client


def begin(client, mail=MAIL):
    assert [client.say(line)[:3] for line in (mail, RCPT)] == ["250", "250"]


def bdat(octets, *, last=False, size=None):
    """Return a BDAT command and its chunk."""
    return b"BDAT %d%s\r\n" % (len(octets) if size is None else size, b" LAST" if last else b"") + octets


# Messages


def test_chunking_is_not_there_unless_it_is_offered(start_smtp_server, wire):
    client = wire(start_smtp_server())
    assert "CHUNKING" not in client.hello()
    assert client.say("BDAT 1 LAST") == "502 5.5.1 Command not implemented"
    assert "BDAT" not in client.say("HELP")


def test_chunking_is_offered_and_helps(client):
    lines = client.hello().split("\n")
    assert {"250-CHUNKING", "250 BINARYMIME"} <= set(lines)
    assert " BDAT " in client.say("HELP")


def test_a_message_in_one_chunk_is_its_octets(server, client):
    begin(client, BINARY)
    client.send(bdat(OCTETS, last=True))
    assert client.reply() == ACCEPTED
    message = server.inbox.one()
    assert (message.content, message.size) == (OCTETS, len(OCTETS))
    assert message.chunks == (len(OCTETS),)
    assert (message.stuffed_lines, message.unstuffed_lines) == (0, 0)
    assert message.violations == ()


def test_a_message_by_data_has_no_chunks(server, client):
    assert client.deliver() == ACCEPTED
    assert server.inbox.one().chunks == ()


@pytest.mark.parametrize("marker", [b"LAST", b"last", b" LAST "])
def test_an_empty_last_chunk_ends_a_message(server, client, marker):
    begin(client)
    client.send(bdat(b"Subject: x\r\n") + bdat(b"\r\ny\r\n") + b"BDAT 0 %s\r\n" % marker)
    assert client.replies(3) == ["250 2.0.0 12 octets received", "250 2.0.0 5 octets received", ACCEPTED]
    message = server.inbox.one()
    assert message.content == b"Subject: x\r\n\r\ny\r\n"
    assert message.chunks == (12, 5, 0)


def test_an_empty_message_is_one(server, client):
    begin(client)
    assert client.say("BDAT 0 LAST") == ACCEPTED
    assert server.inbox.one().content == b""


def test_a_whole_session_may_come_in_one_write(server, wire):
    """RFC 3030 section 4.2: BDAT is pipelined like MAIL and RCPT, and so is what follows the last chunk."""
    client = wire(server)
    commands = f"EHLO client.example\r\n{MAIL}\r\n{RCPT}\r\n".encode()
    client.send(commands + bdat(b"QUIT\r\n") + bdat(b"x", last=True) + f"{MAIL}\r\nRSET\r\nQUIT\r\n".encode())
    assert [reply[:3] for reply in client.replies(8)] == ["250"] * 7 + ["221"]
    assert server.inbox.one().content == b"QUIT\r\nx"


def test_data_and_bdat_may_follow_each_other_in_one_session(server, client):
    begin(client)
    client.send(bdat(b"one", last=True))
    assert client.reply() == ACCEPTED
    assert client.deliver(b"two\r\n") == ACCEPTED
    begin(client)
    client.send(bdat(b"three", last=True))
    assert client.reply() == ACCEPTED
    assert [(message.content, message.chunks) for message in server.inbox] == [
        (b"one", (3,)),
        (b"two\r\n", ()),
        (b"three", (5,)),
    ]


def test_the_transcript_names_chunks_by_their_size(server, client):
    begin(client)
    client.send(bdat(b"secret") + bdat(b"", last=True))
    client.replies(2)
    client.say("QUIT")
    transcript = str(server.sessions[-1].transcript)
    assert "C: BDAT 6\n" in transcript
    assert "<6 octets of content>" in transcript
    assert "secret" not in transcript


def test_smtplib_can_send_chunks_with_its_own_means(server):
    with server.client() as client:
        client.ehlo()
        assert client.has_extn("chunking")
        client.mail("ann@example.org", ["BODY=BINARYMIME"])
        client.rcpt("bob@example.org")
        client.send(bdat(OCTETS, last=True))
        assert client.getreply()[0] == 250
    assert server.inbox.one().content == OCTETS


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
def test_chunks_come_in_tls_too(start_smtp_server, wire, mode):
    server = start_smtp_server(Policy(mode, offer=["CHUNKING"]))
    client = wire(server)
    if mode == "starttls":
        client.hello()
        client.start_tls()
    client.hello()
    begin(client)
    client.send(bdat(OCTETS * 50_000, last=True))  # more than comes at once
    assert client.reply() == ACCEPTED
    assert server.inbox.one().content == OCTETS * 50_000


# Any portions


def cut(octets, places):
    """Return octets in pieces, cut at some places."""
    ends = sorted({min(place, len(octets)) for place in places} | {len(octets)})
    return [octets[start:end] for start, end in zip([0, *ends], ends, strict=False)]


PLACES = st.lists(st.integers(0, 300), max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), PLACES, PLACES)
def test_any_chunks_in_any_blocks_are_the_same_message(octets, chunk_ends, block_ends):
    chunks = Chunks(object(), None)
    pieces = cut(octets, chunk_ends)
    rest = bytearray()
    blocks = iter(cut(octets + b"QUIT\r\n", block_ends))
    for piece in pieces[:-1]:
        chunk = chunks.begin(parse_argument(f"{len(piece)}"), None)
        while not chunk.take(rest):
            assert rest == b""
            rest += next(blocks)
        chunk.keep()
    chunk = chunks.begin(parse_argument(f"{len(pieces[-1])} LAST"), None)
    while not chunk.take(rest):
        rest += next(blocks)
    whole = chunk.complete()
    assert (whole.octets, whole.size) == (octets, len(octets))
    assert whole.chunks == tuple(map(len, pieces))
    assert bytes(rest) + b"".join(blocks) == b"QUIT\r\n"


def test_any_chunks_in_any_segments_are_the_same_message(server, client):
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=200), PLACES, PLACES)
    def check(octets, chunk_ends, segment_ends):
        pieces = cut(octets, chunk_ends)
        stream = f"{BINARY}\r\n{RCPT}\r\n".encode() + b"".join(map(bdat, pieces)) + bdat(b"", last=True)
        for segment in cut(stream, segment_ends):
            client.send(segment)
        replies = client.replies(3 + len(pieces))
        assert replies[-1] == ACCEPTED
        assert replies[2:-1] == [f"250 2.0.0 {len(piece)} octets received" for piece in pieces]
        assert server.inbox.messages[-1].content == octets
        assert server.inbox.messages[-1].chunks == (*map(len, pieces), 0)

    check()


@settings(max_examples=200, deadline=None)
@given(st.text() | st.from_regex(r"\A[0-9]+( [A-Za-z]+)?\Z"))
def test_no_argument_raises(argument):
    parsed = parse_argument(argument)
    assert parsed is None or parsed.size >= 0


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("0", (0, False, True)),
        ("12 LAST", (12, True, True)),
        ("12 last", (12, True, True)),
        ("12 FIRST", (12, False, False)),
        ("12 LAST LAST", (12, False, False)),
        ("", None),
        ("LAST", None),
        ("-1", None),
        ("1.5", None),
        ("0x10", None),
        ("\u0661", None),
        ("9" * 21, None),
    ],
)
def test_the_argument_is_a_size_and_perhaps_last(argument, expected):
    assert parse_argument(argument) == (expected and (argument, *expected))


# Refused chunks are drained

NOISE = b"NOOP\r\nQUIT\r\n" * 100


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        ([], "503 5.5.1 Send MAIL first"),
        ([MAIL], "503 5.5.1 Send RCPT first"),
        ([MAIL, "RCPT TO:<>"], "503 5.5.1 Send RCPT first"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_a_chunk_at_the_wrong_time_is_drained_and_refused(server, client, commands, reply, last):
    for command in commands:
        client.say(command)
    client.send(bdat(NOISE, last=last))
    assert client.reply() == reply
    assert client.say("RSET").startswith("250 ")
    begin(client)
    client.send(bdat(b"x", last=True))
    assert client.reply() == ACCEPTED
    assert server.inbox.one().content == b"x"


@pytest.mark.parametrize("by_data", [False, True])
def test_a_chunk_outside_any_transaction_spoils_none(server, client, by_data):
    client.send(bdat(NOISE))
    assert client.reply() == "503 5.5.1 Send MAIL first"
    if by_data:
        assert client.deliver(b"x\r\n") == ACCEPTED
    else:
        begin(client)
        client.send(bdat(b"x\r\n", last=True))
        assert client.reply() == ACCEPTED
    assert server.inbox.one().content == b"x\r\n"


def test_a_chunk_before_ehlo_is_drained_and_refused(server, wire):
    client = wire(server)
    client.send(bdat(NOISE))
    assert client.reply() == "503 5.5.1 Send EHLO first"
    assert client.say("NOOP").startswith("250 ")


def test_a_chunk_after_the_last_one_is_drained_and_refused(server, client):
    begin(client)
    client.send(bdat(b"x", last=True) + bdat(NOISE))
    assert client.replies(2) == [ACCEPTED, "503 5.5.1 Send MAIL first"]
    assert server.inbox.one().content == b"x"


@pytest.mark.parametrize("argument", ["", "LAST", "x", "-1", "9" * 21])
def test_without_a_size_nothing_can_be_drained(client, argument):
    begin(client)
    assert client.say(f"BDAT {argument}") == "501 5.5.4 Syntax: BDAT size [LAST]"
    assert client.say("NOOP").startswith("250 ")


def test_a_chunk_with_a_wrong_marker_is_drained_and_refused(server, client):
    begin(client)
    client.send(b"BDAT %d FIRST\r\n" % len(NOISE) + NOISE + bdat(b"x", last=True))
    assert client.replies(2) == [
        "501 5.5.4 Syntax: BDAT size [LAST]",
        "503 5.5.1 A chunk was refused before: send RSET first",
    ]
    assert len(server.inbox) == 0


@pytest.mark.parametrize(
    ("mode", "policy", "reply"),
    [
        ("tls-required", {}, "530 5.7.0 Must issue a STARTTLS command first"),
        ("plain", {"users": {"ann": "x"}, "require_auth": True}, "530 5.7.0 Authentication required"),
    ],
)
def test_a_chunk_the_policy_does_not_allow_is_drained_and_refused(start_smtp_server, wire, mode, policy, reply):
    client = wire(start_smtp_server(Policy(mode, offer=["CHUNKING"], **policy)))
    client.hello()
    client.send(bdat(NOISE, last=True))
    assert client.reply() == reply
    assert client.say("NOOP").startswith("250 ")


def test_a_last_chunk_beyond_the_size_limit_is_drained_and_refused(start_smtp_server, wire):
    server = start_smtp_server(Policy(offer=["CHUNKING"], size_limit=10))
    client = wire(server)
    client.hello()
    for content, reply in ((b"x" * 11, "552 5.3.4 Message size exceeds the limit"), (b"x" * 10, ACCEPTED)):
        begin(client)
        client.send(bdat(content, last=True))
        assert client.reply() == reply
    assert server.inbox.one().size == 10


def test_chunks_beyond_the_size_limit_together_are_drained_and_refused_up_to_rset(start_smtp_server, wire):
    server = start_smtp_server(Policy(offer=["CHUNKING"], size_limit=10))
    client = wire(server)
    client.hello()
    begin(client)
    client.send(bdat(b"x" * 9) + bdat(b"yy") + bdat(NOISE) + bdat(b"", last=True))
    assert [reply[:9] for reply in client.replies(4)] == ["250 2.0.0", "552 5.3.4", "503 5.5.1", "503 5.5.1"]
    assert client.say(MAIL).startswith("503 ")
    client.say("RSET")
    begin(client)
    client.send(bdat(b"x" * 9) + bdat(b"y", last=True))
    assert client.replies(2)[1] == ACCEPTED
    assert server.inbox.one().content == b"x" * 9 + b"y"


@pytest.mark.parametrize("command", ["RSET", "EHLO client.example", "HELO client.example"])
def test_what_ends_a_transaction_lets_its_chunks_go(server, client, command):
    begin(client)
    client.send(bdat(b"gone"))
    client.reply()
    assert client.say(command).startswith("250")
    begin(client)
    client.send(bdat(b"kept", last=True))
    assert client.reply() == ACCEPTED
    assert server.inbox.one().content == b"kept"


def test_starttls_lets_chunks_go(start_smtp_server, wire):
    server = start_smtp_server(Policy("starttls", offer=["CHUNKING"]))
    client = wire(server)
    client.hello()
    begin(client)
    client.send(bdat(b"gone"))
    client.reply()
    client.start_tls()
    client.hello()
    begin(client)
    client.send(bdat(b"kept", last=True))
    assert client.reply() == ACCEPTED
    assert server.inbox.one().content == b"kept"


def test_data_after_a_chunk_is_refused_and_works_after_rset(server, client):
    begin(client)
    client.send(bdat(b"x"))
    client.reply()
    assert client.say("DATA") == "503 5.5.1 This transaction has begun with BDAT: go on with BDAT, or send RSET"
    client.say("RSET")
    assert client.deliver(b"y\r\n") == ACCEPTED
    assert server.inbox.one().content == b"y\r\n"


def test_binary_content_is_for_bdat_only(server, client):
    begin(client, BINARY)
    assert client.say("DATA") == "503 5.5.1 BODY=BINARYMIME is for BDAT only: send RSET first"
    client.say("RSET")
    assert client.deliver() == ACCEPTED


def test_a_connection_that_ends_inside_a_chunk_is_noted(server, client):
    begin(client)
    client.send(bdat(b"abc", size=10))
    client.close()
    (session,) = server.sessions.wait()
    assert "the connection ended inside the content, after 3 octets" in str(session.transcript)
    assert len(server.inbox) == len(server.inbox.refused) == 0


# Limits of content


@pytest.mark.parametrize(("mail", "reply"), [(MAIL, "500 5.6.0"), (BINARY, ACCEPTED[:9])])
def test_binary_content_has_no_lines_that_could_be_too_long(start_smtp_server, wire, mail, reply):
    client = wire(start_smtp_server(Policy(offer=["CHUNKING", "BINARYMIME"], line_limit=10)))
    client.hello()
    begin(client, mail)
    client.send(bdat(b"x" * 11, last=True))
    assert client.reply()[:9] == reply


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (BINARY, []),
        (f"{MAIL} BODY=8BITMIME", ["bare-line-feed", "bare-carriage-return"]),
        (MAIL, ["bare-line-feed", "bare-carriage-return", "body-without-8bitmime"]),
    ],
)
def test_text_in_chunks_has_lines_and_binary_content_has_none(server, client, mail, expected):
    """RFC 3030 section 2: text has its lines end with CRLF in chunks too."""
    begin(client, mail)
    client.send(bdat(OCTETS, last=True))
    assert client.reply() == ACCEPTED
    assert [violation.id for violation in server.inbox.one().violations] == expected


# What clients do


def test_a_chunk_behind_its_command_is_not_pipelined(start_smtp_server, wire):
    server = start_smtp_server(Policy(offer=["CHUNKING"], hide=["PIPELINING"]))
    client = wire(server)
    client.hello()
    begin(client)
    for octets, last in ((b"x", False), (b"y", True)):
        client.send(bdat(octets, last=last))
        client.reply()
    client.say("QUIT")
    client.rest()
    session = server.sessions[-1]
    assert session.pipelined == ()
    assert session.violations == ()


def test_chunks_sent_without_waiting_are_pipelined(start_smtp_server, wire):
    server = start_smtp_server(Policy(offer=["CHUNKING"], hide=["PIPELINING"]))
    client = wire(server)
    client.hello()
    begin(client)
    client.send(bdat(b"x") + bdat(b"y", last=True))
    client.replies(2)
    client.say("QUIT")
    client.rest()
    session = server.sessions[-1]
    assert session.pipelined == (("<1 octets of content>", "BDAT 1 LAST"),)
    assert [violation.id for violation in session.violations] == ["pipelining-not-offered"]


def test_what_was_pipelined_before_a_chunk_is_still_said_to_be(server, client):
    client.send(b"NOOP\r\nRSET\r\n")
    client.replies(2)
    begin(client)
    client.send(b"BDAT 1 LAST\r\n")
    assert server.sessions[-1].transcript.commands[-1] == "BDAT 1 LAST"  # which has nothing behind it
    client.send(b"x")
    assert client.reply() == ACCEPTED
    assert server.sessions[-1].pipelined == (("NOOP", "RSET"),)


def test_what_follows_an_empty_chunk_at_once_is_pipelined(server, client):
    begin(client)
    client.send(bdat(b"", last=True) + b"QUIT\r\n")
    client.replies(2)
    client.rest()
    assert server.sessions[-1].pipelined == (("<0 octets of content>", "QUIT"),)


def test_chunks_may_be_pipelined_where_that_is_offered(server, client):
    client.send(f"{MAIL}\r\n{RCPT}\r\n".encode() + bdat(b"x") + bdat(b"", last=True) + b"QUIT\r\n")
    client.replies(5)
    client.rest()
    assert server.sessions[-1].violations == ()


# Rules


def test_a_rule_answers_each_chunk_it_is_for(server, client):
    server.on("BDAT", Reply(452, "4.3.1", "Disk full"), after=1)
    begin(client)
    client.send(bdat(b"x") + bdat(NOISE) + bdat(b"z", last=True))
    assert client.replies(3) == ["250 2.0.0 1 octets received", "452 4.3.1 Disk full", "452 4.3.1 Disk full"]
    assert len(server.inbox) == len(server.inbox.refused) == 0


def test_a_rule_may_be_for_the_last_chunk_only(server, client):
    server.on("BDAT", Reply(554, "5.3.0", "No"), argument="* LAST")
    begin(client)
    client.send(bdat(b"x") + bdat(b"y", last=True))
    assert client.replies(2) == ["250 2.0.0 1 octets received", "554 5.3.0 No"]
    (message,) = server.inbox.refused
    assert (message.content, str(message.reply)) == (b"xy", "554 5.3.0 No")


def test_the_end_of_data_comes_behind_the_last_chunk(server, client):
    server.on("END-OF-DATA", Reply(451, "4.3.0", "Later"), argument="ann@*")
    server.on("BDAT", Reply(250, "2.0.0", "Fine"))
    begin(client)
    client.send(bdat(b"x") + bdat(b"y", last=True))
    assert client.replies(2) == ["250 2.0.0 Fine", "451 4.3.0 Later"]
    assert server.inbox.refused[0].content == b"xy"


def test_a_last_chunk_that_is_refused_has_no_end_of_data(server, client):
    late = server.on("END-OF-DATA", Reply(451, "4.3.0", "Later"))
    server.on("BDAT", Reply(554, "5.3.0", "No"))
    begin(client)
    client.send(bdat(b"x", last=True))
    assert client.reply() == "554 5.3.0 No"
    assert server.unused_rules == (late,)


def test_a_positive_rule_changes_the_words_only(server, client):
    server.on("BDAT", Reply(250, None, "Thanks"))
    begin(client)
    client.send(bdat(b"x") + bdat(b"y", last=True))
    assert client.replies(2) == ["250 Thanks", "250 Thanks"]
    assert server.inbox.one().content == b"xy"


def test_a_chunk_answered_with_raw_octets_has_no_effect(server, client):
    server.on("BDAT", Raw(b"250 so so\r\n"), times=1)
    begin(client)
    client.send(bdat(b"x") + bdat(b"y", last=True))
    assert client.replies(2) == ["250 so so", ACCEPTED]
    assert server.inbox.one().content == b"y"


def test_a_chunk_answered_with_raw_octets_that_perform_has_its_effect(server, client):
    server.on("BDAT", Raw(b"250 fine\r\n", performs=True), times=1)
    server.on("BDAT", NoReply(), argument="2")
    begin(client)
    client.send(bdat(b"x") + bdat(b"yy") + bdat(b"z", last=True))
    assert client.replies(2) == ["250 fine", ACCEPTED]
    assert server.inbox.one().content == b"xyyz"


def test_a_delayed_chunk_holds_back_what_follows(server, client):
    server.on("BDAT", Delay(0.01))
    begin(client)
    client.send(bdat(b"x") + bdat(b"y", last=True) + b"NOOP\r\n")
    assert client.replies(3) == ["250 2.0.0 1 octets received", ACCEPTED, "250 2.0.0 OK"]
    assert server.inbox.one().content == b"xy"


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("action", [Disconnect(), Reset()])
def test_a_connection_that_a_chunk_ends_leaves_the_message_unanswered(server, client, action, last):
    server.on("BDAT", action)
    begin(client)
    client.send(bdat(b"x", last=last))
    assert client.rest() == b""
    server.sessions.wait()
    assert len(server.inbox) == 0
    assert [(message.content, message.reply) for message in server.inbox.refused] == ([(b"x", None)] if last else [])


def test_a_stalled_chunk_gets_no_answer(start_smtp_server, wire, sweep):
    server = start_smtp_server(Policy(offer=["CHUNKING"]))
    server.on("BDAT", Stall())
    client = wire(server)
    client.hello()
    begin(client)
    client.send(bdat(b"x"))
    sweep(server, 301)
    assert client.rest() == b""


def test_without_chunking_bdat_is_a_command_like_others(start_smtp_server, wire):
    server = start_smtp_server()
    server.on("BDAT", Reply(503, "5.5.1", "Not now"), times=1)
    client = wire(server)
    client.hello()
    assert client.say("BDAT 10") == "503 5.5.1 Not now"
    assert client.say("NOOP").startswith("250 ")


def test_a_rule_for_every_command_is_for_chunks_too(server, client):
    begin(client)
    server.on("*", Reply(421, "4.3.2", "Closing"))
    client.send(bdat(b"x", last=True))
    assert client.reply() == "421 4.3.2 Closing"
    assert client.rest() == b""


# Scenarios


def chunked(*, falls_back):
    """Return a client that sends chunks where they are offered."""

    def deliver(server):
        with server.client() as client:
            client.ehlo()
            client.mail("ann@example.org")
            client.rcpt("bob@example.org")
            if client.has_extn("chunking"):
                client.send(bdat(b"Subject: x\r\n\r\n", last=True))
                code, text = client.getreply()
                if code == 250:
                    return
                if not falls_back:
                    raise smtplib.SMTPDataError(code, text)
                with contextlib.suppress(smtplib.SMTPServerDisconnected):
                    client.rset()
            client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x\r\n\r\n")

    return deliver


@pytest.mark.parametrize(
    ("name", "falls_back", "expected", "chunks"),
    [
        ("chunking-good", False, Outcome.DELIVERED, (14,)),
        ("bdat-refused", True, Outcome.DELIVERED, ()),
        ("bdat-refused", False, Outcome.REFUSED_LATE, None),
        ("bdat-not-implemented", False, Outcome.REFUSED_LATE, None),
    ],
)
def test_a_client_with_chunks_in_the_scenarios(start_smtp_server, name, falls_back, expected, chunks):
    server = start_smtp_server(Policy(scenario=name))
    running = RunningScenario(load_scenario(name), server)
    assert running.check(chunked(falls_back=falls_back)) is expected
    assert [message.chunks for message in server.inbox] == ([] if chunks is None else [chunks])


def test_a_client_that_gives_up_although_chunks_are_taken_is_caught(start_smtp_server):
    running = RunningScenario(load_scenario("chunking-good"), start_smtp_server(Policy(scenario="chunking-good")))

    def deliver(server):
        with server.client() as client:
            client.ehlo()

    with pytest.raises(ScenarioFailed, match="the client should have delivered"):
        running.check(deliver)


# LMTP


def test_lmtp_answers_the_last_chunk_for_each_recipient(start_smtp_server, wire):
    """RFC 2033 section 4.3: one reply for a chunk, and for the last one as many as there are recipients."""
    server = start_smtp_server(Policy(protocol="lmtp", offer=["CHUNKING"]))
    server.on("END-OF-DATA", Reply(450, "4.2.1", "Later"), argument="eve@*")
    client = wire(server, greeted=False)
    client.reply()
    assert "CHUNKING" in client.say("LHLO client.example")
    begin(client)
    client.say("RCPT TO:<eve@example.org>")
    client.send(bdat(b"x") + bdat(b"y", last=True))
    assert client.replies(3) == ["250 2.0.0 1 octets received", ACCEPTED, "450 4.2.1 Later"]
    assert server.inbox.one().content == b"xy"
    client.say("QUIT")
    client.rest()
    assert server.sessions[-1].violations == ()


def test_lmtp_refuses_the_last_chunk_for_each_recipient(start_smtp_server, wire):
    server = start_smtp_server(Policy(protocol="lmtp", offer=["CHUNKING"]))
    server.on("BDAT", Reply(554, "5.3.0", "No"))
    client = wire(server, greeted=False)
    client.reply()
    client.send(bdat(b"x", last=True))
    assert client.reply() == "554 5.3.0 No"
    client.say("LHLO client.example")
    begin(client)
    client.say("RCPT TO:<eve@example.org>")
    client.send(bdat(b"x", last=True))
    assert client.replies(2) == ["554 5.3.0 No"] * 2
    assert len(server.inbox) == 0
