"""`TLSProfile`: what the server of a scenario does in TLS, from the ``[tls]`` table of the scenario's file.

Knows the values and which are allowed; `contexts` and `conversation` do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from smtpfix.comparing import Compared
from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import one_of

from .tables import check_table

FAULTS: Final = {
    "stall": "takes the ClientHello and says nothing more",
    "close": "takes the ClientHello and closes the connection",
    "alert": "answers the ClientHello with a fatal alert handshake_failure",
    "clear-text": "goes on in clear where TLS has to begin",
    "tls-first": "begins TLS on connect, where its mode says that it speaks first in clear",
    "truncate-before-reply": "closes without close_notify at the final dot, instead of answering",
    "truncate-after-reply": "closes without close_notify right after its reply to the final dot",
}
"""What can go wrong beside certificates, and what the server does then."""

LEGACY: Final = ("ssl30", "rc4", "3des", "dh512")
"""What today's OpenSSL cannot do; tlslite-ng can, which is an extra."""

_CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    "min": (None, "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "max": (None, "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "dh": (None, 1024, 2048),
    "server_name": (None, "required", "unrecognized"),
    "client_certificate": (None, "optional", "required"),
    "client_authority": ("own", "other"),
    "staple": (None, "good", "revoked"),
    "fault": (None, *FAULTS),
    "legacy": (None, *LEGACY),
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TLSProfile(Compared):
    """The server's side of TLS. Raises `InvalidValueError` naming the key, the value and what is allowed."""

    where: str = "tls"
    """The file and the table it stands in, for errors."""
    min: str | None = None
    """Lowest version, instead of the policy's."""
    max: str | None = None
    """Highest version, instead of the policy's."""
    ciphers: str | None = None
    """Cipher suites of TLS 1.2 and below, as OpenSSL writes such a list; allows weak ones."""
    dh: int | None = None
    """Bits of the Diffie-Hellman group, 1024 or 2048; without, there is none."""
    server_name: str | None = None
    """``required``: only clients that send SNI are served (RFC 6066 section 3); ``unrecognized``: none is known."""
    client_certificate: str | None = None
    """``optional`` or ``required``, instead of the policy's."""
    client_authority: str = "own"
    """Whose client certificates are taken: the server's own authority's, or only an ``other``'s."""
    staple: str | None = None
    """The stapled OCSP response (RFC 6066 section 8): ``good`` or ``revoked``."""
    rotate_keys: bool = False
    """Every connection is shown another leaf with another key."""
    fault: str | None = None
    """One of `FAULTS`."""
    legacy: str | None = None
    """One of `LEGACY`."""

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or value not in allowed:
                known = [str(one) for one in allowed if one is not None]
                raise InvalidValueError(f"{self.where}: {name}", value, one_of(value, known))
        if self.ciphers is not None and (not isinstance(self.ciphers, str) or not self.ciphers):
            raise InvalidValueError(f"{self.where}: ciphers", self.ciphers, "a list of suites as OpenSSL writes it")
        if not isinstance(self.rotate_keys, bool):
            raise InvalidValueError(f"{self.where}: rotate_keys", self.rotate_keys, "true or false")

    @classmethod
    def parse(cls, where: str, table: Any) -> TLSProfile:
        """Read a table. Raises `InvalidValueError`."""
        check_table(where, table, (item.name for item in fields(cls) if item.name != "where"))
        return cls(where, **table)
