"""SCRAM (RFC 5802, RFC 7677), with and without channel binding: one class per mechanism.

The only importer of scramp, which the extra ``smtpfix[scram]`` installs: it prepares names and passwords by SASLprep
(RFC 4013) and derives the keys. What went wrong is told where the RFC has it, in the server's last message.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import ClassVar, Final

from scramp import ScramException, ScramMechanism
from scramp.utils import saslprep

from .mechanisms import Credential, Exchange, MalformedResponseError, Users

ITERATIONS: Final = 4096
"""Iteration count that is announced; RFC 5802 section 5.1 and RFC 7677 section 3 ask for 4096 at least."""

SALT: Final = secrets.token_bytes(16)
"""One for all users of this process: nothing is stored that it would have to protect."""

_NAME: Final = rb"(?:[^\0,=]|=2C|=3D)+"
_NONCE: Final = rb"[\x21-\x2b\x2d-\x7e]+"
_EXTENSIONS: Final = rb"(?:,[A-Za-z]=[^\0,]+)*"
_FIRST: Final = re.compile(
    rb"(?P<header>(?P<flag>[ny]|p=(?P<binding>[A-Za-z0-9.-]+)),(?:a=(?P<as>" + _NAME + rb"))?,)"
    rb"(?P<bare>(?P<mandatory>m=[^\0,]+,)?n=(?P<user>"
    + _NAME
    + rb"),r=(?P<nonce>"
    + _NONCE
    + rb")"
    + _EXTENSIONS
    + rb")"
)
"""``client-first-message``, RFC 5802 section 7."""
_FINAL: Final = re.compile(
    rb"(?P<bare>c=(?P<binding>[^\0,]+),r=(?P<nonce>" + _NONCE + rb")" + _EXTENSIONS + rb"),p=(?P<proof>[^\0,]+)"
)
"""``client-final-message``, RFC 5802 section 7."""


class Scram(Exchange):
    """SCRAM. The password stays with the client, and the server shows that it knows it too."""

    name: ClassVar[str]
    digest: ClassVar[str]
    """The hash function, as `hashlib` calls it."""
    is_plus: ClassVar[bool] = False
    """Whether it binds to the TLS channel."""

    def __init__(
        self,
        users: Users,
        *,
        binding: Callable[[str], bytes | None] | None = None,
        offers_binding: bool = False,
    ) -> None:
        super().__init__(users)
        self._binding = binding
        """Returns the connection's channel binding of a name."""
        self._offers_binding = offers_binding
        """Whether the client could have used a -PLUS mechanism."""
        self._server_key: bytes | None = None

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Take the client's two messages (RFC 5802 section 5), say what came of them, and wait for it to take note."""
        first = _FIRST.fullmatch(initial or (yield b""))
        if first is None:
            raise MalformedResponseError("SCRAM begins with n,[a=identity],n=user,r=nonce (RFC 5802 section 7)")
        self.user = _unescaped(first["user"])
        if first["as"] is not None:
            self.authorization_identity = _unescaped(first["as"])
        bound, error = self._bind(first)
        error = error or self._prepare_user()
        nonce = first["nonce"] + self._nonce()
        salt = self._salt()
        server_first = b"r=%b,s=%b,i=%d" % (nonce, base64.b64encode(salt), ITERATIONS)
        final = _FINAL.fullmatch((yield server_first))
        if final is None:
            raise MalformedResponseError("SCRAM ends with c=binding,r=nonce,p=proof (RFC 5802 section 7)")
        message = b",".join((first["bare"], server_first, final["bare"]))
        error = error or _check_final(final, first["header"] + bound, nonce) or self._check_proof(final, message, salt)
        if error is not None or self._server_key is None:
            self.refusal = error or "other-error"
            yield b"e=%b" % self.refusal.encode()
            return False
        signature = hmac.digest(self._server_key, message, self.digest)
        if (yield b"v=" + base64.b64encode(signature)):
            raise MalformedResponseError("SCRAM takes note of the server's signature with an empty answer")
        return True

    def _bind(self, first: re.Match[bytes]) -> tuple[bytes, str | None]:
        """Return the channel binding, if the client uses one, and what is wrong about that (RFC 5802 section 6)."""
        if first["mandatory"] is not None:
            return b"", "extensions-not-supported"
        if first["binding"] is None:
            downgraded = self.is_plus or (first["flag"] == b"y" and self._offers_binding)
            return b"", "server-does-support-channel-binding" if downgraded else None
        if not self.is_plus:
            return b"", "channel-binding-not-supported"
        bound = self._binding(first["binding"].decode()) if self._binding is not None else None
        return bound or b"", None if bound else "unsupported-channel-binding-type"

    def _prepare_user(self) -> str | None:
        """Bring the user's name into the form that names are compared in (RFC 5802 section 5.1)."""
        prepared = _prepared(self.user or "")
        self.user = prepared or self.user
        return None if prepared else "invalid-username-encoding"

    def _check_proof(self, final: re.Match[bytes], message: bytes, salt: bytes) -> str | None:
        proof = _decoded(final["proof"])
        if proof is None:
            return "invalid-encoding"
        if not isinstance(self._users, Mapping) or self.user not in self._users:
            return "unknown-user"

        def proves(known: Sequence[Credential]) -> bool:
            for keys in (_keys(self.name, one, salt) for one in known if isinstance(one, str)):
                if keys is not None and _is_proof(proof, keys[0], message, self.digest):
                    self._server_key = keys[1]
                    return True
            return False

        return None if self._check(proves) else "invalid-proof"

    def _nonce(self) -> bytes:
        """Return the server's part of the nonce, which nobody can foresee."""
        return secrets.token_urlsafe(18).encode()

    def _salt(self) -> bytes:
        return SALT


def _check_final(final: re.Match[bytes], bound: bytes, nonce: bytes) -> str | None:
    """Return what is wrong with the client's last message, whoever it is."""
    given = _decoded(final["binding"])
    if given is None:
        return "invalid-encoding"
    if given != bound:
        return "channel-bindings-dont-match"
    return None if final["nonce"] == nonce else "other-error"


def _is_proof(proof: bytes, stored_key: bytes, message: bytes, digest: str) -> bool:
    """Return whether this proves that the client has the key (RFC 5802 section 3)."""
    signature = hmac.digest(stored_key, message, digest)
    if len(proof) != len(signature):
        return False
    client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.new(digest, client_key).digest(), stored_key)


@functools.lru_cache(maxsize=1024)
def _keys(mechanism: str, password: str, salt: bytes) -> tuple[bytes, bytes] | None:
    """Return the stored key and the server key, once for each password; None for one that SASLprep does not allow."""
    try:
        _, stored_key, server_key, _ = ScramMechanism(mechanism).make_auth_info(password, ITERATIONS, salt)
    except ScramException:
        return None
    return bytes(stored_key), bytes(server_key)


def _prepared(text: str) -> str:
    """Return a name as SASLprep has it, empty if it allows none."""
    try:
        return str(saslprep(text))
    except ScramException:
        return ""


def _unescaped(name: bytes) -> str:
    """Return a ``saslname`` (RFC 5802 section 5.1)."""
    return name.replace(b"=2C", b",").replace(b"=3D", b"=").decode("utf-8", "surrogateescape")


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


class ScramSHA1(Scram):
    """SCRAM-SHA-1, RFC 5802."""

    name = "SCRAM-SHA-1"
    digest = "sha1"


class ScramSHA1Plus(ScramSHA1):
    """SCRAM-SHA-1-PLUS, RFC 5802 section 6."""

    is_plus = True


class ScramSHA256(Scram):
    """SCRAM-SHA-256, RFC 7677."""

    name = "SCRAM-SHA-256"
    digest = "sha256"


class ScramSHA256Plus(ScramSHA256):
    """SCRAM-SHA-256-PLUS, RFC 7677."""

    is_plus = True


SCRAM_MECHANISMS: Final[Mapping[str, type[Scram]]] = {
    "SCRAM-SHA-1": ScramSHA1,
    "SCRAM-SHA-1-PLUS": ScramSHA1Plus,
    "SCRAM-SHA-256": ScramSHA256,
    "SCRAM-SHA-256-PLUS": ScramSHA256Plus,
}
"""The mechanisms by their names, those of `sasl.SCRAM`."""
