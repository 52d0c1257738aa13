"""What handlers written for aiosmtpd rely upon, and what they cannot do to the server."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import threading

import pytest

from smtpfix import Authority, InvalidValueError, NoReply, Policy, Reply, Server, SessionEnd
from smtpfix.compat.aiosmtpd import AuthResult, Controller, LoginPassword

LETTER = "Subject: Hello\r\n\r\n..Hello.\r\n"


@contextlib.contextmanager
def running(handler, **parameters):
    controller = Controller(handler, port=0, **parameters)
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()


@contextlib.contextmanager
def connected(controller, **options):
    with smtplib.SMTP("localhost", controller.port, local_hostname="shop.example", timeout=20, **options) as client:
        yield client


def send(client, *recipients):
    return client.sendmail("ann@example.org", recipients or ["bob@example.org"], LETTER)


class Everything:
    """A handler with every hook, which notes what it was given."""

    def __init__(self):
        self.calls = []
        self.session = None

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.calls.append(("EHLO", hostname))
        return [*responses[:-1], "250-XFOO", responses[-1]]

    async def handle_HELO(self, server, session, envelope, hostname):
        self.calls.append(("HELO", hostname))
        return f"250 {server.hostname}"

    async def handle_NOOP(self, server, session, envelope, arg):
        self.calls.append(("NOOP", arg))
        return "250 at your service"

    async def handle_VRFY(self, server, session, envelope, address):
        self.calls.append(("VRFY", address))
        return "250 <ann@example.org>"

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        self.calls.append(("MAIL", address, mail_options))
        if address.endswith("@example.net"):
            return "550 5.7.1 not from there"
        envelope.mail_from = address
        return "250 sender"

    def handle_RCPT(self, server, session, envelope, address, rcpt_options):  # need not be a coroutine
        self.calls.append(("RCPT", address, rcpt_options))
        if address.startswith("no"):
            return "450-later,\r\n450 perhaps"
        if not address.startswith("drop"):
            envelope.rcpt_tos.append(address)
        return "250 recipient"

    async def handle_RSET(self, server, session, envelope):
        self.calls.append(("RSET",))
        return "250 forgotten"

    async def handle_DATA(self, server, session, envelope):
        self.calls.append(("DATA", envelope.mail_from, envelope.rcpt_tos, envelope.content))
        self.session = session
        return "250 2.0.0 kept as 17"

    async def handle_QUIT(self, server, session, envelope):
        self.calls.append(("QUIT",))
        return "221 so long"


def test_every_hook_is_called_and_what_it_returns_is_answered():
    handler = Everything()
    with running(handler) as controller:
        with connected(controller) as client:
            assert client.helo()[0] == 250
            assert b"XFOO" in client.ehlo()[1]
            assert client.noop() == (250, b"at your service")
            assert client.verify("ann") == (250, b"<ann@example.org>")
            assert client.mail("eve@example.net") == (550, b"5.7.1 not from there")
            assert client.mail("ann@example.org", ["SIZE=9"]) == (250, b"sender")
            assert client.rcpt("nobody@example.org") == (450, b"later,\nperhaps")
            assert client.docmd("DATA")[0] == 503  # nobody is there to have it
            assert client.rcpt("drop@example.org") == (250, b"recipient")
            assert client.docmd("DATA")[0] == 503  # the handler kept nobody
            assert client.rcpt("eve@example.org") == (250, b"recipient")
            assert client.rset() == (250, b"forgotten")
            assert client.mail("ann@example.org")[0] == client.rcpt("bob@example.org")[0] == 250
            assert client.rcpt("nobody@example.org")[0] == 450
            assert client.data(LETTER) == (250, b"2.0.0 kept as 17")
            assert client.quit() == (221, b"so long")
        assert [call[0] for call in handler.calls] == [
            *("HELO", "EHLO", "NOOP", "VRFY", "MAIL", "MAIL", "RCPT", "RCPT", "RCPT", "RSET"),
            *("MAIL", "RCPT", "RCPT", "DATA", "QUIT"),
        ]
        assert ("MAIL", "ann@example.org", ["SIZE=9"]) in handler.calls
        content = b"Subject: Hello\r\n\r\n..Hello.\r\n"
        assert handler.calls[-2] == ("DATA", "ann@example.org", ["bob@example.org"], content)
        assert handler.session.peer[0] == "127.0.0.1"
        assert (handler.session.host_name, handler.session.extended_smtp) == ("shop.example", True)
        message = controller.server.inbox.one()  # the record is smtpfix's
        assert (message.to, str(message.reply)) == (("bob@example.org",), "250 2.0.0 kept as 17")


def test_what_the_handler_refuses_is_not_accepted():
    class Refusing:
        async def handle_DATA(self, server, session, envelope):
            return "554 5.7.1 spam"

    with running(Refusing()) as controller, connected(controller) as client:
        with pytest.raises(smtplib.SMTPDataError, match="spam"):
            send(client)
        assert len(controller.server.inbox) == 0
        assert len(controller.server.inbox.refused) == 1


def test_without_hooks_everything_is_taken_and_recorded_in_the_envelope():
    class Collecting:
        envelopes: list = []  # noqa: RUF012 - as handlers are written

        async def handle_DATA(self, server, session, envelope):
            self.envelopes.append(envelope)
            return "250 OK"

    with running(Collecting(), decode_data=True) as controller, connected(controller) as client:
        for _ in range(2):
            client.sendmail("ann@example.org", ["bob@example.org"], LETTER, ["BODY=8BITMIME", "SMTPUTF8"])
    first, second = Collecting.envelopes
    assert first is not second
    assert first.mail_from == "ann@example.org"
    assert first.rcpt_tos == second.rcpt_tos == ["bob@example.org"]
    assert first.mail_options[1:] == ["BODY=8BITMIME", "SMTPUTF8"]
    assert first.smtp_utf8
    assert first.content == LETTER
    assert first.original_content == LETTER.encode()


@pytest.mark.parametrize("raised", [ValueError("no \x1b[2J idea"), SystemExit(3), asyncio.CancelledError()])
def test_a_hook_that_raises_is_answered_500_and_logged_and_the_session_goes_on(raised, caplog):
    class Raising:
        async def handle_NOOP(self, server, session, envelope, arg):
            raise raised

    with running(Raising()) as controller, connected(controller) as client:
        code, text = client.noop()
        assert (code, b"\x1b" in text) == (500, False)
        assert text.startswith(f"Error: ({type(raised).__name__})".encode())
        assert send(client) == {}
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["handle_NOOP raised"]


def test_handle_exception_has_another_reply_unless_it_raises_too(caplog):
    class Raising:
        async def handle_NOOP(self, server, session, envelope, arg):
            raise ValueError(arg)

        async def handle_exception(self, error):
            return {"a": "451 4.3.0 later", "b": None}[str(error)]

    with running(Raising()) as controller, connected(controller) as client:
        assert client.docmd("NOOP", "a") == (451, b"4.3.0 later")
        assert client.docmd("NOOP", "b") == (500, b"Error: (ValueError) b")
    assert "expected a reply code and a text" in caplog.text


@pytest.mark.parametrize("status", [None, 250, "", "OK", "25x OK", "999 OK", ["250-a", "b"], "250 OK\n\n"])
def test_a_status_that_is_none_is_an_error_that_says_what_one_is(status, caplog):
    class Odd:
        async def handle_DATA(self, server, session, envelope):
            return status

    refused = pytest.raises(smtplib.SMTPDataError, match="expected a reply code and a text")
    with running(Odd()) as controller, connected(controller) as client, refused:
        send(client)
    assert caplog.records


def test_a_hook_that_blocks_holds_up_its_own_client_only():
    blocked, go_on = threading.Event(), threading.Event()

    class Blocking:
        async def handle_DATA(self, server, session, envelope):
            if envelope.rcpt_tos == ["slow@example.org"]:
                blocked.set()
                go_on.wait(20)
            return "250 OK"

    with running(Blocking()) as controller, connected(controller) as slow:
        sending = threading.Thread(target=send, args=(slow, "slow@example.org"))
        sending.start()
        assert blocked.wait(20)
        with connected(controller) as quick:
            assert send(quick) == {}
        assert [message.to for message in controller.server.inbox] == [("bob@example.org",)]
        go_on.set()
        sending.join(20)
        assert len(controller.server.inbox) == 2


def test_hooks_that_do_not_overlap_share_a_thread_and_a_loop():
    seen = set()

    class Looking:
        async def handle_NOOP(self, server, session, envelope, arg):
            seen.add((threading.current_thread(), asyncio.get_running_loop()))
            return "250 OK"

    with running(Looking()) as controller:
        for _ in range(3):
            with connected(controller) as client:
                client.noop()
                client.noop()
        ((thread, loop),) = seen
        assert loop is controller.loop
    assert not thread.is_alive()
    assert loop.is_closed()


def test_more_hooks_than_threads_wait_for_one(monkeypatch):
    monkeypatch.setattr("smtpfix.compat.workers._MOST", 1)
    blocked, go_on = threading.Event(), threading.Event()

    class Blocking:
        async def handle_NOOP(self, server, session, envelope, arg):
            blocked.set()
            go_on.wait(20)
            return "250 OK"

    with running(Blocking()) as controller, connected(controller) as one, connected(controller) as other:
        one.putcmd("NOOP")
        assert blocked.wait(20)
        other.putcmd("NOOP")
        assert controller.server.sessions  # for which the server catches up
        go_on.set()
        assert one.getreply()[0] == other.getreply()[0] == 250


def test_a_hook_that_waits_for_a_thread_is_not_called_once_the_server_has_closed(monkeypatch):
    monkeypatch.setattr("smtpfix.compat.workers._MOST", 1)
    monkeypatch.setattr("smtpfix.compat.workers._CLOSE_BOUND", 0.0)
    blocked, go_on, threads = threading.Event(), threading.Event(), []

    class Blocking:
        async def handle_NOOP(self, server, session, envelope, arg):
            threads.append(threading.current_thread())
            blocked.set()
            go_on.wait(20)
            return "250 OK"

    with running(Blocking()) as controller, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connected(controller)).putcmd("NOOP")
            assert blocked.wait(20)
        assert controller.server.sessions  # for which the server catches up
        controller.stop()
        go_on.set()
        threads[0].join(20)
    assert len(threads) == 1


def test_a_client_cannot_fill_the_memory_while_a_hook_runs(wire):
    blocked, go_on = threading.Event(), threading.Event()

    class Blocking:
        async def handle_NOOP(self, server, session, envelope, arg):
            blocked.set()
            go_on.wait(20)
            return "250 OK"

    with running(Blocking()) as controller:
        client = wire(controller.server)
        client.send(b"NOOP\r\n")
        assert blocked.wait(20)
        client.flood(b"RSET\r\n" * 100_000)
        go_on.set()
        assert client.reply() == "250 OK"


def test_a_loop_of_the_users_own_runs_the_hooks():
    class Looking:
        async def handle_NOOP(self, server, session, envelope, arg):
            return f"250 {asyncio.get_running_loop() is loop}"

    loop = asyncio.new_event_loop()
    with running(Looking(), loop=loop) as controller, connected(controller) as client:
        assert client.noop() == (250, b"True")
    assert loop.is_closed()


def test_stopping_cancels_what_waits_and_leaves_alone_what_sleeps(monkeypatch):
    monkeypatch.setattr("smtpfix.compat.workers._CLOSE_BOUND", 0.0)
    waits, sleeps, go_on, cancelled = threading.Event(), threading.Event(), threading.Event(), threading.Event()

    class Waiting:
        async def handle_NOOP(self, server, session, envelope, arg):
            if arg == "sleep":
                sleeps.set()
                go_on.wait(20)
                return "250 OK"
            try:
                waits.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

    with running(Waiting()) as controller:
        with connected(controller) as one, connected(controller) as other:
            one.putcmd("NOOP")
            assert waits.wait(20)
            other.putcmd("NOOP", "sleep")
            assert sleeps.wait(20)
            controller.stop()
            one.close()
            other.close()
        assert cancelled.wait(20)
        go_on.set()


def test_a_client_that_leaves_while_a_hook_runs_leaves_nothing_behind(nothing_logged):
    blocked, go_on = threading.Event(), threading.Event()

    class Blocking:
        async def handle_NOOP(self, server, session, envelope, arg):
            blocked.set()
            go_on.wait(20)
            return "250 OK"

    with running(Blocking()) as controller:
        with connected(controller) as client:
            client.putcmd("NOOP")
            assert blocked.wait(20)
            client.close()
        go_on.set()
        (session,) = controller.server.sessions.wait(1, timeout=20)
        assert session.end is SessionEnd.CLIENT_CLOSED


def test_what_a_hook_says_after_the_end_is_not_in_the_record():
    done = threading.Event()

    class Stopping:
        async def handle_NOOP(self, server, session, envelope, arg):
            controller.stop()  # which a hook can do itself
            asyncio.get_running_loop().call_later(0, done.set)
            return "250 too late"

    with Server() as other, running(Stopping()) as controller, contextlib.ExitStack() as stack:
        server = controller.server
        client = stack.enter_context(connected(controller))
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
        assert done.wait(20)
        assert len(other.sessions) == 0  # for which the loop that both share catches up
        assert "too late" not in str(server.sessions[0].transcript)
        assert repr(controller).endswith("not running>")


def test_commands_that_were_sent_ahead_wait_for_the_hook():
    order = []

    class Noting:
        async def handle_NOOP(self, server, session, envelope, arg):
            await asyncio.sleep(0)
            order.append(arg)
            return f"250 {arg}"

    with running(Noting()) as controller, connected(controller) as client:
        client.send("NOOP 1\r\nNOOP 2\r\nRSET\r\nNOOP 3\r\n")
        assert [client.getreply()[1] for _ in range(4)] == [b"1", b"2", b"2.0.0 OK", b"3"]
    assert order == ["1", "2", "3"]


def test_a_rule_has_the_last_word_and_the_hook_never_hears_of_it():
    handler = Everything()
    with running(handler) as controller, connected(controller) as client:
        controller.server.on("NOOP", Reply(421, "4.3.2", "Later"))
        assert client.noop()[0] == 421
    assert ("NOOP", "") not in handler.calls


def test_where_a_rule_says_yes_or_nothing_the_envelope_is_the_client_s():
    handler = Everything()
    with running(handler) as controller, connected(controller) as client:
        client.ehlo()
        controller.server.on("MAIL", NoReply())
        controller.server.on("RCPT", Reply(250, None, "why not"))
        client.putcmd("MAIL", "FROM:<ann@example.org>")
        assert client.docmd("RCPT", "TO:<bob@example.org>") == (250, b"why not")
        assert client.docmd("RCPT", "TO:<bob@@example.org>") == (250, b"why not")  # which is no address
        assert client.data(LETTER)[0] == 250
        controller.server.on("END-OF-DATA", Reply(250, None, "whatever"))
        client.putcmd("MAIL", "FROM:<ann@example.org>")
        assert client.docmd("RCPT", "TO:<bob@example.org>")[0] == 250
        assert client.data(LETTER) == (250, b"whatever")
    (data,) = [call for call in handler.calls if call[0] == "DATA"]
    assert data[1:3] == ("ann@example.org", ["bob@example.org"])
    assert [call[0] for call in handler.calls if call[0] in ("MAIL", "RCPT")] == []


def test_an_old_hook_for_ehlo_has_the_last_line():
    class Old:
        async def handle_EHLO(self, server, session, envelope, hostname):
            return "250 HELP" if hostname != "evil.example" else "550 go away"

    with running(Old()) as controller, connected(controller) as client:
        assert client.ehlo("evil.example") == (550, b"go away")
        code, text = client.ehlo()
        assert (code, text.split(b"\n")[-1]) == (250, b"HELP")


def by_name(server, session, envelope, mechanism, login):
    assert isinstance(login, LoginPassword)
    assert b"s3cret" not in repr(login).encode()
    if login == (b"ann", b"s3cret"):
        return AuthResult(success=True, auth_data="Ann")
    if login.login == b"eve":
        raise ValueError("who?")
    return AuthResult(success=False, message="535 5.7.8 guess again" if login.login == b"bob" else None)


def test_the_authenticator_decides(caplog):
    handler = Everything()
    with running(handler, authenticator=by_name, auth_required=True, auth_require_tls=False) as controller:
        with connected(controller) as client:
            client.ehlo()
            assert client.esmtp_features["auth"].split() == ["LOGIN", "PLAIN"]
            assert client.mail("ann@example.org")[0] == 530
            for user, text in (("bob", b"5.7.8 guess again"), ("joe", b"5.7.8 Authentication credentials invalid")):
                client.user, client.password = user, "x"
                with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                    client.auth("LOGIN", client.auth_login)
                assert refused.value.args == (535, text)
            with pytest.raises(smtplib.SMTPException, match="who"):
                client.login("eve", "x")
            client.login("ann", "s3cret")
            send(client)
        assert (handler.session.authenticated, handler.session.auth_data) == (True, "Ann")
        assert controller.server.inbox.one().user == "ann"
        assert [attempt.accepted for attempt in controller.server.sessions[0].auth][-1]


def test_a_rule_decides_before_the_authenticator():
    def authenticator(server, session, envelope, mechanism, login):
        raise AssertionError("it is not asked")

    with running(None, authenticator=authenticator, auth_require_tls=False) as controller:
        controller.server.on("AUTH-ANSWER", Reply(454, "4.7.0", "Later"))
        controller.server.on("AUTH", Reply(454, "4.7.0", "Later"), argument="PLAIN *")
        with connected(controller) as client:
            client.ehlo()
            client.user, client.password = "ann", "x"
            for mechanism, exchange in (("LOGIN", client.auth_login), ("PLAIN", client.auth_plain)):
                with pytest.raises(smtplib.SMTPAuthenticationError, match="454"):
                    client.auth(mechanism, exchange)


def test_a_callback_decides_or_else_nobody_gets_in():
    def callback(mechanism, user, password):
        return (user, password) == (b"ann", b"x")

    with running(None, auth_callback=callback, auth_require_tls=False) as controller, connected(controller) as client:
        assert client.login("ann", "x")[0] == 235
    nobody = {"auth_required": True, "auth_require_tls": False, "auth_exclude_mechanism": ["login"]}
    with running(None, **nobody) as controller, connected(controller) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("ann", "x")
        assert client.esmtp_features["auth"].strip() == "PLAIN"


@pytest.fixture(scope="module")
def contexts():
    with Authority() as authority, Server(Policy("starttls"), authority=authority) as server:
        yield authority.server_context(server.policy, server.place), authority.client_context()


def test_starttls_with_a_context_of_the_users_own(contexts):
    own, trusting = contexts
    handler, welcome = Everything(), [True, False]

    def starttls(server, session, envelope):  # the third time it raises
        return welcome.pop(0) and session.ssl is not None

    handler.handle_STARTTLS = starttls
    with running(handler, tls_context=own, require_starttls=True) as controller:
        with connected(controller) as client:
            assert client.docmd("MAIL FROM:<ann@example.org>")[0] == 530
            client.starttls(context=trusting)
            send(client)
            assert handler.session.ssl.version.startswith("TLS")
        for _ in range(2):
            with connected(controller) as client:
                client.starttls(context=trusting)
                with pytest.raises(smtplib.SMTPServerDisconnected):
                    client.ehlo()


def test_tls_from_the_first_byte_with_a_context_of_the_users_own(contexts):
    own, trusting = contexts
    handler = Everything()
    handler.handle_STARTTLS = lambda server, session, envelope: False  # of no concern here
    with running(handler, ssl_context=own) as controller:
        with smtplib.SMTP_SSL("localhost", controller.port, context=trusting) as client:
            send(client)
        assert handler.session.ssl is not None


def test_what_is_set_up_shows():
    words = {"server_hostname": "mail.example", "ident": "tests", "enable_SMTPUTF8": False, "data_size_limit": 9}
    with running(None, **words) as controller:
        with connected(controller) as client:
            code, text = client.docmd("EHLO", "shop.example")
            assert (code, text.split(b"\n")[0]) == (250, b"mail.example")
            assert b"SMTPUTF8" not in text
            assert b"SIZE 9" in text
        assert "220 mail.example tests" in str(controller.server.sessions[0].transcript)


def test_hooks_that_are_never_called_are_an_error():
    class Login:
        async def auth_LOGIN(self, server, args):
            """Would be called by aiosmtpd."""

    with pytest.raises(InvalidValueError, match=r"no auth_\*.*Give an authenticator.*got 'Login\.auth_LOGIN'"):
        Controller(Login())


def test_it_starts_once_and_again_after_a_stop():
    controller = Controller(Everything(), port=0)
    for look in (lambda: controller.server, lambda: controller.loop):
        with pytest.raises(RuntimeError, match=r"call start\(\)"):
            look()
    controller.start()
    port = controller.port
    with pytest.raises(RuntimeError, match="stop it first"):
        controller.start()
    controller.stop()
    controller.stop()
    assert repr(controller) == f"<Controller localhost:{port}, not running>"
    controller.start()
    assert repr(controller) == f"<Controller localhost:{controller.port}>"
    controller.stop()
