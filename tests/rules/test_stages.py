"""Each action at each stage where it makes sense, with whole clients and octet by octet; time is the record's own."""

import asyncio
import contextlib
import gc
import itertools
import smtplib
import socket
import ssl
import threading
from unittest import mock

import aiosmtplib
import pytest

from smtpfix import (
    ANY_USER,
    Authority,
    Delay,
    Disconnect,
    Drip,
    Flight,
    InvalidValueError,
    NoReply,
    Policy,
    Raw,
    Repeat,
    Reply,
    Reset,
    Rule,
    Server,
    SessionEnd,
    Stall,
    Throttle,
)
from smtpfix.conversation.handshake import _before_finished
from smtpfix.record.transcript import Kind

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_logged")]

MESSAGE = b"Subject: Invoice\r\n\r\n" + b"Please pay.\r\n" * 200
WAIT = 0.05
"""Seconds of a delay here."""
GONE = {SessionEnd.CLIENT_CLOSED, SessionEnd.RESET}


@pytest.fixture(scope="module")
def servers():
    """Return running servers by their mode, for all tests here: their rules are each test's own."""
    with Authority() as authority, contextlib.ExitStack() as opened:
        modes = ("plain", "starttls", "implicit-tls")
        policies = {mode: Policy(mode, users=ANY_USER, timeout=10) for mode in modes}
        yield {mode: opened.enter_context(Server(policies[mode], authority=authority)) for mode in modes}


@pytest.fixture
def ruled(servers):
    """Return a function that gives the server of a mode rules, and no others."""
    yield lambda mode, *rules: servers[mode].use_rules(rules) or servers[mode]
    for server in servers.values():
        server.off()


# Whole clients


class Patience:
    """A client's: it is over, and the client leaves, once the rule that lets it wait is asked; no clock is needed."""

    def __init__(self):
        self._lock = threading.Lock()
        self._leave = None
        self._is_over = False

    def leave_by(self, leave):
        """Take what lets the client leave."""
        with self._lock:
            self._leave = leave
            if self._is_over:
                leave()

    def end(self, _argument):
        """Let it leave, be it now or once it can: the argument of a rule, which answers."""
        with self._lock:
            self._is_over = True
            if self._leave is not None:
                self._leave()
        return True


def by_smtplib(server, patience):
    connect = socket.create_connection

    def connected(*args, **options):
        opened = connect(*args, **options)
        other = stack.enter_context(opened.dup())
        patience.leave_by(lambda: other.shutdown(socket.SHUT_RDWR))
        return opened

    context, options = server.ssl_context(), {"timeout": 10, "local_hostname": "client.example"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(socket, "create_connection", connected))
        if server.mode == "implicit-tls":
            client = smtplib.SMTP_SSL("localhost", server.port, context=context, **options)
        else:
            client = smtplib.SMTP("localhost", server.port, **options)
        with contextlib.closing(client), client:
            if server.mode == "starttls":
                client.starttls(context=context)
            client.login("ann", "s3cret")
            client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)


def by_aiosmtplib(server, patience):
    async def deliver():
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        client = aiosmtplib.SMTP(
            hostname="localhost",
            port=server.port,
            timeout=10,
            use_tls=server.mode == "implicit-tls",
            start_tls=server.mode == "starttls",
            tls_context=server.ssl_context(),
            local_hostname="client.example",
        )

        def leave():
            client.close()  # so that it does not say QUIT and wait
            task.cancel()

        patience.leave_by(lambda: loop.call_soon_threadsafe(leave))
        async with client:
            await client.login("ann", "s3cret")
            await client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)

    asyncio.run(deliver())


CLIENTS = {"smtplib": by_smtplib, "aiosmtplib": by_aiosmtplib}
IN_CLEAR = ("CONNECT", "HANDSHAKE", "GREETING", "EHLO", "STARTTLS")
IN_TLS = (
    "CONNECT",
    "HANDSHAKE",
    "GREETING",
    "EHLO",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    "CONTENT",
    "END-OF-DATA",
    "QUIT",
    "*",
)
MOMENTS = [*(("starttls", stage) for stage in IN_CLEAR), *(("implicit-tls", stage) for stage in IN_TLS)]
ACTIONS = {
    "delay": (Delay(WAIT),),
    "drip": (Drip(200, 0.001),),
    "throttle": (Throttle(2_000_000),),
    "reply": (Reply(451, "4.3.0", "Not now"),),
    "raw": (Raw(b"what?\r\n"),),
    "repeat": (Repeat(b"what?\r\n", 3), Disconnect()),
    "stall": (Stall(),),
    "disconnect": (Disconnect(),),
    "truncate": (Disconnect(notify=False),),
    "reset": (Reset(),),
}
HARMLESS = ("delay", "drip", "throttle")
CLOSING = ("repeat", "disconnect", "truncate", "reset")


def is_accepted(stage, action):
    """Return whether the server accepts the message all the same."""
    return action in HARMLESS or stage == "QUIT" or (stage, action) == ("CONTENT", "raw")


CELLS = [
    *(("smtplib", *moment, action) for moment in MOMENTS for action in ACTIONS),
    # To another client the server does the same: each moment and each action once, and some actions twice.
    *(("aiosmtplib", *moment, action) for moment, action in zip(MOMENTS, itertools.cycle(ACTIONS), strict=False)),
]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize(("client", "mode", "stage", "action"), CELLS)
def test_a_client_meets_each_action_at_each_stage(ruled, client, mode, stage, action):
    if (stage, action) == ("HANDSHAKE", "reply"):
        with pytest.raises(InvalidValueError, match="no Reply, no NoReply and no function at the stage HANDSHAKE"):
            Rule(stage, ACTIONS[action])
        return
    patience = Patience()
    rule = Rule(
        stage,
        ACTIONS[action],
        octets=1000 if stage == "CONTENT" else 0,
        argument=patience.end if action == "stall" else None,
    )
    server = ruled(mode, rule)
    before = len(server.inbox)
    with (
        contextlib.nullcontext()
        if action in HARMLESS
        else contextlib.suppress(
            OSError, smtplib.SMTPException, aiosmtplib.SMTPException, EOFError, asyncio.CancelledError
        )
    ):
        CLIENTS[client](server, patience)
    if client == "aiosmtplib":
        gc.collect()  # what it leaves open, most of all where a server is rude, goes here, and not in a later test
    session = server.sessions[-1]
    assert server.fired(rule) >= 1
    assert len(server.inbox) - before == is_accepted(stage, action)
    if action in CLOSING:
        assert session.end is SessionEnd.DISCONNECTED
    if action == "stall":
        assert session.end in GONE
        assert "says nothing more, as a rule has it" in str(session.transcript)
    if action == "delay":
        assert longest_gap(session) >= WAIT
    if action in HARMLESS:
        assert session.tls is not None
        assert session.tls_failure is None


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
def test_without_a_rule_nothing_waits_and_the_message_arrives(ruled, mode):
    """The opposite of all of the above."""
    server = ruled(mode)
    before = len(server.inbox)
    by_smtplib(server, Patience())
    assert len(server.inbox) == before + 1
    assert server.sessions[-1].end is SessionEnd.QUIT


def longest_gap(session):
    """Return the longest time in which nothing happened, by the session's own clock."""
    times = [0.0, *(event.at for event in session.transcript)]
    return max(later - earlier for earlier, later in itertools.pairwise(times))


# Every command, octet by octet

LINES = {
    "EHLO": "EHLO client.example",
    "HELO": "HELO client.example",
    "AUTH": "AUTH PLAIN AGFubgBzM2NyZXQ=",
    "MAIL": "MAIL FROM:<ann@example.org>",
    "RCPT": "RCPT TO:<bob@example.org>",
    "DATA": "DATA",
    "RSET": "RSET",
    "NOOP": "NOOP",
    "VRFY": "VRFY bob",
    "EXPN": "EXPN all",
    "HELP": "HELP",
    "QUIT": "QUIT",
    "UNKNOWN": "XYZZY plugh",
    "*": "NOOP",
}


@pytest.mark.parametrize("action", ["delay", "reply", "raw", "repeat", "disconnect", "reset", "stall"])
@pytest.mark.parametrize("stage", LINES)
def test_each_command_is_answered_as_the_rule_has_it(ruled, wire, stage, action):
    rule = Rule(stage, ACTIONS[action], times=1)
    server = ruled("plain")
    client = wire(server)
    if stage not in ("EHLO", "HELO"):
        client.hello()
    own = client.say(LINES[stage]) if action == "delay" and stage in ("NOOP", "UNKNOWN", "*", "HELP") else None
    server.use_rules((rule,))
    if action == "stall":
        client.socket.settimeout(0.05)
    client.send(LINES[stage].encode() + b"\r\n")
    if action == "delay":
        assert own in (None, client.reply())
        assert longest_gap(server.sessions[-1]) >= WAIT or own is None
    elif action == "reply":
        assert client.reply() == "451 4.3.0 Not now"
        assert client.say("NOOP").startswith("250 ")
    elif action == "raw":
        assert client.reply() == "what?"
    elif action == "repeat":
        assert client.rest() == b"what?\r\n" * 3
    elif action == "stall":
        with pytest.raises(TimeoutError):
            client.reply()
    else:
        assert client.rest() == b""
    assert server.fired(rule) == 1


def test_what_was_pipelined_behind_a_stall_is_thrown_away(ruled, wire):
    server = ruled("plain", Rule("NOOP", (Stall(),)))
    client = wire(server)
    client.socket.settimeout(0.05)
    client.send(b"NOOP\r\nVRFY bob\r\n")
    with pytest.raises(TimeoutError):
        client.reply()
    assert server.sessions[-1].transcript.commands == ("NOOP",)


def test_a_command_nobody_knows_is_matched_by_its_whole_line(ruled, wire):
    server = ruled("plain", Rule("UNKNOWN", (Reply(250, None, "Nothing happens"),), argument="xyzzy *"))
    client = wire(server)
    assert client.say("XYZZY plugh") == "250 Nothing happens"
    assert client.say("PLUGH xyzzy").startswith("500 ")
    assert client.say("VRFY xyzzy bob").startswith("252 ")


# Before TLS, and behind it


def test_connect_is_before_implicit_tls_and_greeting_behind_it(ruled, wire):
    client = wire(ruled("implicit-tls", Rule("CONNECT", (Raw(b"in clear\r\n"), Disconnect()))), greeted=False)
    assert client.rest() == b"in clear\r\n"
    client = wire(ruled("implicit-tls", Rule("GREETING", (Raw(b"in TLS\r\n"), Disconnect()))), greeted=False)
    client.handshake()
    assert client.rest() == b"in TLS\r\n"


@pytest.mark.parametrize("mode", ["plain", "implicit-tls"])
def test_a_reply_at_connect_is_the_greeting_and_none_leaves_it_out(ruled, wire, mode):
    server = ruled(mode, Rule("CONNECT", (Reply(220, None, "hello"),)))
    client = wire(server, greeted=False)
    if mode == "implicit-tls":
        client.handshake()
    assert client.reply() == "220 hello"
    ruled(mode, Rule("CONNECT", (NoReply(),)))
    client = wire(server, greeted=False)
    if mode == "implicit-tls":
        client.handshake()
    assert client.say("NOOP") == "250 2.0.0 OK"


@pytest.mark.parametrize("stage", ["CONNECT", "HANDSHAKE"])
def test_no_rule_before_tls_can_be_for_inside_tls_only(stage):
    with pytest.raises(InvalidValueError, match=f"False or None at the stage {stage}"):
        Rule(stage, (Stall(),), in_tls=True)
    assert Rule("GREETING", (Stall(),), in_tls=True).in_tls


# The handshake


def client_hello(name="localhost", version=None):
    """Return a client's side of TLS and what it says first."""
    context = ssl.create_default_context()
    if version is not None:
        context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_a_rule_is_asked_once_the_client_hello_has_come_whole(ruled, wire):
    rule = Rule("HANDSHAKE", (Raw(b"enough"), Disconnect()))
    server = ruled("implicit-tls", rule)
    client = wire(server, greeted=False)
    hello = client_hello()
    for piece in (hello[:1], hello[1:4], hello[4:100]):
        client.send(piece)
        assert server.sessions[-1].end is None
        assert server.fired(rule) == 0
    client.send(hello[100:])
    assert client.rest() == b"enough"


def test_a_rule_may_be_for_one_server_name(ruled, wire):
    server = ruled("implicit-tls", Rule("HANDSHAKE", (Disconnect(),), argument="*.example"))
    client = wire(server, greeted=False)
    client.send(client_hello("mail.example"))
    assert client.rest() == b""
    assert "closes the connection in the TLS handshake" in server.sessions[-1].tls_failure.reason
    wire(server)
    assert server.sessions[-1].tls is not None


def test_clear_text_in_place_of_a_client_hello_is_answered_as_ever(ruled, wire):
    rule = Rule("HANDSHAKE", (Stall(),))
    server = ruled("implicit-tls", rule)
    client = wire(server, greeted=False)
    client.send(b"EHLO client.example\r\n")
    client.rest()
    assert server.sessions[-1].end is SessionEnd.CLEAR_INSTEAD_OF_TLS
    assert server.fired(rule) == 0


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
@pytest.mark.parametrize("octets", [1, 7, 300])
def test_a_flight_is_cut_at_the_octet_even_inside_a_record(ruled, wire, mode, octets):
    server = ruled(mode, Rule("HANDSHAKE", (Flight(octets), Disconnect())))
    client = wire(server, greeted=False)
    if mode == "starttls":
        client.reply()
        client.hello()
        client.say("STARTTLS")
    client.send(client_hello())
    assert len(client.rest()) == octets
    session = server.sessions[-1]
    assert session.end is SessionEnd.DISCONNECTED
    assert session.alerts == ()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("octets", [None, 300])
def test_a_flight_that_waits_and_goes_on_completes_the_handshake(ruled, wire, version, octets):
    server = ruled("implicit-tls", Rule("HANDSHAKE", (Flight(octets), Delay(WAIT))))
    client = wire(server, greeted=False)
    context = server.ssl_context()
    context.maximum_version = version
    client.handshake(context)
    assert client.reply().startswith("220 ")
    session = server.sessions[-1]
    assert session.tls.version == version.name.replace("_", ".")
    assert longest_gap(session) >= WAIT
    held_back = next(event for event in session.transcript if event.data.startswith(b"held back"))
    greeting = next(event for event in session.transcript if event.kind is Kind.SERVER)
    assert greeting.at - held_back.at >= WAIT


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_without_the_servers_finished_no_handshake_is_complete(ruled, wire, version):
    server = ruled("implicit-tls", Rule("HANDSHAKE", (Flight(), Stall())))
    client = wire(server, greeted=False)
    context = server.ssl_context()
    context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while (session := server.sessions[-1]).tls_failure is None:
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        client.send(outgoing.read())
        incoming.write(client.socket.recv(65_536))
    assert session.tls is None
    assert session.end is None
    assert session.tls_failure.reason == "the server says nothing more in the TLS handshake, as a rule has it"


@pytest.mark.parametrize(
    ("flight", "begins"),
    [
        ("16 0303 0001 00", None),
        ("16 0303 0001 00  14 0303 0001 01", None),
        ("16 0303 0001 00  14 0303 0001 01  17 0303 0001 00  17 0303 0001 00", 18),
        ("14 0303 0001 01  16 0303 0001 00", 6),
        ("16 0303 0001 00  16 0303 0001 00", None),
        ("", None),
    ],
    ids=["hello", "retry-request", "1.3", "1.2", "1.2-first", "nothing"],
)
def test_the_record_with_the_finished_is_the_last_one_encrypted(flight, begins):
    assert _before_finished(bytes.fromhex(flight)) == begins


def test_a_handshake_shorter_than_the_rules_flight_is_noted(ruled, wire):
    server = ruled("implicit-tls", Rule("HANDSHAKE", (Flight(99_999), Stall())))
    wire(server)
    assert "was over before a rule that breaks into it could" in str(server.sessions[-1].transcript)


def test_what_a_rule_does_after_a_delayed_handshake_is_no_failure_of_tls(ruled, wire):
    server = ruled("implicit-tls", Rule("HANDSHAKE", (Delay(0),)), Rule("NOOP", (Disconnect(),)))
    assert wire(server).say("NOOP") == ""
    session = server.sessions[-1]
    assert session.tls is not None
    assert session.tls_failure is None


def test_octets_before_the_server_s_flight_are_no_tls_to_the_client(ruled, wire):
    server = ruled("starttls", Rule("STARTTLS", (Reply(220, None, "go"), Delay(WAIT), Raw(b"250 AUTH PLAIN\r\n"))))
    client = wire(server)
    client.hello()
    assert client.say("STARTTLS") == "220 go"
    with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        client.handshake()
    client.close()
    transcript = server.sessions[-1].transcript
    go, injected = (next(e for e in transcript if e.data.startswith(start)) for start in (b"220 go", b"250 AUTH"))
    assert injected.at - go.at >= WAIT


# Inside the content


@pytest.mark.parametrize("marks", [(0, 100, 2000), (2000, 100, 0)])
def test_marks_are_met_in_their_order_and_anew_in_each_content(ruled, wire, marks):
    """In whatever order their rules are asked."""
    server = ruled("plain", *(Rule("CONTENT", (Raw(b"%d\r\n" % mark),), octets=mark) for mark in marks))
    client = wire(server)
    client.hello()
    for _ in range(2):
        client.send(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
        client.replies(3)
        client.send(MESSAGE + b".\r\n")
        assert [client.reply()[:4] for _ in range(4)] == ["0", "100", "2000", "250 "]


@pytest.mark.parametrize(("size", "fires"), [(998, False), (999, True), (5000, True)])
def test_a_mark_counts_octets_of_content(ruled, wire, size, fires):
    rule = Rule("CONTENT", (Disconnect(),), octets=1000)
    server = ruled("plain", rule)
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
    client.replies(3)
    content = b"x" * (size - 1) + b"\r\n"  # a content of size + 1 octets
    client.send(content + b".\r\n")
    assert (client.reply() == "") is fires
    assert server.fired(rule) == int(fires)


def test_a_content_broken_off_is_no_message_and_its_size_is_noted(ruled, wire):
    server = ruled("plain", Rule("CONTENT", (Reset(),), octets=1000, argument="ann@*"))
    before = len(server.inbox), len(server.inbox.refused)
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
    client.replies(3)
    client.send(b"x" * 1500)
    client.rest()
    assert (len(server.inbox), len(server.inbox.refused)) == before
    assert "inside the content, after 1500 octets" in str(server.sessions[-1].transcript)


@pytest.mark.parametrize("code", [250, 552])
def test_an_early_reply_is_the_only_one(ruled, wire, code):
    server = ruled("plain", Rule("CONTENT", (Reply(code, None, "early"),), octets=100))
    accepted = len(server.inbox)
    client = wire(server)
    client.hello()
    assert client.deliver(MESSAGE) == f"{code} early"
    assert client.say("NOOP") == "250 2.0.0 OK"
    assert len(server.inbox) - accepted == (code == 250)
    message = server.inbox[-1] if code == 250 else server.inbox.refused[-1]
    assert (message.content, message.reply.code) == (MESSAGE, code)


# Slowly


def test_a_second_drip_changes_the_pace_and_not_the_order(ruled, wire):
    server = ruled("plain", Rule("NOOP", (Drip(1, 0.01), Raw(b"250 slow\r\n"), Drip(100, 0), Raw(b"250 quick\r\n"))))
    client = wire(server)
    client.send(b"NOOP\r\n")
    assert client.replies(2) == ["250 slow", "250 quick"]


# Without end


@pytest.mark.parametrize("mode", ["plain", "implicit-tls"])
def test_octets_without_end_wait_for_the_client_to_read_and_end_with_it(ruled, wire, mode):
    server = ruled(mode, Rule("MAIL", (Repeat(b"250-more\r\n"),)))
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<ann@example.org>\r\n")
    data = b""
    while len(data) < 1_000_000:
        data += client.socket.recv(65_536)
    assert set(data.split(b"\r\n")[:-1]) == {b"250-more"}
    conversation = max(server._serving.conversations, key=lambda one: one.recorder.number)
    transport = conversation.channel._transport
    assert server.sessions[-1].end is None
    assert transport.get_write_buffer_size() < 200_000
    assert len(server.sessions[-1].transcript) < 20
    client.close()
    assert server.sessions[-1].end in GONE


def test_octets_repeated_so_often_are_followed_by_what_comes_next(ruled, wire):
    server = ruled("plain", Rule("NOOP", (Repeat(b"250-more\r\n", 3), Raw(b"250 end\r\n"))))
    client = wire(server)
    assert client.say("NOOP") == "250-more\n" * 3 + "250 end"
    assert client.say("VRFY bob").startswith("252 ")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Repeat(b""), r"Repeat\.octets: expected octets, as bytes, one or more"),
        (lambda: Repeat(b"x", 0), r"Repeat\.times: expected a whole number of times, 1 or more"),
        (lambda: Repeat(b"xx", 67_108_864), r"Repeat\.times: expected no more than 67108864 octets in all"),
        (lambda: Flight(0), r"Flight\.octets: expected a whole number of octets, 1 or more"),
        (lambda: Server().on("MAIL", Repeat(b"x"), Delay(1)), "nothing after Repeat"),
        (lambda: Server().on("MAIL", Flight()), "Flight has no meaning at the stage MAIL; it belongs to HANDSHAKE"),
        (lambda: Server().on("HANDSHAKE", Flight(1), Flight(2)), "one Flight at the most"),
        (lambda: Server().on("CONTENT", NoReply()), "no NoReply at the stage CONTENT.*END-OF-DATA is where one is"),
        (lambda: Server().on("DATA", Stall(), octets=1), "0 at the stage DATA: CONTENT counts octets"),
        (lambda: Server().on("CONTENT", Stall(), octets=-1), r"Rule\.octets: expected a whole number from 0 up"),
    ],
)
def test_what_makes_no_sense_is_refused(make, expected):
    with pytest.raises(InvalidValueError, match=expected):
        make()
