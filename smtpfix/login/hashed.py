"""`HashedPassword`: a password of which only the hash is known, in the format of Apache's htpasswd.

Knows the forms that are checked in an instant: a slow one would hold up every other client of the loop.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from smtpfix.errors import InvalidValueError

_APR1: Final = re.compile(r"\$(apr1|1)\$([^$]{0,8})\$([./0-9A-Za-z]{22})")
"""MD5 crypt of FreeBSD, and Apache's form of it, which differs in its name only."""
_SHA1: Final = "{SHA}"
_SALTED_SHA1: Final = "{SSHA}"
_SHA1_OCTETS: Final = 20
_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONGEST: Final = 255
"""Octets of a password that htpasswd takes."""
_ROUNDS: Final = 1000
_UNCHECKED: Final = {
    "$2": "bcrypt",
    "$5$": "SHA-256 crypt",
    "$6$": "SHA-512 crypt",
    "$7$": "scrypt",
    "$y$": "yescrypt",
    "$argon2": "Argon2",
    "$pbkdf2": "PBKDF2",
    "{": "an LDAP scheme",
}
"""Beginnings of the forms that are told, and not checked."""
_CHECKED: Final = "a password in clear, or one hashed by 'htpasswd -m' ($apr1$), 'htpasswd -s' ({SHA}), $1$ or {SSHA}"


@dataclass(frozen=True, slots=True)
class HashedPassword:
    """Stands for a user's password where that comes in clear: PLAIN and LOGIN. Raises `InvalidValueError`."""

    value: str = field(repr=False)
    """The hash, in one of the forms ``$apr1$…``, ``$1$…``, ``{SHA}…`` and ``{SSHA}…``."""

    def __post_init__(self) -> None:
        if _APR1.fullmatch(self.value) is None and _digest(self.value) is None:
            known = (name for beginning, name in _UNCHECKED.items() if self.value.startswith(beginning))
            raise InvalidValueError("hash", next(known, "something else"), _CHECKED)

    def fits(self, password: str | None) -> bool:
        """Return whether this is the password's hash."""
        if password is None:
            return False
        octets = password.encode("utf-8", "surrogateescape")
        if len(octets) > _LONGEST:
            return False
        if found := _APR1.fullmatch(self.value):
            name, salt, wanted = found.groups()
            return hmac.compare_digest(_md5_crypt(octets, name.encode(), salt.encode()), wanted)
        digest = _digest(self.value) or b""
        salt_octets = digest[_SHA1_OCTETS:]
        made = hashlib.sha1(octets + salt_octets).digest()  # noqa: S324 - what the file has
        return hmac.compare_digest(made, digest[:_SHA1_OCTETS])


def is_hashed(text: str) -> bool:
    """Return whether a text has the form of a hash, checked or not, and not that of a password in clear."""
    return text.startswith((*(one for one in _UNCHECKED if one != "{"), "$apr1$", "$1$")) or bool(
        re.match(r"\{[A-Za-z0-9.-]+\}.", text)
    )


def _digest(text: str) -> bytes | None:
    """Return the octets after ``{SHA}``, or those after ``{SSHA}`` with the salt at their end."""
    for scheme, is_salted in ((_SHA1, False), (_SALTED_SHA1, True)):
        if text.upper().startswith(scheme):
            try:
                octets = base64.b64decode(text[len(scheme) :], validate=True)
            except (binascii.Error, ValueError):
                return None
            return octets if (len(octets) > _SHA1_OCTETS if is_salted else len(octets) == _SHA1_OCTETS) else None
    return None


def _md5_crypt(password: bytes, name: bytes, salt: bytes) -> str:
    """Return the last part of an MD5 crypt, after Poul-Henning Kamp's description of it."""
    inner = hashlib.md5(password + salt + password).digest()  # noqa: S324 - what the file has
    start = password + b"$" + name + b"$" + salt
    start += (inner * (len(password) // 16 + 1))[: len(password)]
    length = len(password)
    while length:
        start += b"\0" if length & 1 else password[:1]
        length >>= 1
    digest = hashlib.md5(start).digest()  # noqa: S324
    for turn in range(_ROUNDS):
        part = password if turn & 1 else digest
        part += salt if turn % 3 else b""
        part += password if turn % 7 else b""
        part += digest if turn & 1 else password
        digest = hashlib.md5(part).digest()  # noqa: S324
    groups = [(digest[at], digest[at + 6], digest[at + 12 if at < 4 else 5]) for at in range(5)]  # noqa: PLR2004
    text = "".join(_letters(high << 16 | middle << 8 | low, 4) for high, middle, low in groups)
    return text + _letters(digest[11], 2)


def _letters(value: int, count: int) -> str:
    return "".join(_ALPHABET[value >> 6 * place & 63] for place in range(count))
