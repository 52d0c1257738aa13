"""The modes of clients and of servers: which server modes a declaration accepts, and how errors name the others.

A client's modes are declared in words of their own, so that nobody mistakes what it is meant to do for what a server
does. Where a server's name leaves only one of them, it will do.
"""

from __future__ import annotations

from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import one_of

from .result import DeclaredMode

SERVERS_NAMES: Final = {"implicit-tls": DeclaredMode.IMPLICIT, "plain": DeclaredMode.NONE}
"""Servers' modes that leave only one of a client's."""
_AMBIGUOUS: Final = {
    "starttls": (DeclaredMode.STARTTLS_REQUIRED, DeclaredMode.OPPORTUNISTIC),
    "tls-required": (DeclaredMode.STARTTLS_REQUIRED, DeclaredMode.IMPLICIT),
}
"""Those that leave two."""
_ENDS: Final = {
    DeclaredMode.STARTTLS_REQUIRED: "sends nothing without STARTTLS",
    DeclaredMode.OPPORTUNISTIC: "also sends without it",
    DeclaredMode.IMPLICIT: "begins with TLS",
}


def declared_mode(given: DeclaredMode | str) -> DeclaredMode:
    """Return what a client is declared to do. Raises `InvalidValueError`, with what a server's name may stand for."""
    name = str(given).strip().lower().replace("_", "-") if isinstance(given, str) else ""
    if name in SERVERS_NAMES:
        return SERVERS_NAMES[name]
    try:
        return DeclaredMode(given)
    except ValueError:
        pass
    if name in _AMBIGUOUS:
        choices = ", or ".join(f"{str(mode)!r} if it {_ENDS[mode]}" for mode in _AMBIGUOUS[name])
        raise InvalidValueError.saying("mode", given, f"{given!r} is a mode of servers; for a client write {choices}")
    raise InvalidValueError("mode", given, one_of(given, DeclaredMode))
