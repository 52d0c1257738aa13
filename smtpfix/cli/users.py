"""The users of `smtpfix serve`: its options, and a file of users, in clear or in htpasswd's format."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.login.hashed import HashedPassword, is_hashed
from smtpfix.login.mechanisms import Credential, Token, Users
from smtpfix.login.names import ANY_USER, DEFAULT_MECHANISMS
from smtpfix.policy.tables import read_file

_FOR_TOKENS: Final = ("XOAUTH2", "OAUTHBEARER")
"""Mechanisms that tokens are offered."""
_MOST: Final = 1_000_000
"""Octets that a file of users may have."""


def read_users(
    texts: Collection[str], file: Path | None, tokens: Collection[str], *, any_user: bool
) -> tuple[Users, tuple[str, ...] | None]:
    """Return who may log in, and by which mechanisms; None: a policy's own.

    A user of an option takes the place of the file's of the same name. Raises `InvalidValueError`, which names the
    option and shows no secret.
    """
    named = [text for text in texts if text != "*"]
    if any_user or len(named) < len(texts):
        for option, given in (("--user", named), ("--users", file), ("--token", tokens)):
            if given:
                sentence = f"--any-user lets everybody log in, and {option} names somebody; leave one of them out"
                raise InvalidValueError.saying(option, None, sentence)
        return ANY_USER, None
    users: dict[str, tuple[Credential, ...]] = {}
    if file is not None:
        users |= {name: (known,) for name, known in _from_file(file)}
    passwords: dict[str, str] = {}
    for text in named:
        name, password = _split("--user", text, "NAME:PASSWORD or '*'")
        if passwords.setdefault(name, password) != password:
            raise InvalidValueError.saying("--user", name, f"{name!r} has two passwords; name each user once")
    users |= {name: (password,) for name, password in passwords.items()}
    has_passwords = bool(users)
    for text in tokens:
        name, value = _split("--token", text, "NAME:TOKEN")
        try:
            users[name] = (*users.get(name, ()), Token(value))
        except InvalidValueError as error:
            raise error.within("--token") from error
    found = {name: known[0] if len(known) == 1 else known for name, known in users.items()} or None
    return found, (*(DEFAULT_MECHANISMS if has_passwords else ()), *_FOR_TOKENS) if tokens else None


def check_mechanisms(users: Users, mechanisms: Collection[str]) -> None:
    """Raise `InvalidValueError` for a mechanism that takes a password where only its hash is known."""
    hashed = isinstance(users, Mapping) and any(isinstance(known, HashedPassword) for known in users.values())
    for mechanism in mechanisms if hashed else ():
        if mechanism.upper().startswith(("CRAM-", "SCRAM-")):
            sentence = f"{mechanism} needs the passwords themselves, and --users has hashes; choose PLAIN or LOGIN"
            raise InvalidValueError.saying("--mechanism", mechanism, sentence)


def _from_file(path: Path) -> Iterator[tuple[str, str | HashedPassword]]:
    """Yield the users of a file: ``NAME:PASSWORD`` lines; ``#`` begins a comment line."""
    seen: dict[str, int] = {}
    try:
        text = read_file(path, _MOST, "a file of NAME:PASSWORD lines").decode("utf-8")
    except InvalidValueError as error:
        raise error.within("--users") from error
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"--users: {path}", f"octet {error.start}", "UTF-8") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"--users: {path}, line {number}"
        name, secret = _split(where, line, "NAME:PASSWORD")
        if name in seen:
            sentence = f"{name!r} is already in line {seen[name]}; name each user once"
            raise InvalidValueError.saying(where, name, sentence)
        seen[name] = number
        try:
            yield name, HashedPassword(secret) if is_hashed(secret) else secret
        except InvalidValueError as error:
            raise error.within(where) from None


def _split(option: str, text: str, expected: str) -> tuple[str, str]:
    name, colon, secret = text.partition(":")
    if not name or not colon:  # the text is not shown, it may be a secret
        raise InvalidValueError.saying(option, None, f"there is no name, or no colon after it; write {expected}")
    return name, secret
