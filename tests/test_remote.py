"""`connect`: the mail of a server somewhere else, asked and explained as that of an inbox here."""

import asyncio
import re
import smtplib
import socket
import threading
from contextlib import ExitStack, closing

import pytest

from smtpfix import (
    InvalidValueError,
    NoMessage,
    Policy,
    RemoteError,
    RemoteInbox,
    Reply,
    Server,
    UnexpectedMessage,
    connect,
)
from smtpfix.cli.keeping import keeping
from smtpfix.store.store import Which
from smtpfix.store.stored import stored_session
from smtpfix.web.runner import WebServer
from smtpfix.web.settings import WebSettings

pytestmark = pytest.mark.slow

MAIL = (
    b"From: ann@example.org\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>hello</p>\r\n"
    b"--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nattached\r\n--b--\r\n"
)


class Place:
    """A server, and where its mail is."""

    def __init__(self, server, web, store):
        self.server = server
        self.store = store
        self.web = web
        self.url = f"http://127.0.0.1:{web.port}"

    def send(self, content=MAIL, to="bob@example.org"):
        with smtplib.SMTP(self.server.host, self.server.port, timeout=10) as client:
            return client.sendmail("ann@example.org", [to], content)


@pytest.fixture
def open_place(tmp_path):
    with ExitStack() as opened:

        def open_one(**settings):
            kept = opened.enter_context(keeping(str(tmp_path / "mail.db"), None, None, lambda _: "plain"))
            server = opened.enter_context(Server(Policy(), keep=kept.keep))
            settings = WebSettings(host="127.0.0.1", port=0, **settings)
            web = opened.enter_context(WebServer(kept.store, settings, servers={"plain": server}))
            return Place(server, web, kept.store)

        yield open_one


@pytest.fixture
def place(open_place):
    return open_place()


def test_a_message_there_is_as_one_here(place):
    place.send()
    inbox, here = connect(place.url), place.server.inbox.one()
    there = inbox.one(to="bob@example.org", subject="Grüße")
    assert there.content == here.content
    for name in ("subject", "html", "text", "to", "reverse_path", "in_tls", "user", "accepted", "violations"):
        assert getattr(there, name) == getattr(here, name)
    assert there.reply.code == 250
    assert [(one.filename, one.content) for one in there.attachments] == [("a.txt", b"attached")]
    assert abs(there.received - here.received).total_seconds() < 0.01
    with pytest.raises(LookupError):
        _ = there.session


def test_an_inbox_there_is_one_here(place):
    inbox = connect(f"{place.url}/")
    assert isinstance(inbox, RemoteInbox)
    assert (len(inbox), list(inbox), inbox.messages) == (0, [], ())
    for subject in (b"one", b"two"):
        place.send(b"Subject: " + subject + b"\r\n\r\nx")
    assert [message.subject for message in inbox] == ["one", "two"]
    assert (inbox[-1].subject, inbox[0].number, len(inbox[:1])) == ("two", 1, 1)
    assert inbox.newest == 2
    assert "two" in repr(inbox)
    first = inbox[0]
    inbox.clear()
    assert len(inbox) == 0
    assert len(connect(place.url)) == 0
    place.send(b"Subject: three\r\n\r\nx")
    assert inbox.one().number == 3
    assert first.subject == "one"


def test_a_message_that_is_deleted_there_is_gone_and_the_others_are_the_same(place):
    inbox = connect(place.url)
    for subject in (b"one", b"two", b"three"):
        place.send(b"Subject: " + subject + b"\r\n\r\nx")
    before = inbox.messages
    kept = place.store
    kept.delete(Which(ids=(kept.page(start=1, limit=1).rows[0].id,)))
    assert [message.subject for message in inbox] == ["one", "three"]
    assert inbox.messages == (before[0], before[2])


def test_waiting_ends_when_the_message_comes(place):
    inbox, sent = connect(place.url), threading.Event()

    def send():
        place.send(b"Subject: another\r\n\r\nx")
        place.send(b"Subject: awaited\r\n\r\nx")
        sent.set()

    sender = threading.Timer(0.1, send)
    sender.start()
    (message,) = inbox.wait(1, timeout=20, subject="awaited")
    assert message.subject == "awaited"
    assert inbox.one(timeout=20, subject="another")
    sender.join()


def test_what_failed_is_explained_as_here(place):
    """The same text but for what the clients did, which here is a session with all that is known of it."""
    inbox = connect(place.url)
    place.server.on("END-OF-DATA", Reply(554, "5.7.1", "no"), times=1)
    with pytest.raises(smtplib.SMTPDataError):
        place.send()
    place.send()
    explained = []
    for asked in (inbox, place.server.inbox):
        with pytest.raises(NoMessage) as failed:
            asked.one(subject="else")
        with pytest.raises(NoMessage) as waited:
            asked.wait(2, timeout=0.2, to="bob@example.org")
        with pytest.raises(UnexpectedMessage) as unexpected:
            asked.expect_none(to="bob@example.org")
        errors = (failed, waited, unexpected)
        explained.append([str(one.value).partition("\nwhat the clients did")[0] for one in errors])
    assert explained[0] == explained[1]
    assert len(inbox.refused) == 1
    with pytest.raises(NoMessage, match="what the clients did: 0 sessions"):
        inbox[5]


def test_an_explanation_says_what_the_clients_did(place):
    """Those whose sessions are over, the latest last."""
    place.server.on("MAIL", Reply(451, "4.3.0", "later"))
    with pytest.raises(smtplib.SMTPSenderRefused):
        place.send()
    (session,) = place.server.sessions
    place.store.put_sessions([stored_session(session, server="plain", run="run")])
    with pytest.raises(NoMessage) as failed:
        connect(place.url).one()
    told = str(failed.value).partition("what the clients did: ")[2]
    assert told == "1 session\n  plain session 1: in clear; 0 messages; 451 4.3.0 later; quit"


def test_no_message_is_what_was_expected(place):
    inbox = connect(place.url)
    inbox.expect_none(within=0.1, to="bob@example.org")
    place.send()
    inbox.expect_none(to="else@example.org")
    with pytest.raises(UnexpectedMessage):
        inbox.expect_none(within=10)


def test_waiting_can_be_awaited(place):
    inbox = connect(place.url)

    async def wait():
        sender = threading.Timer(0.1, place.send)
        sender.start()
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        (message,) = await inbox.received(1, timeout=20)
        ticking.cancel()
        await inbox.received_none(to="else@example.org")
        sender.join()
        return message, ticks

    message, ticks = asyncio.run(wait())
    assert message.to == ("bob@example.org",)
    assert ticks > 10


def test_more_messages_than_one_list_has_are_all_there(place):
    with smtplib.SMTP(place.server.host, place.server.port, timeout=10) as client:
        for number in range(205):
            client.sendmail("ann@example.org", ["bob@example.org"], f"Subject: {number}\r\n\r\nx")
    inbox = connect(place.url)
    assert [message.subject for message in inbox] == [str(number) for number in range(205)]


# Where it cannot


def test_credentials_stand_in_the_url_and_in_no_error(open_place):
    place = open_place(users={"a@b": "s3:cret"})
    place.send()
    inbox = connect(place.url.replace("://", "://a%40b:s3%3Acret@"))
    assert inbox.one().to == ("bob@example.org",)
    assert "s3" not in inbox.url + repr(inbox)
    for wrong in (place.url, place.url.replace("://", "://a%40b:topsecret@")):
        with pytest.raises(RemoteError, match="needs other credentials") as failed:
            connect(wrong)
        assert "topsecret" not in str(failed.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8025",
        "ftp://localhost",
        "http://",
        "http://localhost:x",
        "http://u:topsecret@h/?x=1",
        "http://[::1",
        None,
        8025,
    ],
)
def test_what_is_no_url_is_an_error_that_says_what_one_is(url):
    with pytest.raises(InvalidValueError, match="a URL such as http://localhost:8025") as failed:
        connect(url)
    assert "topsecret" not in str(failed.value)


def test_a_place_where_nobody_answers_says_what_to_start(place):
    inbox = connect(place.url)
    place.web.close()
    with pytest.raises(RemoteError, match=r"does not answer .* expected `smtpfix serve --web` there"):
        inbox.wait(timeout=0)
    assert issubclass(RemoteError, ConnectionError)


@pytest.mark.parametrize("host", ["..", f"{'a' * 70}.example", "localhost:0"])
def test_a_name_that_can_be_none_is_an_error_of_ours(host):
    with pytest.raises(RemoteError, match="does not answer"):
        connect(f"http://{host}")


def test_a_server_of_another_kind_is_told_from_ours(place):
    with pytest.raises(RemoteError, match=r"answers 404 .*: expected the API"):
        connect(f"{place.url}/else")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b'200 OK\r\n\r\n{"messages": 7}', "answers JSON of another kind: expected the API"),
        (b'200 OK\r\n\r\n{"seq": 1, "messages": [{"ID": "x"}]}', "answers JSON of another kind"),
        (b"200 OK\r\n\r\n<p>hello</p>", "answers 200 '<p>hello</p>': expected the API"),
        (b"302 Found\r\nLocation: https://u:topsecret@mail.example/\r\n\r\n", "leads to 'https://…@mail.example/'"),
        (b"304 Not Modified\r\n\r\n", "expected the API"),
    ],
)
def test_an_answer_that_is_not_ours_is_an_error_of_ours(answer, says):
    with closing(socket.create_server(("127.0.0.1", 0))) as door:

        def answer_once():
            with door.accept()[0] as client:
                client.recv(65_536)
                client.sendall(b"HTTP/1.1 " + answer)

        thread = threading.Thread(target=answer_once)
        thread.start()
        with pytest.raises(RemoteError, match=re.escape(says)) as failed:
            connect(f"http://127.0.0.1:{door.getsockname()[1]}")
        thread.join()
    assert "topsecret" not in str(failed.value)


def test_a_message_that_could_not_be_fetched_is_fetched_by_the_next_look(place, monkeypatch):
    inbox = connect(place.url)
    place.send()

    def fail(_):
        raise RemoteError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(inbox._place, "raw", fail)
        with pytest.raises(RemoteError, match="gone"):
            inbox.refresh()
    assert inbox.one().to == ("bob@example.org",)
