"""What a message's parts say: the body to be read as text or HTML, and the attachments."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .header_values import decoded, from_base64
from .mime import Part

_UU_ENCODINGS: Final = frozenset(("x-uuencode", "uuencode", "uue", "x-uue"))
_UU_BEGIN: Final = re.compile(rb"^begin [0-7]++ [^\n]*+\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message that is meant to be saved, not shown."""

    filename: str | None
    content_type: str
    """Media type in lower case, such as ``application/pdf``."""
    content: bytes = field(repr=False)
    """The octets with the transfer encoding removed."""


def body_text(message: Part, subtype: str) -> str:
    r"""Return the body of this subtype of text, decoded, with ``\n`` line ends; ``""`` without one."""
    part = next(_bodies(message, subtype), None)
    if part is None:
        return ""
    return decoded(_octets(part), part.parameters.get("charset", "ascii")).replace("\r\n", "\n")


def attachments(message: Part) -> Iterator[Attachment]:
    """Yield what has a file name, or says that it is an attachment, in order; a message in the message is none."""
    for part in message.walk():
        if part.parts or part.media_type.startswith("message/"):
            continue
        disposition = part.value("disposition")
        filename = disposition.parameters.get("filename", part.parameters.get("name"))
        if filename or disposition.main == "attachment":
            yield Attachment(filename if filename is None else filename.strip(), part.media_type, _octets(part))


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


def _octets(part: Part) -> bytes:
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
