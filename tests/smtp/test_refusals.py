"""What is refused before the content: whose it is, with which reply, and how it counts as an attempt."""

import smtplib
from datetime import UTC, datetime

import pytest

from smtpfix import Disconnect, NoMessage, NoReply, Policy, RefusedRecipient, Reply, Reset, Server, UnexpectedMessage
from smtpfix.smtp import refusals

pytestmark = pytest.mark.usefixtures("nothing_logged")

UNKNOWN = Reply(550, "5.1.1", "No such mailbox")
LATER = Reply(450, "4.7.1", "Later")
ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"


def send(server, *recipients, sender=ANN, message_id="<1@example.org>"):
    """Send a message; return what smtplib says of recipients that were refused, or the error."""
    with server.client() as client:
        try:
            return client.sendmail(sender, recipients, f"Message-ID: {message_id}\r\n\r\nx\r\n")
        except smtplib.SMTPResponseException as error:
            return error
        except smtplib.SMTPRecipientsRefused as error:
            return error


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_a_recipient_refused_at_rcpt_is_the_message_s_with_its_reply(start_smtp_server, wire, protocol):
    server = start_smtp_server(protocol=protocol)
    server.on("RCPT", UNKNOWN, argument=BOB)
    client = wire(server, greeted=False)
    client.reply()
    client.say("LHLO x" if protocol == "lmtp" else "EHLO x")
    assert client.say(f"MAIL FROM:<{ANN}>").startswith("250")
    assert client.say(f"RCPT TO:<{BOB}> NOTIFY").startswith("550")
    assert client.say(f"RCPT TO:<{EVE}>").startswith("250")
    assert client.say("DATA").startswith("354")
    client.send(b"x\r\n.\r\n")
    assert client.reply().startswith("250")
    message = server.inbox.one()
    assert message.refused_recipients == ((BOB, UNKNOWN),)
    assert message.refused_recipients[0] == RefusedRecipient(address=BOB, reply=UNKNOWN)
    assert (message.to, message.accepted_recipients) == ((EVE,), (EVE,))
    assert not message.refused_before_content
    assert server.inbox.attempts().messages == (message,)  # it is one attempt


def test_in_lmtp_those_refused_behind_the_content_come_after_them(start_smtp_server, wire):
    server = start_smtp_server(protocol="lmtp")
    server.on("RCPT", UNKNOWN, argument=BOB)
    server.on("END-OF-DATA", LATER, argument=EVE)
    client = wire(server, greeted=False)
    client.reply()
    client.say("LHLO x")
    for line in (f"MAIL FROM:<{ANN}>", f"RCPT TO:<{BOB}>", f"RCPT TO:<{EVE}>", f"RCPT TO:<{ANN}>", "DATA"):
        client.say(line)
    client.send(b"x\r\n.\r\n")
    assert [reply[:3] for reply in client.replies(2)] == ["450", "250"]
    assert server.inbox.one().refused_recipients == ((BOB, UNKNOWN), (EVE, LATER))


def test_the_reply_is_what_was_said_and_none_where_nothing_was():
    with Server(Policy(replies={"malformed_address": "Not here, {client}"})) as server:
        server.on("RCPT", NoReply(), argument="a@b..c")
        with server.client() as client:
            client.ehlo()
            client.mail(ANN)
            client.docmd("RCPT TO:<>")
            client.send(b"RCPT TO:<a@b..c>\r\n")
            client.rcpt(BOB)
            client.data(b"x")
        first, second = server.inbox.one().refused_recipients
        assert (first.address, str(first.reply)) == ("", "553 5.1.3 Not here, 127.0.0.1")
        assert (second.address, second.reply) == ("a@b..c", None)


def test_a_transaction_s_refusals_do_not_leak_into_the_next(smtp_server):
    smtp_server.on("RCPT", UNKNOWN, argument=BOB)
    with smtp_server.client() as client:
        client.ehlo()
        client.mail(ANN)
        client.rcpt(BOB)
        client.rset()
        client.sendmail(ANN, [EVE], "x")
    assert smtp_server.inbox.one().refused_recipients == ()


def test_what_is_kept_of_refused_recipients_is_bounded(smtp_server, monkeypatch):
    monkeypatch.setattr(refusals, "_MOST", 1_000)
    smtp_server.on("RCPT", UNKNOWN, argument="no-*")
    with smtp_server.client() as client:
        client.ehlo()
        client.mail(ANN)
        for number in range(20):
            client.rcpt(f"no-{number}@example.org")
        client.rcpt(BOB)
        client.data(b"x")
    message = smtp_server.inbox.one()
    assert 0 < len(message.refused_recipients) < 10
    assert message.weight > 1_000 - 300


# Attempts


def test_a_greylisted_recipient_s_attempts_are_counted(smtp_server):
    smtp_server.on("RCPT", LATER, times=2)
    before = datetime.now(UTC)
    for _ in range(3):
        send(smtp_server, BOB)
    attempts = smtp_server.inbox.attempts("<1@example.org>")
    assert [message.accepted for message in attempts] == [False, False, True]
    assert attempts.session_numbers == (1, 2, 3)
    assert [message.refused_before_content for message in attempts] == [True, True, False]
    assert str(attempts).splitlines()[0] == "1: session 1, +0.000 s, answered '450 4.7.1 Later'"
    first = attempts[0]
    assert (first.reply, first.to, first.refused_recipients) == (LATER, (BOB,), ((BOB, LATER),))
    assert (first.content, first.accepted_recipients, first.violations) == (b"", (), ())
    assert str(first) == f"attempt from {ANN} to {BOB}, refused before its content"
    assert before <= first.received <= attempts[1].received
    assert smtp_server.inbox.refused == ()
    assert smtp_server.inbox.one().number == 1
    smtp_server.inbox.clear()
    with pytest.raises(NoMessage):
        smtp_server.inbox.attempts()


def test_attempts_are_counted_where_no_content_ever_came(smtp_server):
    smtp_server.on("RCPT", LATER)
    for _ in range(3):
        send(smtp_server, BOB)
    assert len(smtp_server.inbox.attempts()) == 3
    assert len(smtp_server.inbox.attempts(to=BOB, reverse_path=ANN)) == 3
    with pytest.raises(NoMessage, match=r"got none of 0 messages that came and 3 refused before the content"):
        smtp_server.inbox.attempts(to=EVE)
    send(smtp_server, EVE)
    with pytest.raises(UnexpectedMessage, match="differ in their envelopes"):
        smtp_server.inbox.attempts()


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_a_refusal_of_every_command_before_the_content_is_an_attempt(smtp_server, stage):
    smtp_server.on(stage, Reply(451, "4.3.0", "Later"), times=1)
    send(smtp_server, BOB)
    assert [message.reply.code for message in smtp_server.inbox.attempts()] == [451]
    send(smtp_server, BOB)
    assert [message.reply.code for message in smtp_server.inbox.attempts()] == [451, 250]


@pytest.mark.parametrize("action", [Disconnect(), Reset(), Disconnect(notify=False)])
def test_a_connection_that_a_rule_breaks_off_before_the_content_is_an_attempt_without_a_reply(smtp_server, action):
    smtp_server.on("RCPT", LATER, argument=EVE)
    smtp_server.on("DATA", action, times=1)
    with pytest.raises((smtplib.SMTPException, OSError)):
        smtp_server.client().sendmail(ANN, [EVE, BOB], "Message-ID: <1@example.org>\r\n\r\nx\r\n")
    smtp_server.sessions.wait(1)
    send(smtp_server, BOB)
    first, second = smtp_server.inbox.attempts("<1@example.org>")
    assert (first.reply, first.refused_before_content, first.to) == (None, True, (BOB, EVE))
    assert first.refused_recipients == ((EVE, LATER),)
    assert second.accepted


def test_a_connection_that_a_rule_breaks_off_elsewhere_is_none(smtp_server):
    smtp_server.on("NOOP", Disconnect(), times=1)
    smtp_server.on("END-OF-DATA", Disconnect(), times=1)
    with smtp_server.client() as client, pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp_server.client().sendmail(ANN, [BOB], "x")
    smtp_server.sessions.wait(2)
    assert [message.refused_before_content for message in smtp_server.inbox.attempts()] == [False]


def test_a_policy_s_own_refusal_is_an_attempt_and_a_command_out_of_order_is_none():
    with Server(Policy(greylist=300)) as server:
        send(server, BOB)
        with server.client() as client:
            client.docmd("MAIL", f"FROM:<{ANN}>")  # 503, EHLO first
            client.ehlo()
            client.docmd("DATA")
            client.rcpt(BOB)
        server.advance(300)
        send(server, BOB)
        assert [message.reply.code for message in server.inbox.attempts()] == [450, 250]


def test_an_attempt_counts_for_the_message_that_its_envelope_names_and_for_no_other(smtp_server):
    smtp_server.on("RCPT", LATER, times=1)
    send(smtp_server, BOB)
    send(smtp_server, EVE, message_id="<2@example.org>")
    send(smtp_server, BOB)
    assert len(smtp_server.inbox.attempts("<1@example.org>")) == 2
    assert len(smtp_server.inbox.attempts("<2@example.org>")) == 1
    send(smtp_server, BOB, message_id="<3@example.org>")  # now it may have been either's
    assert len(smtp_server.inbox.attempts("<1@example.org>")) == 1


def test_the_oldest_early_attempts_go_where_there_are_too_many():
    with Server(Policy(max_messages=2)) as server:
        server.on("RCPT", LATER)
        for _ in range(3):
            send(server, BOB)
        assert server.inbox.attempts().session_numbers == (2, 3)
    with Server(Policy(max_octets=1)) as server:
        server.on("RCPT", LATER)
        for _ in range(3):
            send(server, BOB)
        assert server.inbox.attempts().session_numbers == (3,)


def test_a_rule_tells_when_it_fired(smtp_server):
    rule = smtp_server.on("RCPT", LATER, times=2)
    assert smtp_server.fired_at(rule) == ()
    before = datetime.now(UTC)
    for _ in range(3):
        send(smtp_server, BOB)
    first, second = smtp_server.fired_at(rule)
    assert before <= first <= second <= smtp_server.inbox.one().received
    assert smtp_server.fired(rule) == 2
