"""Replies and the other actions as values: what may be built, and how a reply looks on the wire."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.errors import InvalidValueError, SMTPFixError
from smtpfix.rules.actions import Delay, Disconnect
from smtpfix.rules.reply import Reply
from smtpfix.smtp import replies

REPLY_LINE = re.compile(rb"[2-5][0-9]{2}[ -][^\r\n]*\r\n")


@pytest.mark.parametrize("code", [200, 250, 354, 421, 599])
def test_accepts_the_reply_codes_of_rfc_5321(code):
    assert Reply(code).code == code


@pytest.mark.parametrize("code", [199, 600, 0, -250, 25, 250.0, "250", None, True])
def test_refuses_what_is_no_reply_code(code):
    with pytest.raises(InvalidValueError, match=r"Reply\.code: expected a reply code from 200 to 599") as caught:
        Reply(code)
    assert caught.value.field == "Reply.code"
    assert caught.value.value is code


@pytest.mark.parametrize(("code", "enhanced"), [(250, "2.0.0"), (450, "4.2.1"), (550, "5.999.999"), (250, None)])
def test_accepts_an_enhanced_status_code_of_the_same_class(code, enhanced):
    assert Reply(code, enhanced).enhanced == enhanced


@pytest.mark.parametrize(
    ("code", "enhanced"),
    [
        (250, "5.0.0"),  # another class
        (354, "3.0.0"),  # RFC 2034 section 4: no enhanced status codes in 3yz replies
        (354, "2.0.0"),
        (250, "2.00.0"),
        (250, "2.01.0"),
        (250, "2.0.1000"),
        (250, "2.0"),
        (250, "2.0.0 "),
        (250, "2.0.0\n"),
        (250, "2.0.\u0664"),  # a digit, but not an ASCII one
        (250, ""),
        (250, 2.0),
    ],
)
def test_refuses_an_enhanced_status_code_that_does_not_belong_to_the_code(code, enhanced):
    with pytest.raises(InvalidValueError, match=r"Reply\.enhanced"):
        Reply(code, enhanced)


@pytest.mark.parametrize("text", ["", "OK", "two\nlines", "tab\tin it", "Grüße"])
def test_accepts_printable_text_of_any_number_of_lines(text):
    assert Reply(250, None, text).text == text


@pytest.mark.parametrize(
    "text", ["a\rb", "a\r\n250 forged", "\0", "\x1b[2J", "\x7f", "\x0b", "lone \ud800", None, b"OK"]
)
def test_refuses_text_that_would_break_out_of_the_reply_or_has_no_utf_8(text):
    with pytest.raises(InvalidValueError, match=r"Reply\.text"):
        Reply(250, None, text)


@pytest.mark.parametrize(
    ("reply", "octets"),
    [
        (Reply(250, "2.0.0", "OK"), b"250 2.0.0 OK\r\n"),
        (Reply(250, None, "OK"), b"250 OK\r\n"),
        (Reply(250, "2.0.0", "a\nb\nc"), b"250-2.0.0 a\r\n250-2.0.0 b\r\n250 2.0.0 c\r\n"),
        (Reply(250, None, "a\n\nc"), b"250-a\r\n250-\r\n250 c\r\n"),
        (Reply(334), b"334 \r\n"),  # RFC 4954 section 4: an empty challenge
        (Reply(250, "2.0.0"), b"250 2.0.0\r\n"),
        (Reply(250, None, "ü"), "250 ü\r\n".encode()),
    ],
)
def test_encodes_every_line_with_code_separator_and_crlf(reply, octets):
    assert reply.encode() == octets


def test_leaves_the_enhanced_status_code_out_when_told_so():
    reply = Reply(450, "4.2.1", "wait\nlonger")
    assert reply.encode(enhanced=True) == b"450-4.2.1 wait\r\n450 4.2.1 longer\r\n"
    assert reply.encode(enhanced=False) == b"450-wait\r\n450 longer\r\n"
    assert Reply(250, "2.0.0").encode(enhanced=False) == b"250 \r\n"


@settings(max_examples=100, deadline=None)
@given(st.integers(200, 599), st.text())
def test_whatever_text_is_accepted_stays_inside_one_reply(code, text):
    try:
        octets = Reply(code, None, text).encode()
    except InvalidValueError:
        return
    lines = re.findall(rb"[^\r\n]*\r\n", octets)
    assert b"".join(lines) == octets
    assert all(REPLY_LINE.fullmatch(line) for line in lines)
    assert [line[3:4] for line in lines] == [b"-"] * text.count("\n") + [b" "]


@pytest.mark.parametrize(("code", "positive"), [(220, True), (354, True), (399, True), (400, False), (550, False)])
def test_is_positive_below_400(code, positive):
    assert Reply(code).is_positive is positive


def test_shows_itself_in_one_line():
    assert str(Reply(450, "4.2.1", "wait\nlonger")) == "450 4.2.1 wait / longer"
    assert str(Reply(250)) == "250"


@pytest.mark.parametrize("seconds", [0, 0.0, 1, 2.5])
def test_accepts_a_delay_of_no_or_some_seconds(seconds):
    assert Delay(seconds).seconds == seconds


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), "1", None, True])
def test_refuses_a_delay_that_is_no_number_of_seconds(seconds):
    with pytest.raises(InvalidValueError, match=r"Delay\.seconds: expected a number of seconds, 0 or more"):
        Delay(seconds)


def test_equal_actions_are_equal_and_can_be_in_a_set():
    assert {Reply(250, "2.0.0", "OK"), Reply(250, "2.0.0", "OK"), Disconnect(), Disconnect(), Delay(1), Delay(1.0)} == {
        Reply(250, "2.0.0", "OK"),
        Disconnect(),
        Delay(1),
    }
    assert Reply(250) != Reply(251)


def test_the_error_is_a_value_error_and_one_of_the_package():
    with pytest.raises(ValueError, match="expected") as caught:
        Reply(1)
    assert isinstance(caught.value, SMTPFixError)


def test_every_reply_of_the_server_fits_into_one_line_of_rfc_5321():
    """Section 4.5.3.1.5 allows 512 octets with the CRLF."""
    texts = [value for value in vars(replies).values() if isinstance(value, Reply)]
    assert len(texts) > 20
    for reply in texts:
        octets = reply.encode()
        assert octets.isascii()
        assert octets.count(b"\r\n") == 1
        assert len(octets) <= 512
