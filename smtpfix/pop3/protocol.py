"""`PROTOCOL`: POP3, as the other wings know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from smtpfix.conversation.conversation import Conversation
from smtpfix.conversation.protocol import Contact, ServedProtocol
from smtpfix.record.recorder import Recorder
from smtpfix.wire.channel import Channel

from .conversation import Pop3Conversation
from .language import LANGUAGE
from .reading import Pop3Reading
from .service import Pop3Service

if TYPE_CHECKING:
    import poplib


class Pop3(ServedProtocol):
    """POP3 (RFC 1939)."""

    name = "pop3"
    language = LANGUAGE
    reading = Pop3Reading()
    service = Pop3Service

    def conversation(
        self, service: Pop3Service, channel: Channel, recorder: Recorder, ended: Callable[[Conversation[Any]], None]
    ) -> Pop3Conversation:
        """Return the conversation of a connection that begins."""
        return Pop3Conversation(service, channel, recorder, ended)

    def client(self, contact: Contact, *, timeout: float) -> poplib.POP3:
        """Return a connected `poplib.POP3`."""
        from .client import connect  # noqa: PLC0415 - a test's own client needs no other

        return connect(contact, timeout=timeout)


PROTOCOL: Final = Pop3()
