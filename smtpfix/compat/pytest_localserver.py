"""The fixture `smtpserver` and its `Server`, with pytest-localserver's interface.

``pytest_plugins = ["smtpfix.compat.pytest_localserver"]`` in the topmost ``conftest.py`` is all that a suite needs.
"""

from __future__ import annotations

import email
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message

import pytest

from smtpfix import server as smtpfix_server
from smtpfix.mail.message import CapturedMessage
from smtpfix.smtp.policy import Policy

from .outbox import Outbox

__all__ = ("MessageDetails", "Server", "smtpserver")


@dataclass(frozen=True)
class MessageDetails:
    """A message's envelope, ``details`` of each message in an outbox."""

    peer: tuple[str, int]
    """The client's address and port."""
    mailfrom: str
    """The reverse-path."""
    rcpttos: list[str]
    """The recipients."""
    mail_options: tuple[str, ...] = ()
    """The parameters of MAIL."""
    rcpt_options: tuple[tuple[str, ...], ...] = ()
    """Those of each RCPT."""


class Server:
    """A server that collects messages in an `outbox`."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 0,
        *,
        start: Callable[[Policy], smtpfix_server.Server] | None = None,
    ) -> None:
        self._policy = Policy(host=host, port=port)
        self._start = start or (lambda policy: smtpfix_server.Server(policy).start())
        self._server: smtpfix_server.Server | None = None
        self.outbox = Outbox(_with_details)
        """What was accepted, oldest first."""

    @property
    def server(self) -> smtpfix_server.Server:
        """The server as smtpfix has it, with sessions, rules and all. Raises `RuntimeError` before `start`."""
        if self._server is None:
            raise RuntimeError("this server does not run: call start(), or use the fixture smtpserver")
        return self._server

    @property
    def addr(self) -> tuple[str, int]:
        """The IP address and the port to connect to."""
        return self.server.addresses[0]

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self.server.port

    @property
    def accepting(self) -> bool:
        """Whether it listens."""
        return self.is_alive()

    def is_alive(self) -> bool:
        """Return whether it runs."""
        return self._server is not None

    def start(self) -> None:
        """Listen. Raises `smtpfix.ListenError`."""
        self._server = self._start(self._policy)
        self.outbox.follow(self._server.inbox)

    def stop(self, timeout: float | None = None) -> None:  # noqa: ARG002 - closing is bounded by itself
        """Close; stopping twice is fine, and the outbox stays."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def __del__(self) -> None:
        self.stop()


@pytest.fixture
def smtpserver(start_smtp_server: Callable[[Policy], smtpfix_server.Server]) -> Iterator[Server]:
    """Return a running server of the test's own."""
    server = Server(start=start_smtp_server)
    server.start()
    yield server
    server.stop()


def _with_details(message: CapturedMessage) -> Message:
    """Return a message with its envelope in ``details``."""
    parsed = email.message_from_bytes(message.content)
    envelope = message.envelope
    parsed.details = MessageDetails(  # type: ignore[attr-defined]
        peer=message.session.client,
        mailfrom=envelope.reverse_path,
        rcpttos=list(envelope.recipients),
        mail_options=envelope.mail_parameters,
        rcpt_options=envelope.recipient_parameters,
    )
    return parsed
