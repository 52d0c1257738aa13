"""DER, as far as certificates need it: taking them apart, and encoding what no library does.

Encoding rules: X.690; the structure of a certificate: RFC 5280 section 4.1. Octets that are not DER raise `ValueError`,
and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
SEQUENCE: Final = 0x30
VERSION: Final = 0xA0
EXTENSIONS: Final = 0xA3
_LONG: Final = 0x80


class Element(NamedTuple):
    """One element: its tag, and its octets with and without the tag and the length."""

    tag: int
    whole: bytes
    content: bytes


def encode(tag: int, *content: bytes) -> bytes:
    """Return an element with this tag and content (X.690 section 8.1)."""
    octets = b"".join(content)
    length = len(octets)
    if length < _LONG:
        return bytes((tag, length)) + octets
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(size))) + size + octets


def integer(value: int) -> bytes:
    """Return an INTEGER, negative ones too (X.690 section 8.3)."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def elements(octets: bytes) -> Iterator[Element]:
    """Take the elements apart that stand side by side. Raises `ValueError` where they do not fit."""
    position = 0
    while position < len(octets):
        start = position
        if position + 2 > len(octets):
            raise ValueError("the DER element has no length")
        tag, length = octets[position], octets[position + 1]
        position += 2
        if length >= _LONG:
            count = length - _LONG
            length = int.from_bytes(octets[position : position + count], "big")
            position += count
        if position + length > len(octets):
            raise ValueError("the DER element is longer than what holds it")
        yield Element(tag, octets[start : position + length], octets[position : position + length])
        position += length


def first(octets: bytes) -> Element:
    """Return the first of the elements that stand side by side. Raises `ValueError` where there is none."""
    for element in elements(octets):
        return element
    raise ValueError("there is no DER element")


def sequence(octets: bytes) -> list[Element]:
    """Return the elements of the one SEQUENCE that these octets are. Raises `ValueError`."""
    (whole,) = elements(octets)
    return list(elements(whole.content))


def tbs_certificate(certificate: bytes) -> bytes:
    """Return the TBSCertificate of a certificate: what is signed. Raises `ValueError`."""
    return first(first(certificate).content).whole


def certificate(tbs: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """Put a certificate together from a TBSCertificate, an AlgorithmIdentifier and a signature."""
    return encode(SEQUENCE, tbs, algorithm, encode(BIT_STRING, b"\x00", signature))


def change_tbs(
    tbs: bytes,
    *,
    algorithm: bytes | None = None,
    serial: int | None = None,
    version_1: bool = False,
    repeat_extension: bytes | None = None,
) -> bytes:
    """Return a TBSCertificate with another signature algorithm or serial, as version 1, or with an extension twice.

    `repeat_extension` is the extension's object identifier, as an element.
    """
    parts = sequence(tbs)
    place = 1 if parts[0].tag == VERSION else 0  # the serial number's; the version is left out where it is 1
    result = [part.whole for part in parts]
    if serial is not None:
        result[place] = integer(serial)
    if algorithm is not None:
        result[place + 1] = algorithm
    if repeat_extension is not None and parts[-1].tag == EXTENSIONS:
        extensions = [one.whole for one in sequence(parts[-1].content)]
        extensions += [one for one in extensions if sequence(one)[0].whole == repeat_extension]
        result[-1] = encode(EXTENSIONS, encode(SEQUENCE, *extensions))
    if version_1:
        result = [whole for whole, part in zip(result, parts, strict=True) if part.tag not in (VERSION, EXTENSIONS)]
    return encode(SEQUENCE, *result)
