"""What it is safe to show of what a client sent: text without control characters, secrets only by their length."""

from __future__ import annotations

import re
from typing import Final

from smtpfix.later import compiled_later

_IGNORABLE: Final = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
"""Unicode's Default_Ignorable_Code_Point, https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt: what
is shown as nothing, so that two texts look the same, or one is longer than it looks. Emoji's variation selectors are
among them: here it counts more what was sent than how it looks."""
_OTHERS: Final = ((0x00, 0x1F), (0x7F, 0x9F), (0x2028, 0x2029), (0xD800, 0xDFFF), (0xFFF9, 0xFFFB))
"""Control characters, separators of lines, undecodable octets (PEP 383), and marks of annotations."""
_UNPRINTABLE: Final = compiled_later(
    lambda: re.compile(f"[{''.join(f'{chr(low)}-{chr(high)}' for low, high in (*_IGNORABLE, *_OTHERS))}]")
)


def printable(text: str | bytes) -> str:
    """Return text with everything escaped that could move a terminal's cursor or hide what is there."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
        if text.isascii() and text.isprintable():  # as nearly all lines are
            return text
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def shorten(secret: str | bytes) -> str:
    """Return what a report may show of a credential: that there is one, and its length."""
    unit = "octet" if isinstance(secret, bytes) else "character"
    return f"…({len(secret)} {unit}{'' if len(secret) == 1 else 's'})"


def excerpt(octets: bytes, limit: int, *, is_secret: bool) -> str:
    """Return how stray octets are shown: their beginning, or with a credential in them only their number."""
    return shorten(octets) if is_secret else repr(octets[:limit])
