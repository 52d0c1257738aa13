"""When TLS begins: `Mode`."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias


class Mode(StrEnum):
    """When TLS begins."""

    PLAIN = "plain"
    """Never: STARTTLS is not offered, and answered 502."""
    STARTTLS = "starttls"
    """On STARTTLS, if the client wants; everything but AUTH works in clear too."""
    TLS_REQUIRED = "tls-required"
    """On STARTTLS, before anything but EHLO, NOOP and QUIT: 530 (RFC 3207 section 4)."""
    IMPLICIT_TLS = "implicit-tls"
    """On connect (RFC 8314 section 3.3)."""

    @property
    def has_starttls(self) -> bool:
        """True where the STARTTLS command exists."""
        return self in (Mode.STARTTLS, Mode.TLS_REQUIRED)


ModeName: TypeAlias = Literal["plain", "starttls", "tls-required", "implicit-tls"]
"""The modes as users write them."""
