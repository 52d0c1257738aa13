"""What `smtpfix serve` was asked for, as a value: `ServeOptions`, read from the texts of the command line.

Knows neither click nor servers. Errors name the option, what was expected and what came.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy import Mode, Policy
from smtpfix.sasl import ANY_USER, Users

DEFAULT_PORTS: Final = {Mode.PLAIN: 1025, Mode.STARTTLS: 1587, Mode.TLS_REQUIRED: 2587, Mode.IMPLICIT_TLS: 1465}
"""Unprivileged, and as near to the conventional ones as possible."""

CONVENTIONAL_PORTS: Final = {Mode.PLAIN: 25, Mode.STARTTLS: 587, Mode.IMPLICIT_TLS: 465}
"""RFC 5321 section 4.5.4.2, RFC 6409 section 3.1, RFC 8314 section 7.3."""

KEPT: Final = 1000
"""Messages and sessions kept in memory: what has been shown and saved need not stay."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Everything `smtpfix serve` needs to know. Raises `InvalidValueError`."""

    policies: tuple[Policy, ...]
    """One a server, in the order of their listing."""
    authority: Path | None = None
    """Directory that keeps the certificate authority between runs; None makes one for this run."""
    save: Path | None = None
    """Directory for messages and transcripts; None writes no files."""
    as_json: bool = False
    """Print for programs, not for people."""
    exit_after: int | None = None
    """Accepted messages after which it ends; None does not count."""
    timeout: float | None = None
    """Seconds after which it ends; None goes on."""

    def __post_init__(self) -> None:
        if self.exit_after is not None and self.exit_after < 1:
            raise InvalidValueError("--exit-after", self.exit_after, "a number of messages, 1 or more")
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidValueError("--timeout", self.timeout, "seconds, more than 0")


def read_options(
    *,
    listen: Collection[str] = (),
    conventional_ports: bool = False,
    host: str = "localhost",
    hostname: str | None = None,
    user: Collection[str] = (),
    any_user: bool = False,
    require_auth: bool = False,
    size_limit: int | None = None,
    **others: Any,
) -> ServeOptions:
    """Return the options of a command line; `others` are fields of `ServeOptions`. Raises `InvalidValueError`."""
    users = _users(user, any_user=any_user)
    if require_auth and users is None:
        raise InvalidValueError("--require-auth", "nobody", "somebody who can log in (--user or --any-user)")
    given = {"hostname": hostname, "size_limit": size_limit}
    try:
        base = Policy(
            users=users,
            require_auth=require_auth,
            host=host,
            max_messages=KEPT,
            max_sessions=KEPT,
            **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        )
    except InvalidValueError as error:
        option = error.field.removeprefix("Policy.").replace("_", "-")
        raise InvalidValueError(f"--{option}", error.value, error.expected) from error
    policies = _at(base, CONVENTIONAL_PORTS) if conventional_ports else []
    policies += [_listener(base, text) for text in listen]
    return ServeOptions(tuple(policies or _at(base, DEFAULT_PORTS)), **others)


def _at(base: Policy, ports: Mapping[Mode, int]) -> list[Policy]:
    return [base.replace(mode, port=port) for mode, port in ports.items()]


_LISTENER: Final = re.compile(r"(?P<mode>[^@:]+)(?:@(?:\[(?P<ipv6>[^][]+)]|(?P<host>[^][@:]+)))?:(?P<port>[0-9]{1,5})")


def _listener(base: Policy, text: str) -> Policy:
    expected = "MODE[@HOST]:PORT, such as plain:2525 or starttls@[::1]:2525"
    match = _LISTENER.fullmatch(text)
    if match is None:
        raise InvalidValueError("--listen", text, expected)
    try:
        return base.replace(match["mode"], host=match["ipv6"] or match["host"] or base.host, port=int(match["port"]))
    except InvalidValueError as error:
        part = error.field.removeprefix("Policy.").upper()
        raise InvalidValueError("--listen", text, f"{expected}, with {part} {error.expected}") from error


def _users(texts: Collection[str], *, any_user: bool) -> Users:
    named = [text for text in texts if text != "*"]
    if any_user or len(named) < len(texts):
        if named:
            raise InvalidValueError("--user", "both of them", "either NAME:PASSWORD or everybody ('*', --any-user)")
        return ANY_USER
    users = {}
    for text in named:
        name, colon, password = text.partition(":")
        if not name or not colon:  # the text is not shown, it may be a password
            raise InvalidValueError("--user", "a text without a name and a colon", "NAME:PASSWORD or '*'")
        users[name] = password
    return users or None
