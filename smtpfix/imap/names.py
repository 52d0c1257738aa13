"""Mailbox names: modified UTF-7 (RFC 3501 section 5.1.3), and the wildcards of LIST (RFC 9051 section 6.3.9)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_SHIFTED: Final = re.compile(rb"&([A-Za-z0-9+,]*+)-")
_NOT_PLAIN: Final = re.compile(r"[^ -~]+")


def to_utf7(name: str) -> bytes:
    """Write a name in modified UTF-7."""

    def shifted(match: re.Match[str]) -> str:
        encoded = base64.b64encode(match[0].encode("utf-16-be", "surrogatepass")).decode("ascii")
        return f"&{encoded.rstrip('=').replace('/', ',')}-"

    return _NOT_PLAIN.sub(shifted, name.replace("&", "&-")).encode("ascii")


def from_utf7(octets: bytes) -> str:
    """Read a name; what is no modified UTF-7 is read as UTF-8, and as it stands where it is none either."""

    def unshifted(match: re.Match[bytes]) -> bytes:
        data = match[1].replace(b",", b"/")
        if not data:
            return b"&"
        try:
            text = base64.b64decode(data + b"=" * (-len(data) % 4)).decode("utf-16-be")
        except (binascii.Error, UnicodeDecodeError):
            return match[0]
        return text.encode()

    return _SHIFTED.sub(unshifted, octets).decode("utf-8", "surrogateescape")


class Pattern:
    """A name with wildcards: ``*`` stands for anything, ``%`` for anything without the delimiter.

    All ways to match are tried at once, as bits of a number, one step a character: no pattern makes it slow.
    """

    def __init__(self, text: str, delimiter: str | None) -> None:
        self._delimiter = delimiter
        self._literal: dict[str, int] = {}
        self._any = self._within = 0
        place = 0
        last = ""
        for character in text:
            if character in "*%" and last and last in "*%":
                if character == "*":  # next to another wildcard it is worth both
                    self._any |= 1 << place - 1
                continue
            last = character
            if character == "*":
                self._any |= 1 << place
            elif character == "%":
                self._within |= 1 << place
            else:
                self._literal[character] = self._literal.get(character, 0) | 1 << place
            place += 1
        self._wild = self._any | self._within
        self._end = 1 << place

    def matches(self, name: str, any_case: int = 0) -> bool:
        """Return whether it matches a whole name, the first of whose characters may be in any case."""
        wild, states = self._wild, 1
        states |= (states & wild) << 1
        for at, character in enumerate(name):
            stays = self._any if character == self._delimiter else wild
            literal = self._literal.get(character, 0)
            if at < any_case:
                literal |= self._literal.get(character.swapcase(), 0)
            states = (states & literal) << 1 | (states & stays)
            if not states:
                return False
            states |= (states & wild) << 1
        return bool(states & self._end)
