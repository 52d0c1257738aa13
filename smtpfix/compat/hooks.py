"""`Hooks`: the hooks of an aiosmtpd handler, with the values they get, and their results as replies.

Everything here runs in a thread of `workers`, where a hook may raise, wait and sleep.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from smtpfix.errors import InvalidValueError
from smtpfix.rules.reply import Reply
from smtpfix.safe_text import printable
from smtpfix.smtp.replies import BAD_CREDENTIALS

from .workers import Workers

_LOG: Final = logging.getLogger("smtpfix.compat")
_LONGEST_STATUS: Final = 65_536
"""Characters of a status that are looked at."""
_LONGEST_ERROR: Final = 400
"""Characters of an error that a client is told."""
_NOT_CALLED: Final = ("handle_AUTH", "handle_PROXY", "process_message")
_OLD_EHLO: Final = 4
"""Parameters of a ``handle_EHLO`` that is not given the lines of the reply."""


class LoginPassword(NamedTuple):
    """What a client logs in with."""

    login: bytes
    password: bytes

    def __str__(self) -> str:
        return f"LoginPassword(login={self.login!r}, password=...)"

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, kw_only=True)
class AuthResult:
    """What an authenticator makes of a login."""

    success: bool
    """Whether the client is who it says."""
    handled: bool = True
    """Has no effect: the client is answered in any case."""
    message: str | None = None
    """The reply to a client that is refused; None is 535."""
    auth_data: Any = None
    """`Session.auth_data` from here on."""


class Envelope:
    """A transaction as a handler sees it, and may change it."""

    def __init__(self) -> None:
        self.mail_from: str | None = None
        self.mail_options: list[str] = []
        self.smtp_utf8 = False
        self.content: bytes | str | None = None
        self.original_content: bytes | None = None
        self.rcpt_tos: list[str] = []
        self.rcpt_options: list[str] = []


class Session:
    """A client as a handler sees it."""

    def __init__(self, peer: tuple[str, int], tls: object) -> None:
        self.peer = peer
        self.ssl = tls
        """What is known of its TLS, a `smtpfix.TLSInfo`; None in clear."""
        self.host_name: str | None = None
        self.extended_smtp = False
        self.authenticated: bool | None = None
        self.auth_data: Any = None


@dataclass(frozen=True)
class HookServer:
    """The first argument of a hook: the server's side of the session."""

    hostname: str
    session: Session
    envelope: Envelope


@dataclass(frozen=True)
class Hooks:
    """A handler, and who decides on logins."""

    handler: Any
    """Has methods ``handle_DATA`` and so on, coroutines or not."""
    authenticator: Callable[..., Any] | None = None
    """``authenticator(server, session, envelope, mechanism, auth_data)`` returns an `AuthResult` or a truth."""
    decode_data: bool = False
    """Whether `Envelope.content` is text."""
    workers: Workers = field(default_factory=Workers)
    """Where they run."""

    def __post_init__(self) -> None:
        for name in dir(self.handler):
            if name in _NOT_CALLED or name.startswith("auth_"):
                raise InvalidValueError(
                    "Controller.handler",
                    f"{type(self.handler).__name__}.{name}",
                    "no auth_*, handle_AUTH, handle_PROXY and process_message: these are not called. Give an "
                    "authenticator for logins, and handle_DATA for messages",
                )

    def has(self, name: str) -> bool:
        """Return whether there is a hook for a command, such as ``RCPT``."""
        return hasattr(self.handler, f"handle_{name}")

    async def reply(self, name: str, server: HookServer, *arguments: Any) -> Reply:
        """Return what a hook has a client told; an error is told too, and logged."""
        try:
            hook = getattr(self.handler, f"handle_{name}")
            return reply_of(await _result(hook(server, server.session, server.envelope, *arguments)))
        except BaseException as error:  # noqa: BLE001 - also what pytest.fail raises: the client waits
            return await self._reply_to(error, f"handle_{name}")

    async def _reply_to(self, error: BaseException, raised_by: str) -> Reply:
        _log(error, raised_by)
        own = Reply(500, None, printable(f"Error: ({type(error).__name__}) {error}"[:_LONGEST_ERROR]))
        if not hasattr(self.handler, "handle_exception"):
            return own
        try:
            return reply_of(await _result(self.handler.handle_exception(error)))
        except BaseException as another:  # noqa: BLE001 - as above
            _log(another, "handle_exception")
            return own

    async def welcomes(self, server: HookServer) -> bool:
        """Return whether the handler lets a session that is in TLS now go on."""
        try:
            return bool(await _result(self.handler.handle_STARTTLS(server, server.session, server.envelope)))
        except BaseException as error:  # noqa: BLE001 - as above
            _log(error, "handle_STARTTLS")
            return False

    async def greet(self, server: HookServer, name: str, offer: Reply) -> Reply:
        """Return the reply to EHLO: the hook may change its lines, or have the last word."""
        lines = [f"250-{line}" for line in offer.text.split("\n")]
        lines[-1] = lines[-1].replace("-", " ", 1)
        parameters = inspect.signature(self.handler.handle_EHLO).parameters
        if len(parameters) > _OLD_EHLO:
            return await self.reply("EHLO", server, name, lines)
        last = await self.reply("EHLO", server, name)
        return Reply(last.code, None, f"{offer.text}\n{last.text}") if last.is_positive else last

    async def judge(self, server: HookServer, mechanism: str, login: LoginPassword) -> Reply | None:
        """Return what a client is told that may not log in; None if it may."""
        try:
            assert self.authenticator is not None  # noqa: S101 - else nobody asks
            result = await _result(self.authenticator(server, server.session, server.envelope, mechanism, login))
        except BaseException as error:  # noqa: BLE001 - as above
            return await self._reply_to(error, "the authenticator")
        if not getattr(result, "success", result):
            message = getattr(result, "message", None)
            return BAD_CREDENTIALS if message is None else reply_of(message)
        server.session.authenticated = True
        server.session.auth_data = getattr(result, "auth_data", None)
        return None


async def _result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _log(error: BaseException, raised_by: str) -> None:
    """Log what a hook raised; raise it again where it says that the server closes."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error
    _LOG.error("%s raised", raised_by, exc_info=error)


def reply_of(status: str | bytes | Sequence[str]) -> Reply:
    """Return a status, or lines of one, as a reply. Raises `InvalidValueError` for anything else."""
    if isinstance(status, bytes):
        status = status.decode("utf-8", "replace")
    text = status if isinstance(status, str) else "\n".join(status) if isinstance(status, list | tuple) else ""
    lines = text[:_LONGEST_STATUS].splitlines()
    if not lines or not all(map(_is_line, lines)):
        raise InvalidValueError("the hook's status", status, 'a reply code and a text, such as "250 OK"')
    return Reply(int(lines[-1][:3]), None, "\n".join(printable(line[4:]) for line in lines))


def _is_line(line: str) -> bool:
    """Return whether a text is a line of a reply (RFC 5321 section 4.2)."""
    code = line[:3]
    return (
        len(code) == len("250")
        and code.isascii()
        and code.isdigit()
        and "2" <= code[0] <= "5"
        and line[3:4] in ("", " ", "-")
    )
