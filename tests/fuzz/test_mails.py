"""Mails, changed in a few places: everything that can be asked of a message is a value."""

from __future__ import annotations

from email.message import EmailMessage

import fuzzing
from hypothesis import given
from mails import mail

from smtpfix import Attachment, Violation

SEEDS = fuzzing.octets("mails")
PIECES = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b";",
        b'"',
        b"(",
        b")",
        b"<",
        b"\\",
        b",",
        b":",
        b"=?utf-8?q?",
        b"?=",
        b"%",
        b"*0*=",
    ),
    *(
        b"--b 1\r\n",
        b"--c--\r\n",
        b"boundary=",
        b"charset=",
        b"charset=idna",
        b"charset=rot13",
        b"message/rfc822",
        b"=\xff",
    ),
    *(b"Content-Type: multipart/mixed; boundary=c\r\n", b"Content-Transfer-Encoding: base64\r\n", b"&#1114112;", b"\0"),
]
VALUES = {
    **dict.fromkeys(("subject", "sender", "text", "html", "message_id", "reverse_path"), str),
    **dict.fromkeys(("addressees", "blind_recipients", "to", "truncated", "links", "end_like_sequences"), str),
    **dict.fromkeys(("attachments", "inlines"), Attachment),
    **dict.fromkeys(("violations", "recommendations"), Violation),
    "headers": EmailMessage,
    "parsed": EmailMessage,
    **dict.fromkeys(("has_bare_line_feeds", "has_bare_carriage_returns", "is_8bit", "accepted"), bool),
    **dict.fromkeys(("size", "longest_line", "stuffed_lines", "unstuffed_lines"), int),
}
"""What each property is, or is a tuple of."""


def test_the_seeds_are_mails():
    read = {name: mail(content) for name, content in SEEDS.items()}
    assert read["text"].subject == "Héllo wörld"
    assert read["parts"].text == "hé llo"
    assert [(one.filename, one.content) for one in read["parts"].attachments] == [("€.pdf", b"%PDF-1.4")]


@fuzzing.budget(300)
@given(fuzzing.mutants(list(SEEDS.values()), PIECES))
def test_whatever_a_mail_is_made_of_it_can_be_read(content):
    read = mail(content)
    for name, kind in VALUES.items():
        value = getattr(read, name)
        assert all(isinstance(one, kind) for one in (value if isinstance(value, tuple) else (value,))), name
    for name in ("Subject", "To", "Date", "Content-Type", "Content-Disposition", "X"):
        assert isinstance(read.header(name), str | None)
    assert str(read).isprintable()
    assert read.content == content
