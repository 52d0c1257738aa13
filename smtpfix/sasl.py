"""The SASL mechanisms of AUTH (RFC 4954), each one class: a generator that yields challenges and is sent the answers.

Knows neither base64 nor replies. A new mechanism is a class here and a line in `MECHANISMS`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from enum import Enum
from typing import Final, Literal, TypeAlias


class AnyUser(Enum):
    """Type of `ANY_USER`."""

    ANY_USER = "any user"


ANY_USER: Final = AnyUser.ANY_USER
"""As `Policy.users`: accept every user and password, and record them."""

Users: TypeAlias = Mapping[str, str] | Literal[AnyUser.ANY_USER] | None
"""Who may log in: name to password, everybody, or nobody."""


class MalformedResponseError(Exception):
    """The client's answer is not of the mechanism's form."""


class Exchange:
    """One authentication. What has become known so far is in its attributes, also when it is broken off."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self.user: str | None = None
        """Authentication identity."""
        self.password: str | None = None
        self.authorization_identity: str | None = None
        """Whom the user wants to act as, if somebody else."""

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Yield challenges, receive answers, return whether the client is who it says.

        `initial` is the initial response (RFC 4954 section 4), None without one. Raises `MalformedResponseError`.
        """
        raise NotImplementedError

    def peek(self, initial: bytes) -> None:
        """Learn what an initial response gives away, though nobody is going to be authenticated by it."""
        # NotImplementedError: a mechanism this server does not know is refused too, and nothing is learnt from it.
        with contextlib.suppress(StopIteration, MalformedResponseError, NotImplementedError):
            next(self.run(initial))

    def _check(self) -> bool:
        if self._users is ANY_USER:
            return True
        if self._users is None or self.user is None:
            return False
        return self._users.get(self.user) == self.password and self.authorization_identity in (None, self.user)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


class Plain(Exchange):
    """PLAIN, RFC 4616."""

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Take authorization identity, user and password in one answer, separated by NUL (RFC 4616 section 2)."""
        response = initial or (yield b"")
        parts = response.split(b"\0")
        if len(parts) != 3:  # noqa: PLR2004 - the three of RFC 4616 section 2
            raise MalformedResponseError("PLAIN takes [authorization identity] NUL user NUL password")
        self.authorization_identity = _text(parts[0]) or None
        self.user, self.password = _text(parts[1]), _text(parts[2])
        return self._check()


class Login(Exchange):
    """LOGIN, which no RFC describes: two questions, the first of which may be answered in advance."""

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Ask for the user, then for the password, in the words that clients look for."""
        self.user = _text(initial or (yield b"Username:"))
        self.password = _text((yield b"Password:"))
        return self._check()


MECHANISMS: Final[Mapping[str, type[Exchange]]] = {"PLAIN": Plain, "LOGIN": Login}
"""The mechanisms this server knows, in the order it offers them."""
