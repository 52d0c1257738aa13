"""`ServedProtocol`: what `Server` knows about a protocol. Each protocol's wing has one value of it.

A policy's class says which one it is; nothing else here knows any of them.
"""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar
from typing import Protocol as Shape

from smtpfix.policy.mode import Mode
from smtpfix.policy.protocol import Protocol
from smtpfix.record.reading import Reading
from smtpfix.record.recorder import Recorder
from smtpfix.wire.channel import Channel

from .conversation import Conversation
from .service import Service


class Contact(Shape):
    """A running server, as whoever connects to it sees it."""

    policy: Any

    @property
    def mode(self) -> Mode:
        """The policy's mode."""

    @property
    def host(self) -> str:
        """The name to connect to."""

    @property
    def port(self) -> int:
        """The port to connect to."""

    def ssl_context(self, name: str | None = None) -> ssl.SSLContext:
        """Return a new client context that trusts the server; with `name`, it shows a client certificate for it."""


class ServedProtocol(Protocol, ABC):
    """A protocol, with all that serving it takes."""

    reading: ClassVar[Reading] = Reading()
    """How it reads its own record."""
    service: ClassVar[type[Service]] = Service
    """What all conversations of one of its servers share."""

    @abstractmethod
    def conversation(
        self, service: Any, channel: Channel, recorder: Recorder, ended: Callable[[Conversation[Any]], None]
    ) -> Conversation[Any]:
        """Return the conversation of a connection that begins; `ended` is called when it is gone."""

    @abstractmethod
    def client(self, contact: Contact, *, timeout: float) -> Any:
        """Return a client of the standard library's, connected and in TLS wherever the mode knows it."""
