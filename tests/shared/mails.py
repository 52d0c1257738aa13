"""A captured message of any content, for tests of what is read of it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage
from smtpfix.rules.reply import Reply


def mail(content: bytes) -> CapturedMessage:
    """Return a message that was accepted in clear, from nobody who had logged in."""
    return CapturedMessage(
        number=1,
        envelope=Envelope("ann@example.org", ("bob@example.org",)),
        content=content,
        received=datetime(2030, 1, 2, tzinfo=UTC),
        reply=Reply(250),
        in_tls=False,
        user=None,
        _source=SimpleNamespace(number=1, session=lambda: None),
    )
