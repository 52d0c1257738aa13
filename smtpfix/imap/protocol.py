"""`PROTOCOL`: IMAP, as the other wings know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from smtpfix.conversation.conversation import Conversation
from smtpfix.conversation.protocol import Contact, ServedProtocol
from smtpfix.record.recorder import Recorder
from smtpfix.wire.channel import Channel

from .conversation import IMAPConversation
from .language import LANGUAGE
from .reading import IMAPReading
from .service import IMAPService

if TYPE_CHECKING:
    import imaplib


class IMAP(ServedProtocol):
    """IMAP4rev1 and IMAP4rev2."""

    name = "imap"
    language = LANGUAGE
    reading = IMAPReading()
    service = IMAPService

    def conversation(
        self, service: IMAPService, channel: Channel, recorder: Recorder, ended: Callable[[Conversation[Any]], None]
    ) -> IMAPConversation:
        """Return the conversation of a connection that begins."""
        return IMAPConversation(service, channel, recorder, ended)

    def client(self, contact: Contact, *, timeout: float) -> imaplib.IMAP4:
        """Return a connected `imaplib.IMAP4`, which has not logged in."""
        from .client import connect  # noqa: PLC0415 - a test's own client needs no other

        return connect(contact, timeout=timeout)


PROTOCOL: Final = IMAP()
