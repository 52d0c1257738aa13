"""LMTP: LHLO, a reply for each recipient at the final dot, and what becomes of each of them."""

from __future__ import annotations

import shutil
import smtplib
import subprocess

import pytest

from smtpfix import Delay, Disconnect, Mode, NoReply, Raw, Reply, Server, SessionEnd, Stall
from smtpfix.smtp.policy import Policy

pytestmark = pytest.mark.usefixtures("nothing_logged")

CAPTURED = "250 2.0.0 OK, message captured"
FULL = Reply(452, "4.2.2", "Mailbox full")
UNKNOWN = Reply(550, "5.1.1", "No such mailbox")
BUSY = Reply(421, "4.3.2", "Too busy")
MAIL = b"MAIL FROM:<ann@example.org>\r\n"
CONTENT = b"Subject: x\r\n\r\nx\r\n"
ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
MODES = pytest.mark.parametrize("mode", list(Mode))


@pytest.fixture
def lmtp(start_smtp_server, wire):
    """Return a function that starts an LMTP server and says LHLO to it."""

    def lmtp(mode="plain", **fields):
        server = start_smtp_server(mode, protocol="lmtp", **fields)
        client = wire(server, greeted=False)
        if mode == "implicit-tls":
            client.handshake()
        assert client.reply() == "220 mx.smtpfix.test LMTP smtpfix"
        assert client.say("LHLO client.example").startswith("250")
        return server, client

    return lmtp


def not_taken_for(message):
    """Return whom a message was not taken for, without the replies."""
    return tuple(recipient.address for recipient in message.refused_recipients)


def bring(client, *recipients, content=CONTENT):
    """Send a message up to its final dot, without reading what is answered then."""
    for line in (MAIL, *(f"RCPT TO:<{to}>\r\n".encode() for to in recipients)):
        client.send(line)
        assert client.reply().startswith("250")
    assert client.say("DATA").startswith("354")
    client.send(content + b".\r\n")


# The greeting


@MODES
def test_a_real_client_delivers_in_every_mode(mode):
    with Server(Policy(mode, protocol="lmtp", users={"ann": "s3cret"}, auth_in_clear=True)) as server:
        with server.client() as client:
            client.login("ann", "s3cret")
            assert client.sendmail(ANN, [BOB], CONTENT) == {}
        message = server.inbox.one()
        assert (message.to, message.user, message.in_tls) == ((BOB,), "ann", mode is not Mode.PLAIN)
        session = server.sessions[-1]
        assert (session.end, session.client_name, session.message_count) == (SessionEnd.QUIT, "localhost", 1)
        assert session.violations == ()


def test_lhlo_offers_what_ehlo_does_in_smtp(lmtp, start_smtp_server, wire):
    _, client = lmtp()
    offered = client.say("LHLO client.example")
    assert offered == wire(start_smtp_server()).hello()
    assert "250-PIPELINING\n" in offered
    assert "250-ENHANCEDSTATUSCODES\n" in offered


@pytest.mark.parametrize("mode", ["plain", "tls-required"])
@pytest.mark.parametrize("line", ["EHLO client.example", "HELO client.example", "ehlo"])
def test_ehlo_and_helo_are_answered_500_and_do_not_greet(lmtp, line, mode):
    server, _ = lmtp(mode)
    client = smtplib.LMTP("127.0.0.1", server.port)
    assert client.docmd(line)[0] == 500
    assert client.docmd("MAIL FROM:<ann@example.org>")[0] == (503 if mode == "plain" else 530)
    client.close()


def test_lhlo_is_unknown_to_an_smtp_server(start_smtp_server, wire):
    client = wire(start_smtp_server())
    assert client.say("LHLO client.example") == "500 5.5.1 Command unrecognized"
    assert client.say("MAIL FROM:<ann@example.org>").startswith("503 ")


def test_help_names_the_commands_of_the_protocol(lmtp, start_smtp_server, wire):
    _, client = lmtp()
    words = client.say("HELP").split()
    assert "LHLO" in words
    assert not {"EHLO", "HELO", "XCLIENT"} & set(words)
    words = wire(start_smtp_server(xclient=True)).say("HELP").split()
    assert {"EHLO", "HELO", "XCLIENT"} <= set(words)
    assert "LHLO" not in words


def test_a_rule_for_ehlo_answers_lhlo(lmtp):
    server, client = lmtp()
    server.on("EHLO", Reply(421, "4.3.2", "Too busy"))
    assert client.say("LHLO client.example") == "421 4.3.2 Too busy"


def test_a_rule_for_ehlo_does_not_answer_ehlo_but_one_for_every_command_does(lmtp):
    server, client = lmtp()
    rule = server.on("EHLO", Reply(451, "4.3.0", "Later"))
    assert client.say("EHLO client.example").startswith("500 5.5.1 This is LMTP")
    assert server.fired(rule) == 0
    server.on("*", Reply(451, "4.3.0", "Later"))
    assert client.say("EHLO client.example") == "451 4.3.0 Later"


@pytest.mark.parametrize("line", ["MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.org>", "DATA"])
def test_whoever_has_not_said_lhlo_is_told_to(start_smtp_server, wire, line):
    client = wire(start_smtp_server(protocol="lmtp"), greeted=False)
    assert client.reply() == "220 mx.smtpfix.test LMTP smtpfix"
    assert client.say(line) == "503 5.5.1 Send LHLO first"


def test_a_scenario_of_rules_is_shown_in_lmtp_too(start_smtp_server, wire):
    def offered(**fields):
        client = wire(start_smtp_server("starttls", protocol="lmtp", **fields), greeted=False)
        client.reply()
        return client.say("LHLO client.example").splitlines()

    assert "250-STARTTLS" in offered()
    assert "250-STARTTLS" not in offered(scenario="strip-ehlo")


# One reply a recipient


def test_there_is_a_reply_for_each_recipient_in_order(lmtp):
    server, client = lmtp()
    server.on("END-OF-DATA", FULL, argument=BOB)
    server.on("END-OF-DATA", UNKNOWN, argument=EVE)
    bring(client, ANN, BOB, EVE)
    assert client.replies(3) == [CAPTURED, "452 4.2.2 Mailbox full", "550 5.1.1 No such mailbox"]
    assert client.say("NOOP") == "250 2.0.0 OK"  # and no more than that
    message = server.inbox.one()
    assert message.accepted
    assert message.to == (ANN, BOB, EVE)
    assert [reply.code for reply in message.replies] == [250, 452, 550]
    assert message.accepted_recipients == (ANN,)
    assert message.refused_recipients == ((BOB, FULL), (EVE, UNKNOWN))
    assert message.reply.code == 250
    assert server.sessions[-1].message_count == 1


def test_in_smtp_the_one_reply_is_everybody_s(start_smtp_server, wire):
    server = start_smtp_server()
    client = wire(server)
    client.hello()
    bring(client, ANN, BOB)
    assert client.reply() == CAPTURED
    server.on("END-OF-DATA", FULL)
    bring(client, ANN, BOB)
    assert client.reply() == "452 4.2.2 Mailbox full"
    assert client.say("NOOP") == "250 2.0.0 OK"
    message = server.inbox.one()
    assert (message.accepted_recipients, not_taken_for(message)) == ((ANN, BOB), ())
    assert message.replies == (message.reply, message.reply)
    (refused,) = server.inbox.refused
    assert (refused.accepted_recipients, not_taken_for(refused)) == ((), (ANN, BOB))


def test_the_same_recipient_twice_has_two_replies(lmtp):
    server, client = lmtp()
    server.on("END-OF-DATA", FULL, argument=BOB, times=1)
    bring(client, BOB, BOB)
    assert client.replies(2) == ["452 4.2.2 Mailbox full", CAPTURED]
    message = server.inbox.one()
    assert (not_taken_for(message), message.accepted_recipients) == ((BOB,), (BOB,))


def test_a_message_that_nobody_gets_is_refused_not_captured(lmtp):
    server, client = lmtp()
    server.on("END-OF-DATA", UNKNOWN)
    bring(client, ANN, BOB)
    assert client.replies(2) == ["550 5.1.1 No such mailbox"] * 2
    assert len(server.inbox) == 0
    (message,) = server.inbox.refused
    assert (message.accepted, message.reply, not_taken_for(message)) == (False, UNKNOWN, (ANN, BOB))


def test_a_message_that_only_the_last_one_gets_is_accepted(lmtp):
    server, client = lmtp()
    server.on("END-OF-DATA", UNKNOWN, argument=ANN)
    bring(client, ANN, BOB)
    assert client.replies(2) == ["550 5.1.1 No such mailbox", CAPTURED]
    assert server.inbox.one().reply.code == 250
    assert server.inbox.refused == ()


def test_content_over_the_limit_is_refused_for_each(lmtp):
    server, client = lmtp(size_limit=10)
    bring(client, ANN, BOB)
    assert client.replies(2) == ["552 5.3.4 Message size exceeds the limit"] * 2
    assert client.say("NOOP") == "250 2.0.0 OK"
    assert len(server.inbox) == len(server.inbox.refused) == 0


def test_data_without_an_accepted_recipient_is_answered_503(lmtp):
    server, client = lmtp()
    server.on("RCPT", UNKNOWN, argument=BOB)
    client.send(MAIL)
    assert client.reply().startswith("250")
    assert client.say(f"RCPT TO:<{BOB}>").startswith("550")
    assert client.say("DATA").startswith("503 ")
    assert client.say(f"RCPT TO:<{ANN}>").startswith("250")
    assert client.say("DATA").startswith("354")  # with one, it is taken


def test_recipients_refused_at_rcpt_have_no_reply_at_the_dot(lmtp):
    server, client = lmtp()
    server.on("RCPT", UNKNOWN, argument=BOB)
    client.send(MAIL + b"".join(f"RCPT TO:<{to}>\r\n".encode() for to in (ANN, BOB, EVE)) + b"DATA\r\n")
    assert [reply[:3] for reply in client.replies(5)] == ["250", "250", "550", "250", "354"]
    client.send(CONTENT + b".\r\nNOOP\r\n")
    assert client.replies(3) == [CAPTURED, CAPTURED, "250 2.0.0 OK"]
    assert server.inbox.one().accepted_recipients == (ANN, EVE)
    assert server.sessions[-1].violations == ()  # LHLO's reply has offered PIPELINING


# Rules that do worse than to refuse


def test_the_message_is_captured_before_its_first_positive_reply_and_the_others_follow(lmtp):
    """As in SMTP, a client that has its reply finds its message; what is not decided yet is None."""
    server, client = lmtp()
    server.on("END-OF-DATA", Stall(), argument=BOB)
    bring(client, ANN, BOB, EVE)
    assert client.reply() == CAPTURED
    message = server.inbox.one()
    assert [reply and reply.code for reply in message.replies] == [250, None, None]
    assert not_taken_for(message) == (BOB, EVE)


def test_what_is_pipelined_behind_a_stalled_reply_is_not_answered(lmtp, sweep):
    server, client = lmtp()
    server.on("END-OF-DATA", Stall(), argument=BOB)
    client.send(MAIL + b"".join(f"RCPT TO:<{to}>\r\n".encode() for to in (ANN, BOB)) + b"DATA\r\n")
    assert client.replies(4)[-1].startswith("354")
    client.send(CONTENT + b".\r\nNOOP\r\n")
    assert client.reply() == CAPTURED
    sweep(server, 301)
    assert client.rest() == b""  # until the server gives up on a silent client
    assert server.inbox.one().replies[1] is None


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_delayed_reply_delays_those_behind_it_and_commands_too(lmtp, place):
    server, client = lmtp()
    server.on("END-OF-DATA", Delay(0.02), FULL, argument=(ANN, BOB, EVE)[place])
    client.send(MAIL + b"".join(f"RCPT TO:<{to}>\r\n".encode() for to in (ANN, BOB, EVE)) + b"DATA\r\n")
    assert client.replies(5)[-1].startswith("354")
    client.send(CONTENT + b".\r\nNOOP\r\n")
    expected = [CAPTURED] * 3 + ["250 2.0.0 OK"]
    expected[place] = "452 4.2.2 Mailbox full"
    assert client.replies(4) == expected
    assert not_taken_for(server.inbox.one()) == ((ANN, BOB, EVE)[place],)


@pytest.mark.parametrize("action", [Disconnect(), BUSY], ids=["disconnect", "421"])
def test_a_connection_that_ends_between_two_replies_leaves_the_others_without(lmtp, action):
    server, client = lmtp()
    server.on("END-OF-DATA", action, argument=BOB)
    bring(client, ANN, BOB, EVE)
    assert client.reply() == CAPTURED
    assert client.rest() == (b"421 4.3.2 Too busy\r\n" if action is BUSY else b"")
    message = server.inbox.one()
    assert message.accepted_recipients == (ANN,)
    assert message.replies[1:] == (BUSY if action is BUSY else None, None)


def test_a_reply_and_then_the_end_is_played_in_this_order(lmtp):
    server, client = lmtp()
    server.on("END-OF-DATA", FULL, Disconnect(), argument=ANN)
    bring(client, ANN, BOB)
    assert client.rest() == b"452 4.2.2 Mailbox full\r\n"
    (message,) = server.inbox.refused
    assert [reply and reply.code for reply in message.replies] == [452, None]


def test_octets_instead_of_a_reply_stand_for_one_recipient_s(lmtp):
    server, client = lmtp()
    server.on("END-OF-DATA", Raw(b"250 what\r\n"), argument=EVE)
    server.on("END-OF-DATA", Raw(b"250 this\r\n"), argument=ANN)
    bring(client, ANN, BOB, EVE)
    assert client.replies(3) == ["250 this", CAPTURED, "250 what"]
    assert client.say("NOOP") == "250 2.0.0 OK"
    assert server.inbox.one().accepted_recipients == (BOB,)


def test_a_message_answered_with_octets_only_was_not_accepted(lmtp):
    server, client = lmtp()
    server.on("END-OF-DATA", Raw(b"250 this\r\n"))
    bring(client, ANN, BOB)
    assert client.replies(2) == ["250 this"] * 2
    assert len(server.inbox) == 0
    (message,) = server.inbox.refused
    assert message.replies == (None, None)


def test_a_reply_left_out_is_missing_and_the_client_waits(lmtp):
    server, client = lmtp()
    server.on("END-OF-DATA", NoReply(), argument=ANN)
    bring(client, ANN, BOB)
    assert client.reply() == CAPTURED
    assert client.say("NOOP") == "250 2.0.0 OK"  # what such a client would take for Bob's
    assert "not sent, as a rule has it" in str(server.sessions[-1].transcript)


@pytest.mark.parametrize(("scenario", "count"), [("truncated-before-reply", 0), ("truncated-after-reply", 1)])
def test_truncation_is_before_or_behind_all_replies(start_smtp_server, wire, scenario, count):
    server = start_smtp_server("implicit-tls", protocol="lmtp", scenario=scenario)
    client = wire(server, greeted=False)
    client.handshake()
    assert client.reply().startswith("220")
    client.say("LHLO client.example")
    bring(client, ANN, BOB)
    assert client.replies(2 * count) == [CAPTURED] * 2 * count
    assert server.sessions.wait(1)[0].end is SessionEnd.TRUNCATED
    assert len(server.inbox) == count


# A client from elsewhere


@pytest.mark.skipif(shutil.which("smtp-source") is None, reason="Postfix's smtp-source is not installed")
def test_postfix_s_client_delivers_to_several_recipients(start_smtp_server):
    server = start_smtp_server(protocol="lmtp")
    command = ["smtp-source", "-L", "-m", "3", "-r", "4", "-M", "client.example", "-f", ANN, "-t", BOB]
    done = subprocess.run([*command, f"inet:127.0.0.1:{server.port}"], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert [len(message.accepted_recipients) for message in server.inbox] == [4, 4, 4]
    assert all("LHLO client.example" in session.transcript.commands for session in server.sessions)
