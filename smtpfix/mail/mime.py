"""`split`: the parts of a message (RFC 2045, RFC 2046) by octet offsets, found in one pass.

Copies and decodes nothing but the fields about a part; what the parts say, `bodies` reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from .header_values import Value, structured
from .stepwise import search

MAX_PARTS: Final = 1000
"""What comes after so many parts is not looked at."""
MAX_DEPTH: Final = 50
"""A part that is inside so many others is not taken apart."""

_NO_FIELD: Final = re.compile(rb"^(?!(?!--)[!-9;-~]*+:|[ \t])", re.MULTILINE)
"""The beginning of the first line that belongs to no header field (RFC 5322 section 2.2)."""
_EMPTY_LINE: Final = re.compile(rb"\r?\n")
_MAILBOX_LINE: Final = re.compile(rb"From [^\n]*+\n")
"""What a mailbox file has before each message."""
_MIME_FIELD: Final = re.compile(rb"^Content-([!-9;-~]++):([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE | re.IGNORECASE)
_DASHES: Final = re.compile(rb"\n--([^\n]*+)")
"""A line that may be a delimiter (RFC 2046 section 5.1.1), with the line end before it."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The message, a part of a multipart, or a message in a message."""

    content: bytes = field(repr=False)
    """All of the message's octets, in which the offsets are."""
    start: int
    """Where its header section begins."""
    body: int
    """Where its body begins."""
    end: int
    """Where it ends; the line end before a delimiter belongs to the delimiter."""
    media_type: str
    """In lower case."""
    parameters: Mapping[str, str] = field(repr=False)
    """The media type's, by name in lower case."""
    fields: Mapping[str, str] = field(repr=False)
    """Values of the header fields about it as they stand, by name in lower case without ``content-``."""
    parts: tuple[Part, ...] = field(repr=False)
    """What it is made of; empty where it is not taken apart."""

    @property
    def octets(self) -> bytes:
        """Its body as it was sent."""
        return self.content[self.body : self.end]

    def value(self, name: str) -> Value:
        """Return a field's value, such as that of ``disposition``; an empty one without such a field."""
        return structured(self.fields.get(name, ""))

    def walk(self) -> Iterator[Part]:
        """Yield it and all parts in it, in order."""
        yield self
        for part in self.parts:
            yield from part.walk()


def split(content: bytes) -> tuple[Part, tuple[str, ...]]:
    """Take a message apart; return it, and a line about each bound that kept something in one piece or out."""
    splitter = _Splitter(content)
    return splitter.split(), tuple(splitter.cut)


def header_section(content: bytes) -> bytes:
    """Return a message's header section with the empty line after it, as `split` finds it."""
    return content[: _ends_of_fields(content, _after_mailbox_line(content))[1]]


def _after_mailbox_line(content: bytes) -> int:
    mailbox_line = _MAILBOX_LINE.match(content)
    return mailbox_line.end() if mailbox_line else 0


def _ends_of_fields(content: bytes, start: int) -> tuple[int, int]:
    """Return where header fields end, and where the empty line after them does."""
    no_field = search(_NO_FIELD, content, start)
    fields_end = no_field.start() if no_field else len(content)
    empty_line = _EMPTY_LINE.match(content, fields_end)
    return fields_end, empty_line.end() if empty_line else fields_end


class _Opened:
    """A part whose end has not come yet."""

    def __init__(self, start: int, body: int, fields: Mapping[str, str], default_type: str) -> None:
        self.start, self.body, self.fields = start, body, fields
        value = structured(fields.get("type", ""))
        self.media_type = value.media_type if value.main else default_type
        self.parameters = value.parameters
        self.delimiter: bytes | None = None
        """What follows the dashes of the lines around its parts."""
        self.parts: list[Part] = []

    def ended(self, content: bytes, end: int) -> Part:
        end = max(self.body, end)
        return Part(
            content, self.start, self.body, end, self.media_type, self.parameters, self.fields, tuple(self.parts)
        )


class _Splitter:
    """Goes through the lines that begin with dashes, each once, and knows which parts are open there."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._open: list[_Opened] = []
        self._by_delimiter: dict[bytes, _Opened] = {}
        self._count = 0
        self.cut: dict[str, None] = {}

    def split(self) -> Part:
        content = self._content
        self._begin(0, _after_mailbox_line(content), "text/plain")
        for line in _DASHES.finditer(content) if self._by_delimiter else ():
            text = line[1].rstrip(b" \t\r")
            opened, is_last = self._by_delimiter.get(text), False
            if opened is None and text.endswith(b"--"):
                opened, is_last = self._by_delimiter.get(text[:-2]), True
            if opened is None:
                continue
            line_end = line.start()
            self._end_inside(opened, line_end - content.endswith(b"\r", 0, line_end))
            if is_last:
                self._forget_delimiter(opened)
                if not self._by_delimiter:
                    break
                continue
            if not self._has_room():
                break
            start = min(line.end() + 1, len(content))
            self._begin(start, start, "message/rfc822" if opened.media_type == "multipart/digest" else "text/plain")
        self._end_inside(self._open[0], len(content))
        return self._open[0].ended(content, len(content))

    def _begin(self, start: int, fields_start: int, default_type: str) -> None:
        """Open a part and, where it is a message in a message, that one too."""
        while True:
            fields_end, body = _ends_of_fields(self._content, fields_start)
            opened = _Opened(start, body, _mime_fields(self._content, fields_start, fields_end), default_type)
            self._open.append(opened)
            self._count += 1
            main_type, _, subtype = opened.media_type.partition("/")
            if main_type not in ("multipart", "message"):
                return
            if len(self._open) > MAX_DEPTH:
                self.cut[f"a part inside {MAX_DEPTH} others is not taken apart"] = None
                return
            if main_type == "multipart":
                self._remember_delimiter(opened)
                return
            if subtype == "delivery-status" or not self._has_room():  # groups of fields, RFC 3464 section 2.1
                return
            start, fields_start, default_type = body, body, "text/plain"

    def _has_room(self) -> bool:
        if self._count < MAX_PARTS:
            return True
        self.cut[f"what comes after the first {MAX_PARTS:,} parts is not read"] = None
        return False

    def _remember_delimiter(self, opened: _Opened) -> None:
        delimiter = opened.parameters.get("boundary", "").rstrip().encode("utf-8", "surrogateescape")
        if delimiter and delimiter not in self._by_delimiter:  # of two parts with the same one, the outer has it
            opened.delimiter = delimiter
            self._by_delimiter[delimiter] = opened

    def _forget_delimiter(self, opened: _Opened) -> None:
        if opened.delimiter is not None:
            del self._by_delimiter[opened.delimiter]
            opened.delimiter = None

    def _end_inside(self, outer: _Opened, end: int) -> None:
        """End every part inside another one."""
        while (inner := self._open[-1]) is not outer:
            self._forget_delimiter(self._open.pop())
            self._open[-1].parts.append(inner.ended(self._content, end))


def _mime_fields(content: bytes, start: int, end: int) -> dict[str, str]:
    """Return the fields about a part (RFC 2045 section 3) in a header section; the first of a name counts."""
    found: dict[str, str] = {}
    for match in _MIME_FIELD.finditer(content, start, end):
        found.setdefault(match[1].decode("ascii").lower(), match[2].decode("utf-8", "surrogateescape"))
    return found
