"""What SMTP tells a function that decides, and the placeholders that a rule's reply may contain.

Knows the conversation, whose state it reads and does not change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smtpfix.conversation.turn import Turn
from smtpfix.login.exchange import is_mechanism
from smtpfix.mail.envelope import Envelope
from smtpfix.rules.reply import Reply
from smtpfix.rules.stages import UNKNOWN
from smtpfix.safe_text import printable, shorten

from .arguments import split_path
from .credentials import carries_credential
from .language import END_OF_DATA

if TYPE_CHECKING:
    from .conversation import SMTPConversation

_KEYWORDS: Final = {"MAIL": "FROM:", "RCPT": "TO:"}
_LONGEST: Final = 200
"""Characters of what a client sent that a reply quotes."""


def turn(conversation: SMTPConversation, stage: str, argument: str) -> Turn:
    """Return what a function is told at a stage."""
    message = conversation.delivery.waiting if stage == END_OF_DATA else None
    return Turn(
        stage,
        argument,
        conversation.recorder,
        address=_address(conversation, stage, argument),
        envelope=_envelope_so_far(conversation) if message is None else message.envelope,
        message=message,
        user=conversation.login.user,
    )


def worded(conversation: SMTPConversation, reply: Reply, stage: str, argument: str) -> Reply:
    """Return a rule's reply with its placeholders filled in; what is none of these is left as it stands."""
    return conversation.service.placeholders.fill(
        reply,
        conversation.recorder,
        argument=lambda: _quoted(conversation, stage, argument),
        address=lambda: printable(_address(conversation, stage, argument)[:_LONGEST]),
        sender=lambda: printable(conversation.engine.reverse_path[:_LONGEST]),
    )


def _quoted(conversation: SMTPConversation, stage: str, argument: str) -> str:
    """Return an argument as a reply may quote it: without what may be a credential."""
    if stage == "AUTH":
        mechanism = argument.partition(" ")[0]
        return printable(mechanism) if is_mechanism(mechanism) else shorten(argument)
    octets = argument.encode("utf-8", "surrogateescape")
    if stage == UNKNOWN and (conversation.recorder.is_wary or carries_credential(octets)):
        return shorten(argument)
    return printable(argument[:_LONGEST])


def _address(conversation: SMTPConversation, stage: str, argument: str) -> str:
    if stage == END_OF_DATA:
        return argument if conversation.policy.protocol == "lmtp" else ""
    found = split_path(_KEYWORDS[stage], argument) if stage in _KEYWORDS else None
    return "" if found is None else found.plain or found.address


def _envelope_so_far(conversation: SMTPConversation) -> Envelope:
    engine = conversation.engine
    kept = engine.transaction
    try:
        return engine.take_envelope()
    finally:
        engine.transaction = kept
