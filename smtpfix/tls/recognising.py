"""Whether the first octets of a connection are TLS, which even a server without TLS must notice."""

from __future__ import annotations

from typing import Final

HANDSHAKE: Final = 22
"""The content type of a record, RFC 8446 section 5.1."""


def looks_like_tls(data: bytes | bytearray) -> bool:
    """Return whether these first bytes of a connection are a TLS handshake record."""
    return len(data) >= 2 and data[0] == HANDSHAKE and data[1] == 3  # noqa: PLR2004 - SSL 3.0 and all of TLS
