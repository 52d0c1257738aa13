"""Rules on the wire: replies, delays and disconnects at every stage, changed from the test's thread as sessions run."""

from __future__ import annotations

import base64
import re
import smtplib
import threading

import pytest

from smtpfix import ANY_USER, Delay, Disconnect, InvalidValueError, Reply, SessionEnd
from smtpfix.record.transcript import Kind

pytestmark = pytest.mark.usefixtures("nothing_logged")

OK = "250 2.0.0 OK"
CAPTURED = "250 2.0.0 OK, message captured"
LATER = Reply(451, "4.3.0", "Try again later")
GREYLISTED = Reply(450, "4.2.1", "Greylisted")
BUSY = Reply(421, "4.3.2", "Too busy")
MODES = pytest.mark.parametrize("mode", ["plain", "starttls", "implicit-tls"])

COMMANDS = {
    "EHLO": (),
    "HELO": (),
    "NOOP": (),
    "RSET": (),
    "VRFY": ("bob",),
    "EXPN": ("all",),
    "HELP": (),
    "MAIL": ("FROM:<ann@example.org>",),
    "RCPT": ("TO:<bob@example.org>",),
    "DATA": (),
    "AUTH": ("PLAIN", base64.b64encode(b"\0ann\0s3cret").decode()),
    "QUIT": (),
}
"""Every command a rule can answer, with an argument it takes."""


@pytest.fixture
def server(start_smtp_server):
    return start_smtp_server(users=ANY_USER)


@pytest.fixture
def client(server, wire):
    client = wire(server)
    client.hello()
    return client


def line_of(verb):
    return " ".join((verb, *(("client.example",) if verb in ("EHLO", "HELO") else COMMANDS[verb])))


def prepare(client, verb):
    """Say what has to be said before a command can succeed."""
    if verb in ("RCPT", "DATA"):
        client.say("MAIL FROM:<ann@example.org>")
    if verb == "DATA":
        client.say("RCPT TO:<bob@example.org>")


# Reply


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_reply_answers_a_command_instead_of_the_server_and_the_command_has_no_effect(server, client, verb):
    prepare(client, verb)
    rule = server.on(verb, LATER, times=1)
    assert client.say(line_of(verb)) == "451 4.3.0 Try again later"
    assert server.fired(rule) == 1
    # Now it works as if it had not been said before; EXPN never does.
    assert client.say(line_of(verb)).startswith("502" if verb == "EXPN" else ("2", "3"))
    assert server.fired(rule) == 1
    (refused,) = [one for one in server.sessions[-1].auth if not one.accepted] or [None]
    assert (refused is not None) is (verb == "AUTH")


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_rule_of_another_command_does_not_answer(server, client, verb):
    for other in COMMANDS:
        if other != verb:
            server.on(other, LATER)
    server.off(*(rule for rule in server.rules if rule.stage in ("MAIL", "RCPT")))
    prepare(client, verb)
    assert client.say(line_of(verb))[:1] in "235"


def test_every_command_can_be_answered_at_once_and_what_is_no_command_too(server, client):
    server.on("*", LATER)
    for verb in (*COMMANDS, "WHAT"):
        assert client.say(line_of(verb) if verb in COMMANDS else verb) == "451 4.3.0 Try again later"
    server.off()
    assert client.deliver() == CAPTURED


def test_a_positive_reply_changes_the_words_and_nothing_else(server, client):
    server.on("NOOP", Reply(250, "2.7.7", "As you like"))
    server.on("MAIL", Reply(250, "2.1.0", "Welcome"))
    server.on("EHLO", Reply(250, None, "mx.example\nSIZE 7"))
    assert client.say("NOOP") == "250 2.7.7 As you like"
    assert client.say("EHLO x") == "250-mx.example\n250 SIZE 7"
    assert client.say("MAIL FROM:<ann@example.org>") == "250 2.1.0 Welcome"
    assert client.say("RCPT TO:<bob@example.org>") == "250 2.1.5 Recipient OK"


def test_a_reply_of_several_lines(server, client):
    server.on("NOOP", Reply(250, "2.0.0", "one\ntwo\nthree"))
    assert client.say("NOOP") == "250-2.0.0 one\n250-2.0.0 two\n250 2.0.0 three"


def test_a_refused_recipient_is_not_in_the_envelope(server):
    server.on("RCPT", Reply(550, "5.1.1", "No such user"), argument="*@gone.example")
    with server.client() as client:
        refused = client.sendmail("ann@example.org", ["bob@example.org", "carl@gone.example"], "x")
    assert refused == {"carl@gone.example": (550, b"5.1.1 No such user")}
    assert server.inbox.one().to == ("bob@example.org",)


@pytest.mark.parametrize(
    ("stage", "error", "code"),
    [
        ("CONNECT", smtplib.SMTPConnectError, 451),
        ("EHLO", smtplib.SMTPHeloError, 451),
        ("AUTH", smtplib.SMTPAuthenticationError, 451),
        ("MAIL", smtplib.SMTPSenderRefused, 451),
        ("RCPT", smtplib.SMTPRecipientsRefused, 451),
        ("DATA", smtplib.SMTPDataError, 451),
        ("END-OF-DATA", smtplib.SMTPDataError, 451),
    ],
)
def test_smtplib_raises_its_own_error_for_each_stage_and_succeeds_the_next_time(server, stage, error, code):
    """RFC 5321 section 4.5.4.1: a 4yz is worth another attempt."""
    server.on(stage, LATER, times=2 if stage == "AUTH" else 1)  # smtplib tries every mechanism
    if stage == "EHLO":
        server.on("HELO", LATER, times=1)  # smtplib falls back to it

    def attempt():
        with server.client() as client:
            client.login("ann", "s3cret")
            client.sendmail("ann@example.org", ["bob@example.org"], "x")

    with pytest.raises(error) as refused:
        attempt()
    if stage == "RCPT":
        assert refused.value.recipients["bob@example.org"][0] == code
    else:
        assert refused.value.smtp_code == code
    assert len(server.inbox) == 0
    attempt()
    assert len(server.inbox) == 1


def test_a_failed_connection_can_be_greeted_with_a_refusal(server, wire):
    server.on("CONNECT", Reply(554, "5.7.1", "No SMTP service here"))
    client = wire(server, greeted=False)
    assert client.reply() == "554 5.7.1 No SMTP service here"
    assert client.say("QUIT") == "221 2.0.0 Bye"


# The final dot


def test_a_message_refused_at_its_final_dot_is_kept_apart(server, client):
    server.on("END-OF-DATA", LATER, times=1)
    assert client.deliver(b"first\r\n") == "451 4.3.0 Try again later"
    assert client.deliver(b"second\r\n") == CAPTURED
    (refused,) = server.inbox.refused
    assert (refused.content, refused.accepted, refused.reply) == (b"first\r\n", False, LATER)
    message = server.inbox.one()
    assert (message.content, message.accepted, message.reply.code) == (b"second\r\n", True, 250)
    assert server.sessions[-1].message_count == 1


@MODES
@pytest.mark.parametrize("actions", [(Disconnect(),), (Delay(0.05), Disconnect())])
def test_a_connection_closed_at_the_final_dot_leaves_a_message_without_reply(start_smtp_server, wire, mode, actions):
    """The client cannot know what became of it (RFC 1047); the record does."""
    server = start_smtp_server(mode)
    server.on("END-OF-DATA", *actions)
    client = wire(server)
    client.hello()
    assert client.deliver() == ""
    (refused,) = server.inbox.refused
    assert (refused.accepted, refused.reply) == (False, None)
    assert len(server.inbox) == 0
    assert server.sessions[-1].end is SessionEnd.DISCONNECTED


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_does_not_wait_for_a_delayed_final_reply_leaves_a_message_without_one(
    start_smtp_server, wire, leave
):
    server = start_smtp_server()
    server.on("END-OF-DATA", Delay(0.05))
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n.\r\n")
    client.replies(3)
    getattr(client, leave)()
    server.sessions.wait(1)
    # Whether the server notices in time is the operating system's affair; the message is on record either way.
    assert len(server.inbox) + len(server.inbox.refused) == 1


def test_a_server_that_closes_during_a_delayed_final_reply_keeps_the_message(start_smtp_server, wire):
    server = start_smtp_server()
    server.on("END-OF-DATA", Delay(60))
    client = wire(server)
    client.hello()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n.\r\n")
    client.replies(3)
    assert server.sessions[-1].end is None
    server.close()
    (refused,) = server.inbox.refused
    assert refused.reply is None
    assert server.sessions[-1].end is SessionEnd.SERVER_CLOSED


def test_a_rule_cannot_accept_what_was_too_large_to_keep(start_smtp_server, wire):
    server = start_smtp_server(size_limit=10)
    client = wire(server)
    client.hello()
    assert client.deliver(b"x" * 20 + b"\r\n") == "552 5.3.4 Message size exceeds the limit"
    assert len(server.inbox) == len(server.inbox.refused) == 0


@pytest.mark.parametrize(("argument", "reply"), [("ann@*", "451"), ("eve@*", "250"), ("", "250")])
def test_the_argument_of_the_final_dot_is_the_reverse_path(server, client, argument, reply):
    server.on("END-OF-DATA", LATER, argument=argument)
    assert client.deliver()[:3] == reply


# Disconnect and 421


@MODES
@pytest.mark.parametrize("verb", [*COMMANDS, "CONNECT", "GREETING"])
def test_disconnect_closes_without_a_reply(start_smtp_server, wire, mode, verb):
    server = start_smtp_server(mode, users=ANY_USER)
    rule = server.on(verb, Disconnect())
    opens = verb in ("CONNECT", "GREETING")
    client = wire(server, greeted=not opens)
    if verb == "GREETING" and mode == "implicit-tls":
        client.handshake()
    if not opens and verb != "EHLO":
        client.hello()
        prepare(client, verb)
    assert (client.reply() if opens else client.say(line_of(verb))) == ""
    session = server.sessions[-1]
    assert session.end is SessionEnd.DISCONNECTED
    assert server.fired(rule) == 1
    assert len(server.inbox) == 0


@pytest.mark.parametrize("verb", [*COMMANDS, "CONNECT", "END-OF-DATA"])
def test_a_421_closes(server, wire, verb):
    server.on(verb, BUSY)
    client = wire(server, greeted=verb != "CONNECT")
    if verb not in ("CONNECT", "EHLO"):
        client.hello()
        prepare(client, verb)
    if verb == "CONNECT":
        reply = client.reply()
    else:
        reply = client.deliver() if verb == "END-OF-DATA" else client.say(line_of(verb))
    assert reply == "421 4.3.2 Too busy"
    assert client.rest() == b""
    assert server.sessions[-1].end is SessionEnd.REFUSED


def test_what_was_pipelined_before_a_disconnect_is_answered_and_what_comes_behind_is_not(server, client):
    server.on("VRFY", Disconnect())
    client.send(b"NOOP\r\nRSET\r\nVRFY bob\r\nNOOP\r\n")
    assert client.replies(2) == [OK, OK]
    assert client.rest() == b""
    assert server.sessions[-1].transcript.commands[-1] == "VRFY bob"


def test_a_reply_may_be_followed_by_a_disconnect(server, client):
    server.on("NOOP", Reply(250, "2.0.0", "Last words"), Disconnect())
    assert client.say("NOOP") == "250 2.0.0 Last words"
    assert client.rest() == b""
    assert server.sessions[-1].end is SessionEnd.DISCONNECTED


def test_smtplib_sees_a_disconnect(server):
    server.on("DATA", Disconnect())
    with pytest.raises(smtplib.SMTPServerDisconnected), server.client() as client:
        client.sendmail("ann@example.org", ["bob@example.org"], "x")
    assert server.sessions[-1].end is SessionEnd.DISCONNECTED


# Delay


def gap(server, command):
    """Return the seconds between a command and the next event in the record."""
    events = server.sessions[-1].transcript.events
    position = next(index for index, event in enumerate(events) if event.data.decode().startswith(command))
    return events[position + 1].at - events[position].at


@pytest.mark.parametrize(("mode", "verb"), [("implicit-tls", "NOOP"), *(("plain", verb) for verb in COMMANDS)])
def test_a_delay_holds_the_servers_own_reply_back(start_smtp_server, wire, mode, verb):
    server = start_smtp_server(mode, users=ANY_USER, auth_in_clear=True)
    client = wire(server)
    client.hello()
    prepare(client, verb)
    server.on(verb, Delay(0.05), times=1)
    position = len(server.sessions[-1].transcript)
    assert client.say(line_of(verb))[:1] in "235"
    command, reply = server.sessions[-1].transcript[position : position + 2]
    assert (command.kind, reply.kind) == (Kind.SECRET if verb == "AUTH" else Kind.CLIENT, Kind.SERVER)
    assert reply.at - command.at >= 0.045


def test_a_delay_may_precede_a_reply_and_several_add_up(server, client):
    server.on("NOOP", Delay(0.03), Delay(0.03), GREYLISTED)
    assert client.say("NOOP") == "450 4.2.1 Greylisted"
    assert gap(server, "NOOP") >= 0.055


def test_without_a_rule_nothing_is_held_back(server, client):
    """The opposite case: a rule that holds for a minute holds its own command only."""
    server.on("VRFY", Delay(60))
    client.send(b"NOOP\r\nRSET\r\n")
    assert client.replies(2) == [OK, OK]


def test_a_delay_holds_the_commands_behind_it(server, client):
    server.on("MAIL", Delay(0.05))
    client.send(b"NOOP\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nRSET\r\n")
    assert client.reply() == OK  # what came before it leaves at once
    waiting = server.sessions[-1].transcript.commands
    assert waiting[-1] == "MAIL FROM:<>"
    assert client.replies(3) == ["250 2.1.0 Sender OK", "250 2.1.5 Recipient OK", OK]
    session = server.sessions[-1]
    assert session.transcript.commands[-3:] == ("MAIL FROM:<>", "RCPT TO:<bob@example.org>", "RSET")
    assert gap(server, "MAIL") >= 0.045
    kinds = [event.kind for event in session.transcript[-6:]]
    assert kinds == [Kind.CLIENT, Kind.SERVER] * 3


@MODES
def test_a_delayed_greeting(start_smtp_server, wire, mode):
    server = start_smtp_server(mode)
    server.on("CONNECT", Delay(0.05))
    client = wire(server, greeted=False)
    if mode == "implicit-tls":
        client.handshake()
    client.send(b"NOOP\r\nRSET\r\n")  # too early, but nothing is lost
    assert client.replies(3) == ["220 mx.smtpfix.test ESMTP smtpfix", OK, OK]
    greeting = next(event for event in server.sessions[-1].transcript if event.kind is Kind.SERVER)
    assert greeting.at >= 0.045


def test_a_delayed_starttls_still_becomes_tls(start_smtp_server, wire):
    server = start_smtp_server("starttls")
    server.on("STARTTLS", Delay(0.05))
    client = wire(server)
    client.start_tls()
    assert client.say("NOOP") == OK
    assert gap(server, "STARTTLS") >= 0.045


def test_one_sessions_delay_does_not_hold_another_one(server, wire):
    server.on("NOOP", Delay(60), times=1)
    first, second = wire(server), wire(server)
    first.send(b"NOOP\r\n")
    assert server.sessions[0].transcript.commands == ("NOOP",)
    assert second.say("NOOP") == OK
    assert len(server.sessions[0].transcript.replies) == 1


def test_a_delay_is_not_idleness(start_smtp_server, wire, sweep):
    server = start_smtp_server()
    server.on("NOOP", Delay(600))
    client = wire(server)
    client.send(b"NOOP\r\n")
    sweep(server, 301)
    assert server.sessions[0].end is None


def test_during_a_delay_nothing_piles_up(start_smtp_server, wire):
    """Neither what the client sends, nor what it sends once it has read the replies that were due."""
    server = start_smtp_server()
    server.on("RSET", Delay(60))
    client = wire(server, receive_buffer=4096)
    client.hello()
    conversation = client.narrow()
    client.send(b"HELP\r\n" * 2000 + b"RSET\r\n")
    assert {reply[:3] for reply in client.replies(2000)} == {"214"}
    client.flood(b"NOOP\r\n" * 10_000)
    assert server.sessions[-1].transcript.commands[-1] == "RSET"
    assert len(conversation.channel.received) < 262_144


# times, argument, order


def test_times_counts_across_sessions(server, wire):
    rule = server.on("NOOP", GREYLISTED, times=3)
    codes = [wire(server).say("NOOP")[:3] for _ in range(5)]
    assert codes == ["450", "450", "450", "250", "250"]
    assert server.fired(rule) == 3


def test_times_is_exact_when_many_sessions_ask_at_once(server):
    rule = server.on("NOOP", GREYLISTED, times=50)
    codes = []

    def ask():
        with server.client() as client:
            codes.extend(client.noop()[0] for _ in range(25))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(codes) == [250] * 50 + [450] * 50
    assert server.fired(rule) == 50


@pytest.mark.parametrize(
    ("argument", "answered"),
    [
        ("*@slow.example", {"a@slow.example", "b@SLOW.example"}),
        ("a@slow.example", {"a@slow.example"}),
        ("*", {"a@slow.example", "b@SLOW.example", "c@fast.example"}),
        (re.compile("^TO:<[ab]@"), {"a@slow.example", "b@SLOW.example"}),
        (re.compile("nobody"), set()),
        ("slow.example", set()),  # a glob is the whole address
    ],
)
def test_an_argument_chooses_what_is_answered(server, client, argument, answered):
    server.on("RCPT", GREYLISTED, argument=argument)
    client.say("MAIL FROM:<ann@example.org>")
    replies = {
        address: client.say(f"RCPT TO:<{address}>")
        for address in ("a@slow.example", "b@SLOW.example", "c@fast.example")
    }
    assert {address for address, reply in replies.items() if reply.startswith("450")} == answered


def test_a_later_rule_is_asked_first_and_a_spent_one_not_at_all(server, client):
    server.on("NOOP", GREYLISTED)
    server.on("NOOP", LATER, times=1)
    assert [client.say("NOOP")[:3] for _ in range(2)] == ["451", "450"]


def test_greylisting_is_one_line_and_smtplib_gets_through_the_second_time(server):
    """The design's sample 5."""
    server.on("RCPT", Reply(450, "4.2.1", "Greylisted"), times=1, argument="*@slow.example")
    with server.client() as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("ann@example.org", ["bob@slow.example"], "x")
        assert refused.value.recipients == {"bob@slow.example": (450, b"4.2.1 Greylisted")}
        client.sendmail("ann@example.org", ["bob@slow.example"], "x")
    assert server.inbox.one().to == ("bob@slow.example",)


# Changed while sessions run


def test_rules_come_and_go_within_a_session(server, client):
    assert client.say("NOOP") == OK
    rule = server.on("NOOP", GREYLISTED)
    assert server.rules == (rule,)
    assert client.say("NOOP") == "450 4.2.1 Greylisted"
    other = server.on("RSET", LATER)
    server.off(rule)
    assert server.rules == (other,)
    assert client.say("NOOP") == OK
    assert client.say("RSET") == "451 4.3.0 Try again later"
    server.off()
    assert server.rules == ()
    assert client.say("RSET") == OK


def test_rules_can_be_changed_while_clients_are_busy(server):
    """A session sees the old rules or the new ones: every reply is one of the two."""
    stop = threading.Event()
    seen = set()

    def ask():
        with server.client() as client:
            is_last = False
            while not is_last:
                is_last = stop.is_set()  # before it asks: so its last answer is that without rules
                seen.add(client.noop())

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            server.off(server.on("NOOP", GREYLISTED))
        with server.client() as client:
            server.on("NOOP", GREYLISTED)
            assert client.noop() == (450, b"4.2.1 Greylisted")
            server.off()
            assert client.noop() == (250, b"2.0.0 OK")
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    assert seen <= {(250, b"2.0.0 OK"), (450, b"4.2.1 Greylisted")}
    assert (250, b"2.0.0 OK") in seen


def test_a_rule_set_before_the_start_is_in_force(smtp_authority):
    from smtpfix import Server  # noqa: PLC0415 - the one test that starts a server by itself

    server = Server(authority=smtp_authority)
    server.on("NOOP", GREYLISTED)
    with server, server.client() as client:
        assert client.noop()[0] == 450


def test_a_rule_that_makes_no_sense_fails_where_it_is_made(server, client):
    with pytest.raises(InvalidValueError, match=r"Rule\.stage"):
        server.on("NOPE", LATER)
    with pytest.raises(InvalidValueError, match=r"Rule\.actions"):
        server.on("NOOP")
    assert server.rules == ()
    assert client.say("NOOP") == OK
