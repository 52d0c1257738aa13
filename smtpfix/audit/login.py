"""What a client under test logs in with, as it is declared: `check_login`, and the users of servers, `users_for`."""

from __future__ import annotations

from typing import Final

from smtpfix.erasing import SHORTEST
from smtpfix.errors import InvalidValueError
from smtpfix.login.mechanisms import Token, Users
from smtpfix.login.names import SCRAM
from smtpfix.smtp.policy import Policy

from .result import Declaration

_BY_TOKEN: Final = ("XOAUTH2", "OAUTHBEARER")
_BY_PASSWORD: Final = ("PLAIN", "LOGIN", "CRAM-MD5", *SCRAM)


def users_for(declaration: Declaration) -> Users:
    """Return who may log in, as `Policy.users` has it: a token where a mechanism takes one."""
    if declaration.user is None:
        return None
    password = declaration.password or ""
    if not any(name in _BY_TOKEN for name in declaration.mechanisms):
        return {declaration.user: password}
    token = Token(password)
    takes_password = any(name in _BY_PASSWORD for name in declaration.mechanisms)
    return {declaration.user: [password, token] if takes_password else token}


def check_login(declaration: Declaration) -> None:
    """Raise `InvalidValueError` for a login that no run could tell anything of."""
    password = declaration.password
    if password is not None and len(password) < SHORTEST:
        raise InvalidValueError(
            "credentials",
            f"a password of {len(password)} characters",
            f"one of {SHORTEST} or more, and like no other word: it is looked for in all that the client sends",
        )
    for word in (declaration.user, password):
        if word is not None and ("\r" in word or "\n" in word):
            raise InvalidValueError("credentials", "text with line ends", "a user and a password on one line")
        if word is not None and any("\ud800" <= letter <= "\udfff" for letter in word):
            raise InvalidValueError("credentials", "octets that are not UTF-8", "a user and a password in UTF-8")
    for name in declaration.mechanisms:
        if declaration.user is None:
            raise InvalidValueError("mechanisms", name, "none without credentials")
        if name not in (*_BY_PASSWORD, *_BY_TOKEN):
            raise InvalidValueError("mechanisms", name, f"some of {', '.join((*_BY_PASSWORD, *_BY_TOKEN))}")
    try:
        users = users_for(declaration)
    except InvalidValueError as error:
        raise InvalidValueError("credentials", "something else", f"a token for {error.expected}") from error
    if declaration.mechanisms:
        Policy(users=users, mechanisms=declaration.mechanisms)
