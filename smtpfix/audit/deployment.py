"""`Deployment`: where the servers of an audit listen; by default on free ports of this machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.good_chain import check_key_type
from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.smtp.policy import Policy

FREE: Final = "free"
CONVENTIONAL: Final = "conventional"
PORTS: Final = {Mode.PLAIN: 25, Mode.STARTTLS: 587, Mode.TLS_REQUIRED: 587, Mode.IMPLICIT_TLS: 465}
"""The conventional ports: relaying (RFC 5321 section 4.5.4.2), submission (RFC 6409 section 3.1), and submission in
implicit TLS (RFC 8314 section 3.3)."""
_PORTS_OF: Final = {
    "smtp": PORTS,
    "imap": {Mode.PLAIN: 143, Mode.STARTTLS: 143, Mode.TLS_REQUIRED: 143, Mode.IMPLICIT_TLS: 993},
    "pop3": {Mode.PLAIN: 110, Mode.STARTTLS: 110, Mode.TLS_REQUIRED: 110, Mode.IMPLICIT_TLS: 995},
}
"""The same by protocol: IMAP (RFC 9051 section 2.1), POP3 (RFC 1939 section 3), both in implicit TLS (RFC 8314
sections 3.1 and 3.2)."""
_LARGEST: Final = 65_535
_DOTS: Final = 2


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is decided about servers beside what they do. Raises `InvalidValueError`."""

    ports: str = FREE
    """``free``: another port for each run; ``conventional``: 25, 587 or 465, by the server's mode, or those of its
    protocol; or a number."""
    host: str = "localhost"
    """Where to listen, as `Policy.host`."""
    hostname: str | None = None
    """The name or address that clients connect to; it is in the certificates. None leaves it open where `host` does:
    ``mx.smtpfix.test``, or an address for a client that does not find that."""
    authority: Path | None = None
    """A directory that keeps the certificate authority between audits, so that it can be imported once."""
    key_type: str | None = None
    """What keys the authority has, ``ecdsa`` or ``rsa``; None: what the directory has, or ``ecdsa``."""

    def __post_init__(self) -> None:
        if self.ports not in (FREE, CONVENTIONAL) and not (
            self.ports.isascii() and self.ports.isdigit() and 0 < int(self.ports) <= _LARGEST
        ):
            raise InvalidValueError("ports", self.ports, f"{FREE}, {CONVENTIONAL}, or a number from 1 to {_LARGEST}")
        if self.hostname is not None and not is_address(self.hostname):
            Policy(hostname=self.hostname)
        if self.key_type is not None:
            check_key_type(self.key_type, "key_type")
        self.at(Policy())

    @property
    def is_open(self) -> bool:
        """Whether nobody has chosen the name that clients connect to, nor where servers listen."""
        return self.hostname is None and self.host == "localhost"

    @property
    def is_fixed(self) -> bool:
        """Whether one server has to be gone before the next one can stand there."""
        return self.ports != FREE

    def port(self, mode: Mode | str, protocol: str = "smtp") -> int:
        """Return the port of a server in this mode; 0 for a free one."""
        if self.ports == FREE:
            return 0
        return _PORTS_OF[protocol][Mode(mode)] if self.ports == CONVENTIONAL else int(self.ports)

    def at(self, policy: ServerPolicy) -> ServerPolicy:
        """Return the policy of a server that stands here.

        It calls itself by the name that clients connect to where scenarios can make others of it, ``*.{domain}`` say:
        a domain of its own that is no top-level one. Scenarios under other names are then under that.
        """
        named = {"hostname": self.hostname} if self._has_domain else {}
        return policy.replace(host=self.host, port=self.port(policy.mode, policy.spoken), **named)

    @property
    def _has_domain(self) -> bool:
        name = self.hostname or ""
        return name.count(".") >= _DOTS and not is_address(name)


def is_address(host: str) -> bool:
    """Return whether a host is an IP address, and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


HERE: Final = Deployment()
"""Free ports of this machine."""
