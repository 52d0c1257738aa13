"""What may be shown of what a client sent: nothing that is hidden, and everything else as it is."""

from __future__ import annotations

import pytest

from smtpfix.safe_text import printable

HIDDEN = {
    "controls": "\x00\x1b\x7f\x9b",
    "directions": "\u061c\u200e\u200f\u202a\u202e\u2066\u2069",
    "separators of lines": "\x85\u2028\u2029",
    "Hangul fillers": "\u115f\u1160\u3164\uffa0",
    "joiners and spaces without width": "\u034f\u200b\u200c\u200d\u2060\u206f\ufeff",
    "variation selectors": "\u180b\u180f\ufe00\ufe0f\U000e0100\U000e01ef",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "code points that are reserved as ignorable": "\u2065\ufff0\ufff8\U000e0080\U000e0fff",
    "others that show as nothing": "\u00ad\u17b4\u17b5\U0001bca0\U0001d173",
    "annotations": "\ufff9\ufffb",
    "undecodable octets": "\udc80\udcff",
}
"""By DerivedCoreProperties.txt of Unicode 16, and not by what this Python's own tables know."""
SHOWN = "azAZ09 ~\u00a0äé漢א\u0301\u1100\u1161가\u17b6ﾡ❤🎉\ufffc\ufffd\U0001bc9f\U000dffff\U000e1000"
"""Also the neighbours of those."""


@pytest.mark.parametrize("character", "".join(HIDDEN.values()))
def test_what_is_hidden_is_escaped(character):
    shown = printable(f"a{character}b")
    assert shown[:2] == "a\\"
    assert shown[-1] == "b"
    assert shown.isascii()
    assert shown.isprintable()


def test_everything_else_is_as_it_was():
    assert printable(SHOWN) == SHOWN
    assert printable(SHOWN.encode()) == SHOWN


def test_no_octet_of_text_that_is_none_is_lost():
    assert printable(b"a\xff\xe2\x80\xaeb") == "a\\xff\\u202eb"


def test_a_failed_wait_hides_nothing_in_a_subject(start_smtp_server, wire):
    server = start_smtp_server()
    client = wire(server)
    client.hello()
    client.deliver("Subject: a\u3164b\u034f\ufe0f\r\n\r\nx\r\n".encode())
    assert str(server.inbox.messages[0]).endswith(r"subject 'a\u3164b\u034f\ufe0f'")
