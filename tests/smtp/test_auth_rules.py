"""Rules at AUTH and at each answer of its exchange: what the client is told, and what is on record."""

import base64

import pytest

from smtpfix import Delay, Disconnect, InvalidValueError, NoReply, Raw, Reply, Reset, Rule, SessionEnd, Stall
from smtpfix.record.transcript import Kind
from smtpfix.rules.text import parse_rule
from smtpfix.smtp.language import LANGUAGE

pytestmark = pytest.mark.usefixtures("nothing_logged")

AUTHENTICATED = "235 2.7.0 Authentication successful"
INVALID = "535 5.7.8 Authentication credentials invalid"
LATER = Reply(454, "4.7.0", "Temporary authentication failure")
USERNAME, PASSWORD = "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"


def b64(text):
    return base64.b64encode(text.encode()).decode()


ANN, SECRET = b64("ann"), b64("s3cret")
BOTH = b64("\0ann\0s3cret")


@pytest.fixture
def greet(start_smtp_server, wire):
    """Return a function that starts a server that wants a login, and says EHLO to it."""

    def greet(mode="plain", **fields):
        server = start_smtp_server(mode, **({"users": {"ann": "s3cret"}, "require_auth": True} | fields))
        client = wire(server)
        client.hello()
        return server, client

    return greet


def recorded(server):
    """Return what is on record of the one attempt."""
    (attempt,) = server.sessions[-1].auth
    return attempt.mechanism, attempt.user, attempt.password, attempt.accepted


# Which answer


@pytest.mark.parametrize(
    ("argument", "replies"),
    [
        ("LOGIN 1", ["454"]),
        ("LOGIN 2", ["334", "454"]),
        ("LOGIN*", ["454"]),
        ("* 2", ["334", "454"]),
        ("login ?", ["454"]),
        ("PLAIN*", ["334", "235"]),
        ("LOGIN 3", ["334", "235"]),
        (None, ["454"]),
    ],
)
def test_an_answer_is_named_by_its_mechanism_and_its_place(greet, argument, replies):
    server, client = greet()
    server.on("AUTH-ANSWER", LATER, argument=argument)
    assert client.say("AUTH LOGIN") == USERNAME
    assert [client.say(line)[:3] for line in (ANN, SECRET)[: len(replies)]] == replies
    assert client.say("NOOP").startswith("250")
    assert recorded(server) == ("LOGIN", "ann", "s3cret" if len(replies) == 2 else None, replies[-1] == "235")


def test_an_initial_response_counts_as_the_first(greet):
    server, client = greet()
    server.on("AUTH-ANSWER", LATER, argument="LOGIN 2")
    assert client.say(f"AUTH LOGIN {ANN}") == PASSWORD
    assert client.say(SECRET) == str(LATER)
    assert recorded(server) == ("LOGIN", "ann", "s3cret", False)


def test_after_lets_the_first_answers_pass(greet):
    server, client = greet()
    rule = server.on("AUTH-ANSWER", LATER, after=1)
    assert [client.say(line) for line in ("AUTH LOGIN", ANN, SECRET)] == [USERNAME, PASSWORD, str(LATER)]
    assert server.fired(rule) == 1


def test_neither_a_star_rule_nor_a_cancelled_exchange_is_about_an_answer(greet):
    server, client = greet()
    every = server.on("*", Reply(250, "2.0.0", "Every command"))
    answers = server.on("AUTH-ANSWER", LATER)
    server.on("AUTH", Reply(334))
    assert client.say("AUTH PLAIN") == "334 "
    assert client.say("*") == "501 5.7.0 Authentication cancelled"
    assert client.say("AUTH-ANSWER PLAIN 1") == "250 2.0.0 Every command"
    assert (server.fired(every), server.fired(answers)) == (1, 0)


# Replies


@pytest.mark.parametrize("code", [432, 454, 500, 501, 534, 535, 538])
def test_a_negative_reply_ends_the_exchange_and_what_was_given_away_is_on_record(greet, code):
    server, client = greet()
    server.on("AUTH-ANSWER", Reply(code), times=1)
    assert client.say("AUTH PLAIN") == "334 "
    assert client.say(BOTH) == f"{code} "
    assert recorded(server) == ("PLAIN", "ann", "s3cret", False)
    assert client.say("MAIL FROM:<ann@example.org>").startswith("530")
    assert client.say(f"AUTH PLAIN {BOTH}") == AUTHENTICATED


@pytest.mark.parametrize(
    ("stage", "argument", "lines", "known"),
    [
        ("AUTH", None, ["AUTH LOGIN"], (None, None)),
        ("AUTH", None, [f"AUTH LOGIN {ANN}"], ("ann", None)),
        ("AUTH", None, [f"AUTH PLAIN {b64(chr(0) + 'ann' + chr(0) + 'wrong')}"], ("ann", "wrong")),
        ("AUTH-ANSWER", "LOGIN 1", ["AUTH LOGIN", ANN], ("ann", None)),
        ("AUTH-ANSWER", "LOGIN 2", ["AUTH LOGIN", ANN, b64("wrong")], ("ann", "wrong")),
    ],
)
def test_a_235_that_comes_too_early_authenticates_nobody(greet, stage, argument, lines, known):
    server, client = greet()
    server.on(stage, Reply(235, "2.7.0", "Welcome"), argument=argument)
    assert [client.say(line) for line in lines][-1] == "235 2.7.0 Welcome"
    assert client.say("MAIL FROM:<ann@example.org>") == "530 5.7.0 Authentication required"
    assert recorded(server)[1:] == (*known, False)


@pytest.mark.parametrize(("stage", "lines"), [("AUTH", [f"AUTH PLAIN {BOTH}"]), ("AUTH-ANSWER", ["AUTH PLAIN", BOTH])])
def test_a_235_in_other_words_authenticates_who_has_shown_who_it_is(greet, stage, lines):
    server, client = greet()
    server.on(stage, Reply(235, "2.7.0", "Welcome"))
    assert [client.say(line) for line in lines][-1] == "235 2.7.0 Welcome"
    assert client.deliver().startswith("250")
    assert recorded(server) == ("PLAIN", "ann", "s3cret", True)


def test_another_challenge_takes_the_words_of_the_mechanisms_own(greet):
    server, client = greet()
    server.on("AUTH-ANSWER", Reply(334, None, b64("Your secret:")), times=1)
    assert client.say("AUTH LOGIN") == USERNAME
    assert client.say(ANN) == f"334 {b64('Your secret:')}"
    assert client.say(SECRET) == AUTHENTICATED


@pytest.mark.parametrize(("password", "verdict"), [("s3cret", AUTHENTICATED), ("wrong", INVALID)])
def test_another_challenge_behind_the_last_answer_prolongs_the_exchange(greet, password, verdict):
    server, client = greet()
    server.on("AUTH-ANSWER", Reply(334, None, "more"), times=2)
    assert client.say("AUTH PLAIN") == "334 "
    assert client.say(b64(f"\0ann\0{password}")) == "334 more"
    assert client.say("anything") == "334 more"
    assert server.sessions[-1].auth == ()
    assert client.say("") == verdict
    assert recorded(server) == ("PLAIN", "ann", password, verdict == AUTHENTICATED)


@pytest.mark.parametrize("line", [f"AUTH PLAIN {BOTH}", "AUTH NTLM", "AUTH CRAM-MD5"])
def test_a_challenge_in_the_place_of_the_first_reply_begins_an_exchange_whatever_it_is_about(greet, line):
    server, client = greet(mechanisms=["PLAIN", "CRAM-MD5"])
    server.on("AUTH", Reply(334, None, "<no base64>"))
    assert client.say(line) == "334 <no base64>"
    client.say(SECRET)
    assert client.say("NOOP").startswith("250")
    secrets = [event.data for event in server.sessions[-1].transcript if event.kind is Kind.SECRET]
    assert secrets[-1] == SECRET.encode()
    assert len(server.sessions[-1].auth) == 1


# Everything else


@pytest.mark.parametrize(
    ("stage", "lines", "known"),
    [
        ("AUTH", [f"AUTH PLAIN {BOTH}"], ("PLAIN", "ann", "s3cret", False)),
        ("AUTH", ["AUTH LOGIN"], ("LOGIN", None, None, False)),
        ("AUTH-ANSWER", ["AUTH PLAIN", BOTH], ("PLAIN", "ann", "s3cret", False)),
        ("AUTH-ANSWER", ["AUTH LOGIN", ANN], ("LOGIN", "ann", None, False)),
    ],
)
class TestAtEachTurn:
    """What was given away before a rule broke the exchange off is on record."""

    def begin(self, client, lines):
        for line in lines[:-1]:
            client.say(line)
        client.send(lines[-1].encode() + b"\r\n")

    @pytest.mark.parametrize("octets", [b"235 OK\n", b"999 what\r\n", b"250-334 no\r\n250 ok\r\n"])
    def test_raw_octets_end_the_exchange(self, greet, stage, lines, known, octets):
        server, client = greet()
        server.on(stage, Raw(octets))
        self.begin(client, lines)
        client.send(b"NOOP\r\n")
        client.send(b"QUIT\r\n")
        assert client.rest() == octets + b"250 2.0.0 OK\r\n221 2.0.0 Bye\r\n"
        assert recorded(server) == known

    @pytest.mark.parametrize("octets", [b"334 ???\r\n", b"334\n", b"250-what\r\n334 \r\n"])
    def test_raw_octets_that_are_a_challenge_go_on_with_the_exchange_so_that_what_follows_is_a_secret(
        self, greet, stage, lines, known, octets
    ):
        server, client = greet()
        server.on(stage, Raw(octets), times=1)
        self.begin(client, lines)
        client.send(SECRET.encode() + b"\r\n")
        client.send(b"*\r\nQUIT\r\n")
        assert client.rest().startswith(octets)
        (session,) = server.sessions
        assert [
            event for event in session.transcript if event.kind is Kind.CLIENT and SECRET.encode() in event.data
        ] == []
        assert [attempt.mechanism for attempt in session.auth] == [known[0]]

    def test_a_disconnect_leaves_the_attempt_on_record(self, greet, stage, lines, known):
        server, client = greet()
        server.on(stage, Disconnect())
        self.begin(client, lines)
        assert client.rest() == b""
        assert recorded(server) == known
        assert server.sessions[-1].end is SessionEnd.DISCONNECTED

    def test_a_reset_leaves_the_attempt_on_record(self, greet, stage, lines, known):
        server, client = greet()
        server.on(stage, Reset())
        self.begin(client, lines)
        assert client.rest() == b""
        assert recorded(server) == known

    def test_a_stall_leaves_the_attempt_on_record_once_the_client_has_gone(self, greet, stage, lines, known):
        server, client = greet()
        server.on(stage, Stall())
        self.begin(client, lines)
        client.close()
        server.sessions.wait()
        assert recorded(server) == known

    def test_a_delay_holds_back_what_is_answered_all_the_same(self, greet, stage, lines, known):
        server, client = greet()
        server.on(stage, Delay(0.01), LATER)
        self.begin(client, lines)
        client.send(b"NOOP\r\n")
        assert client.replies(2) == [str(LATER), "250 2.0.0 OK"]
        assert recorded(server) == known

    def test_a_421_ends_the_session(self, greet, stage, lines, known):
        server, client = greet()
        server.on(stage, Reply(421, "4.7.0", "Enough"))
        self.begin(client, lines)
        assert client.rest() == b"421 4.7.0 Enough\r\n"
        assert recorded(server) == known


@pytest.mark.parametrize("action", [NoReply(), Raw(b"235 fine\r\n", performs=True)])
def test_the_exchange_goes_its_way_where_only_the_words_are_missing_or_others(greet, action):
    server, client = greet()
    server.on("AUTH-ANSWER", action)
    assert client.say("AUTH PLAIN") == "334 "
    client.send(BOTH.encode() + b"\r\nQUIT\r\n")
    said = b"" if isinstance(action, NoReply) else action.octets
    assert client.rest() == said + b"221 2.0.0 Bye\r\n"
    assert recorded(server) == ("PLAIN", "ann", "s3cret", True)


def test_a_reply_and_more_behind_it(greet):
    server, client = greet()
    server.on("AUTH-ANSWER", Reply(334, None, "more"), Raw(b"250 injected\r\n"), times=1)
    assert client.say("AUTH PLAIN") == "334 "
    client.send(BOTH.encode() + b"\r\n")
    assert client.replies(2) == ["334 more", "250 injected"]
    assert client.say("") == AUTHENTICATED


def test_rules_at_answers_in_tls_and_in_clear_are_told_apart(start_smtp_server, wire):
    server = start_smtp_server("starttls", users={"ann": "s3cret"}, auth_in_clear=True)
    server.on("AUTH-ANSWER", LATER, in_tls=True)
    client = wire(server)
    client.hello()
    assert [client.say(line) for line in ("AUTH LOGIN", ANN, SECRET)] == [USERNAME, PASSWORD, AUTHENTICATED]
    client.start_tls()
    client.hello()
    assert [client.say(line) for line in ("AUTH LOGIN", ANN)] == [USERNAME, str(LATER)]


# As text


@pytest.mark.parametrize(
    ("text", "argument", "conditions"),
    [
        ("AUTH-ANSWER: 454 4.7.0 Temporary authentication failure", None, (0, None)),
        ("auth-answer LOGIN 2: 454 4.7.0 Temporary authentication failure", "LOGIN 2", (0, None)),
        ("AUTH-ANSWER SCRAM-* 2 in tls after 1: 454 4.7.0 Temporary authentication failure", "SCRAM-* 2", (1, True)),
    ],
)
def test_the_stage_as_text(text, argument, conditions):
    rule = parse_rule(text, LANGUAGE)
    assert (rule.stage, rule.argument, (rule.after, rule.in_tls)) == ("AUTH-ANSWER", argument, conditions)
    assert rule.actions == (LATER,)


def test_capabilities_are_not_changed_at_an_answer():
    with pytest.raises(InvalidValueError, match="it belongs to EHLO"):
        parse_rule("AUTH-ANSWER: hide AUTH", LANGUAGE)
    assert str(Rule("AUTH-ANSWER", (LATER,))).startswith("AUTH-ANSWER: ")
