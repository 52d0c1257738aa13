"""Limits and greylisting: what is too much is refused with its code, and what is not goes through."""

import smtplib
from contextlib import ExitStack

import pytest

from smtpfix import Limits, NotRunningError, Policy, Rate, Server, SessionEnd
from smtpfix.errors import InvalidValueError
from smtpfix.smtp import metering
from smtpfix.smtp.metering import MailLedger

MAIL = "MAIL FROM:<ann@example.org>"
RCPT = "RCPT TO:<bob@example.org>"
MESSAGE = "Subject: x\r\n\r\nx\r\n"


class Clock:
    """A clock that stands still until it is turned."""

    now = 1000.0

    def __call__(self):
        return self.now


def sendmail(server, *recipients):
    with smtplib.SMTP(server.host, server.port, local_hostname="client.example", timeout=10) as client:
        return client.sendmail("ann@example.org", recipients or ["bob@example.org"], MESSAGE)


# Values


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30/minute", Rate(30, 60)),
        ("1/second", Rate(1, 1)),
        ("5/10s", Rate(5, 10)),
        ("5/10 s", Rate(5, 10)),
        ("500/day", Rate(500, 86_400)),
    ],
)
def test_a_rate_is_read_from_text(text, rate):
    assert Rate.parse(text) == rate
    assert Rate.parse(str(rate)) == rate


@pytest.mark.parametrize("text", ["", "30", "0/minute", "30/fortnight", "-1/day", "5/0s", "30/minute\n"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InvalidValueError, match="expected a rate such as 30/minute"):
        Rate.parse(text)


@pytest.mark.parametrize(("count", "seconds"), [(0, 1), (1.5, 1), (True, 1), (1, 0), (1, True), (1, "60")])
def test_a_rate_without_sense_is_refused(count, seconds):
    with pytest.raises(InvalidValueError, match=r"Rate\.(count|seconds): expected"):
        Rate(count, seconds)


def test_limits_take_rates_as_text():
    assert Limits(message_rate="30/minute").message_rate == Rate(30, 60)
    assert Limits(message_rate=Rate(30, 60)) == Limits(message_rate="30/minute")


@pytest.mark.parametrize(
    ("field", "value"),
    [("connections", 0), ("errors", "5"), ("failed_logins", True), ("message_rate", 30), ("recipient_rate", "lots")],
)
def test_a_limit_without_sense_is_refused_naming_it(field, value):
    with pytest.raises(InvalidValueError, match=rf"^Limits\.{field}: expected"):
        Limits(**{field: value})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"conections": 1},
            "file: there is no key 'conections' (did you mean 'connections'?); ",
        ),
        ({"errors": 0}, "file: errors: expected a whole number from 1 up"),
        (["errors"], "file: expected a table of connections, "),
    ],
)
def test_a_table_of_limits_is_checked_naming_the_key(table, said):
    with pytest.raises(InvalidValueError) as caught:
        Limits.parse("file", table)
    assert str(caught.value).startswith(said)


def test_a_table_of_limits_is_read():
    assert Limits.parse("file", {"errors": 3, "message_rate": "1/day"}) == Limits(errors=3, message_rate="1/day")


# What a server counts


def test_a_rate_slides_with_the_clock():
    clock = Clock()
    ledger = MailLedger(Policy(), clock)
    rate = Rate(2, 60)
    for _ in range(2):
        assert not ledger.is_over("messages", "192.0.2.1", rate)
        ledger.count("messages", "192.0.2.1", rate)
        clock.now += 30
    clock.now -= 1
    assert ledger.is_over("messages", "192.0.2.1", rate)
    assert not ledger.is_over("messages", "192.0.2.2", rate)
    assert not ledger.is_over("recipients", "192.0.2.1", rate)
    clock.now += 1
    assert not ledger.is_over("messages", "192.0.2.1", rate)


def test_a_triplet_is_greylisted_until_its_delay_is_over():
    clock = Clock()
    ledger = MailLedger(Policy(greylist=300), clock)
    assert ledger.is_greylisted("192.0.2.1", "ann@example.org", "bob@example.org")
    clock.now += 299
    assert ledger.is_greylisted("192.0.2.1", "ann@example.org", "bob@example.org")
    assert ledger.is_greylisted("192.0.2.1", "ann@example.org", "eve@example.org")
    clock.now += 1
    assert not ledger.is_greylisted("192.0.2.1", "ann@example.org", "bob@example.org")
    assert ledger.is_greylisted("192.0.2.1", "ann@example.org", "eve@example.org")
    assert ledger.is_greylisted("192.0.2.2", "ann@example.org", "bob@example.org")


def test_triplets_are_bounded_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(metering, "_MOST", 2)
    clock = Clock()
    ledger = MailLedger(Policy(greylist=300), clock)
    for recipient in ("bob", "eve", "joe"):
        assert ledger.is_greylisted("192.0.2.1", "ann", recipient)
    clock.now += 300
    assert [ledger.is_greylisted("192.0.2.1", "ann", one) for one in ("joe", "eve", "bob")] == [False, False, True]


# On the wire


@pytest.mark.parametrize("limits", [Limits(connections=1), Limits(connections_per_client=1)], ids=str)
def test_one_connection_too_many_is_greeted_with_421_and_closed(wire, limits):
    with Server(Policy(limits=limits)) as server:
        first = wire(server)
        second = wire(server, greeted=False)
        assert second.reply() == "421 4.7.0 Too many connections"
        assert second.rest() == b""
        assert first.hello().startswith("250")
        assert first.say("QUIT").startswith("221")
        assert first.rest() == b""
        len(server.sessions)  # the server catches up with the closing
        assert wire(server).hello().startswith("250")
        assert [session.end for session in server.sessions][:2] == [SessionEnd.QUIT, SessionEnd.REFUSED]


def test_connections_within_the_limit_are_welcome(wire):
    with Server(Policy(limits=Limits(connections=2, connections_per_client=2))) as server:
        assert [wire(server).hello()[:3] for _ in range(2)] == ["250", "250"]


def test_connections_too_often_are_greeted_with_421_until_time_has_passed(wire):
    with Server(Policy(limits=Limits(connection_rate="2/day"))) as server:
        for _ in range(2):
            client = wire(server)
            assert client.say("QUIT").startswith("221")
        assert wire(server, greeted=False).reply().startswith("421 4.7.0 ")
        server.advance(86_401)
        assert wire(server).hello().startswith("250")


def test_a_client_is_refused_in_tls_where_tls_comes_first(wire):
    with Server(Policy("implicit-tls", limits=Limits(connections=1))) as server:
        wire(server)
        second = wire(server, greeted=False)
        second.handshake()
        assert second.reply() == "421 4.7.0 Too many connections"


def test_one_message_too_many_on_a_connection_ends_it_and_a_new_one_delivers(wire):
    with Server(Policy(limits=Limits(messages_per_connection=1))) as server:
        client = wire(server)
        client.hello()
        assert client.deliver().startswith("250")
        assert client.say(MAIL) == "421 4.7.0 Too many messages on this connection"
        assert client.rest() == b""
        assert sendmail(server) == {}
        assert len(server.inbox) == 2


def test_a_transaction_that_is_begun_anew_counts(wire):
    with Server(Policy(limits=Limits(messages_per_connection=1))) as server:
        client = wire(server)
        client.hello()
        assert client.say(MAIL).startswith("250")
        assert client.say(MAIL).startswith("503 5.5.1 ")  # nested: no second one has begun
        assert client.say("RSET").startswith("250")
        assert client.say(MAIL).startswith("421 4.7.0 ")


def test_messages_too_often_are_refused_until_time_has_passed():
    with Server(Policy(limits=Limits(message_rate="2/day"))) as server:
        assert (sendmail(server), sendmail(server)) == ({}, {})
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            sendmail(server)
        assert (caught.value.smtp_code, caught.value.smtp_error) == (450, b"4.7.1 Too much mail, try again later")
        server.advance(86_401)
        assert sendmail(server) == {}
        assert len(server.inbox) == 3


def test_a_mail_that_was_refused_does_not_count(wire):
    with Server(Policy(limits=Limits(message_rate="1/day"))) as server:
        client = wire(server)
        client.hello()
        assert client.say("MAIL ann").startswith("501 ")
        assert client.say(MAIL).startswith("250 ")
        assert client.say("RSET").startswith("250 ")
        assert client.say(MAIL).startswith("450 4.7.1 ")


def test_recipients_too_often_are_refused_one_by_one():
    with Server(Policy(limits=Limits(recipient_rate="2/day"))) as server:
        refused = sendmail(server, "bob@example.org", "eve@example.org", "joe@example.org")
        assert refused == {"joe@example.org": (450, b"4.7.1 Too many recipients, try again later")}
        assert server.inbox.one().envelope.recipients == ("bob@example.org", "eve@example.org")


def test_too_many_failed_logins_hang_up_behind_the_last_535(wire):
    with Server(Policy(users={"ann": "s3cret"}, limits=Limits(failed_logins=2))) as server:
        client = wire(server)
        client.hello()
        assert client.say("AUTH PLAIN AGFubgBub3Bl").startswith("535 5.7.8 ")
        assert client.say("AUTH PLAIN AGFubgBub3Bl").startswith("535 5.7.8 ")
        assert client.rest() == b"421 4.7.0 Too many failed logins\r\n"
        assert [attempt.accepted for attempt in server.sessions[0].auth] == [False, False]


def test_a_login_in_time_is_accepted(wire):
    with Server(Policy(users={"ann": "s3cret"}, limits=Limits(failed_logins=2))) as server:
        client = wire(server)
        client.hello()
        assert client.say("AUTH PLAIN AGFubgBub3Bl").startswith("535 ")
        assert client.say("AUTH PLAIN AGFubgBzM2NyZXQ=").startswith("235 ")
        assert client.deliver().startswith("250 ")


def test_too_many_errors_hang_up_behind_the_last_reply(wire):
    with Server(Policy(limits=Limits(errors=3))) as server:
        client = wire(server)
        client.hello()
        replies = [client.say("NONSENSE") for _ in range(3)]
        assert replies == ["500 5.5.1 Command unrecognized"] * 3
        assert client.rest() == b"421 4.7.0 Too many errors\r\n"


def test_errors_before_a_message_was_accepted_are_forgotten(wire):
    with Server(Policy(limits=Limits(errors=3))) as server:
        client = wire(server)
        client.hello()
        for _ in range(3):
            assert [client.say("NONSENSE")[:3] for _ in range(2)] == ["500", "500"]
            assert client.deliver().startswith("250 ")


def test_a_rule_s_refusals_count_as_errors_too(wire, nothing_logged):
    with Server(Policy(scenario="rcpt-550", limits=Limits(errors=2))) as server:
        client = wire(server)
        client.hello()
        client.say(MAIL)
        assert client.say(RCPT).startswith("550 ")
        assert client.say(RCPT).startswith("550 ")
        assert client.rest() == b"421 4.7.0 Too many errors\r\n"


def test_greylisting_refuses_what_comes_first_and_takes_it_later():
    with Server(Policy(greylist=300)) as server:
        for _ in range(2):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
                sendmail(server)
            assert caught.value.recipients == {"bob@example.org": (450, b"4.7.1 Greylisted, try again later")}
        server.advance(301)
        assert sendmail(server, "bob@example.org", "eve@example.org") == {
            "eve@example.org": (450, b"4.7.1 Greylisted, try again later")
        }
        assert server.inbox.one().envelope.recipients == ("bob@example.org",)


def test_greylisting_knows_addresses_in_any_case_and_spelling(wire):
    with Server(Policy(greylist=300)) as server:
        client = wire(server)
        client.hello()
        assert client.say(MAIL).startswith("250 ")
        assert client.say(RCPT).startswith("450 4.7.1 ")
        server.advance(301)
        assert client.say("RCPT TO:<BOB@Example.org>").startswith("250 ")
        assert client.say("RCPT TO:bob@example.org").startswith("250 ")


def test_who_has_logged_in_is_not_greylisted():
    with Server(Policy(users={"ann": "s3cret"}, greylist=300)) as server, server.client() as client:
        client.login("ann", "s3cret")
        assert client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE) == {}


def test_a_command_that_makes_no_sense_is_not_greylisted_but_answered(wire):
    with Server(Policy(greylist=300, limits=Limits(recipient_rate="1/day"))) as server:
        client = wire(server)
        assert client.say(RCPT).startswith("503 ")
        client.hello()
        assert client.say(RCPT).startswith("503 ")
        assert client.say(MAIL).startswith("250 ")
        assert client.say("RCPT bob").startswith("501 ")


def test_connections_are_given_back_however_they_end(wire):
    with Server(Policy(limits=Limits(connections=1))) as server:
        client = wire(server)
        client.reset()
        len(server.sessions)
        client = wire(server)
        client.close()
        len(server.sessions)
        assert wire(server).hello().startswith("250")


def test_clients_behind_a_proxy_are_told_apart_by_their_own_addresses(wire):
    with Server(Policy(proxy_protocol=True, limits=Limits(connections_per_client=1))) as server:
        replies = []
        for address in (b"192.0.2.1", b"192.0.2.2", b"192.0.2.1"):
            client = wire(server, greeted=False)
            client.send(b"PROXY TCP4 %s 198.51.100.7 56324 25\r\n" % address)
            replies.append(client.reply()[:3])
        assert replies == ["220", "220", "421"]


def test_a_client_that_xclient_names_is_counted_from_then_on(wire):
    with Server(Policy(xclient=True, limits=Limits(connections_per_client=1))) as server:
        first = wire(server)
        first.hello()
        assert first.say("XCLIENT ADDR=192.0.2.7").startswith("220 ")
        second = wire(server)  # the address that the first one came from is free again
        second.hello()
        assert second.say("XCLIENT ADDR=192.0.2.7").startswith("421 4.7.0 ")


def test_many_clients_at_once_are_held_to_the_limit():
    with Server(Policy(limits=Limits(connections=5))) as server, ExitStack() as clients:
        codes = []
        for _ in range(12):
            client = clients.enter_context(smtplib.SMTP(local_hostname="client.example", timeout=10))
            codes.append(client.connect(server.host, server.port)[0])
        assert codes == [220] * 5 + [421] * 7


def test_a_server_without_limits_counts_nothing():
    with Server() as server:
        assert sendmail(server) == {}
        assert server._serving.service.ledger is None
        with pytest.warns(UserWarning, match="advance.. changes nothing: this server's policy has neither limits"):
            server.advance(60)


def test_time_passes_for_running_servers_only():
    with pytest.raises(NotRunningError, match="was not started"):
        Server(Policy(greylist=1)).advance(2)


# Scenarios


def test_three_recipients_have_three_outcomes():
    with Server(Policy(scenario="rcpt-mixed")) as server:
        refused = sendmail(server, "bob@example.org", "eve@example.org", "joe@example.org")
        assert {address: code for address, (code, _) in refused.items()} == {
            "eve@example.org": 452,
            "joe@example.org": 550,
        }
        assert server.inbox.one().envelope.recipients == ("bob@example.org",)


def test_the_scenario_too_many_messages_ends_the_connection_at_the_second_mail(wire):
    with Server(Policy(scenario="too-many-messages")) as server:
        client = wire(server)
        client.hello()
        assert client.deliver().startswith("250 ")
        assert client.say(MAIL).startswith("421 4.7.0 ")


def test_a_policy_s_own_limits_come_before_a_scenario_s():
    own = Limits(messages_per_connection=7)
    assert Policy(scenario="too-many-messages", limits=own).limits == own
    assert Policy(scenario="too-many-recipients").max_recipients == 1
