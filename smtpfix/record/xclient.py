"""What XCLIENT commands said of a client: `XClient`. How they are written is `smtp`'s to know."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

UNAVAILABLE: Final = "[UNAVAILABLE]"
"""What stands for something that the proxy does not know."""


@dataclass(frozen=True, slots=True)
class XClient:
    """What XCLIENT commands said of the client, decoded; None for what none of them said.

    ``[UNAVAILABLE]``, and for `name` ``[TEMPUNAVAIL]`` too, are in upper case, however they came.
    """

    name: str | None = None
    """The client's host name, as its address was looked up."""
    addr: str | None = None
    """The client's IP address, without the ``IPV6:`` that it comes with."""
    port: str | None = None
    """The client's TCP port, decimal."""
    proto: str | None = None
    """``SMTP`` or ``ESMTP``."""
    helo: str | None = None
    """What the client called itself."""
    login: str | None = None
    """Whom the client has shown to be."""
    destaddr: str | None = None
    """The IP address it connected to."""
    destport: str | None = None
    """The TCP port it connected to, decimal."""

    @property
    def user(self) -> str | None:
        """`login`, where it is known."""
        return None if self.login == UNAVAILABLE else self.login

    @property
    def greeted_as(self) -> str | None:
        """`helo`, where it is known."""
        return None if self.helo == UNAVAILABLE else self.helo

    def client(self, known: tuple[str, int]) -> tuple[str, int]:
        """Return the client's address and port, where what was known before is `known`."""
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
