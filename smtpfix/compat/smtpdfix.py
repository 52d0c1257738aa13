"""The fixture `smtpd` and its classes, with smtpdfix's interface: `AuthController`, `Config`, `SMTPDFix`.

``pytest_plugins = ["smtpfix.compat.smtpdfix"]`` in the topmost ``conftest.py`` is all that a suite needs.
"""

from __future__ import annotations

import email
from collections.abc import Callable, Iterator
from email.message import Message
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from smtpfix.mail.message import CapturedMessage
from smtpfix.server import Server
from smtpfix.smtp.policy import Policy

from .hooks import Hooks, LoginPassword
from .outbox import Outbox
from .smtpdfix_config import Config

if TYPE_CHECKING:
    import ssl

__all__ = ("AuthController", "Authenticator", "Config", "SMTPDFix", "smtpd")


class Authenticator(Protocol):
    """Who decides on logins in the place of a `Config`."""

    def validate(self, username: str, password: str) -> bool:
        """Return whether this is the user's password."""


def _start_own(policy: Policy) -> Server:
    return Server(policy).start()


class AuthController:
    """A server that follows its `config`, and collects messages."""

    def __init__(
        self,
        *,
        hostname: str | None = None,
        port: int | None = None,
        config: Config | None = None,
        ssl_context: ssl.SSLContext | None = None,
        authenticator: Authenticator | None = None,
        start: Callable[[Policy], Server] | None = None,
    ) -> None:
        self.config = config or Config()
        """The settings."""
        if hostname is not None:
            self.config.host = hostname
        if port is not None:
            self.config.port = port
        self._ssl_context = ssl_context
        self._authenticator = authenticator
        self._hooks: Hooks | None = None
        self._start = start or _start_own
        self._server: Server | None = None
        self._told: Policy | None = None
        """What the server goes by; a free port is a certain one here."""
        self._outbox = Outbox(_with_envelope)

    @property
    def server(self) -> Server:
        """The server as smtpfix has it, with sessions, rules and all. Raises `RuntimeError` while there is none."""
        if self._server is None:
            raise RuntimeError("this server does not run: call start(), or use the fixture smtpd")
        if self._policy() != self._told:
            self._restart()
        return self._server

    @property
    def hostname(self) -> str:
        """Where to connect."""
        return self.server.host if self._server is not None else self.config.host

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self.server.port if self._server is not None else self.config.port

    @property
    def messages(self) -> list[Message]:
        """What was accepted, oldest first, as a list of the caller's own."""
        return list(self._outbox)

    def start(self) -> None:
        """Listen, from here on also with other settings. Raises `smtpfix.ListenError` and `FileNotFoundError`."""
        if self._authenticator is not None:
            self._hooks = Hooks(None, _by(self._authenticator))
        self._server = server = self._start(self._policy())
        self._outbox.follow(server.inbox)
        self.config.port = server.port
        self._told = self._policy()
        self.config.OnChanged += self._restart

    def stop(self) -> None:
        """Close; what was accepted is still there."""
        if self._server is not None:
            self.config.OnChanged -= self._restart
            self._server.close()
            self._server = None
            if self._hooks is not None:
                self._hooks.workers.close()

    def reset(self, persist_messages: bool = True) -> None:  # noqa: FBT001, FBT002 - as it is called
        """Cut all clients off and start again, by the settings as they are now."""
        if not persist_messages:
            self._outbox.clear()
        if self._server is not None:
            self._restart()

    def _restart(self) -> None:
        self.stop()
        self.start()

    def _policy(self) -> Policy:
        """Return what the settings say now."""
        changes: dict[str, Any] = {} if self._ssl_context is None else {"certificate": self._ssl_context}
        return (
            self.config.policy(**changes) if self._hooks is None else self.config.policy(hooks=self._hooks, **changes)
        )


class SMTPDFix:
    """A running `AuthController`, as a context manager."""

    def __init__(self, hostname: str | None = None, port: int | None = None, config: Config | None = None) -> None:
        self.controller = AuthController(hostname=hostname, port=port, config=config)

    def __enter__(self) -> AuthController:
        self.controller.start()
        return self.controller

    def __exit__(self, *_: object) -> None:
        self.controller.stop()


@pytest.fixture
def smtpd(start_smtp_server: Callable[[Policy], Server]) -> Iterator[AuthController]:
    """Return a running server of the test's own, which ``SMTPD_*`` variables and its `config` set up."""
    controller = AuthController(start=start_smtp_server)
    controller.start()
    yield controller
    controller.stop()


def _by(authenticator: Authenticator) -> Callable[..., bool]:
    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, login: LoginPassword) -> bool:
        return authenticator.validate(login.login.decode(), login.password.decode())

    return authenticate


def _with_envelope(message: CapturedMessage) -> Message:
    """Return a message with its envelope in headers of their own."""
    parsed = email.message_from_bytes(message.content)
    parsed["X-Peer"] = str(message.session.client)
    parsed["X-MailFrom"] = message.reverse_path
    parsed["X-RcptTo"] = ", ".join(message.to)
    return parsed
