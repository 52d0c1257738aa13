"""What may be shown of what a client sent: text that moves no cursor and hides nothing, and secrets by their length."""

from __future__ import annotations

import re
from typing import Final

_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\u00ad\u180e\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, those that change the direction or hide text, and undecodable octets."""


def printable(text: str | bytes) -> str:
    """Return text with everything escaped that could move a terminal's cursor or hide what is there."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def shorten(secret: str | bytes) -> str:
    """Return what a report may show of a credential: that there is one, and its length."""
    unit = "octet" if isinstance(secret, bytes) else "character"
    return f"…({len(secret)} {unit}{'' if len(secret) == 1 else 's'})"


def excerpt(octets: bytes, limit: int, *, is_secret: bool) -> str:
    """Return how stray octets are shown: their beginning, or with a credential in them only their number."""
    return shorten(octets) if is_secret else repr(octets[:limit])
