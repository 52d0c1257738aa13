"""APOP (RFC 1939 section 7), a digest of the greeting's timestamp and the password, as an exchange of one turn."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Generator

from smtpfix.login.mechanisms import Exchange, MalformedResponseError, Users


class Apop(Exchange):
    """One attempt."""

    answers = 0

    def __init__(self, users: Users, timestamp: str) -> None:
        super().__init__(users)
        self._timestamp = timestamp

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Take user and digest, 16 octets in lower-case hex."""
        user, space, digest = (initial or b"").partition(b" ")
        if not space:
            raise MalformedResponseError("APOP takes a user and a digest")
        self.user = user.decode("utf-8", "surrogateescape")
        return self._check(lambda known: any(isinstance(one, str) and self._fits(one, digest) for one in known))
        yield b""  # an exchange is a generator, also without a challenge

    def _fits(self, password: str, digest: bytes) -> bool:
        secret = (self._timestamp + password).encode("utf-8", "surrogateescape")
        expected = hashlib.md5(secret, usedforsecurity=False).hexdigest().encode()
        return hmac.compare_digest(expected, digest)
