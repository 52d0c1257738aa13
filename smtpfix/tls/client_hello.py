"""What a TLS client said first: the ClientHello, read from raw bytes, so that it is known also when the handshake dies.

Knows RFC 8446 section 4.1.2 (the same bytes serve TLS 1.0 to 1.3) and nothing of sessions. Never fails: what is cut off
or malformed gives None.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .recognising import HANDSHAKE, looks_like_tls

VERSION_NAMES: Final = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
"""Names as `ssl.SSLSocket.version` gives them."""

_RECORD_HEADER: Final = 5  # octets: type, version, length
_HEADER: Final = 4  # octets: handshake type, length; RFC 8446 section 4
_CLIENT_HELLO: Final = 1  # RFC 8446 section 4
_SERVER_NAME: Final = 0  # RFC 6066 section 3
_ALPN: Final = 16  # RFC 7301 section 3.1
_SUPPORTED_VERSIONS: Final = 43  # RFC 8446 section 4.2.1


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The client's offer."""

    server_name: str | None
    """Server name indication (RFC 6066 section 3); None when not sent, as for clients that connect by IP address."""
    versions: tuple[str, ...]
    """TLS versions offered, in the client's order; GREASE (RFC 8701) left out."""
    ciphers: tuple[int, ...]
    """Cipher suites offered, as IANA's numbers, GREASE left out."""
    alpn: tuple[str, ...]
    """ALPN protocols offered (RFC 7301)."""


class _Reader:
    """Takes vectors off a byte string; raises IndexError past its end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise IndexError
        piece, self.position = self.data[self.position : end], end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))

    def __bool__(self) -> bool:
        return self.position < len(self.data)


def has_begun(data: bytes) -> bool:
    """Return whether these first bytes of a client may grow into a ClientHello, and are not a whole one yet."""
    if len(data) < 2:  # noqa: PLR2004 - too few to look at
        return data[:1] in (b"", bytes((HANDSHAKE,)))
    if not looks_like_tls(data):
        return False
    handshake = b"".join(_fragments(data))
    return len(handshake) < _HEADER or len(handshake) < _HEADER + int.from_bytes(handshake[1:_HEADER], "big")


def parse_client_hello(data: bytes) -> ClientHello | None:
    """Return the ClientHello that these first bytes of a client hold; None if they are not a whole one."""
    try:
        return _parse(data)
    except (IndexError, UnicodeDecodeError, struct.error):
        return None


def _parse(data: bytes) -> ClientHello | None:
    handshake = _Reader(b"".join(_fragments(data)))
    if handshake.number(1) != _CLIENT_HELLO:
        return None
    hello = _Reader(handshake.vector(3))
    legacy_version = hello.number(2)
    hello.take(32)  # random
    hello.vector(1)  # session id
    ciphers = _numbers(hello.vector(2))
    hello.vector(1)  # compression methods
    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    extensions = _Reader(hello.vector(2) if hello else b"")
    while extensions:
        kind, body = extensions.number(2), _Reader(extensions.vector(2))
        if kind == _SERVER_NAME:
            names = _Reader(body.vector(2))
            names.take(1)  # name type: host_name
            server_name = names.vector(2).decode("ascii")
        elif kind == _ALPN:
            alpn = tuple(_strings(body.vector(2)))
        elif kind == _SUPPORTED_VERSIONS:
            versions = _numbers(body.vector(1))
    if not versions:  # before TLS 1.3 a client names its highest version only
        versions = tuple(number for number in reversed(VERSION_NAMES) if number <= legacy_version)
    return ClientHello(
        server_name=server_name,
        versions=tuple(VERSION_NAMES.get(number, f"0x{number:04x}") for number in versions if not _is_grease(number)),
        ciphers=tuple(number for number in ciphers if not _is_grease(number)),
        alpn=alpn,
    )


def _fragments(data: bytes) -> Iterator[bytes]:
    """Yield the content of the leading handshake records; the last one may be cut off."""
    records = _Reader(data)
    while len(data) - records.position >= _RECORD_HEADER:
        if records.number(1) != HANDSHAKE:
            return
        records.take(2)  # legacy record version
        length = records.number(2)
        yield records.take(min(length, len(data) - records.position))


def _numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 2}H", data)


def _strings(data: bytes) -> Iterator[str]:
    reader = _Reader(data)
    while reader:
        yield reader.vector(1).decode("ascii", "backslashreplace")


def _is_grease(number: int) -> bool:
    """Return whether a value is one that clients sprinkle in to be ignored (RFC 8701 section 2)."""
    high, low = number >> 8, number & 0xFF
    return high == low and low & 0x0F == 0x0A  # noqa: PLR2004 - 0x0A0A, 0x1A1A, … 0xFAFA
