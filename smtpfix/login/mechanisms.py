"""The SASL mechanisms of AUTH (RFC 4954), one class each: a generator that yields challenges and receives answers.

It knows neither base64 nor replies. To add a mechanism, write a class here and a line in `MECHANISMS`.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Final, Literal, TypeAlias

from smtpfix.errors import InvalidValueError

from .hashed import HashedPassword
from .names import ANY_USER, AnyUser


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token (RFC 6750), instead of a password: ``users={"ann": Token("abc", expires=...)}``.

    XOAUTH2 and OAUTHBEARER accept tokens, and no passwords. Raises `InvalidValueError`.
    """

    value: str = field(repr=False)
    """The token as the client sends it: ASCII letters, digits, ``-._~+/``, and ``=`` at its end (RFC 6750 section 2.1).
    It is not in the repr, because reports show that."""
    expires: datetime | None = None
    """When the token expires: a datetime with a time zone. None: never. A time in the past makes an expired token."""

    def __post_init__(self) -> None:
        if not isinstance(self.value, str) or not _B64TOKEN.fullmatch(self.value):
            raise InvalidValueError(
                "Token.value", "something else", "ASCII letters, digits, -._~+/ and = at the end (RFC 6750 section 2.1)"
            )
        if self.expires is not None and (not isinstance(self.expires, datetime) or self.expires.tzinfo is None):
            raise InvalidValueError("Token.expires", self.expires, "a datetime with a time zone, or None")

    def is_valid(self, at: datetime | None = None) -> bool:
        """Return whether the token is valid at that time, by default now."""
        return self.expires is None or (at or datetime.now(UTC)) < self.expires


_B64TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")

Credential: TypeAlias = str | Token | HashedPassword
"""What proves a user's identity: a password, its hash, or a token."""

Users: TypeAlias = (
    Mapping[str, Credential | Sequence[Credential]] | Callable[[str, str], bool] | Literal[AnyUser.ANY_USER] | None
)
"""Who may log in: name to password, token, or several of them; whom a function of name and password, or token, lets in;
everybody; or nobody."""


class MalformedResponseError(Exception):
    """The client's answer is not of the mechanism's form."""


class ServerFirstError(MalformedResponseError):
    """The client sent an initial response, but in this mechanism the server speaks first (RFC 4954 section 4)."""


class Exchange:
    """One authentication. What has become known so far is in its attributes, also when it is broken off."""

    answers: ClassVar[int] = 3
    """How many answers a client may have for challenges; those of SCRAM are the most."""

    def __init__(self, users: Users, *, hostname: str = "localhost", certified: str | None = None) -> None:
        self._users = users
        self._hostname = hostname
        self._certified = certified
        """Whom the client's TLS certificate names."""
        self.user: str | None = None
        """Authentication identity."""
        self.password: str | None = None
        self.token: str | None = None
        """Bearer token."""
        self.trace: str | None = None
        """What an anonymous client said of itself."""
        self.authorization_identity: str | None = None
        """Whom the user wants to act as, if somebody else."""
        self.refusal: str | None = None
        """Why the client is refused, where the mechanism has a word for it."""
        self.asks = False
        """Whether a function that knows the users is asked; not where somebody only listens."""

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

    def _check(self, fits: Callable[[Sequence[Credential]], bool]) -> bool:
        """Return whether the user is known, acts as itself, and what it is known by fits."""
        if self._users is ANY_USER:
            return True
        if callable(self._users):
            return self.asks and self._is_let_in_by(self._users)
        if self._users is None or self.user is None or self.user not in self._users:
            return False
        if self.authorization_identity not in (None, self.user):
            return False
        known = self._users[self.user]
        return fits((known,) if isinstance(known, Credential) else known)

    def _is_let_in_by(self, knows: Callable[[str, str], bool]) -> bool:
        """Return what a function says of the user. Raises `TypeError` where it says neither yes nor no."""
        secret = self.password if self.password is not None else self.token
        if secret is None or self.authorization_identity not in (None, self.user):
            return False
        answer: object = knows(self.user or "", secret)
        if not isinstance(answer, bool):
            raise TypeError(f"it returned {answer!r}, expected True or False")
        return answer

    def _has_password(self, known: Sequence[Credential]) -> bool:
        return any(
            one.fits(self.password) if isinstance(one, HashedPassword) else one == self.password for one in known
        )


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Plain(Exchange):
    """PLAIN, RFC 4616."""

    answers = 1

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Take authorization identity, user and password in one answer, separated by NUL (RFC 4616 section 2)."""
        response = initial or (yield b"")
        parts = response.split(b"\0")
        if len(parts) != 3:  # noqa: PLR2004 - the three of RFC 4616 section 2
            raise MalformedResponseError("PLAIN takes [authorization identity] NUL user NUL password")
        self.authorization_identity = _text(parts[0]) or None
        self.user, self.password = _text(parts[1]), _text(parts[2])
        return self._check(self._has_password)


class Login(Exchange):
    """LOGIN, which no RFC describes: two questions, the first of which may be answered in advance."""

    answers = 2

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Ask for the user, then for the password, in the words that clients look for."""
        user = initial or (yield b"Username:")
        if user.count(b"\0") == 2:  # noqa: PLR2004 - PLAIN's answer, with the password in it
            raise MalformedResponseError("LOGIN takes a user's name first, not the answer of PLAIN")
        self.user = _text(user)
        self.password = _text((yield b"Password:"))
        return self._check(self._has_password)


class CramMD5(Exchange):
    """CRAM-MD5, RFC 2195: the password stays with the client."""

    answers = 1
    _RESPONSE: Final = re.compile(rb"(.+) ([0-9a-f]{32})", re.DOTALL)

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Take the user and, in lower-case hex, the challenge's HMAC-MD5 keyed with the password (section 2)."""
        if initial is not None:
            raise ServerFirstError("CRAM-MD5 takes no initial response (RFC 4954 section 4)")
        challenge = self._challenge()
        found = self._RESPONSE.fullmatch((yield challenge))
        if found is None:
            raise MalformedResponseError("CRAM-MD5 takes user SP digest, 32 hex digits in lower case")
        self.user, digest = _text(found[1]), found[2].decode()
        return self._check(
            lambda known: any(
                isinstance(one, str) and hmac.digest(_octets(one), challenge, "md5").hex() == digest for one in known
            )
        )

    def _challenge(self) -> bytes:
        """Return what nobody can foresee, in the form of a message identifier (RFC 2195 section 2)."""
        return f"<{secrets.randbits(64)}.{int(time.time())}@{self._hostname}>".encode()


class _Bearer(Exchange):
    """What mechanisms of bearer tokens share: a refusal is told in a challenge, and then in the reply."""

    answers = 2
    _refusal: ClassVar[bytes]
    """The challenge that tells a refusal, in JSON."""

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Take user and token in one answer; say what is wrong, if so, and wait for the client to take note."""
        scheme, _, token = self._read(initial or (yield b"")).partition(b" ")
        if scheme.lower() == b"bearer":
            self.token = _text(token.strip(b" "))
        accepted = bool(self.token) and self._check(self._has_token)
        if not accepted:
            self._acknowledge((yield self._refusal))
        return accepted

    def _read(self, response: bytes) -> bytes:
        """Set the user and return what an HTTP Authorization header would have (RFC 6750 section 2.1)."""
        raise NotImplementedError

    def _acknowledge(self, answer: bytes) -> None:
        """Raise `MalformedResponseError` if this is not how a client takes note of a refusal."""

    def _has_token(self, known: Sequence[Credential]) -> bool:
        return any(isinstance(one, Token) and one.value == self.token and one.is_valid() for one in known)


class XOAuth2(_Bearer):
    """XOAUTH2, Google's and Microsoft's: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol.

    The client takes note of a refusal with an empty answer; any other is let pass, since curl's is a control A.
    """

    _refusal = b'{"status": "401", "schemes": "bearer", "scope": "https://mail.smtpfix.test/"}'
    _RESPONSE: Final = re.compile(rb"user=([^\x01]*)\x01auth=([^\x01]*)\x01\x01")

    def _read(self, response: bytes) -> bytes:
        found = self._RESPONSE.fullmatch(response)
        if found is None:
            raise MalformedResponseError("XOAUTH2 takes user=name ^A auth=Bearer token ^A ^A")
        self.user = _text(found[1])
        return found[2]


class OAuthBearer(_Bearer):
    """OAUTHBEARER, RFC 7628. A client that names nobody is whom its token belongs to."""

    _refusal = b'{"status": "invalid_token", "scope": "mail"}'
    _GS2_HEADER: Final = re.compile(rb"[ny],(?:a=((?:[^\0,=]|=2C|=3D)+))?,")  # RFC 5801 section 4, without binding

    def _read(self, response: bytes) -> bytes:
        header, *pairs = response.split(b"\1")
        found = self._GS2_HEADER.fullmatch(header)
        if found is None or pairs[-2:] != [b"", b""] or not all(b"=" in pair for pair in pairs[:-2]):
            raise MalformedResponseError(
                "OAUTHBEARER takes n,a=name, ^A auth=Bearer token ^A ^A (RFC 7628 section 3.1)"
            )
        if found[1] is not None:
            self.user = _text(found[1].replace(b"=2C", b",").replace(b"=3D", b"="))
        return dict(pair.partition(b"=")[::2] for pair in pairs[:-2]).get(b"auth", b"")

    def _check(self, fits: Callable[[Sequence[Credential]], bool]) -> bool:
        if self.user is not None or not isinstance(self._users, Mapping):
            return super()._check(fits)
        for name in self._users:
            self.user = name
            if super()._check(fits):
                return True
        self.user = None
        return False

    def _acknowledge(self, answer: bytes) -> None:
        if answer != b"\1":
            raise MalformedResponseError("OAUTHBEARER takes note of a refusal with ^A (RFC 7628 section 3.2.3)")


class External(Exchange):
    """EXTERNAL, RFC 4422 appendix A: the client is whom its TLS certificate names."""

    answers = 1

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Take whom the client wants to act as, empty for itself."""
        self.user = self._certified
        response = initial if initial is not None else (yield b"")
        if b"\0" in response:
            raise MalformedResponseError("EXTERNAL takes [authorization identity], without NUL")
        self.authorization_identity = _text(response) or None
        return self.user is not None and self._check(lambda _: True)


class Anonymous(Exchange):
    """ANONYMOUS, RFC 4505: lets everybody in, as the user ``anonymous``."""

    answers = 1

    def run(self, initial: bytes | None) -> Generator[bytes, bytes, bool]:
        """Take what the client says of itself: an e-mail address or any other text, up to 255 characters."""
        response = initial if initial is not None else (yield b"")
        trace = _text(response)
        # Section 2, and the stringprep profile of section 3: neither control characters nor what is not UTF-8.
        if len(trace) > 255 or any(unicodedata.category(character) in ("Cc", "Cs") for character in trace):  # noqa: PLR2004
            raise MalformedResponseError("ANONYMOUS takes [trace], UTF-8 of 255 characters at the most")
        self.user, self.trace = "anonymous", trace or None
        return self._users is not None


MECHANISMS: Final[Mapping[str, type[Exchange]]] = {
    "PLAIN": Plain,
    "LOGIN": Login,
    "CRAM-MD5": CramMD5,
    "XOAUTH2": XOAuth2,
    "OAUTHBEARER": OAuthBearer,
    "EXTERNAL": External,
    "ANONYMOUS": Anonymous,
}
"""The mechanisms that need nothing but the standard library."""
