"""Functions that decide: what they are told, what they may return, in which thread they run, and what if they raise."""

import re
import smtplib
import threading

import pytest

from smtpfix import (
    CallbackFailed,
    Decide,
    Delay,
    Disconnect,
    InvalidValueError,
    NoReply,
    Policy,
    Reply,
    Reset,
    Rule,
    Server,
    SessionEnd,
    Turn,
)

pytestmark = pytest.mark.usefixtures("nothing_logged")

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
CONTENT = "Subject: Hello\r\n\r\nx\r\n"
LATER = Reply(451, "4.3.2", "Later")


@pytest.fixture
def server():
    with Server() as server:
        yield server


def asks(answer=None):
    """Return a function that returns an answer, and the turns that it was asked about."""
    turns = []

    def decide(turn):
        turns.append(turn)
        return answer

    return decide, turns


def raises(_turn):
    raise KeyError("a bug")


def ehlo_fails(function, times=1):
    """Start a server whose EHLO asks a function, say EHLO, and close the server; return the failure."""
    server = Server().start()
    server.on("EHLO", function)
    for _ in range(times):
        client = server.client()
        assert client.ehlo()[0] == 451
        client.close()
    with pytest.raises(CallbackFailed) as caught:
        server.close()
    return caught.value


def test_a_function_is_told_the_session_so_far_and_decides_by_the_argument(server):
    seen = []

    def no_eve(turn):
        seen.append(
            (turn.stage, turn.address, turn.argument.upper(), turn.envelope.recipients, turn.session.client_name)
        )
        return Reply(550, "5.1.1", "Not here") if turn.address == EVE else None

    server.on("RCPT", no_eve)
    with server.client() as client:
        client.ehlo("shop.example")
        refused = client.sendmail(ANN, [BOB, EVE], CONTENT)
    assert refused == {EVE: (550, b"5.1.1 Not here")}
    assert seen == [
        ("RCPT", BOB, f"TO:<{BOB}>".upper(), (), "shop.example"),
        ("RCPT", EVE, f"TO:<{EVE}>".upper(), (BOB,), "shop.example"),
    ]
    assert server.inbox.one().refused_recipients == ((EVE, Reply(550, "5.1.1", "Not here")),)


def test_at_the_end_of_the_data_it_has_the_message(server):
    decide, turns = asks(Reply(554, "5.7.1", "Spam"))
    server.on("END-OF-DATA", decide, times=1)
    with server.client() as client, pytest.raises(smtplib.SMTPDataError):
        client.sendmail(ANN, [BOB], CONTENT)
    (turn,) = turns
    assert turn.content == CONTENT.encode()
    assert (turn.message.subject, turn.message.reply, turn.message.number) == ("Hello", None, 0)
    assert (turn.envelope.reverse_path, turn.envelope.recipients) == (ANN, (BOB,))
    assert turn.message.session.number == 1
    (refused,) = server.inbox.refused
    assert (refused.number, refused.reply.code) == (1, 554)


@pytest.mark.parametrize("stage", ["CONNECT", "GREETING", "EHLO", "MAIL", "DATA", "CONTENT", "NOOP", "UNKNOWN", "QUIT"])
def test_a_function_that_returns_none_changes_nothing_at_any_stage(server, stage):
    decide, turns = asks()
    rule = server.on(stage, decide)
    with server.client() as client:
        client.sendmail(ANN, [BOB], CONTENT)
        assert client.noop()[0] == 250
        assert client.docmd("XYZ")[0] == 500
    assert len(server.inbox) == 1
    assert server.fired(rule) == len(turns) == 1
    assert turns[0].stage == stage
    assert turns[0].content is None
    assert server.sessions[0].end is SessionEnd.QUIT


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
def test_a_function_decides_before_tls_and_inside_it(start_smtp_server, mode):
    server = start_smtp_server(mode, users={"ann": "s3cret"})
    stages = ["CONNECT", "STARTTLS", "EHLO", "AUTH", "AUTH-ANSWER"]
    asked = []
    for stage in stages:
        server.on(stage, lambda turn: asked.append((turn.stage, turn.session.tls is not None, turn.user)))
    server.on("MAIL", lambda turn: asked.append((turn.stage, turn.session.tls is not None, turn.user)))
    with server.client() as client:
        client.ehlo()
        client.user, client.password = "ann", "s3cret"
        client.auth("LOGIN", client.auth_login)
        client.sendmail(ANN, [BOB], CONTENT)
    assert ("CONNECT", False, None) in asked
    assert ("AUTH-ANSWER", True, None) in asked
    assert asked[-1] == ("MAIL", True, "ann")


def test_the_recipient_is_the_argument_at_the_end_of_lmtp_s_content(start_smtp_server, wire):
    server = start_smtp_server(protocol="lmtp")
    server.on("END-OF-DATA", lambda turn: LATER if turn.address == EVE and turn.message.to == (BOB, EVE) else None)
    client = wire(server, greeted=False)
    client.reply()
    for line in ("LHLO x", f"MAIL FROM:<{ANN}>", f"RCPT TO:<{BOB}>", f"RCPT TO:<{EVE}>", "DATA"):
        client.say(line)
    client.send(b"x\r\n.\r\n")
    assert [reply[:3] for reply in client.replies(2)] == ["250", "451"]


def test_what_it_returns_is_done_in_order_and_then_what_stands_behind_it(server, wire):
    decide, _ = asks((Delay(0.01), LATER))
    server.on("NOOP", Delay(0.01), decide, Disconnect())
    client = wire(server)
    client.send(b"NOOP\r\nNOOP\r\n")
    assert client.reply() == "451 4.3.2 Later"
    assert client.rest() == b""
    assert server.sessions.wait(1)[0].end is SessionEnd.DISCONNECTED


@pytest.mark.parametrize(
    ("answer", "end"), [(Disconnect(), SessionEnd.DISCONNECTED), (Reset(), SessionEnd.DISCONNECTED)]
)
def test_it_may_break_the_connection_off(server, wire, answer, end):
    server.on("EHLO", asks(answer)[0])
    client = wire(server)
    client.send(b"EHLO x\r\n")
    assert server.sessions.wait(1)[0].end is end


def test_none_before_another_action_lets_the_server_answer_first(server, wire):
    server.on("NOOP", asks()[0], Disconnect())
    client = wire(server)
    assert client.say("NOOP") == "250 2.0.0 OK"
    assert client.rest() == b""


def test_conditions_count_for_functions_too(server):
    decide, turns = asks()
    server.on("RCPT", decide, argument="bob@*", times=1)
    with server.client() as client:
        for _ in range(2):
            client.sendmail(ANN, [EVE, BOB], CONTENT)
    assert [turn.address for turn in turns] == [BOB]


def test_a_function_runs_in_a_thread_of_its_own_and_holds_up_nobody_else(server, wire):
    let_go = threading.Event()
    threads = []

    def waits(_turn):
        threads.append(threading.current_thread().name)
        assert let_go.wait(30)

    server.on("MAIL", waits, session=1)
    slow, quick = wire(server), wire(server)
    slow.send(b"EHLO x\r\nMAIL FROM:<ann@example.org>\r\nNOOP\r\n")
    assert slow.reply().startswith("250")
    quick.hello()
    assert quick.deliver(b"x\r\n").startswith("250")  # while it waits
    assert threads == ["smtpfix: the function at MAIL, session 1"]
    let_go.set()
    assert slow.replies(2) == ["250 2.1.0 Sender OK", "250 2.0.0 OK"]


def test_a_function_may_use_the_server_and_wait_for_it(server):
    def counts(turn):
        return Reply(250, "2.0.0", f"{len(server.inbox)} here, in {len(server.sessions)}, {turn.session.number}")

    server.on("NOOP", counts)
    with server.client() as client:
        client.sendmail(ANN, [BOB], CONTENT)
        assert client.noop() == (250, b"2.0.0 1 here, in 1, 1")


def test_closing_does_not_wait_for_a_function_and_its_answer_is_thrown_away(wire):
    asked, let_go, done = threading.Event(), threading.Event(), threading.Event()

    def waits(_turn):
        asked.set()
        let_go.wait(30)
        done.set()
        return LATER

    with Server() as server:
        server.on("NOOP", waits)
        client = wire(server)
        client.send(b"NOOP\r\n")
        assert asked.wait(30)
    assert not done.is_set()
    assert server.sessions[0].end is SessionEnd.SERVER_CLOSED
    let_go.set()
    assert done.wait(30)


def test_a_client_that_leaves_meanwhile_ends_its_session(wire):
    let_go = threading.Event()
    asked = threading.Event()

    def waits(_turn):
        asked.set()
        let_go.wait(30)

    with Server() as server:
        server.on("NOOP", waits)
        client = wire(server)
        client.send(b"NOOP\r\n")
        assert asked.wait(30)
        client.socket.close()
        let_go.set()
        assert server.sessions.wait(1)[0].end in (SessionEnd.CLIENT_CLOSED, SessionEnd.RESET)


# Where it raises


@pytest.mark.parametrize(
    "stage",
    ["CONNECT", "GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT", "END-OF-DATA", "NOOP", "QUIT", "UNKNOWN"],
)
def test_a_function_that_raises_is_not_the_client_s_fault(wire, stage):
    server = Server().start()
    server.on(stage, raises)
    client = wire(server, greeted=False)
    client.send(
        b"EHLO x\r\nNOOP\r\nXYZ\r\n"
        b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
    )
    (session,) = server.sessions.wait(1)
    assert session.end is SessionEnd.ERROR
    assert session.refusal == "451 4.3.0 Local error in processing"
    assert "no-quit" not in {violation.id for violation in session.violations}
    assert f"the function at {stage} raised an exception" in str(session.transcript)
    if stage == "END-OF-DATA":
        assert [str(message.reply) for message in server.inbox.refused] == ["451 4.3.0 Local error in processing"]
    assert len(server.inbox) == (stage == "QUIT")
    text = rf"the function at {stage} raised KeyError: 'a bug' \(test_decisions\.py:\d+, session 1\)"
    with pytest.raises(CallbackFailed, match=text) as caught:
        server.close()
    assert type(caught.value.__cause__) is KeyError
    server.close()  # it has been told


def test_a_rule_s_argument_that_raises_is_not_the_client_s_fault_either(wire):
    server = Server().start()
    server.on("MAIL", LATER, argument=lambda argument: argument["a bug"])
    client = wire(server)
    client.hello()
    assert client.say("MAIL FROM:<ann@example.org>") == "451 4.3.0 Local error in processing"
    assert client.rest() == b""
    (session,) = server.sessions.wait(1)
    assert (session.end, session.violations) == (SessionEnd.ERROR, ())
    with pytest.raises(CallbackFailed, match="the argument of a rule at MAIL raised TypeError"):
        server.close()


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
def test_a_rule_s_argument_that_raises_in_the_handshake_ends_the_session(smtp_authority, mode):
    server = Server(Policy(mode), authority=smtp_authority).start()
    server.on("HANDSHAKE", Disconnect(), argument=raises)
    with pytest.raises((smtplib.SMTPException, OSError)):
        server.client()
    assert server.sessions.wait(1)[0].end is SessionEnd.ERROR
    with pytest.raises(CallbackFailed, match="the argument of a rule at HANDSHAKE raised KeyError"):
        server.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("550 no", "TypeError: it returned '550 no', expected an action such as a Reply"),
        ((), r"TypeError: it returned \(\), expected"),
        (True, "TypeError: it returned True"),
        (Decide(raises), "TypeError: it returned Decide"),
        ((LATER, LATER), "InvalidValueError: Rule.actions: a command has one reply"),
        ((LATER, NoReply()), "InvalidValueError: Rule.actions: a command has one reply"),
    ],
)
def test_what_makes_no_sense_as_a_decision_is_an_error(answer, expected):
    assert re.search(expected, str(ehlo_fails(asks(answer)[0])))


def test_a_coroutine_is_no_decision():
    async def late():
        pass

    assert "TypeError: it returned <coroutine" in str(ehlo_fails(lambda _: late()))


def test_pytest_fail_in_a_function_fails_the_server_and_not_the_thread():
    failure = ehlo_fails(lambda _: pytest.fail("no mail here"))
    assert "Failed: no mail here" in str(failure)
    assert failure.__cause__.msg == "no mail here"


def test_several_failures_are_told_together():
    failure = ehlo_fails(raises, times=102)
    assert "session 1)" in str(failure)
    assert len(failure.__notes__) == 100
    assert "session 2)" in failure.__notes__[0]
    assert failure.__notes__[-1] == "and 2 more"


def test_an_exception_that_leaves_the_with_statement_says_what_happened_before():
    server = Server()

    def session():
        with server:
            server.on("EHLO", raises)
            client = server.client()
            client.ehlo()
            client.close()
            raise AssertionError("mine")

    with pytest.raises(AssertionError, match="mine") as caught:
        session()
    (note,) = caught.value.__notes__
    assert note.startswith("smtpfix: the function at EHLO raised KeyError")


def test_a_server_whose_function_failed_goes_on_serving_others():
    server = Server().start()
    server.on("EHLO", raises, times=1)
    with pytest.raises((smtplib.SMTPException, OSError)):
        server.client().sendmail(ANN, [BOB], CONTENT)
    with server.client() as client:
        client.sendmail(ANN, [BOB], CONTENT)
    assert len(server.inbox) == 1
    with pytest.raises(CallbackFailed):
        server.close()


# Building


async def coroutine(_turn):
    pass


@pytest.mark.parametrize("what", [coroutine, Reply, object(), "550 no"])
def test_what_is_no_function_is_refused(server, what):
    with pytest.raises(InvalidValueError):
        server.on("RCPT", what)
    with pytest.raises(InvalidValueError):
        Decide(what)


def test_a_function_stands_for_the_answer_and_not_in_the_handshake(server):
    with pytest.raises(InvalidValueError, match="give one Reply or one function"):
        server.on("RCPT", raises, LATER)
    with pytest.raises(InvalidValueError, match="no function at the stage HANDSHAKE"):
        server.on("HANDSHAKE", raises)
    rule = Rule("RCPT", (Decide(raises),))
    assert server.add_rule(rule).actions[0].function is raises


def test_a_turn_s_repr_has_no_password():
    turn = Turn("AUTH", "PLAIN AGFubgBzM2NyZXQ=", None)
    assert "s3cret" not in repr(turn)
    assert "AGFub" not in repr(turn)


# Placeholders


def test_a_rule_s_reply_quotes_what_it_answers(server):
    server.on("RCPT", Reply(550, "5.1.1", "<{address}> of {sender} at {hostname} [{client}]: {argument}; {other} {}"))
    with server.client() as client:
        client.ehlo()
        client.mail(ANN)
        assert client.docmd("RCPT", f"TO:<{BOB}>") == (
            550,
            f"5.1.1 <{BOB}> of {ANN} at mx.smtpfix.test [127.0.0.1]: TO:<{BOB}>; {{other}} {{}}".encode(),
        )


def test_placeholders_are_filled_in_what_a_function_returns(server, wire):
    server.on("UNKNOWN", lambda _: Reply(500, None, "{argument}?"))
    assert wire(server).say("FROB nicate") == "500 FROB nicate?"


def test_what_is_quoted_is_short_and_cannot_break_a_reply(server, wire):
    server.on("NOOP", Reply(250, None, "{argument}"))
    client = wire(server)
    assert client.say("NOOP " + "x" * 1_000) == "250 " + "x" * 200
    assert client.say("NOOP a\u202eb") == "250 a\\u202eb"


@pytest.mark.parametrize(
    ("lines", "quoted"),
    [
        (["AUTH PLAIN AGFubgBzM2NyZXQ="], "AUTH PLAIN"),
        (["AUTH AGFubgBzM2NyZXQ="], r"AUTH …\(\d+ characters\)"),
        (["AUTH LOGIN", "*", "czNjcmV0"], r"UNKNOWN …\(\d+ characters\)"),
        (["XAUTH", "AUTHENTICATE PLAIN AGFubgBzM2NyZXQ="], r"UNKNOWN …\(\d+ characters\)"),
    ],
)
def test_no_credential_is_quoted(wire, lines, quoted):
    with Server(Policy(users={"ann": "s3cret"})) as server:
        client = wire(server)
        client.hello()
        server.on("AUTH", Reply(535, None, "AUTH {argument}"), times=1)
        if lines[0] == "AUTH LOGIN":
            server.off()
        server.on("UNKNOWN", Reply(500, None, "UNKNOWN {argument}"))
        for line in lines:
            reply = client.say(line)
        assert re.fullmatch(rf"5.. {quoted}", reply)
