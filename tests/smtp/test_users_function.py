"""Who may log in is asked of a function: with which mechanisms, in which thread, and what if it raises."""

import base64
import smtplib
import threading

import pytest

from smtpfix import CallbackFailed, Disconnect, InvalidValueError, Policy, Reply, Server, SessionEnd
from smtpfix.login.names import ASKING, MECHANISM_NAMES

pytestmark = pytest.mark.usefixtures("nothing_logged")


class Known:
    """Lets in whoever has the right password or token, and remembers who asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, user, secret):
        self.asked.append((user, secret))
        return secret == "s3cret"


@pytest.fixture
def known():
    return Known()


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("with_rule", [False, True])
def test_a_function_lets_in_by_the_password(known, mechanism, with_rule):
    with Server(Policy(users=known, require_auth=True)) as server:
        if with_rule:
            server.on("NOOP", Reply(250))
        for password, accepted in (("s3cret", True), ("wrong", False)):
            client = server.client()
            client.ehlo()
            client.user, client.password = "ann", password
            try:
                code, _ = client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
            except smtplib.SMTPAuthenticationError as error:
                code = error.smtp_code
            assert code == (235 if accepted else 535)
            assert client.mail("ann@example.org")[0] == (250 if accepted else 530)
            client.quit()
        assert known.asked == [("ann", "s3cret"), ("ann", "wrong")]
        for session, accepted in zip(server.sessions, (True, False), strict=True):
            (attempt,) = session.auth
            assert (attempt.user, attempt.accepted) == ("ann", accepted)


@pytest.mark.parametrize(
    ("response", "user"),
    [
        ("XOAUTH2 " + encoded("user=ann\1auth=Bearer s3cret\1\1"), "ann"),
        ("OAUTHBEARER " + encoded("n,a=ann,\1auth=Bearer s3cret\1\1"), "ann"),
        ("OAUTHBEARER " + encoded("n,,\1auth=Bearer s3cret\1\1"), ""),
    ],
)
def test_a_function_lets_in_by_the_token(known, wire, response, user):
    with Server(Policy(users=known, mechanisms=ASKING)) as server:
        client = wire(server)
        client.hello()
        assert client.say(f"AUTH {response}").startswith("235")
        assert known.asked == [(user, "s3cret")]
        assert (server.sessions[0].auth[0].token, server.sessions[0].auth[0].user) == ("s3cret", user or None)
        refused = wire(server)
        refused.hello()
        name, _, octets = response.partition(" ")
        wrong = encoded(base64.b64decode(octets).decode().replace("s3cret", "other"))
        assert refused.say(f"AUTH {name} {wrong}").startswith("334")
        assert refused.say("AQ==").startswith("535")


def test_nobody_acts_as_somebody_else(known, wire):
    with Server(Policy(users=known)) as server:
        client = wire(server)
        client.hello()
        assert client.say("AUTH PLAIN " + encoded("eve\0ann\0s3cret")).startswith("535")
        assert known.asked == []


@pytest.mark.parametrize("mechanism", [name for name in MECHANISM_NAMES if name not in (*ASKING, "ANONYMOUS")])
@pytest.mark.parametrize("field", ["mechanisms", "mechanisms_in_clear"])
def test_mechanisms_that_show_no_secret_are_refused_when_the_policy_is_built(known, mechanism, field):
    with pytest.raises(InvalidValueError, match=f"Policy.{field}: {mechanism} .*; choose from PLAIN, LOGIN, XOAUTH2"):
        Policy("starttls", users=known, **{field: ["PLAIN", mechanism]})


async def coroutine(_user, _password):
    return True


@pytest.mark.parametrize("users", [coroutine, Known])
def test_what_is_no_function_is_refused(users):
    with pytest.raises(InvalidValueError, match="a function that is no coroutine function"):
        Policy(users=users)


def test_a_slow_function_holds_up_its_own_client_only(wire):
    asked, let_go = threading.Event(), threading.Event()

    def slow(_user, _password):
        asked.set()
        return let_go.wait(30)

    with Server(Policy(users=slow)) as server:
        first, second = wire(server), wire(server)
        first.hello()
        second.hello()
        first.send(f"AUTH PLAIN {encoded(chr(0) + 'ann' + chr(0) + 'x')}\r\nNOOP\r\n".encode())
        assert asked.wait(30)
        assert second.deliver().startswith("250")
        let_go.set()
        assert [reply[:3] for reply in first.replies(2)] == ["235", "250"]


def test_what_a_client_said_is_recorded_where_the_server_closes_before_the_answer(wire):
    asked, let_go = threading.Event(), threading.Event()

    def slow(_user, _password):
        asked.set()
        return let_go.wait(30)

    with Server(Policy(users=slow)) as server:
        client = wire(server)
        client.hello()
        client.send(f"AUTH PLAIN {encoded(chr(0) + 'ann' + chr(0) + 'x')}\r\n".encode())
        assert asked.wait(30)
    let_go.set()
    (attempt,) = server.sessions[0].auth
    assert (attempt.user, attempt.password, attempt.accepted) == ("ann", "x", False)


@pytest.mark.parametrize("stage", ["AUTH", "AUTH-ANSWER"])
def test_a_rule_that_breaks_a_login_off_leaves_what_was_said_in_the_record(known, wire, stage):
    with Server(Policy(users=known)) as server:
        server.on(stage, Disconnect())
        client = wire(server)
        client.hello()
        plain = encoded("\0ann\0s3cret")
        client.send((f"AUTH PLAIN {plain}" if stage == "AUTH" else f"AUTH PLAIN\r\n{plain}").encode() + b"\r\n")
        (session,) = server.sessions.wait(1)
        assert [(attempt.user, attempt.password, attempt.accepted) for attempt in session.auth] == [
            ("ann", "s3cret", False)
        ]


def test_a_rule_s_refusal_stands_whatever_the_function_says(known, wire):
    with Server(Policy(users=known)) as server:
        server.on("AUTH", Reply(454, "4.7.0", "Later"))
        client = wire(server)
        client.hello()
        assert client.say("AUTH PLAIN " + encoded("\0ann\0s3cret")) == "454 4.7.0 Later"
        assert not server.sessions[0].auth[0].accepted


def test_a_function_is_not_asked_about_what_a_client_says_though_nobody_asked(known, wire):
    with Server(Policy(users=known)) as server:
        client = wire(server)
        client.hello()
        assert client.say("AUTH PLAIN " + encoded("\0ann\0wrong")).startswith("535")
        client.say(encoded("\0ann\0s3cret"))  # a client that does not look at replies goes on
        assert known.asked == [("ann", "wrong")]


@pytest.mark.parametrize("answer", [None, 0.5])
def test_neither_yes_nor_no_is_an_error(wire, answer):
    server = Server(Policy(users=lambda _user, _password: answer)).start()
    client = wire(server)
    client.hello()
    assert client.say("AUTH PLAIN " + encoded("\0ann\0x")) == "451 4.3.0 Local error in processing"
    assert client.rest() == b""
    (session,) = server.sessions.wait(1)
    assert session.end is SessionEnd.ERROR
    assert session.violations == ()
    assert (session.auth[0].user, session.auth[0].accepted) == ("ann", False)
    with pytest.raises(
        CallbackFailed,
        match=f"the function Policy.users raised TypeError: it returned {answer}, expected True or False",
    ):
        server.close()


def test_a_function_that_raises_at_the_second_answer(wire):
    server = Server(Policy(users=lambda user, _password: {}[user])).start()
    client = wire(server)
    client.hello()
    assert client.say("AUTH LOGIN").startswith("334")
    assert client.say(encoded("ann")).startswith("334")
    assert client.say(encoded("x")).startswith("451")
    with pytest.raises(CallbackFailed, match="KeyError: 'ann'"):
        server.close()
