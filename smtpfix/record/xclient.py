"""`XClient`: what XCLIENT commands said about a client. `smtp` knows their syntax."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

UNAVAILABLE: Final = "[UNAVAILABLE]"
"""What stands for something that the proxy does not know."""


@dataclass(frozen=True, slots=True)
class XClient:
    """What XCLIENT commands said about the client, decoded; None for attributes that they did not mention.

    ``[UNAVAILABLE]``, and for `name` also ``[TEMPUNAVAIL]``, are always in upper case.
    """

    name: str | None = None
    """The host name of the client, as the proxy looked it up."""
    addr: str | None = None
    """The IP address of the client, without the prefix ``IPV6:``."""
    port: str | None = None
    """The TCP port of the client, decimal."""
    proto: str | None = None
    """``SMTP`` or ``ESMTP``."""
    helo: str | None = None
    """The name that the client gave in HELO or EHLO."""
    login: str | None = None
    """The user that the client has authenticated as."""
    destaddr: str | None = None
    """The IP address that the client connected to."""
    destport: str | None = None
    """The TCP port that the client connected to, decimal."""

    @property
    def user(self) -> str | None:
        """The value of `login`, if it is known."""
        return None if self.login == UNAVAILABLE else self.login

    @property
    def greeted_as(self) -> str | None:
        """The value of `helo`, if it is known."""
        return None if self.helo == UNAVAILABLE else self.helo

    def client(self, known: tuple[str, int]) -> tuple[str, int]:
        """Return the address and port of the client; `known` is what was known before."""
        if self.addr is None and self.port is None:
            return known
        address = known[0] if self.addr is None else "unknown" if self.addr == UNAVAILABLE else self.addr
        return address, int(self.port) if self.port not in (None, UNAVAILABLE) else 0

    def __str__(self) -> str:
        """Return what is known in one line, as transcripts have it."""
        said = (
            f"{item.name.upper()}={value}" for item in fields(self) if (value := getattr(self, item.name)) is not None
        )
        return "XCLIENT " + " ".join(said)
