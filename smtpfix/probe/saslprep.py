"""SASLprep (RFC 4013): one form for equal-looking texts, so that it does not matter how a password was typed."""

from __future__ import annotations

import stringprep
from typing import Final
from unicodedata import ucd_3_2_0

_PROHIBITED: Final = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)
"""Section 2.3."""


def prepared(text: str) -> str:
    """Return a text in the form in which it is compared. Raises `ValueError` for one that is not allowed."""
    mapped = (
        " " if stringprep.in_table_c12(one) else "" if stringprep.in_table_b1(one) else one for one in text
    )  # section 2.1
    normal = ucd_3_2_0.normalize("NFKC", "".join(mapped))  # section 2.2, by the Unicode of RFC 3454
    if any(is_prohibited(one) for one in normal for is_prohibited in _PROHIBITED):
        raise ValueError("SASLprep allows no control characters in it (RFC 4013 section 2.3)")
    if any(map(stringprep.in_table_d1, normal)):  # section 2.4; RFC 3454 section 6
        ends_right = stringprep.in_table_d1(normal[0]) and stringprep.in_table_d1(normal[-1])
        if any(map(stringprep.in_table_d2, normal)) or not ends_right:
            raise ValueError("SASLprep allows no mixture of writing directions in it (RFC 4013 section 2.4)")
    return normal
