"""Which message is meant: one code path decides and names the field that differs."""

import re
from datetime import UTC, datetime
from unittest.mock import ANY

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.matching import Matcher, equals
from smtpfix.mail.message import CapturedMessage
from smtpfix.rules.reply import Reply

CONTENT = b"""\
From: Ann <ann@example.org>\r
Subject: Invoice =?utf-8?q?=E2=84=96?= 7\r
X-Id: 42\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: multipart/alternative; boundary=c\r
\r
--c\r
\r
Please confirm.\r
--c\r
Content-Type: text/html\r
\r
<b>Please</b> confirm.\r
--c--\r
--b\r
Content-Disposition: attachment; filename=invoice.pdf\r
\r
octets\r
--b--\r
"""


def message(content=CONTENT, user="ann"):
    return CapturedMessage(
        number=1,
        envelope=Envelope("bounce@example.org", ("bob@example.org", "eve@example.org")),
        content=content,
        received=datetime(2030, 1, 2, tzinfo=UTC),
        reply=Reply(250),
        in_tls=False,
        user=user,
        _source=None,
    )


MESSAGE = message()


class EndsWith:
    """Stands for any matcher with an ``==`` of its own."""

    def __init__(self, end):
        self.end = end

    def __eq__(self, other):
        return isinstance(other, str) and other.endswith(self.end)

    def __hash__(self):
        return hash(self.end)

    def __repr__(self):
        return f"EndsWith({self.end!r})"


MATCHES = [
    {},
    {"to": "bob@example.org"},
    {"to": "eve@example.org"},
    {"to": re.compile("^eve@")},
    {"to": EndsWith("@example.org")},
    {"reverse_path": "bounce@example.org"},
    {"sender": "ann@example.org"},
    {"subject": "Invoice № 7"},
    {"subject": re.compile("invoice", re.IGNORECASE)},
    {"subject": EndsWith("7")},
    {"subject": ANY},
    {"text": "Please confirm."},
    {"text": "confirm"},
    {"text": re.compile(r"\bconfirm\b")},
    {"text": EndsWith("confirm.")},
    {"html": "<b>Please</b>"},
    {"headers": {}},
    {"headers": {"X-Id": "42"}},
    {"headers": {"x-id": re.compile("^4"), "Subject": EndsWith("7")}},
    {"headers": {"X-Absent": None}},
    {"attachment": "invoice.pdf"},
    {"attachment": re.compile(r"\.pdf$")},
    {"user": "ann"},
    {"to": "bob@example.org", "subject": "Invoice № 7", "user": "ann"},
]

DIFFERENCES = [
    ({"to": "bob"}, "to: wanted 'bob', got ('bob@example.org', 'eve@example.org')"),
    ({"to": re.compile("^example")}, "to: wanted /^example/, got ('bob@example.org', 'eve@example.org')"),
    (
        {"to": EndsWith("@example.com")},
        "to: wanted EndsWith('@example.com'), got ('bob@example.org', 'eve@example.org')",
    ),
    ({"reverse_path": ""}, "reverse_path: wanted '', got 'bounce@example.org'"),
    ({"sender": "bounce@example.org"}, "sender: wanted 'bounce@example.org', got 'ann@example.org'"),
    ({"subject": "Invoice"}, "subject: wanted 'Invoice', got 'Invoice № 7'"),  # contained is not equal
    ({"subject": re.compile("invoice")}, "subject: wanted /invoice/, got 'Invoice № 7'"),
    ({"subject": None}, "subject: wanted None, got 'Invoice № 7'"),
    ({"text": "refuse"}, "text: wanted 'refuse', got 'Please confirm.'"),
    ({"text": re.compile("^confirm")}, "text: wanted /^confirm/, got 'Please confirm.'"),
    ({"html": "<i>"}, "html: wanted '<i>', got '<b>Please</b> confirm.'"),
    ({"headers": {"X-Id": "4"}}, "header X-Id: wanted '4', got '42'"),
    ({"headers": {"X-Id": None}}, "header X-Id: wanted None, got '42'"),
    ({"headers": {"X-Absent": "1"}}, "header X-Absent: wanted '1', got None"),
    ({"headers": {"X-Absent": re.compile("")}}, "header X-Absent: wanted //, got None"),
    ({"attachment": "other.pdf"}, "attachment: wanted 'other.pdf', got ('invoice.pdf',)"),
    ({"user": "bob"}, "user: wanted 'bob', got 'ann'"),
    ({"user": None}, "user: wanted None, got 'ann'"),
]


@pytest.mark.parametrize("criteria", MATCHES, ids=str)
def test_a_message_that_is_meant_matches_and_differs_in_nothing(criteria):
    matcher = Matcher(criteria)
    assert matcher.difference(MESSAGE) == []
    assert matcher.matches(MESSAGE)


def test_domains_compare_without_case_and_local_parts_with_it():
    for name in ("to", "reverse_path", "sender"):
        address = {"to": "eve", "reverse_path": "bounce", "sender": "ann"}[name]
        assert Matcher({name: f"{address}@EXAMPLE.org"}).matches(MESSAGE)
        assert not Matcher({name: f"{address.upper()}@example.org"}).matches(MESSAGE)
        assert not Matcher({name: re.compile(f"{address}@EXAMPLE.org")}).matches(MESSAGE)
    assert not Matcher({"user": "ann@EXAMPLE.org"}).matches(message(user="ann@example.org"))


@pytest.mark.parametrize(("criteria", "line"), DIFFERENCES, ids=str)
def test_a_message_that_is_not_meant_names_the_field_that_differs(criteria, line):
    matcher = Matcher(criteria)
    assert matcher.difference(MESSAGE) == [line]
    assert not matcher.matches(MESSAGE)


def test_every_difference_has_its_line():
    criteria = {"to": "x", "subject": "Invoice № 7", "headers": {"X-Id": "1", "X-Other": "2"}, "user": "bob"}
    lines = Matcher(criteria).difference(MESSAGE)
    assert [line.split(":")[0] for line in lines] == ["to", "header X-Id", "header X-Other", "user"]


def test_a_message_without_attachments_has_no_attachment_that_could_match():
    assert not Matcher({"attachment": ANY}).matches(message(b"\r\nhello"))
    assert Matcher({"attachment": ANY}).matches(MESSAGE)


def test_a_message_without_authentication_has_no_user():
    assert Matcher({"user": None}).matches(message(user=None))
    assert not Matcher({"user": re.compile("")}).matches(message(user=None))


def test_an_unknown_criterion_is_refused_naming_the_known_ones():
    with pytest.raises(TypeError, match="'recipient'; it can for attachment, headers, html, reverse_path, sender"):
        Matcher({"recipient": "bob@example.org"})


@pytest.mark.parametrize("headers", ["X-Id", [("X-Id", "42")], None])
def test_headers_have_to_be_a_mapping(headers):
    with pytest.raises(TypeError, match="headers is a mapping of header names to values"):
        Matcher({"headers": headers})


def test_later_changes_of_the_criteria_do_not_reach_the_matcher():
    criteria = {"user": "ann"}
    matcher = Matcher(criteria)
    criteria["user"] = "bob"
    assert matcher.matches(MESSAGE)


@pytest.mark.parametrize(
    ("criteria", "shown"),
    [
        ({}, "any"),
        ({"to": "bob", "subject": re.compile("a\x1b")}, "to='bob', subject=/a\\x1b/"),
    ],
)
def test_shows_what_was_asked_for(criteria, shown):
    assert str(Matcher(criteria)) == shown


def test_a_long_value_is_cut_and_its_length_told():
    (line,) = Matcher({"text": "x" * 5000}).difference(message(b"\r\n" + b"y" * 300))
    assert len(line) < 600
    assert "… (5002 characters)" in line
    assert "… (302 characters)" in line


def test_what_the_message_says_cannot_reach_the_terminal():
    (line,) = Matcher({"subject": "x"}).difference(message(b"Subject: =?utf-8?q?=1B=E2=80=AE?=\r\n\r\n"))
    assert line.isprintable()


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        (None, None, True),
        (re.compile("b"), "abc", True),
        (re.compile("b$"), "abc", False),
        (re.compile(""), None, False),
        (re.compile("1"), 1, False),
        (ANY, object(), True),
    ],
)
def test_a_pattern_is_searched_for_and_all_else_compared(expected, actual, same):
    assert equals(expected, actual) is same


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.text() | st.none() | st.text().map(re.escape).map(re.compile)
            for name in ("to", "reverse_path", "sender", "subject", "text", "html", "attachment", "user")
        },
    )
)
def test_deciding_and_explaining_agree(criteria):
    matcher = Matcher(criteria)
    lines = matcher.difference(MESSAGE)
    assert matcher.matches(MESSAGE) is (not lines)
    assert {line.split(":")[0] for line in lines} <= set(criteria)
