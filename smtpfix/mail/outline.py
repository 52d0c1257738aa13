"""A message in the report of a failed test: headers and the first lines of its text, bounded and printable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Final

from smtpfix.safe_text import printable

from .header_values import unfolded, words
from .message import CapturedMessage

_HEADERS: Final = 20
_LINES: Final = 20
_WIDTH: Final = 200
_READ: Final = 10_000
"""Characters of a text that are looked at: more than are shown, so that no secret is cut before it is struck out."""


def outline(message: CapturedMessage, strike_out: Callable[[str], str] = str) -> str:
    """Return the outline of a message, with `strike_out` applied to every text before it is cut."""
    headers = [(name, value) for name, value in message.headers.raw_items()]
    lines = [_line(f"{name}: {words(unfolded(value[:_READ]))}", strike_out) for name, value in headers[:_HEADERS]]
    if len(headers) > _HEADERS:
        lines.append(f"… {len(headers) - _HEADERS} more headers")
    text = message.text or message.html
    return "\n".join([*lines, "", *_lines(text, strike_out)]).rstrip("\n")


def _lines(text: str, strike_out: Callable[[str], str]) -> Iterator[str]:
    lines = strike_out(text[:_READ]).split("\n")
    yield from (_line(line) for line in itertools.islice(lines, _LINES))
    if len(lines) > _LINES or len(text) > _READ:
        yield f"… {len(text)} characters in all; print(message.text) shows them"


def _line(text: str, strike_out: Callable[[str], str] = str) -> str:
    text = strike_out(text)
    return printable(text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…")
