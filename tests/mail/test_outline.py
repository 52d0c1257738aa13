"""How a message begins, as the report of a failed test shows it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage
from smtpfix.mail.outline import outline


def message(content):
    return CapturedMessage(
        number=1,
        envelope=Envelope("ann@example.org", ("bob@example.org",)),
        content=content,
        received=datetime(2030, 1, 2, tzinfo=UTC),
        reply=None,
        in_tls=False,
        user=None,
        _source=None,
    )


def test_shows_headers_decoded_and_unfolded_and_the_first_lines_of_the_text():
    content = b"Subject: =?utf-8?q?caf=C3=A9?=\r\nX-Long:\r\n folded\r\n\r\n" + b"one\r\n\r\ntwo \x1b[31mred\r\n"
    assert outline(message(content)) == "Subject: café\nX-Long: folded\n\none\n\ntwo \\x1b[31mred"


def test_a_message_of_html_alone_shows_that():
    content = b"Content-Type: text/html\r\n\r\n<p>Hello</p>"
    assert outline(message(content)).endswith("\n\n<p>Hello</p>")


@pytest.mark.parametrize(
    "content",
    [
        b"".join(b"X-%d: x\r\n" % number for number in range(3000)) + b"\r\nx",
        b"Subject: " + b"x" * 100_000 + b"\r\n\r\n" + b"y" * 100_000,
        b"Subject: x\r\n\r\n" + b"y\r\n" * 100_000,
        b"\r\n\x00\xff" * 10_000,
        b"",
    ],
)
def test_is_bounded_whatever_comes(content):
    lines = outline(message(content)).split("\n")
    assert len(lines) <= 50
    assert max(map(len, lines)) < 1000


def test_says_how_much_there_is_that_it_does_not_show():
    lines = outline(message(b"X: x\r\n" * 25 + b"\r\n" + b"y\r\n" * 50)).split("\n")
    assert "… 5 more headers" in lines
    assert lines[-1] == "… 100 characters in all; print(message.text) shows them"


def test_what_is_to_be_struck_out_is_not_cut_in_two_before():
    content = b"X-Key: " + b"x" * 195 + b"s3cret\r\n\r\n" + b"y" * 195 + b"s3cret\r\n"
    text = outline(message(content), lambda text: text.replace("s3cret", "*"))
    assert "s3" not in text
    assert "*" in text
