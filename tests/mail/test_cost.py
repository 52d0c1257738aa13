"""Reading a message takes time that grows with its size, and no faster, whatever comes."""

import pytest
from growth import assert_linear
from mails import mail

from smtpfix.mail.message import CapturedMessage

pytestmark = pytest.mark.slow

SIZE = 50_000
GROWTH = 10
NOISE = 0.05
"""Seconds below which a measurement says nothing."""

HEADERS = ("Content-Type", "Content-Disposition", "Content-Transfer-Encoding", "Date", "To", "MIME-Version", "X")


def of(unit, before=b"", behind=b""):
    """Return a function that returns about so many octets."""
    return lambda size: before + unit * (size // len(unit)) + behind


def value(name, unit):
    return of(unit, name + b": ", b"\r\n\r\nbody")


def nested(levels, line):
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels))
    return of(line, head + b"\n")


PARTS = b"Content-Type: multipart/mixed; boundary=b\n\n"
HTML = b"Content-Type: text/html\r\n\r\n<a"

SHAPES = {
    **{
        f"{name.decode()} of {unit.decode()}": value(name, unit)
        for name in (b"Content-Type: multipart/mixed", b"Content-Disposition: attachment")
        for unit in (b";", b"(a)", b"(", b";a=b", b';"')
    },
    "Content-Transfer-Encoding of (a)": value(b"Content-Transfer-Encoding: base64", b"(a)"),
    "Content-Type of sections": lambda size: (
        b"Content-Type: a/b" + b"".join(b";x*%d=a" % number for number in range(size // 9)) + b"\r\n\r\n"
    ),
    "a group of addresses": of(b"a@b,", b"To: team:", b";\r\n\r\n"),
    **{
        f"Bcc of {unit.decode()}": value(b"Bcc", unit)
        for unit in (b"g:;", b"(", b"(a)", b'"', b"<", b"[", b"\\", b",", b"a ")
    },
    **{
        f"Subject of {unit.decode()}": value(b"Subject", unit)
        for unit in (b"=?utf-8?q?a?= ", b"=?", b"=?utf-8?b?", b"a ", b"=?punycode?q?a-?= ")
    },
    "one long encoded word": of(b"a", b"Subject: =?utf-8?q?", b"?=\r\n\r\n"),
    **{f"{name.decode()} of words": value(name, b"=?a?q?b?= ") for name in (b"From", b"List-Unsubscribe", b"Date")},
    "many List-Unsubscribe-Post": of(b"<a", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Unsubscribe: "),
    "headers": of(b"A: b\r\n"),
    "headers without a name": of(b":\n"),
    "many To headers": of(b"To: a@b\r\n"),
    "folded lines": of(b"\r\n ;a", b"Content-Type: text/plain", b"\r\n\r\n"),
    **{
        f"text in {charset.decode()}": of(b"a", b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\n")
        for charset in (b"punycode", b"utf-7", b"iso-2022-jp")
    },
    "200 levels": nested(200, b"x\n"),
    "45 levels": nested(45, b"x\n"),
    "45 levels, dashes": nested(45, b"--\n"),
    "45 levels, delimiters": nested(45, b"--b44\n"),
    "nothing but levels": lambda size: nested(size // 50, b"x\n")(10),
    "messages beside messages": of(b"--b\nContent-Type: message/rfc822\nContent-ID: a\n\n\nx\n", PARTS),
    "messages in messages": of(b"Content-Type: message/rfc822\n\n"),
    "parts": of(b"--b\n\nx\n", PARTS),
    "parts with long types": lambda size: (
        PARTS + (b"--b\nContent-Type: multipart/mixed%b\n\nx\n" % (b";" * (size // 900))) * 900
    ),
    "a report of empty lines": of(b"\n", b"Content-Type: message/delivery-status\n\n"),
    "reports in reports": of(b"Content-Type: message/delivery-status\n\n"),
    **{
        f"HTML of {unit.decode()}": of(unit, HTML)
        for unit in (
            b"<a b='",
            b'<a b="x',
            b"<!--",
            b"<!",
            b"<title>",
            b"</title",
            b"</style ",
            b"<a/",
            b"<",
            b" href",
            b" href=",
            b" ",
            b"=\t ",
            b' href="http:&#9">',
            b"<a href=http:&amp",
        )
    },
    "a long character reference": of(b"9", HTML + b' href="http:&#', b';">'),
    "URLs": of(b"http://"),
    "brackets behind a URL": of(b")", b"\r\nhttp://x/("),
    **{f"lines of {unit!r}": of(unit, b"\r\n") for unit in (b"\n", b"\r", b"\n.", b"\r.\n", b"\xff", b"\n--")},
    **{
        f"{encoding.decode()} of {unit.decode()}": of(
            unit, b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + begin
        )
        for encoding, unit, begin in (
            (b"base64", b"=", b""),
            (b"base64", b"A!", b""),
            (b"quoted-printable", b"= ", b""),
            (b"uuencode", b"!a\n", b"begin 644 a\n"),
        )
    },
}


def reading(content):
    """Return what makes a message of a content and reads everything of it."""

    def read():
        message = mail(content)
        for name, attribute in vars(CapturedMessage).items():
            if isinstance(attribute, property):
                getattr(message, name)
        for name in HEADERS:
            message.header(name)
        message.part("text/calendar")
        message.part("cid:logo")
        str(message)

    return read


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_four_times_as_much_takes_about_four_times_as_long(shape):
    assert_linear(lambda size: reading(shape(size)), SIZE, clear=NOISE, growth=GROWTH)
