"""What stands in header values: parameters, encoded words, charsets, addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix.mail.header_values import Value, addresses, decoded, structured, words


@pytest.mark.parametrize(
    ("text", "main", "parameters"),
    [
        ("", "", {}),
        (" Text/Plain ", "text/plain", {}),
        ("text/plain; Charset=utf-8;; x = y ;", "text/plain", {"charset": "utf-8", "x": "y"}),
        ('a; x="b; c=\\"d\\""; y=z', "a", {"x": 'b; c="d"', "y": "z"}),
        ('a; x="no end', "a", {"x": "no end"}),
        ("a; x=1; x=2", "a", {"x": "1"}),
        ("; x=1", "", {"x": "1"}),
        ("a (of (two) \\) levels) ; x=y (z)", "a", {"x": "y"}),
        ('a; x="(no comment)"', "a", {"x": "(no comment)"}),
        ('a (a " in it) ; x=y', "a", {"x": "y"}),
        ("a (no end; x=y", "a", {}),
        ("a;\r\n\tx=y", "a", {"x": "y"}),
        ('a; x="=?utf-8?q?=C3=BC?= b"', "a", {"x": "ü b"}),
        ("a; x*=utf-8''%C3%BC%20b", "a", {"x": "ü b"}),
        ("a; x*=iso-8859-1'de'%FC", "a", {"x": "ü"}),
        ("a; x*1=c; x*0=b; x*2*=%64", "a", {"x": "bcd"}),
        ("a; x*0*=utf-8''%C3; x*1*=%BC", "a", {"x": "ü"}),
        ("a; x*=utf-8''new; x=old", "a", {"x": "old"}),
        ("a; x*99999999999=b; *=c; x*=%; y", "a", {"x": "%"}),
    ],
)
def test_takes_a_value_apart(text, main, parameters):
    assert structured(text) == Value(main, parameters)


@pytest.mark.parametrize(
    ("text", "decoded_text"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?= an =?UTF-8?B?QW5u?=", "Grüße an Ann"),
        ("=?utf-8?q?a_?=  =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?x-unknown?q?=C3=BC?=", "ü"),
        ("=?utf-8?q?=FF?= \udcff", "\ufffd \ufffd"),
        ("=?utf-8?x?a?= =? ?= =?a", "=?utf-8?x?a?= =? ?= =?a"),
    ],
)
def test_decodes_encoded_words(text, decoded_text):
    assert words(text) == decoded_text


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        ("UTF-8", "ü".encode(), "ü"),
        ("us-ascii", b"a\xff", "a\ufffd"),
        ("ISO_8859-1:1987", b"\xfc", "ü"),
        ("windows-1252", b"\x80", "€"),
        ("Shift_JIS", "日本".encode("shift_jis"), "日本"),
        ("iso-2022-jp", "日本".encode("iso-2022-jp"), "日本"),
        ("cp437", b"\x81", "ü"),
        ("utf-16", "ü".encode("utf-16"), "ü"),
        *(
            (name, "ü".encode(), "ü")
            for name in ("punycode", "idna", "unicode_escape", "rot13", "hex", "", "\0", "x" * 99)
        ),
    ],
)
def test_only_charsets_that_are_text_are_used_and_else_utf_8(charset, octets, text):
    assert decoded(octets, charset) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ann@example.org", ["ann@example.org"]),
        ('"Ann, (of course)" <ann@example.org>, bob@example.org', ["ann@example.org", "bob@example.org"]),
        ("(Ann, too) ann@example.org (Ann)", ["ann@example.org"]),
        ("team: ann@a, Bob <bob@b>;, nobody:;, eve@c", ["ann@a", "bob@b", "eve@c"]),
        ('"ann lee"@a, <"bob > lee"@b>', ['"ann lee"@a', '"bob > lee"@b']),
        ("ann@[IPv6:::1], <bob@[127.0.0.1]>", ["ann@[IPv6:::1]", "bob@[127.0.0.1]"]),
        ("ann @ example . org", ["ann@example.org"]),
        ("<@relay,@other:ann@example.org>", ["ann@example.org"]),
        ("Ann\r\n <ann@example.org>,,\r\n\t; bob@b", ["ann@example.org", "bob@b"]),
        ("Ann <ann@a> =?utf-8?q?=2C?= Bob <bob@b>", ["ann@a", "bob@b"]),  # as Python's email package writes it
        ("[Shop] <shop@a>, root, Ann Lee, <>, Bob <>", ["shop@a", "root"]),
        ("j\udcc3\udcbcrgen@example.org", ["jürgen@example.org"]),
        ("", []),
    ],
)
def test_reads_the_addresses_in_a_list(text, found):
    assert list(addresses(text)) == found


SPECIAL = st.text("=?*;\"'<>@:,()[]\\%utf8-qbQB/ \tax0\udcff\r\n", max_size=40)


@given(SPECIAL | st.text(max_size=20))
def test_no_value_breaks_a_reader(text):
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")  # as a header's octets are read
    assert isinstance(structured(text).main, str)
    assert isinstance(words(text), str)
    assert all(addresses(text))
