"""Your own certificate as `Policy.certificate`: two files, PEM octets, or an `ssl.SSLContext`.

Knows what may be given, and reads nothing: `tls.own_certificate` does, when a server starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import ssl

_BEGINS: Final = b"-----BEGIN "
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY_ENDS: Final = b" PRIVATE KEY-----"

EXPECTED: Final = (
    'a scenario\'s id, a Path to a scenario\'s file, the files of a chain and its key ("chain.pem", "key.pem"), '
    "their PEM octets in one bytes, or an ssl.SSLContext for servers"
)
"""What `Policy.certificate` may be, in words."""


class PEM(bytes):
    """A chain and its key, PEM; its text form shows neither."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<PEM, {self.count(_CERTIFICATE)} certificates>"

    __str__ = __repr__

    @property
    def is_complete(self) -> bool:
        """Whether there is a certificate and a key in it."""
        return min(self.find(_CERTIFICATE), self.find(_KEY_ENDS)) >= 0


Files: TypeAlias = tuple[Path, Path]


def normalized(value: object) -> Files | PEM | ssl.SSLContext | None:
    """Return a certificate of one's own in its normal form; None: it is none, but a scenario, or nothing of the kind.

    Raises `ValueError`, whose text says what was expected and shows no key.
    """
    if isinstance(value, tuple | list):
        return _pair(tuple(value))
    if isinstance(value, str) and value.lstrip().startswith(_BEGINS.decode()):
        value = value.encode()
    if isinstance(value, bytes | bytearray):
        pem = PEM(value)
        if not pem.is_complete:
            raise ValueError("a chain and its key, both PEM, one after the other")
        return pem
    if value is None or isinstance(value, str | Path):
        return None
    import ssl  # noqa: PLC0415 - whoever has a context has it imported

    if not isinstance(value, ssl.SSLContext):
        return None
    if value.protocol is ssl.PROTOCOL_TLS_CLIENT:
        raise ValueError("a context for servers, such as ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)")
    return value


def shown(value: object) -> object:
    """Return what an error may show of a value: a key that was given as text or octets is not part of it."""
    octets = (bytes, bytearray)
    parts = value if isinstance(value, tuple | list) else (value,)
    if any(isinstance(part, octets) or (isinstance(part, str) and _BEGINS.decode() in part) for part in parts):
        return "PEM octets"
    return value


def _pair(pair: tuple[object, ...]) -> Files | PEM:
    match pair:
        case (str() | Path() as chain, str() | Path() as key):
            return Path(chain), Path(key)
        case (bytes() | bytearray() as chain, bytes() | bytearray() as key):
            pem = PEM(bytes(chain) + b"\n" + bytes(key))
            if pem.is_complete:
                return pem
    raise ValueError('the files of a chain and of its key, ("chain.pem", "key.pem"), or the PEM octets of both')
