"""What is stored of a message, whatever it is made of; and HTML as text, in time that grows with its length."""

from __future__ import annotations

import pytest
from fuzzing import budget
from growth import assert_linear
from hypothesis import given
from hypothesis import strategies as st
from mails import mail

from smtpfix.mail.mime import split
from smtpfix.store.html_text import html_text
from smtpfix.store.parts import Role, listed
from smtpfix.store.row import LONGEST_TEXT, MOST_ADDRESSES, Address, entry_of, searchable
from smtpfix.store.stored import row_of, values_of
from smtpfix.store.tags import clean_tag

MIXED = b"""\
From: =?utf-8?q?Ann_=C3=84?= <ann+news+Two.1@example.org>\r
To: "Bob, B" <bob@example.org>, carl@example.org\r
Cc: team: dora@example.org;\r
Subject: =?utf-8?b?SGVsbMO2?=\r
 folded\r
Message-ID: <id@example.org>\r
X-Tags: one, t\xc3\xb6o , one\r
Content-Type: multipart/mixed; boundary=m\r
\r
--m\r
Content-Type: multipart/alternative; boundary=a\r
\r
--a\r
\r
the text\r
--a\r
Content-Type: text/html; charset=utf-8\r
\r
<style>p { x }</style><p>The <b>HT</b>ML &amp; more\xe2\x80\xa6</p>\r
--a--\r
--m\r
Content-Type: image/png; name=logo.png\r
Content-ID: <logo>\r
\r
x\r
--m\r
Content-Type: message/rfc822\r
Content-Disposition: attachment; filename="Report 7.eml"\r
\r
Subject: inner\r
\r
--m--\r
"""


def test_a_row_says_who_what_and_what_is_attached():
    entry = entry_of(mail(MIXED), server="plain", run="run")
    row = entry.row
    assert row.sender == Address("Ann Ä", "ann+news+Two.1@example.org")
    assert row.to == (Address("Bob, B", "bob@example.org"), Address("", "carl@example.org"))
    assert row.cc == (Address("", "dora@example.org"),)
    assert row.bcc == ()  # the envelope's recipient stands in To
    assert (row.subject, row.message_id) == ("Hellö folded", "id@example.org")
    assert (row.attachments, row.inlines) == (1, 1)
    assert row.tags == ("news", "one", "t o", "Two.1")
    assert row.snippet == "The HTML & more…"
    assert (row.session, row.size) == ("run-plain-1", len(MIXED))
    for text in ("ann ä ann+news", "hellö folded", "bob b bob@", "the html & more", "report 7.eml", "logo.png"):
        assert text in entry.words.anywhere
    assert "p { x }" not in entry.words.anywhere
    assert "the text" not in entry.words.anywhere  # it says the same


def test_parts_are_named_by_their_place_in_the_tree():
    found = [(one.part_id, one.role, one.name) for one in listed(split(MIXED)[0])]
    assert found == [
        ("1.1", Role.TEXT, ""),
        ("1.2", Role.HTML, ""),
        ("2", Role.INLINE, "logo.png"),
        ("3", Role.ATTACHMENT, "Report 7.eml"),
    ]
    assert [one.part_id for one in listed(split(b"\r\nHi\r\n")[0])] == ["0"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("a<br>b<p>c</p>d", "a b c d"),
        ("<b>W</b>ord <i>and</i><span>more</span>", "Word andmore"),
        ("1 < 2 and 3<4 <", "1 < 2 and 3<4 <"),
        ("<!-- a > <b>b</b> -->c<!-->d<!-- e", "cd"),
        ("<SCRIPT x>if (a<b) '</p>'</SCRIPT >after<style>x</styles></style>end", "after end"),
        ("<title>no</title><script>never ends <b>x</b>", ""),
        ("<a title='1 < 2'>shown</a>", "shown"),
        ("&lt;b&gt; &amp;&#228; &nbsp; &#99999999999999;", "<b> &ä \ufffd"),
        ("a</>b<?php x?>c<!doctype html>d", "a b c d"),
    ],
)
def test_html_becomes_what_a_reader_sees(html, text):
    assert html_text(html) == text


@pytest.mark.parametrize("unit", ["<", "<!--", "<script>", "</", "<a ", "<b>", "&", "&#", "<title><", "x ", '<a b="'])
def test_html_takes_time_that_grows_with_its_length(unit):
    def prepare(size):
        text = unit * (size // len(unit))
        return lambda: html_text(text)

    assert_linear(prepare, 50_000, clear=0.0025)


def test_what_is_stored_is_bounded_whatever_comes():
    many = b", ".join(b"a%d@example.org" % number for number in range(MOST_ADDRESSES + 100))
    content = b"To: %b\r\nSubject: %b\r\n\r\n%b" % (many, b"s" * 10_000, b"word " * 40_000)
    entry = entry_of(mail(content), server="plain", run="run")
    assert len(entry.row.to) <= MOST_ADDRESSES
    assert len(entry.row.subject) == 2_000
    assert len(entry.words.anywhere) < 4 * LONGEST_TEXT
    assert entry.row.snippet.endswith("word ...")


PIECES = (
    *(b"From: ", b"To: ", b"Subject: ", b"X-Tags: ", b"Content-Type: ", b"multipart/mixed; boundary=b", b"text/html"),
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"--b",
        b"=?utf-8?q?",
        b"?=",
        b"<",
        b">",
        b'"',
        b"(",
        b",",
        b";",
        b":",
        b"@",
        b"\0",
        b"\xff",
    ),
    *(b"Content-Disposition: attachment; filename=", b"Content-Transfer-Encoding: base64", b"\xed\xa0\x80", b"&#1;"),
)


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=40).map(b"".join))
@budget(100)
def test_of_anything_a_row_can_be_stored_and_read_again(content):
    row = entry_of(mail(content), server="plain", run="run").row
    values = values_of(row)
    for value in values:
        assert "\0" not in str(value)
        assert str(value).encode().decode() == str(value)
    assert row_of((5, 0, *values), row.tags).__class__ is row.__class__
    assert row_of((0, 0, *values), row.tags) == row


@given(st.text(max_size=150))
@budget(50)
def test_tags_and_searched_text_are_clean_once_cleaned(text):
    assert clean_tag(clean_tag(text)) == clean_tag(text)
    assert searchable(searchable(text)) == searchable(text)
