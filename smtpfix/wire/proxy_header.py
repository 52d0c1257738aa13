"""The header of the PROXY protocol, versions 1 and 2: what a load balancer says about the connection it forwards.

This module knows only the syntax, from https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt; `forwarding` knows
when a header is due. `parse_header` accepts any octets, and never raises.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""How a header of version 2 begins (section 2.2)."""
LONGEST_LINE: Final = 107
"""Octets of a header of version 1 with its CRLF, at the most (section 2.1)."""

_PREFIX: Final = b"PROXY "
_FIXED: Final = 16
"""Octets of version 2 before the addresses."""
# HAProxy itself writes dots where an IPv4 address is mapped into IPv6, though the specification knows hexadecimal only.
_LINE: Final = re.compile(r"PROXY (TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: .*)?\Z", re.DOTALL)
_HIGHEST_PORT: Final = 65_535
_FAMILIES: Final = {0: ("", 0), 1: ("4", 12), 2: ("6", 36), 3: ("UNIX", 216)}
"""Address families: what the transport's name ends in, and octets of the address block (section 2.2)."""
_TRANSPORTS: Final = {0: "", 1: "TCP", 2: "UDP"}

AUTHORITY: Final = 0x02
CRC32C: Final = 0x03
UNIQUE_ID: Final = 0x05
SSL: Final = 0x20

Address: TypeAlias = tuple[str, int]
"""IP address and port."""


@dataclass(frozen=True, slots=True)
class ProxyTLS:
    """The TLS between client and proxy, which the proxy ended (section 2.2.6, PP2_TYPE_SSL)."""

    version: str | None
    """The version, as the proxy names it, such as ``TLSv1.3``."""
    cipher: str | None
    """The cipher suite, as the proxy names it."""
    client_name: str | None
    """The common name in the client's certificate."""
    verified: bool
    """Whether the client presented a certificate and the proxy verified it."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a proxy says about the connection that it forwards, before anything else."""

    version: int
    """1 for a line of text, 2 for binary."""
    command: str
    """``PROXY``, or ``LOCAL`` if the proxy connects on its own behalf, as in a health check (section 2.2)."""
    transport: str
    """``TCP4``, ``TCP6``, ``UDP4``, ``UDP6``, ``UNIX``, or ``UNKNOWN``."""
    source: Address | None
    """The client's IP address and port. None if the header has none: then the proxy's own address counts."""
    destination: Address | None
    """The IP address and port of the proxy that the client connected to; None if the header has none."""
    size: int = 0
    """The length of the header in octets."""
    tlvs: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    """The types and values of the extensions of version 2, in order (section 2.2)."""

    def value(self, kind: int) -> bytes | None:
        """Return the value of the first extension with this type; None without one."""
        return next((value for found, value in self.tlvs if found == kind), None)

    @property
    def authority(self) -> str | None:
        """The host name that the client asked the proxy for, in TLS's server name (section 2.2.2)."""
        value = self.value(AUTHORITY)
        return None if value is None else _text(value)

    @property
    def unique_id(self) -> bytes | None:
        """The proxy's own id of the connection (section 2.2.5)."""
        return self.value(UNIQUE_ID)

    @property
    def tls(self) -> ProxyTLS | None:
        """The TLS between client and proxy; None if there was none, or the proxy does not mention any."""
        value = self.value(SSL)
        if value is None or not value[0] & 0x01:  # PP2_CLIENT_SSL
            return None
        inner: Mapping[int, bytes] = dict(_split(value[5:]) or ())
        version, name, cipher = (_text(inner[kind]) if kind in inner else None for kind in (0x21, 0x22, 0x23))
        shown = bool(value[0] & 0x06)  # PP2_CLIENT_CERT_CONN, PP2_CLIENT_CERT_SESS
        return ProxyTLS(version, cipher, name, verified=shown and value[1:5] == b"\0\0\0\0")

    def __str__(self) -> str:
        """Return the header in one line, as transcripts have it."""
        ends = [
            f" {word} {end[0]} port {end[1]}"
            for word, end in (("from", self.source), ("to", self.destination))
            if end is not None
        ]
        return f"PROXY protocol version {self.version}: {self.command} {self.transport}{''.join(ends)}"


class Malformed(NamedTuple):
    """Octets that are no header, and never will be."""

    reason: str
    """What was expected and what came, for people."""


def parse_header(octets: bytes) -> ProxyHeader | Malformed | None:
    """Return the header that the octets begin with; None as long as more has to come before one can say."""
    if octets.startswith(SIGNATURE):
        return _binary(octets)
    if octets.startswith(_PREFIX):
        return _line(octets)
    if SIGNATURE.startswith(octets) or _PREFIX.startswith(octets):
        return None
    return Malformed("expected a PROXY protocol header, 'PROXY ' or the signature of version 2")


def _line(octets: bytes) -> ProxyHeader | Malformed | None:
    """Read a header of version 1 (section 2.1)."""
    end = octets.find(b"\n", 0, LONGEST_LINE)
    if end < 0:
        too_long = len(octets) >= LONGEST_LINE
        return Malformed(f"expected CRLF within {LONGEST_LINE} octets") if too_long else None
    line = octets[: end - 1]
    if octets[end - 1 : end] != b"\r" or b"\r" in line:
        return Malformed("expected CRLF at the end of the line, got a CR or an LF alone")
    if _UNKNOWN.match(line):
        return ProxyHeader(1, "PROXY", "UNKNOWN", None, None, end + 1)
    match = _LINE.fullmatch(line.decode("latin-1"))
    if match is None:
        return Malformed("expected PROXY TCP4|TCP6|UNKNOWN, two addresses and two ports, one space between them")
    transport, *addresses = match[1], match[2], match[3]
    ports = int(match[4]), int(match[5])
    kind = ipaddress.IPv4Address if transport == "TCP4" else ipaddress.IPv6Address
    try:
        source, destination = (str(kind(address)) for address in addresses)
    except ValueError:
        return Malformed(f"expected addresses of {transport}, got {addresses[0]} and {addresses[1]}")
    if max(ports) > _HIGHEST_PORT:
        return Malformed(f"expected ports from 0 to {_HIGHEST_PORT}, got {max(ports)}")
    return ProxyHeader(1, "PROXY", transport, (source, ports[0]), (destination, ports[1]), end + 1)


def _binary(octets: bytes) -> ProxyHeader | Malformed | None:
    """Read a header of version 2 (section 2.2)."""
    if len(octets) < _FIXED:
        return None
    what, how, length = struct.unpack_from("!BBH", octets, len(SIGNATURE))
    if what >> 4 != 2 or what & 0x0F > 1:  # noqa: PLR2004 - the version; LOCAL and PROXY
        return Malformed(f"expected version 2 with the command LOCAL or PROXY, got octet 0x{what:02x}")
    is_local = what & 0x0F == 0
    if not is_local and (how >> 4 not in _FAMILIES or how & 0x0F not in _TRANSPORTS):
        return Malformed(f"expected an address family and transport that there are, got octet 0x{how:02x}")
    size = _FIXED + length
    if len(octets) < size:
        return None
    if is_local:  # the whole block is to be skipped
        return ProxyHeader(2, "LOCAL", "UNKNOWN", None, None, size)
    family, needed = _FAMILIES[how >> 4]
    if length < needed:
        return Malformed(f"expected {needed} octets of addresses, got {length}")
    tlvs = _extensions(octets[_FIXED + needed : size])
    if not family or not how & 0x0F:  # unspecified: what is there instead of addresses says nothing
        return ProxyHeader(2, "PROXY", "UNKNOWN", None, None, size, tlvs or ())
    if tlvs is None:
        return Malformed("expected extensions of type, length and value that fill the header")
    if not _has_right_checksum(octets[:size], _FIXED + needed, tlvs):
        return Malformed("expected the header's CRC-32C, got another one")
    if family == "UNIX":
        return ProxyHeader(2, "PROXY", family, None, None, size, tlvs)
    source, destination = _addresses(octets[_FIXED : _FIXED + needed])
    return ProxyHeader(2, "PROXY", _TRANSPORTS[how & 0x0F] + family, source, destination, size, tlvs)


def _addresses(block: bytes) -> tuple[Address, Address]:
    ends, ports = block[:-4], struct.unpack("!HH", block[-4:])
    half = len(ends) // 2
    source, destination = (str(ipaddress.ip_address(end)) for end in (ends[:half], ends[half:]))
    return (source, ports[0]), (destination, ports[1])


def _extensions(octets: bytes) -> tuple[tuple[int, bytes], ...] | None:
    """Return types and values; None where they, or those inside PP2_TYPE_SSL, do not fill the octets."""
    found = _split(octets)
    inner = (value for kind, value in found or () if kind == SSL)
    return None if any(len(value) < 5 or _split(value[5:]) is None for value in inner) else found  # noqa: PLR2004


def _split(octets: bytes) -> tuple[tuple[int, bytes], ...] | None:
    """Return types and values; None where they do not fill the octets."""
    found = []
    while octets:
        end = 3 + int.from_bytes(octets[1:3], "big")
        if len(octets) < max(3, end):
            return None
        found.append((octets[0], octets[3:end]))
        octets = octets[end:]
    return tuple(found)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


# The checksum, section 2.2.3


def _has_right_checksum(header: bytes, start: int, tlvs: tuple[tuple[int, bytes], ...]) -> bool:
    for kind, value in tlvs:
        if kind == CRC32C:
            place = start + 3
            cleared = header[:place] + bytes(len(value)) + header[place + len(value) :]
            return value == _crc32c(cleared).to_bytes(4, "big")
        start += 3 + len(value)
    return True


@functools.cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        remainder = octet
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
        table.append(remainder)
    return tuple(table)


def _crc32c(octets: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of RFC 4960 appendix B; `binascii` knows another polynomial only."""
    table = _crc_table()
    remainder = 0xFFFFFFFF
    for octet in octets:
        remainder = remainder >> 8 ^ table[(remainder ^ octet) & 0xFF]
    return remainder ^ 0xFFFFFFFF
