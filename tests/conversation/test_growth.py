"""What a client can make grow is bounded by octets, and what was left out is said: one client for each thing."""

from __future__ import annotations

import base64

import pytest

from smtpfix import Drip, Limits, Policy, Reply
from smtpfix.conversation import metering
from smtpfix.login.exchange import Dialogue
from smtpfix.login.mechanisms import Exchange
from smtpfix.policy.limits import Rate
from smtpfix.smtp.metering import MailLedger

pytestmark = pytest.mark.usefixtures("nothing_logged")

HELLO = b"EHLO client.example\r\n"
TRANSACTION = b"MAIL FROM:<ann@example.org>\r\n"
SECRET = base64.b64encode(b"\0ann\0" + b"x" * 6000)


def flooded(wire, server, beginning, block, times):
    """Send a block again and again, reading the replies; return the session once it is over."""
    client = wire(server)
    client.send(beginning)
    for _ in range(times):
        client.send(block)
        client.socket.setblocking(False)
        try:
            while client.socket.recv(1_000_000):
                pass
        except BlockingIOError:
            client.socket.settimeout(10)
    client.send(b"QUIT\r\n")
    client.rest()
    return server.sessions.wait(timeout=20)[0]


@pytest.mark.parametrize("command", [b"NOOP " + b"x" * 4000, b"\xff" * 4000, b"EHLO " + b"x" * 4000, b"x" * 5000])
def test_long_commands_are_bounded_by_the_octets_of_the_transcript(start_smtp_server, wire, command):
    server = start_smtp_server(max_transcript_octets=100_000)
    session = flooded(wire, server, HELLO, (command + b"\r\n") * 20, 50)
    assert sum(len(event.data) for event in session.transcript) <= 100_100
    assert session.transcript.commands[0] == HELLO.decode().strip()
    assert session.transcript.commands[-1] == "QUIT"
    (note,) = session.truncated
    assert note.endswith(" events of the transcript left out")


def test_logins_are_bounded_and_counted(start_smtp_server, wire):
    server = start_smtp_server(users={"ann": "s3cret"}, max_transcript_octets=100_000)
    session = flooded(wire, server, HELLO, (b"AUTH PLAIN " + SECRET + b"\r\n") * 10, 120)
    assert 500 <= len(session.auth) <= 1_000
    assert f"{1_200 - len(session.auth)} AUTH commands left out" in session.truncated


def test_a_login_that_a_rule_never_lets_end_keeps_no_more_answers_than_a_mechanism_has(start_smtp_server, wire):
    server = start_smtp_server(users={"ann": "s3cret"}, max_events=100)
    server.on("AUTH-ANSWER", Reply(334, None, "and"))
    client = wire(server)
    client.send(HELLO + b"AUTH LOGIN\r\n" + (SECRET + b"\r\n") * 1000)
    client.reply()
    for _ in range(1001):
        client.reply()
    (conversation,) = server._serving.conversations
    assert len(conversation.login._dialogue._answers) <= Exchange.answers


def test_recipients_are_bounded_by_their_octets(start_smtp_server, wire):
    server = start_smtp_server(offer=["DSN"], max_recipients=100_000)
    client = wire(server)
    recipient = b"RCPT TO:<" + b"b" * 3900 + b"@example.org> NOTIFY=NEVER\r\n"
    client.send(HELLO + TRANSACTION)
    client.replies(2)
    codes = []
    for _ in range(50):
        client.send(recipient * 100)
        codes += [reply[:9] for reply in client.replies(100)]
    accepted = codes.count("250 2.1.5")
    assert codes == ["250 2.1.5"] * accepted + ["452 4.5.3"] * (5000 - accepted)
    assert 16_700_000 < accepted * 3930 < 16_785_000
    assert client.say("RSET")[:3] == "250"
    client.send(TRANSACTION + recipient)
    assert [reply[:3] for reply in client.replies(2)] == ["250", "250"]


def test_chunks_of_nothing_are_bounded_by_their_number(start_smtp_server, wire, monkeypatch):
    monkeypatch.setattr("smtpfix.smtp.chunks._MOST", 1000)
    server = start_smtp_server(offer=["CHUNKING"])
    client = wire(server)
    client.send(HELLO + TRANSACTION + b"RCPT TO:<bob@example.org>\r\n" + b"BDAT 0\r\n" * 1000)
    assert {reply[:3] for reply in client.replies(1003)} == {"250"}
    assert client.say("BDAT 0")[:9] == "552 5.3.4"
    assert client.say("BDAT 0 LAST")[:3] == "503"


CLEAR_TEXT = """
summary = "The server goes on in clear behind STARTTLS"
expected = "refuse"
standard = "RFC 3207 section 4"
group = "tls"
modes = ["starttls"]
[tls]
fault = "clear-text"
"""


def test_what_is_injected_again_and_again_is_bounded(start_smtp_server, wire, tmp_path):
    file = tmp_path / "clear-text.toml"
    file.write_text(CLEAR_TEXT)
    server = start_smtp_server("starttls", scenario=file)
    session = flooded(wire, server, HELLO, b"STARTTLS\r\n" * 500, 4)
    assert len(session.injected) == 65_536
    assert any(line.endswith("octets that came in clear after STARTTLS left out") for line in session.truncated)


def test_a_first_flight_is_kept_up_to_what_a_client_hello_may_have(start_smtp_server):
    tls = start_smtp_server("implicit-tls")._issuing.new()
    for _ in range(10):
        tls._keep(b"x" * 50_000)
    assert len(tls.first_octets) == 65_536


def test_replies_that_drip_stop_the_client_that_asks_for_more_and_go_on_later(start_smtp_server, wire):
    server = start_smtp_server(max_events=1000)
    server.on("NOOP", Drip(1, 100))
    client = wire(server)
    client.send(HELLO + b"NOOP\r\n")
    client.reply()
    client.flood(b"HELP\r\n" * 1000)
    (conversation,) = server._serving.conversations
    drip = conversation.channel._drip
    assert 65_536 < drip._count < 200_000
    assert conversation.channel.is_blocked

    def hurry():
        drip.change(1_000_000, 0)
        drip._timer.cancel()
        drip._next()

    server._serving.service.loop.call_soon_threadsafe(hurry)
    client.socket.settimeout(10)
    assert client.socket.recv(1_000_000)
    assert len(server.sessions) == 1  # what was done is done
    assert len(conversation.recorder.events) > 100


def test_a_ledger_remembers_so_many_clients_and_triplets_and_no_addresses(monkeypatch):
    monkeypatch.setattr(metering, "_MOST", 100)
    rate = Rate(5, 60)
    ledger = MailLedger(Policy(limits=Limits(message_rate=rate), greylist=10))
    for number in range(1000):
        ledger.count("messages", f"192.0.2.{number}", rate)
        assert ledger.is_greylisted("192.0.2.1", "x" * 4000, f"{number}")
    assert len(ledger._past) == 100
    assert {len(key) for key in ledger._seen} == {16}


def test_answers_to_a_refused_login_are_learned_from_as_before():
    dialogue = Dialogue("LOGIN", "", Exchange({}, hostname="mx.example", certified=None))
    for _ in range(10):
        dialogue.answer(b"YW5u")
    assert (len(dialogue._answers), dialogue.responses) == (4, 10)
