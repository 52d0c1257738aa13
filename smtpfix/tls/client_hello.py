"""The ClientHello of a TLS client, read from raw bytes, so that it is known even if the handshake fails.

Knows RFC 8446 section 4.1.2 (the same bytes serve TLS 1.0 to 1.3) and nothing of sessions. Never fails: what is cut off
or malformed gives None.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from smtpfix.comparing import Compared

from .recognising import HANDSHAKE, looks_like_tls

VERSION_NAMES: Final = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
"""Names as `ssl.SSLSocket.version` gives them."""

_FIRST: Final = bytes((HANDSHAKE,))
_RECORD_HEADER: Final = 5  # octets: type, version, length
_HEADER: Final = 4  # octets: handshake type, length; RFC 8446 section 4
_CLIENT_HELLO: Final = 1  # RFC 8446 section 4
_SERVER_NAME: Final = 0  # RFC 6066 section 3
_ALPN: Final = 16  # RFC 7301 section 3.1
_SUPPORTED_VERSIONS: Final = 43  # RFC 8446 section 4.2.1


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ClientHello(Compared):
    """The client's offer."""

    server_name: str | None
    """Server name indication (RFC 6066 section 3); None when not sent, as for clients that connect by IP address."""
    versions: tuple[str, ...]
    """TLS versions offered, in the client's order; GREASE (RFC 8701) left out."""
    ciphers: tuple[int, ...]
    """Cipher suites offered, as IANA's numbers, GREASE left out."""
    alpn: tuple[str, ...]
    """ALPN protocols offered (RFC 7301)."""


_GREASE: Final = frozenset(range(0x0A0A, 0x10000, 0x1010))
"""What clients sprinkle in to be ignored: 0x0A0A, 0x1A1A, … 0xFAFA (RFC 8701 section 2)."""

_NUMBER: Final = struct.Struct(">H")
_EXTENSION: Final = struct.Struct(">HH")  # its type, and how long it is; RFC 8446 section 4.2


def has_begun(data: bytes) -> bool:
    """Return whether these first bytes of a client may grow into a ClientHello, and are not a whole one yet."""
    if len(data) < 2:  # noqa: PLR2004 - too few to look at
        return data[:1] in (b"", _FIRST)
    if not looks_like_tls(data):
        return False
    handshake = b"".join(_fragments(data))
    return len(handshake) < _HEADER or len(handshake) < _HEADER + int.from_bytes(handshake[1:_HEADER], "big")


def hello_octets(data: bytes | bytearray) -> bytes:
    """Return what `parse_client_hello` needs of these first bytes: mostly one record; nothing if it is no TLS."""
    if data[:1] != _FIRST:
        return b""
    if len(data) > _RECORD_HEADER + _HEADER:
        end = _RECORD_HEADER + _NUMBER.unpack_from(data, 3)[0]  # 3: after type and version
        if _RECORD_HEADER + _HEADER + int.from_bytes(data[6:9], "big") <= end:  # whole in its first record
            return bytes(data[:end])
    return bytes(data)


def parse_client_hello(data: bytes) -> ClientHello | None:
    """Return the ClientHello that these first bytes of a client hold; None if they are not a whole one."""
    try:
        return _parse(data)
    except (IndexError, UnicodeDecodeError, struct.error):
        return None


def asked_name(data: bytes | bytearray) -> str | None:
    """Return the server name that a ClientHello asks for, without reading the rest: every handshake pays for this.

    None, too, where it cannot be read.
    """
    try:
        if (opened := _open(data)) is None:
            return None
        extensions, at = opened[2], 0
        while at < len(extensions):  # the name comes first or nearly so
            kind, length = _EXTENSION.unpack_from(extensions, at)
            at += _EXTENSION.size
            if kind == _SERVER_NAME:
                return _name(_piece(extensions, at, length))
            at += length
    except (IndexError, UnicodeDecodeError, struct.error):
        pass
    return None


def _open(data: bytes | bytearray) -> tuple[bytes, bytes, bytes] | None:
    """Return a whole ClientHello by offsets, and in it its cipher suites and extensions; None for another message.

    Raises IndexError past the end of a vector.
    """
    handshake = b"".join(_fragments(data))
    if handshake[0] != _CLIENT_HELLO:
        return None
    hello = _piece(handshake, _HEADER, int.from_bytes(_piece(handshake, 1, 3), "big"))
    at = 34  # after the version and the random
    at += 1 + hello[at]  # session id
    offered = _vector(hello, at)
    at += 2 + len(offered)
    at += 1 + hello[at]  # compression methods
    return hello, offered, _vector(hello, at) if at != len(hello) else b""


def _parse(data: bytes) -> ClientHello | None:
    if (opened := _open(data)) is None:
        return None
    hello, offered, extensions = opened
    legacy_version = _NUMBER.unpack_from(hello)[0]
    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    at = 0
    while at < len(extensions):
        kind, length = _EXTENSION.unpack_from(extensions, at)
        at += _EXTENSION.size
        if at + length > len(extensions):
            raise IndexError
        if kind == _SERVER_NAME and server_name is None:
            server_name = _name(extensions[at : at + length])
        elif kind == _ALPN:
            alpn = tuple(_strings(_vector(extensions[at : at + length], 0)))
        elif kind == _SUPPORTED_VERSIONS:
            body = extensions[at : at + length]
            versions = _numbers(_piece(body, 1, body[0]))
        at += length
    if not versions:  # before TLS 1.3 a client names its highest version only
        versions = tuple(number for number in reversed(VERSION_NAMES) if number <= legacy_version)
    return ClientHello(
        server_name=server_name,
        versions=tuple(
            [VERSION_NAMES.get(number) or f"0x{number:04x}" for number in versions if number not in _GREASE]
        ),
        ciphers=tuple([number for number in _numbers(offered) if number not in _GREASE]),
        alpn=alpn,
    )


def _name(extension: bytes) -> str:
    return _vector(_vector(extension, 0), 1).decode("ascii")  # 1: after its type


def _fragments(data: bytes | bytearray) -> Iterator[bytes | bytearray]:
    """Yield the content of the leading handshake records; the last one may be cut off."""
    at = 0
    while len(data) - at >= _RECORD_HEADER and data[at] == HANDSHAKE:
        length = _NUMBER.unpack_from(data, at + 3)[0]  # after the legacy record version
        at += _RECORD_HEADER
        yield data[at : at + length]
        at += length


def _piece(data: bytes, at: int, length: int) -> bytes:
    """Return so many octets. Raises IndexError where there are fewer."""
    if at + length > len(data):
        raise IndexError
    return data[at : at + length]


def _vector(data: bytes, at: int) -> bytes:
    """Return a vector after its length, a number of two octets."""
    return _piece(data, at + 2, _NUMBER.unpack_from(data, at)[0])


def _numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 2}H", data)


def _strings(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        yield _piece(data, at + 1, data[at]).decode("ascii", "backslashreplace")
        at += 1 + data[at]
