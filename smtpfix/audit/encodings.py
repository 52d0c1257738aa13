"""`find`: where a secret is in octets, in any encoding that clients use.

Knows no protocol. Base64 is found at each of its alignments, so also inside the blob of AUTH PLAIN (RFC 4616). A secret
has no line ends: encodings make their own of them.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from smtpfix.erasing import base64_cores

_SOFT_BREAK: Final = re.compile(rb"=\r?\n")
_WHITE: Final = re.compile(rb"\s+")
_FROM_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
"""RFC 4648 section 5."""


PLAIN: Final = "as it is"


def find(secret: str, octets: bytes) -> tuple[str, ...]:
    """Return the encodings in which a secret stands in octets, the plainest first; empty where it does not."""
    found: list[str] = []
    for text, charset in ((secret.encode(), ""), (secret.encode("utf-16-le"), ", in UTF-16")):
        found += (f"{name}{charset}" for name in _encodings(text, octets))
    return tuple(found)


def _encodings(text: bytes, octets: bytes) -> Iterator[str]:
    is_plain = text in octets
    if is_plain:
        yield PLAIN
    together = _WHITE.sub(b"", octets)
    url_safe = together.translate(_FROM_URL_SAFE)
    if any(core in together or core in url_safe for core in base64_cores(text)):
        yield "in base64"
    if binascii.hexlify(text) in together.lower():
        yield "in hexadecimal"
    if is_plain:  # which both of these would leave as it is
        return
    if b"=" in octets and text in quopri.decodestring(_SOFT_BREAK.sub(b"", octets)):
        yield "in quoted-printable"
    if b"%" in octets and (text in unquote_to_bytes(octets) or text in unquote_to_bytes(octets.replace(b"+", b" "))):
        yield "percent-encoded"
