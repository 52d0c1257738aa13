"""What suites written for pytest-localserver rely upon."""

from __future__ import annotations

import smtplib

import pytest

from smtpfix.compat import pytest_localserver
from smtpfix.compat.pytest_localserver import Server

smtpserver = pytest_localserver.smtpserver

LETTER = b"From: ann@example.org\r\nTo: bob@example.org\r\nSubject: Hello\r\n\r\nHello.\r\n"


def send(server):
    with smtplib.SMTP(*server.addr) as client:
        client.sendmail("ann@example.org", ["bob@example.org", "eve@example.org"], LETTER, ["BODY=8BITMIME"])


def test_what_is_sent_is_in_the_outbox_with_its_details(smtpserver):
    outbox = smtpserver.outbox
    assert not outbox
    send(smtpserver)
    (message,) = outbox
    assert outbox[-1] is message
    assert message["Subject"] == "Hello"
    assert message.details.mailfrom == "ann@example.org"
    assert message.details.rcpttos == ["bob@example.org", "eve@example.org"]
    assert message.details.peer[0] == "127.0.0.1"
    assert message.details.mail_options == ("size=70", "BODY=8BITMIME")
    assert message.details.rcpt_options == ((), ())


def test_the_outbox_is_a_list_that_can_be_emptied(smtpserver):
    send(smtpserver)
    smtpserver.outbox.clear()
    assert smtpserver.outbox == []
    send(smtpserver)
    send(smtpserver)
    assert smtpserver.outbox[:1] == [smtpserver.outbox[0]]
    assert smtpserver.outbox == smtpserver.outbox
    first = smtpserver.outbox.pop(0)
    assert len(smtpserver.outbox) == 1
    smtpserver.outbox.append(first)
    smtpserver.outbox[0] = first
    assert repr(smtpserver.outbox) == repr([first, first])


def test_it_is_alive_until_it_is_stopped():
    server = Server("127.0.0.1")
    assert not server.is_alive()
    with pytest.raises(RuntimeError, match=r"call start\(\), or use the fixture smtpserver"):
        server.addr  # noqa: B018 - looking is the point
    server.start()
    assert server.is_alive()
    assert server.accepting
    assert server.addr == ("127.0.0.1", server.port)
    send(server)
    server.stop()
    server.stop(timeout=1)
    assert not server.accepting
    assert len(server.outbox) == 1


def test_one_line_in_conftest_is_enough(pytester):
    pytester.makeconftest('pytest_plugins = ["smtpfix.compat.pytest_localserver"]')
    pytester.makepyfile("def test_it(smtpserver):\n    assert smtpserver.addr[1] > 0")
    pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:faker", "-p", "no:hypothesispytest", "-p", "no:anyio"
    ).assert_outcomes(passed=1)
