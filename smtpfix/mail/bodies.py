"""The parts of a message: its text and HTML bodies, and its attachments."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from .header_values import decoded, from_base64, unfolded
from .mime import Part

_UU_ENCODINGS: Final = frozenset(("x-uuencode", "uuencode", "uue", "x-uue"))
_UU_BEGIN: Final = re.compile(rb"^begin [0-7]++ [^\n]*+\n", re.MULTILINE)


_MESSAGES: Final = frozenset(("message/rfc822", "message/global"))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message: an attachment, a part shown inside the text, or one that `CapturedMessage.part` returned."""

    filename: str | None
    """Its file name, decoded (RFC 2231, RFC 2047); None without one."""
    content_type: str
    """Its media type in lower case, such as ``application/pdf``."""
    content: bytes = field(repr=False)
    """Its octets, with the transfer encoding removed. For a message inside the message, all of that message."""
    disposition: str = field(default="", compare=False)
    """``attachment`` or ``inline``, in lower case (RFC 2183 section 2); ``""`` without a Content-Disposition."""
    content_id: str | None = field(default=None, compare=False)
    """Its Content-ID without angle brackets: HTML refers to it by ``cid:`` and this text."""
    params: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The parameters of its media type, decoded, by name in lower case; an invitation's ``method``, for example."""

    @property
    def text(self) -> str:
        r"""Its content decoded by its charset, with ``\n`` line ends."""
        return _text(self.content, self.params)

    @property
    def is_inline(self) -> bool:
        """Whether it is shown inside the text: its disposition says so, or it has a Content-ID and no disposition."""
        return self.disposition == "inline" or (not self.disposition and self.content_id is not None)


def body_text(message: Part, subtype: str) -> str:
    r"""Return the body of this subtype of text, decoded, with ``\n`` line ends; ``""`` without one."""
    part = next(_bodies(message, subtype), None)
    if part is None:
        return ""
    return text_of(part)


def text_of(part: Part) -> str:
    r"""Return what a part of text says, decoded, with ``\n`` line ends."""
    return _text(octets_of(part), part.parameters)


def attachments(message: Part) -> Iterator[Attachment]:
    """Yield what has a file name, is a message, is shown inside the text, or says that it is an attachment, in order.

    A message in the message is one, whatever it has attached.
    """
    for part in _own(message):
        is_message = part.media_type in _MESSAGES
        if part.parts and not is_message:
            continue
        found = _attachment(part)
        shown_by_id = found.content_id is not None and not part.media_type.startswith("text/")
        if is_message or found.filename or found.disposition == "attachment" or shown_by_id:
            yield found


def part_of(message: Part, wanted: str) -> Attachment | None:
    """Return the first part of a media type, or with the Content-ID of a ``cid:`` URL (RFC 2392 section 2)."""
    scheme, _, content_id = wanted.partition(":")
    if scheme.lower() == "cid":
        content_id = unquote(content_id)
        return next((_attachment(part) for part in _own(message) if content_id_of(part) == content_id), None)
    return next((_attachment(part) for part in _own(message) if part.media_type == wanted.lower()), None)


def _own(part: Part) -> Iterator[Part]:
    """Yield a part and all in it, but for what is in a message in the message, in order."""
    yield part
    if not part.media_type.startswith("message/"):
        for one in part.parts:
            yield from _own(one)


def _attachment(part: Part) -> Attachment:
    disposition = part.value("disposition").main
    return Attachment(
        filename_of(part), part.media_type, octets_of(part), disposition, content_id_of(part), part.parameters
    )


def filename_of(part: Part) -> str | None:
    """Return the name that a part is to be saved by (RFC 2183 section 2.3)."""
    return part.value("disposition").parameters.get("filename", part.parameters.get("name", "")).strip() or None


def content_id_of(part: Part) -> str | None:
    """Return a part's Content-ID (RFC 2045 section 7) without angle brackets."""
    return unfolded(part.fields.get("id", "")).removeprefix("<").removesuffix(">") or None


def _text(octets: bytes, parameters: Mapping[str, str]) -> str:
    return decoded(octets, parameters.get("charset", "ascii")).replace("\r\n", "\n")


def _bodies(part: Part, subtype: str) -> Iterator[Part]:
    """Yield the parts that are meant to be shown and are text of this subtype."""
    if part.value("disposition").main == "attachment":
        return
    if part.media_type == f"text/{subtype}":
        yield part
    elif part.media_type == "multipart/related":  # one part and what it refers to, RFC 2387 section 3
        root = part.parameters.get("start")
        named = (one for one in part.parts if root is not None and one.fields.get("id", "").strip() == root)
        for one in (next(named, None) or next(iter(part.parts), None),):
            if one is not None:
                yield from _bodies(one, subtype)
    elif part.media_type.startswith("multipart/"):
        for one in part.parts:
            yield from _bodies(one, subtype)


def octets_of(part: Part) -> bytes:
    """Return a part's body with the transfer encoding removed (RFC 2045 section 6)."""
    encoding = part.value("transfer-encoding").main
    if encoding == "base64":
        return from_base64(part.octets)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(part.octets)
    if encoding in _UU_ENCODINGS:
        return _from_uuencode(part.octets)
    return part.octets


def _from_uuencode(octets: bytes) -> bytes:
    begin = _UU_BEGIN.search(octets)
    if begin is None:
        return octets
    decoded_lines = []
    for line in octets[begin.end() :].splitlines():
        if line.rstrip() == b"end":
            break
        try:
            decoded_lines.append(binascii.a2b_uu(line))
        except binascii.Error:  # some encoders leave something behind the line
            length = ((line[0] - 32 & 63) * 4 + 5) // 3
            try:
                decoded_lines.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                return octets
    return b"".join(decoded_lines)
