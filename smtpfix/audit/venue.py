"""Where the servers of an audit stand: `Venue`, on free ports of this machine unless it says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy import Mode, Policy

FREE: Final = "free"
CONVENTIONAL: Final = "conventional"
PORTS: Final = {Mode.PLAIN: 25, Mode.STARTTLS: 587, Mode.TLS_REQUIRED: 587, Mode.IMPLICIT_TLS: 465}
"""The conventional ports: relaying (RFC 5321 section 4.5.4.2), submission (RFC 6409 section 3.1), and submission in
implicit TLS (RFC 8314 section 3.3)."""
_LARGEST: Final = 65_535


@dataclass(frozen=True, slots=True)
class Venue:
    """What is decided about servers beside what they do. Raises `InvalidValueError`."""

    ports: str = FREE
    """``free``: another port for each run; ``conventional``: 25, 587 or 465, by the server's mode; or a number."""
    host: str = "localhost"
    """Where to listen, as `Policy.host`."""
    hostname: str | None = None
    """The name that a client on another machine connects to; it is in the certificates. None: it is on this one."""
    authority: Path | None = None
    """A directory that keeps the certificate authority between audits, so that it can be imported once."""

    def __post_init__(self) -> None:
        if self.ports not in (FREE, CONVENTIONAL) and not (
            self.ports.isascii() and self.ports.isdigit() and 0 < int(self.ports) <= _LARGEST
        ):
            raise InvalidValueError("ports", self.ports, f"{FREE}, {CONVENTIONAL}, or a number from 1 to {_LARGEST}")
        self.at(Policy())

    @property
    def is_fixed(self) -> bool:
        """Whether one server has to be gone before the next one can stand there."""
        return self.ports != FREE

    def port(self, mode: Mode | str) -> int:
        """Return the port of a server in this mode; 0 for a free one."""
        if self.ports == FREE:
            return 0
        return PORTS[Mode(mode)] if self.ports == CONVENTIONAL else int(self.ports)

    def at(self, policy: Policy) -> Policy:
        """Return the policy of a server that stands here."""
        named = {} if self.hostname is None else {"hostname": self.hostname}
        return policy.replace(host=self.host, port=self.port(policy.mode), **named)


HERE: Final = Venue()
"""Free ports of this machine."""
