"""The actions of rules beside `Reply`, each on the wire at the stages where it makes sense; and the conditions."""

import contextlib
import os
import re
import smtplib
import socket
import ssl

import pytest

from smtpfix import (
    Advertise,
    Delay,
    Disconnect,
    Drip,
    Hide,
    InvalidValueError,
    KeepInjected,
    NoReply,
    Raw,
    Reply,
    Reset,
    Rule,
    Server,
    SessionEnd,
    Stall,
    Throttle,
)
from smtpfix.record.transcript import Kind

pytestmark = pytest.mark.usefixtures("nothing_logged")

MODES = pytest.mark.parametrize("mode", ["plain", "starttls", "implicit-tls"])
GREETING = b"220 mx.smtpfix.test ESMTP smtpfix\r\n"


@pytest.fixture
def server(start_smtp_server):
    return start_smtp_server()


def read(wire, count):
    """Read exactly so many octets."""
    data = b""
    while len(data) < count:
        data += wire.socket.recv(count - len(data))
    return data


def read_to_the_end(opened):
    while opened.recv(65_536):
        pass


# Raw


@pytest.mark.parametrize(
    "octets",
    [
        b"250 OK\n",
        b"250 OK\r",
        b"250-\r\n550 mixed\r\n",
        b"999 what\r\n",
        b"2500 four\r\n",
        b"\x00\xff\r\n",
        b"x" * 100_000,
    ],
    ids=lambda octets: repr(octets[:16]),
)
@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "NOOP", "XYZZY"])
def test_raw_octets_go_out_as_they_are_and_the_command_has_no_effect(server, wire, verb, octets):
    server.on(verb if verb != "XYZZY" else "*", Raw(octets), times=1)
    client = wire(server)
    argument = {"EHLO": " client.example", "MAIL": " FROM:<ann@example.org>"}.get(verb, "")
    client.send(f"{verb}{argument}\r\n".encode())
    assert read(client, len(octets)) == octets
    if verb == "EHLO":
        assert client.say("MAIL FROM:<ann@example.org>").startswith("503 ")
    else:
        client.hello()
        assert client.say("MAIL FROM:<ann@example.org>").startswith("250 ")
    assert octets in [event.data for event in server.sessions[-1].transcript if event.kind is Kind.SERVER]


def test_raw_octets_that_perform_stand_in_for_the_reply_and_the_command_takes_effect(server, wire):
    server.on("DATA", Raw(b"354 go\r\n250 what you have not sent yet\r\n", performs=True))
    server.on("MAIL", Raw(b"250 yes\n", performs=True))
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<ann@example.org>\r\n")
    assert read(client, 8) == b"250 yes\n"
    client.say("RCPT TO:<bob@example.org>")
    assert client.say("DATA") == "354 go"
    assert client.reply() == "250 what you have not sent yet"
    client.send(b"Subject: x\r\n\r\n.\r\n")
    assert client.reply() == "250 2.0.0 OK, message captured"
    assert server.inbox.one().reverse_path == "ann@example.org"
    assert "not sent, as a rule has it: 250 2.1.0 Sender OK" in str(server.sessions[-1].transcript)


def test_a_raw_final_reply_leaves_the_message_without_one(server, wire):
    server.on("END-OF-DATA", Raw(b"25\r\n"))
    client = wire(server)
    client.hello()
    assert client.deliver() == "25"
    assert len(server.inbox) == 0
    (message,) = server.inbox.refused
    assert message.reply is None


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"554 no\r\n"])
def test_raw_octets_greet(server, wire, octets):
    server.on("CONNECT", Raw(octets), Disconnect())
    assert wire(server, greeted=False).rest() == octets


def test_raw_octets_behind_the_servers_own_greeting_are_what_injection_looks_like(server, wire):
    server.on("CONNECT", Reply(220, None, "hello"), Raw(b"250 AUTH PLAIN\r\n"))
    client = wire(server, greeted=False)
    assert client.replies(2) == ["220 hello", "250 AUTH PLAIN"]


def test_injected_replies_behind_a_starttls_reply_and_then_tls(start_smtp_server, wire):
    server = start_smtp_server("starttls")
    octets = b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"
    server.on("STARTTLS", Raw(octets, performs=True))
    client = wire(server)
    client.hello()
    client.send(b"STARTTLS\r\n")
    assert read(client, len(octets)) == octets
    client.handshake()
    assert client.hello().startswith("250-mx.smtpfix.test")
    assert server.sessions[-1].tls is not None


def test_a_false_220_goes_on_in_clear(start_smtp_server, wire):
    server = start_smtp_server("starttls")
    server.on("STARTTLS", Raw(b"220 go\r\n"))
    client = wire(server)
    client.hello()
    assert client.say("STARTTLS") == "220 go"
    assert client.say("NOOP") == "250 2.0.0 OK"
    assert server.sessions[-1].tls is None


# NoReply


@MODES
def test_without_a_reply_the_command_takes_effect_and_the_next_one_is_answered(start_smtp_server, wire, mode):
    server = start_smtp_server(mode)
    server.on("MAIL", NoReply(), times=1)
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<ann@example.org>\r\n")
    assert client.say("RCPT TO:<bob@example.org>") == "250 2.1.5 Recipient OK"


# Disconnect, Reset, Stall


@pytest.mark.parametrize("notify", [True, False])
def test_disconnect_says_close_notify_unless_told_otherwise(start_smtp_server, wire, notify):
    server = start_smtp_server("implicit-tls")
    server.on("NOOP", Disconnect(notify=notify))
    client = wire(server)
    client.socket.suppress_ragged_eofs = False
    client.send(b"NOOP\r\n")
    with contextlib.nullcontext() if notify else pytest.raises(ssl.SSLEOFError):
        assert client.socket.recv(100) == b""
    assert server.sessions.wait()[0].end is SessionEnd.DISCONNECTED


@pytest.mark.parametrize("mode", ["plain", "starttls"])
def test_a_reset_instead_of_a_greeting(start_smtp_server, mode):
    server = start_smtp_server(mode)
    server.on("CONNECT", Reset())

    def read():
        with socket.create_connection(server.addresses[0], timeout=5) as opened:
            read_to_the_end(opened)

    with pytest.raises(ConnectionResetError):
        read()
    assert server.sessions.wait()[0].end is SessionEnd.DISCONNECTED


@MODES
@pytest.mark.parametrize("stage", ["MAIL", "END-OF-DATA"])
def test_a_reset_breaks_the_connection_off(start_smtp_server, wire, mode, stage):
    server = start_smtp_server(mode)
    server.on(stage, Reset())
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<ann@example.org>\r\n")
    if stage == "END-OF-DATA":
        client.send(b"RCPT TO:<bob@example.org>\r\nDATA\r\n")
        client.replies(3)
        client.send(b"Subject: x\r\n\r\n.\r\n")
    below = socket.socket(fileno=os.dup(client.socket.fileno()))  # Python's ssl shows a reset as an end
    below.settimeout(5)
    with below, pytest.raises(ConnectionResetError):
        read_to_the_end(below)
    assert server.sessions.wait()[0].end is SessionEnd.DISCONNECTED
    assert len(server.inbox) == 0


@MODES
def test_a_stalled_server_says_nothing_more_and_notices_when_the_client_leaves(start_smtp_server, wire, mode):
    server = start_smtp_server(mode)
    server.on("NOOP", Stall())
    client = wire(server)
    client.hello()
    client.send(b"NOOP\r\nNOOP\r\n" * 1000)
    client.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    assert "the server says nothing more" in str(server.sessions[-1].transcript)
    client.close()
    assert server.sessions.wait()[0].end in (SessionEnd.CLIENT_CLOSED, SessionEnd.RESET)


def test_a_stalled_server_does_not_answer_what_came_along(start_smtp_server, wire, sweep):
    server = start_smtp_server()
    server.on("MAIL", Stall())
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<ann@example.org>\r\nNOOP\r\nQUIT\r\n")
    sweep(server, 301)
    assert client.rest() == b""


def test_a_stalled_session_ends_in_silence_when_the_policys_time_is_over(start_smtp_server, wire, sweep):
    server = start_smtp_server()
    server.on("NOOP", Stall())
    client = wire(server)
    client.send(b"NOOP\r\n")
    sweep(server, 299)
    assert server.sessions[0].end is None
    sweep(server, 301)
    assert client.rest() == b""
    assert server.sessions.wait()[0].end is SessionEnd.TIMEOUT


# Drip and Throttle


@MODES
def test_a_dripping_server_says_the_same_in_small_portions(start_smtp_server, wire, mode):
    server = start_smtp_server(mode)
    server.on("EHLO", Drip(3, 0.001))
    client = wire(server)
    client.send(b"EHLO client.example\r\n")
    portions = []
    while not b"".join(portions).endswith(b"HELP\r\n"):
        portions.append(client.socket.recv(65_536))
    said = b"".join(portions)
    assert said.startswith(b"250-mx.smtpfix.test\r\n")
    assert client.say("QUIT") == "221 2.0.0 Bye"
    assert client.rest() == b""
    assert server.sessions.wait()[0].end is SessionEnd.QUIT


def test_what_drips_is_said_before_the_connection_closes(server, wire):
    server.on("NOOP", Drip(5, 0.001))
    client = wire(server)
    client.send(b"NOOP\r\nQUIT\r\nNOOP\r\n")
    assert client.rest() == b"250 2.0.0 OK\r\n221 2.0.0 Bye\r\n"
    assert server.sessions.wait()[0].end is SessionEnd.QUIT


def test_a_client_may_leave_while_the_server_drips(server, wire):
    server.on("EHLO", Drip(1, 5))
    client = wire(server)
    client.send(b"EHLO client.example\r\n")
    assert client.socket.recv(10) == b"2"
    client.close()
    assert server.sessions.wait()[0].end in (SessionEnd.CLIENT_CLOSED, SessionEnd.RESET)


@MODES
def test_a_throttled_server_takes_everything_in_the_end(start_smtp_server, wire, mode):
    server = start_smtp_server(mode)
    server.on("DATA", Throttle(2_000_000))
    client = wire(server)
    client.hello()
    content = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
    assert client.deliver(content * 3000) == "250 2.0.0 OK, message captured"
    assert server.inbox.one().content == content * 3000


def test_a_throttled_server_reads_no_faster_than_it_should(server, wire):
    server.on("DATA", Throttle(1_000_000))
    client = wire(server)
    client.hello()
    client.deliver(b"x" * 70 + b"\r\n" + b"y" * 200_000 + b"\r\n")
    transcript = server.sessions[-1].transcript
    begin = next(event.at for event in transcript if event.data.startswith(b"354"))
    end = next(event.at for event in transcript if event.kind is Kind.CONTENT)
    assert end - begin >= 0.1


# Hide and Advertise


def test_hiding_and_advertising_change_the_words_and_nothing_else(start_smtp_server, wire):
    server = start_smtp_server("starttls")
    server.on("EHLO", Hide("starttls", "SIZE"), Advertise("AUTH PLAIN", "XFANCY 1"))
    client = wire(server)
    said = client.hello()
    assert "STARTTLS" not in said
    assert "SIZE" not in said
    assert said.endswith("\n250-AUTH PLAIN\n250 XFANCY 1")
    client.start_tls()
    assert server.sessions[-1].tls is not None


def test_capabilities_differ_in_clear_and_in_tls(start_smtp_server, wire):
    server = start_smtp_server("starttls")
    server.on("EHLO", Advertise("XCLEAR"), in_tls=False)
    server.on("EHLO", Advertise("XTLS"), in_tls=True)
    client = wire(server)
    said = client.hello()
    assert "XCLEAR" in said
    assert "XTLS" not in said
    client.start_tls()
    said = client.hello()
    assert "XCLEAR" not in said
    assert "XTLS" in said


def test_smtplib_does_not_see_what_is_hidden(start_smtp_server):
    server = start_smtp_server("starttls")
    server.on("EHLO", Hide("STARTTLS"))
    with smtplib.SMTP(server.host, server.port) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.has_extn("size")


# KeepInjected


@pytest.mark.parametrize("keeps", [True, False])
def test_commands_injected_behind_starttls_are_taken_only_by_a_vulnerable_server(start_smtp_server, wire, keeps):
    server = start_smtp_server("starttls")
    if keeps:
        server.on("STARTTLS", KeepInjected())
    client = wire(server)
    client.hello()
    client.send(b"STARTTLS\r\nEHLO injected.example\r\n")
    assert client.reply().startswith("220 ")
    client.handshake()
    if keeps:
        assert client.reply().startswith("250-mx.smtpfix.test")
        assert server.sessions[-1].client_name == "injected.example"
    assert client.say("NOOP") == "250 2.0.0 OK"
    assert server.sessions[-1].injected == b"EHLO injected.example\r\n"


# Conditions


def test_after_lets_the_first_ones_pass(server, wire):
    server.on("NOOP", Reply(451), after=2, times=1)
    client = wire(server)
    assert [client.say("NOOP")[:3] for _ in range(5)] == ["250", "250", "451", "250", "250"]


def test_a_rule_for_one_session_answers_in_no_other(server, wire):
    server.on("NOOP", Reply(451), session=2)
    assert [wire(server).say("NOOP")[:3] for _ in range(3)] == ["250", "451", "250"]


def test_an_argument_may_be_judged_by_a_function(server, wire):
    server.on("RCPT", Reply(550), argument=lambda argument: "SIZE" not in argument and len(argument) > 24)
    client = wire(server)
    client.hello()
    client.say("MAIL FROM:<ann@example.org>")
    assert client.say("RCPT TO:<b@example.org>")[:3] == "250"
    assert client.say("RCPT TO:<somebody.else@example.org>")[:3] == "550"


def test_chance_repeats_with_its_seed_and_the_transcript_has_it(start_smtp_server, wire):
    def answers(**conditions):
        server = start_smtp_server()
        server.on("NOOP", Reply(451), probability=0.5, **conditions)
        client = wire(server)
        return [client.say("NOOP")[:3] for _ in range(64)], str(server.sessions[-1].transcript)

    first, transcript = answers(seed=7)
    again, _ = answers(seed=7)
    other, _ = answers(seed=8)
    assert first == again
    assert first != other
    assert {"250", "451"} == set(first)
    assert "probability 0.5, seed 7" in transcript


def test_rules_that_never_answered_can_be_asked_for(server, wire):
    used = server.on("NOOP", Reply(451))
    unused = server.on("VRFY", Reply(451))
    wire(server).say("NOOP")
    assert server.unused_rules == (unused,)
    server.off(unused)
    assert server.unused_rules == ()
    assert server.fired(used) == 1


@pytest.mark.parametrize(
    ("stage", "actions", "conditions", "expected"),
    [
        ("MAIL", (Disconnect(), Reply(250)), {}, "nothing after Disconnect"),
        ("MAIL", (Stall(), Delay(1)), {}, "nothing after Stall"),
        ("MAIL", (Hide("SIZE"),), {}, "it belongs to EHLO"),
        ("EHLO", (KeepInjected(),), {}, "it belongs to STARTTLS or STLS"),
        ("MAIL", (Reply(250), NoReply()), {}, "give one Reply or one function"),
        ("MAIL", (Reply(250),), {"after": -1}, r"Rule\.after: expected a whole number from 0 up"),
        ("MAIL", (Reply(250),), {"session": 0}, r"Rule\.session: expected a whole number from 1 up"),
        ("MAIL", (Reply(250),), {"in_tls": "no"}, r"Rule\.in_tls: expected True, False or None"),
        ("MAIL", (Reply(250),), {"probability": 0}, r"Rule\.probability: expected a number above 0 and up to 1"),
        ("MAIL", (Reply(250),), {"seed": "x"}, r"Rule\.seed: expected a whole number, or None"),
    ],
)
def test_rules_that_make_no_sense(stage, actions, conditions, expected):
    server = Server()
    with pytest.raises(InvalidValueError, match=expected):
        server.on(stage, *actions, **conditions)
    assert server.rules == ()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Raw("250 OK\r\n"), r"Raw\.octets: expected octets"),
        (lambda: Raw(b"", performs=1), r"Raw\.performs: expected True or False"),
        (lambda: Disconnect(notify=0), r"Disconnect\.notify: expected True or False"),
        (lambda: Drip(0), r"Drip\.octets: expected a whole number of octets, 1 or more"),
        (lambda: Drip(1, -1), r"Drip\.every: expected a number of seconds"),
        (lambda: Throttle(0.5), r"Throttle\.octets_per_second: expected a whole number"),
        (Hide, r"Hide\.keywords: expected EHLO keywords"),
        (lambda: Hide("AUTH PLAIN"), r"Hide\.keywords"),
        (lambda: Advertise("a\r\nb"), r"Advertise\.lines: expected lines of text"),
        (lambda: Delay("1"), r"Delay\.seconds"),
    ],
)
def test_actions_that_make_no_sense(make, expected):
    with pytest.raises(InvalidValueError, match=expected):
        make()


def test_a_rule_says_what_it_is_in_one_line():
    rule = Rule("rcpt", (Reply(450, "4.2.1", "Greylisted"),), times=1, argument="*@slow.example", after=2, in_tls=True)
    assert re.fullmatch(r"RCPT: Reply\(.*\) \(argument '\*@slow\.example'; times 1; in_tls True; after 2\)", str(rule))
    assert str(Rule("MAIL", (Stall(),))) == "MAIL: Stall()"
    assert len({Rule("MAIL", (Stall(),), probability=0.5).seed for _ in range(8)}) > 1


def test_a_drip_that_begins_anew_sends_what_is_due_before_it(start_smtp_server, wire):
    """Each EHLO begins it again, while the reply to the one before still waits."""
    server = start_smtp_server()
    server.on("EHLO", Drip(7, 0.001))
    client = wire(server)
    client.send(b"EHLO client.example\r\nEHLO client.example\r\nNOOP\r\n")
    first, second, third = client.replies(3)
    assert first == second
    assert first.splitlines()[0] == "250-mx.smtpfix.test"
    assert third == "250 2.0.0 OK"
