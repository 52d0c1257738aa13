"""`Mode`: when TLS begins."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, TypeAlias

from smtpfix.suggesting import one_of


class Mode(StrEnum):
    """When TLS begins: one of the four modes of a server."""

    PLAIN = "plain"
    """Never. The server does not offer STARTTLS, and answers it 502."""
    STARTTLS = "starttls"
    """When the client says STARTTLS. Everything except AUTH also works in clear."""
    TLS_REQUIRED = "tls-required"
    """When the client says STARTTLS. Before that, only EHLO, NOOP and QUIT work; anything else is answered 530 (RFC
    3207 section 4)."""
    IMPLICIT_TLS = "implicit-tls"
    """At once, before the greeting (RFC 8314 section 3.3)."""

    @property
    def has_starttls(self) -> bool:
        """Whether the mode has the STARTTLS command."""
        return self in (Mode.STARTTLS, Mode.TLS_REQUIRED)


ModeName: TypeAlias = Literal["plain", "starttls", "tls-required", "implicit-tls"]
"""The modes as users write them."""

_CALLED: Final = {
    "implicit": ("what an audit calls a client; a server of this kind is", "implicit-tls"),
    "starttls-required": (
        "what an audit calls a client; a server that demands STARTTLS is 'tls-required', and one that offers it is",
        "starttls",
    ),
    "opportunistic": ("what an audit calls a client; a server that offers STARTTLS is", "starttls"),
    "none": ("what an audit calls a client; a server without TLS is", "plain"),
    **dict.fromkeys(
        ("tls", "ssl", "smtps", "imaps", "pop3s"),
        ("no mode; a server with TLS from the first octet is", "implicit-tls"),
    ),
    **dict.fromkeys(("clear", "cleartext", "plaintext", "insecure"), ("no mode; a server without TLS is", "plain")),
    **dict.fromkeys(("stls",), ("POP3's command; the mode of a server that has it is", "starttls")),
}
"""What servers' modes are called by mistake, mostly by the names that audits have for clients."""


def what_mode(given: object) -> str:
    """Return a sentence about a name that is no server mode."""
    called = _CALLED.get(given.strip().lower().replace("_", "-")) if isinstance(given, str) else None
    if called is not None:
        return f"{given!r} is {called[0]} {called[1]!r}"
    return f"expected {one_of(given, Mode)}, got {given!r}"
