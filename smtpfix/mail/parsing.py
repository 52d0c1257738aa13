"""A message as the standard library parses it, if that is fast enough; and plain subjects.

Knows octets and limits; what a test asks for is `message`'s.
"""

from __future__ import annotations

import contextlib
import re
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as default_policy
from typing import Final

from .mime import MAX_PARTS

LONGEST_VALUE: Final = 2_000
"""Header values longer than this the standard library does not read for us: its time grows with the square of it."""
_LONGEST_TYPE: Final = 1_000
_MOST_COMPARISONS: Final = 10_000_000
"""Lines times what may be around them: the standard library's parser compares each line with each open delimiter."""
_MOST_GROUPS: Final = 10_000
"""Empty lines in a message with a report on its delivery: the parser makes a message of what is between them."""

_UNREAD: Final = default_policy.clone(header_factory=lambda _, value: value)
"""Has the parser take header values as they stand: reading them may take it minutes."""
_CONTENT_TYPE: Final = re.compile(
    rb"(?:\A|(?<=[\r\n]))Content-Type:[ \t]*+(multipart/|message/)?([^\r\n]*+(?:\r?\n?[ \t][^\r\n]*+)*+)", re.IGNORECASE
)
"""A header field, or what some part's parser may take for one."""
_EMPTY_LINE: Final = re.compile(rb"\n(?=\r?\n)|\r(?=\r)")


def parse(content: bytes) -> tuple[EmailMessage, str | None]:
    """Parse a message; return it, and why its body was kept in one piece where that is so.

    The parser fails on messages in messages in messages (RecursionError), and on some hostile headers.
    """
    reason = _too_much(content)
    if reason is None:
        with contextlib.suppress(Exception):
            return _parsed(content, headers_only=False), None
        reason = "its parser fails on it"
    return parse_headers(content), reason


def parse_headers(content: bytes) -> EmailMessage:
    """Parse a message's headers; its body stays in one piece."""
    return _parsed(content, headers_only=True)


def _parsed(content: bytes, *, headers_only: bool) -> EmailMessage:
    message = BytesParser(policy=_UNREAD).parsebytes(content, headersonly=headers_only)
    for part in message.walk():
        part.policy = default_policy
    return message


def _too_much(content: bytes) -> str | None:
    """Return why the parser would take more time than its due, wherever in the content it might see a part."""
    if content.count(b"\n--") + content.count(b"\r--") > MAX_PARTS:  # to the parser, CR ends a line
        return f"more than {MAX_PARTS:,} lines may be delimiters"
    around = 0
    for field in _CONTENT_TYPE.finditer(content):
        around += field[1] is not None
        if len(field[2]) > _LONGEST_TYPE:
            return f"a Content-Type has more than {_LONGEST_TYPE:,} octets"
    if around * (content.count(b"\n") + content.count(b"\r")) > _MOST_COMPARISONS:
        return "it has too many lines for so many parts in parts"
    if b"message/delivery-status" in content.lower() and sum(1 for _ in _EMPTY_LINE.finditer(content)) > _MOST_GROUPS:
        return f"a report on its delivery may have more than {_MOST_GROUPS:,} groups of fields"
    return None


_SUBJECT: Final = re.compile(
    rb"(?:[!-9;-~]+:[ !-~]*\r\n)*?[Ss][Uu][Bb][Jj][Ee][Cc][Tt]: ([!-~](?:[ !-~]*[!-~])?)\r\n(?![ \t])"
)
"""A subject on one line of plain ASCII, behind other such headers: what most test mail has."""


def plain_subject(content: bytes) -> str | None:
    """Return the subject where it can be seen without parsing, which costs thirty times as much; None otherwise."""
    match = _SUBJECT.match(content)
    if match is None or b"=?" in match[1]:
        return None
    return match[1].decode("ascii")
