"""A white JPEG picture of any size, in place of a thumbnail, because nothing here decodes pictures."""

from __future__ import annotations

import functools
import struct
from typing import Final

_ONE: Final = bytes([8] * 64)
"""Quantization: steps of 8, so that white, 127 above the middle times 8, is 127 steps."""


@functools.lru_cache(maxsize=4)
def blank_jpeg(width: int, height: int) -> bytes:
    """Return a baseline JPEG (ITU-T T.81) in grey: its first block says white, and all others that they are like it."""
    blocks = -(-width // 8) * -(-height // 8)
    bits = "10" + "1111111" + "0" + ("0" + "0") * (blocks - 1)  # category 7, the difference 127, end of block
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    two_codes = b"\x01\x01" + bytes(14)  # one code of one bit, one of two
    one_code = b"\x01" + bytes(15)
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            _segment(0xDB, b"\x00" + _ONE),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + two_codes + b"\x00\x07"),
            _segment(0xC4, b"\x10" + one_code + b"\x00"),
            _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            data,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data
