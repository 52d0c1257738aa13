"""How XCLIENT changes whose session it is; `xclient` knows its syntax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smtpfix.errors import InvalidValueError
from smtpfix.record.xclient import XClient
from smtpfix.safe_text import printable

from . import replies
from .xclient import parse_attributes

if TYPE_CHECKING:
    from smtpfix.rules.reply import Reply

    from .conversation import SMTPConversation


def take_xclient(argument: str, forced: Reply | None, conversation: SMTPConversation) -> None:
    """Answer XCLIENT; where it is taken, the session begins anew, with a greeting."""
    recorder = conversation.recorder
    said = recorder.xclient or XClient()
    own: Reply | None = None
    if not conversation.policy.xclient:
        own = replies.NOT_AUTHORIZED
    elif conversation.engine.has_sender:
        own = replies.NO_XCLIENT_IN_TRANSACTION
    else:
        try:
            said = parse_attributes(argument, said)
        except InvalidValueError as error:
            own = replies.detailed(replies.MALFORMED_XCLIENT, f"{error.field}: expected {error.expected}")
    if own is not None:
        conversation.send(forced or own)
        return
    recorder.xclient = said
    recorder.client = said.client(recorder.client)
    recorder.note(f"{printable(str(said))}, forwarded by {recorder.peer[0]} port {recorder.peer[1]}")
    conversation.forget(said.user)
    if said.greeted_as is not None:
        recorder.client_name = said.greeted_as
        conversation.engine.assume_greeting(said.greeted_as, extended=said.proto == "ESMTP")
    if forced is not None:
        conversation.send(forced)
    else:
        conversation.greet()
