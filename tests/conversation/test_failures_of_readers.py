"""What readers of mail are told where code of the test raises: NO [SERVERBUG] and BYE, or -ERR [SYS/TEMP]."""

from __future__ import annotations

import socket
import threading

import pytest

from smtpfix import CallbackFailed, ImapPolicy, Pop3Policy, Server, SessionEnd
from smtpfix.server import Observer

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret"}
FAILED = "something has failed here that is not the client's"
NO = f"NO [SERVERBUG] {FAILED}"
BYE = f"* BYE {FAILED}"
ERR = f"-ERR [SYS/TEMP] {FAILED}"
IMAP = (
    b"a1 CAPABILITY\r\na2 NONSENSE\r\na3 AUTHENTICATE PLAIN\r\nAGFubgBzM2NyZXQ=\r\na4 SELECT INBOX\r\n"
    b"a5 FETCH 1 BODY[]\r\na6 STORE 1 +FLAGS (\\Deleted)\r\na7 IDLE\r\nDONE\r\na8 EXPUNGE\r\na9 LOGOUT\r\n"
)
POP3 = b"CAPA\r\nNONSENSE\r\nAUTH PLAIN\r\nAGFubgBzM2NyZXQ=\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n"


def raises(*_arguments):
    raise KeyError("a bug")


def told(server, said):
    """Say all of it at once, and return the lines that come before the server closes."""
    with socket.create_connection((server.host, server.port), 10) as client:
        client.sendall(said)
        with client.makefile("rb") as file:
            return file.read().decode().splitlines()


def failing(policy):
    server = Server(policy).start()
    server.put(b"Subject: Hi\r\n\r\nHello\r\n", to="ann")
    return server


def check_failed(server, what):
    (session,) = server.sessions.wait(1)
    assert session.end is SessionEnd.ERROR
    assert not {"no-logout", "no-quit"} & {violation.id for violation in session.violations}
    assert f"{what} raised an exception: the client is not to blame" in str(session.transcript)
    assert len(server.account("ann").inbox) == (what != "the function at LOGOUT")  # behind EXPUNGE
    with pytest.raises(CallbackFailed, match=rf"{what} raised KeyError: .* \(.*, session 1\)") as caught:
        server.close()
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("stage", "tag"),
    [
        *(("CONNECT", ""), ("GREETING", ""), ("CAPABILITY", "a1"), ("UNKNOWN", "a2"), ("AUTHENTICATE", "a3")),
        *(("AUTH-ANSWER", "a3"), ("SELECT", "a4"), ("FETCH", "a5"), ("IDLE", "a7"), ("DONE", "a7")),
        *(("EXPUNGE", "a8"), ("LOGOUT", "a9")),
    ],
)
def test_imap_answers_no_and_bye_where_a_function_raises(stage, tag):
    server = failing(ImapPolicy(users=USERS))
    server.on(stage, raises)
    lines = told(server, IMAP if tag else b"")
    assert lines[-1] == BYE
    assert lines[:-1] == [] if not tag else lines[-2] == f"{tag} {NO}"
    check_failed(server, f"the function at {stage}")


@pytest.mark.parametrize(
    "stage", ["CONNECT", "GREETING", "CAPA", "UNKNOWN", "AUTH", "AUTH-ANSWER", "RETR", "DELE", "QUIT"]
)
def test_pop3_answers_err_where_a_function_raises_and_deletes_nothing(stage):
    server = failing(Pop3Policy(users=USERS))
    server.on(stage, raises)
    assert told(server, b"" if stage in ("CONNECT", "GREETING") else POP3)[-1] == ERR
    check_failed(server, f"the function at {stage}")


@pytest.mark.parametrize(
    ("policy", "said", "answers"),
    [
        (ImapPolicy, b"a1 LOGIN ann s3cret\r\n", [f"a1 {NO}", BYE]),
        (Pop3Policy, b"USER ann\r\nPASS s3cret\r\n", [ERR]),
    ],
)
def test_a_function_of_users_that_raises_is_not_the_client_s_fault(policy, said, answers):
    server = Server(policy(users=raises)).start()
    assert told(server, said)[-len(answers) :] == answers
    (session,) = server.sessions.wait(1)
    assert [(one.user, one.accepted) for one in session.auth] == [("ann", False)]
    assert session.end is SessionEnd.ERROR
    with pytest.raises(CallbackFailed, match=r"the function Policy\.users raised KeyError: 'a bug'"):
        server.close()


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (ImapPolicy, b"a1 LOGIN ann s3cret\r\n"),
        (ImapPolicy, b"a1 AUTHENTICATE PLAIN AGFubgBzM2NyZXQ=\r\n"),
        (Pop3Policy, b"USER ann\r\nPASS s3cret\r\n"),
        (Pop3Policy, b"AUTH PLAIN AGFubgBzM2NyZXQ=\r\n"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_function_of_users_decides_in_a_thread_of_its_own(policy, said, is_known):
    threads = []

    def knows(user, password):
        threads.append(threading.current_thread())
        return is_known and (user, password) == ("ann", "s3cret")

    with Server(policy(users=knows)) as server:
        told(server, said + (b"a2 LOGOUT\r\n" if policy is ImapPolicy else b"QUIT\r\n"))
        (session,) = server.sessions.wait(1)
        assert [(one.user, one.password, one.accepted) for one in session.auth] == [("ann", "s3cret", is_known)]
    assert len(threads) == 1
    assert threads[0].name.startswith("smtpfix: the function Policy.users")


@pytest.mark.parametrize(("policy", "answer"), [(ImapPolicy, BYE), (Pop3Policy, ERR)])
def test_an_observer_that_raises_is_told_of_unasked(policy, answer):
    class Raising(Observer):
        session_started = staticmethod(raises)

    server = Server(policy(users=USERS), observer=Raising()).start()
    assert told(server, b"")[-1:] == [answer]
    assert server.sessions.wait(1)[0].end is SessionEnd.ERROR
    with pytest.raises(CallbackFailed, match="the observer raised KeyError"):
        server.close()
