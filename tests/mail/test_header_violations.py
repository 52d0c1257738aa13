"""What is wrong with a message's header fields is told, and what is right is not."""

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.mail.header_violations import in_headers, recommended
from smtpfix.mail.mime import split
from smtpfix.mail.parsing import parse_headers

DATE = b"Date: Mon, 7 Jan 2030 10:00:00 +0000\r\n"


def violations(content):
    parts = [part.fields for part in split(content)[0].walk()][1:]
    return list(in_headers(parse_headers(content).raw_items(), parts))


def ids(content):
    """Return the ids of what is wrong beside what is missing."""
    return [violation.id for violation in violations(content) if not violation.id.startswith("missing-")]


def test_a_message_has_from_and_date_and_should_have_a_message_id():
    assert [str(violation) for violation in violations(b"X-From: a@x\r\n\r\nDate: x\r\n")] == [
        "missing-from: there is no From header (RFC 5322 section 3.6)",
        "missing-date: there is no Date header (RFC 5322 section 3.6)",
    ]
    right = [("FROM", "a@x"), ("date", "7 Jan 2030 10:00:00 +0000")]
    assert list(in_headers(right, ())) == []
    assert [violation.id for violation in recommended(right)] == ["missing-message-id"]
    assert list(recommended([("message-id", "<7@x>")])) == []


@pytest.mark.parametrize("name", ["From", "to", "Subject", "DATE", "Message-ID", "Content-Type", "MIME-Version"])
def test_a_header_that_may_be_there_once_is_there_once(name):
    value = "Mon, 7 Jan 2030 10:00:00 +0100" if name == "DATE" else "x@y"
    line = f"{name}: {value}\r\n".encode()
    assert ids(line) == []
    assert ids(line + line.lower()) == ["duplicate-header"]


def test_a_header_that_is_there_twice_is_told_with_its_values():
    (violation,) = violations(
        DATE + b"From: a@x\r\nX: 1\r\nFROM: b@x\r\nX: 2\r\nReceived: a\r\nReceived: b\r\n\r\nFrom: c\r\n"
    )
    assert str(violation) == "duplicate-header: From is there 2 times: 'a@x', 'b@x' (RFC 5322 section 3.6)"


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 7 Jan 2030 10:00:00 +0100",
        "07 jan 2030 10:00 -0000",
        "Mon,\r\n 7 Jan 2030 10:00:60 +0100 (CET)",
        "Thu, 29 Feb 2024 23:59:59 +1345",
    ],
)
def test_a_date_that_is_one_is_no_violation(date):
    assert ids(f"Date: {date}\r\n\r\n".encode()) == []


@pytest.mark.parametrize(
    "date",
    [
        "",
        "2030-01-07T10:00:00Z",
        "Mon, 7 Jan 2030 10:00:00",
        "Mon, 7 Jan 2030 10:00:00 GMT",
        "Mon, 7 Jan 30 10:00:00 +0100",
        "Tue, 7 Jan 2030 10:00:00 +0100",
        "Thu, 29 Feb 2030 10:00:00 +0100",
        "7 Jän 2030 10:00:00 +0100",
        "7 Xyz 2030 10:00:00 +0100",
        "7 Jan 2030 24:00:00 +0100",
        "7 Jan 2030 10:60:00 +0100",
        "7 Jan 2030 10:00:61 +0100",
        "7 Jan 2030 10:00:00 +0160",
        "7 Jan 0000 10:00:00 +0100",
    ],
)
def test_a_date_that_is_none_is_a_violation(date):
    assert ids(f"Date: {date}\r\n\r\n".encode()) == ["malformed-date"]
    assert ids(f"Resent-Date: {date}\r\n\r\n".encode()) == ["malformed-date"]
    assert ids(f"X-Date: {date}\r\n\r\n".encode()) == []


WORD = "=?utf-8?q?=C3=BC?="


@pytest.mark.parametrize(
    "header",
    [
        f"Subject: {WORD}",
        f"X-Any: <{WORD}>",
        f"From: {WORD} <a@x>",
        f"To: {WORD} team: {WORD} <a@x>, b@x;",
        f"Cc: a@x ({WORD})",
        f"Date: Mon, 7 Jan 2030 10:00:00 +0100 ({WORD})",
        f"List-Id: {WORD} <list.x>",
        f"Content-Description: {WORD}",
        "List-Unsubscribe: <https://x/?a=?b>",
    ],
)
def test_an_encoded_word_may_stand_in_text_in_comments_and_in_names(header):
    assert ids(f"{header}\r\n\r\n".encode()) == []


@pytest.mark.parametrize(
    "header",
    [
        f'From: "{WORD}" <a@x>',
        f"To: Ann <{WORD}@x>",
        f"To: {WORD}@x",
        f"Bcc: b@x, {WORD}",
        f"Message-ID: <{WORD}@x>",
        f"List-Unsubscribe: <https://x/{WORD}>",
        f"List-Unsubscribe:\r\n {WORD}",
        f"Content-Type: text/plain; name={WORD}",
        f'Content-Disposition: attachment; filename="{WORD}"',
        f"Received: from {WORD}",
    ],
)
def test_an_encoded_word_anywhere_else_is_a_violation(header):
    assert ids(f"{header}\r\n\r\n".encode()) == ["encoded-word-misplaced"]


def test_a_long_url_that_the_standard_library_folds_is_a_violation():
    message = EmailMessage()
    message["From"], message["Date"] = "a@x", "Mon, 7 Jan 2030 10:00:00 +0000"
    message["List-Unsubscribe"] = f"<https://shop.example/{'a' * 200}>"
    (violation,) = violations(message.as_bytes())
    assert violation.id == "encoded-word-misplaced"
    assert violation.explanation.startswith("List-Unsubscribe has '=?utf-8?q?")


def test_encoded_words_about_a_part_are_told_once_each():
    part = f'--b\r\nContent-Disposition: attachment; filename="{WORD}"\r\n\r\nx\r\n'.encode()
    found = violations(
        DATE + b"From: a@x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 3 + b"--b--\r\n"
    )
    assert [violation.explanation.split()[0] for violation in found] == ["Content-Disposition"]


NAME = st.sampled_from(["From", "Date", "Content-Type", "List-Unsubscribe"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(NAME, st.text('=?ub8q<>"(),:; \t\x1b\udc80ü', max_size=40)), max_size=4))
def test_no_value_breaks_it_and_what_it_tells_can_be_shown(fields):
    assert all(str(violation).isprintable() for violation in in_headers(fields, ()))
