"""The credentials of a client under test: `check_login`, and `users_for`, the users of the servers."""

from __future__ import annotations

from typing import Final

from smtpfix.erasing import SHORTEST
from smtpfix.errors import InvalidValueError
from smtpfix.login.mechanisms import Token, Users
from smtpfix.login.names import SCRAM
from smtpfix.smtp.policy import Policy
from smtpfix.suggesting import one_of

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


def has_token(declaration: Declaration) -> bool:
    """Return whether a client logs in with a token, and by nothing else."""
    return bool(declaration.mechanisms) and all(name in _BY_TOKEN for name in declaration.mechanisms)


def check_login(declaration: Declaration) -> None:
    """Raise `InvalidValueError` for a login that no run could tell anything of."""
    password = declaration.password
    if password is not None and len(password) < SHORTEST:
        sentence = (
            f"a password of {len(password)} character{'' if len(password) == 1 else 's'} is too short: it is looked "
            f"for in all that the client sends; take {SHORTEST} or more that are like no other word"
        )
        raise InvalidValueError.saying("credentials", None, sentence)
    for word in (declaration.user, password):
        if word is not None and ("\r" in word or "\n" in word):
            raise InvalidValueError.saying(
                "credentials", None, "there is a line end; write a user and a password on one line"
            )
        if word is not None and any("\ud800" <= letter <= "\udfff" for letter in word):
            raise InvalidValueError.saying(
                "credentials", None, "some octets are not UTF-8; write a user and a password in UTF-8"
            )
    for name in declaration.mechanisms:
        if declaration.user is None:
            raise InvalidValueError("mechanisms", name, "credentials with mechanisms, such as ann:s3cret-of-mine")
        if name not in (*_BY_PASSWORD, *_BY_TOKEN):
            raise InvalidValueError("mechanisms", name, one_of(name, (*_BY_PASSWORD, *_BY_TOKEN)))
    try:
        users = users_for(declaration)
    except InvalidValueError as error:
        raise InvalidValueError("credentials", "something else", f"a token for {error.expected}") from error
    if declaration.mechanisms:
        Policy(users=users, mechanisms=declaration.mechanisms)
