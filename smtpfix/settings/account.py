"""`Account`: where an application delivers its mail, and as which user it logs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smtpfix.errors import InvalidValueError
from smtpfix.login.mechanisms import Token, Users
from smtpfix.login.names import ANY_USER
from smtpfix.policy.mode import Mode

SOMEBODY = ("user", "password")
"""Who logs in where everybody may and somebody must."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the settings of an application are made of."""

    host: str
    """The name or address to connect to; the path of a UNIX socket begins with a slash."""
    port: int
    mode: Mode
    protocol: str = "smtp"
    """``smtp`` or ``lmtp``."""
    user: str | None = None
    """Whom to log in as; None: not at all."""
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """What to trust, PEM; None without TLS."""

    @property
    def is_local(self) -> bool:
        """Whether it is a UNIX socket's."""
        return self.host.startswith("/")


def credentials(
    users: Users, user: str | None, password: str | None, *, required: bool
) -> tuple[str, str] | tuple[None, None]:
    """Return the name and password to log in with, out of those that a policy knows.

    None for `user` is the first with a password, ``""`` is nobody; where everybody may log in, that is nobody too,
    unless a login is `required`. Raises `InvalidValueError` for a user that has no password.
    """
    if user == "" or (user is None and users is None):
        return None, None
    if password is not None:
        if user is None:
            raise InvalidValueError("user", user, "a name with the password")
        return user, password
    if isinstance(users, Mapping):
        known = {name: word for name, one in users.items() if (word := _password(one)) is not None}
        if user is None:
            return next(iter(known.items()), (None, None))
        if user in known:
            return user, known[user]
        listed = ", ".join(map(repr, known)) or "nobody"
        raise InvalidValueError("user", user, f"a user who has a password here ({listed}), or a password with it")
    if users is ANY_USER:
        if user is not None:
            return user, SOMEBODY[1]
        return SOMEBODY if required else (None, None)
    raise InvalidValueError("user", user, "None: nobody can log in to this server, unless Policy.users says who")


def _password(known: object) -> str | None:
    """Return the first password of what a user is known by."""
    for one in known if isinstance(known, tuple | list) else (known,):
        if isinstance(one, str) and not isinstance(one, Token):
            return one
    return None
