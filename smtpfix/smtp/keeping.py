"""Messages that are answered only when they are kept for good: until then, the session waits.

Knows a message and its reply; where it is kept, and how, is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from smtpfix.mail.message import CapturedMessage

from . import replies

if TYPE_CHECKING:
    from smtpfix.conversation.service import Done

    from .conversation import SMTPConversation
    from .lmtp import Say


def keep_and_say(
    conversation: SMTPConversation,
    keep: Callable[[CapturedMessage, Done], CapturedMessage | None],
    message: CapturedMessage,
    say: Say,
    take_in: Callable[[CapturedMessage], bool],
) -> None:
    """Keep an accepted message, then take it in and answer it; one that cannot be kept is not accepted after all."""
    go_on = conversation.player.hold_until_told()

    def done(error: Exception | None) -> None:
        if error is None:
            assert kept_as.reply is not None  # noqa: S101 - it is accepted
            reply, kept = kept_as.reply, kept_as
        else:
            conversation.recorder.note(f"the message could not be kept: {error}")
            reply, kept = replies.NOT_KEPT, replace(message, reply=replies.NOT_KEPT)
        go_on(partial(say, reply) if take_in(kept) else _nothing)

    kept_as = message
    kept_as = keep(message, done) or message


def _nothing() -> None:
    """Say nothing: who could not take the message in has ended the session."""
