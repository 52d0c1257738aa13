"""`PROTOCOL`: SMTP and LMTP, as the other wings know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from smtpfix.conversation.conversation import Conversation
from smtpfix.conversation.protocol import Contact, ServedProtocol
from smtpfix.record.recorder import Recorder
from smtpfix.wire.channel import Channel

from .conversation import SMTPConversation
from .language import LANGUAGE
from .reading import SMTPReading
from .service import SMTPService

if TYPE_CHECKING:
    import smtplib


class SMTP(ServedProtocol):
    """SMTP (RFC 5321) and LMTP (RFC 2033), which differ by a field of the policy."""

    name = "smtp"
    language = LANGUAGE
    reading = SMTPReading()
    service = SMTPService

    def conversation(
        self, service: SMTPService, channel: Channel, recorder: Recorder, ended: Callable[[Conversation[Any]], None]
    ) -> SMTPConversation:
        """Return the conversation of a connection that begins."""
        return SMTPConversation(service, channel, recorder, ended)

    def client(self, contact: Contact, *, timeout: float) -> smtplib.SMTP:
        """Return a connected `smtplib.SMTP`."""
        from .client import connect  # noqa: PLC0415 - a test's own client needs no other

        return connect(contact, timeout=timeout)


PROTOCOL: Final = SMTP()
