"""`Refusals`: what a session refused of a message before its content, for the message and the inbox.

Knows MAIL, RCPT and DATA with their replies; a session that is refused nothing has none of this.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from smtpfix.mail.envelope import Envelope, RefusedRecipient, Transfer
from smtpfix.mail.message import CapturedMessage
from smtpfix.rules.reply import Reply

from .arguments import split_path
from .replies import plain

if TYPE_CHECKING:
    from .conversation import SMTPConversation
    from .engine import Transaction

STAGES: Final = ("MAIL", "RCPT", "DATA")
"""The commands that refuse a message before its content."""
_OUT_OF_ORDER: Final = 503
"""The reply code that says nothing of the message: the command came at the wrong time (RFC 5321 section 4.2.2)."""
_MOST: Final = 1_000_000
"""Octets of refused recipients that one transaction keeps."""
_LONGEST: Final = 256
"""Characters of what stood in an address's place."""


class Attempt:
    """One transaction that something was refused in; an `inbox.EarlyAttempt` until its content has come."""

    def __init__(self, conversation: SMTPConversation, transaction: Transaction | None, reverse_path: str) -> None:
        self.transaction = transaction
        """Whose it is; None where MAIL was refused, and none has begun."""
        self.refused: list[RefusedRecipient] = []
        """The recipients that were refused, in order."""
        self.reply: Reply | None = None
        """The last refusal."""
        self.weight = 0
        """About how many octets of memory it takes."""
        self._reverse_path = reverse_path
        self._accepted = [] if transaction is None else transaction.recipients
        self._recorder = conversation.recorder
        self._received = datetime.now(UTC)
        self._in_tls = conversation.channel.in_tls
        self._user = conversation.login.user

    def refuse(self, recipient: RefusedRecipient) -> int:
        """Take in a recipient that was refused; return how many octets it adds."""
        octets = recipient.octets
        if self.weight + octets > _MOST:
            return 0
        self.refused.append(recipient)
        return octets

    def message(self) -> CapturedMessage:
        """Return it as an attempt to deliver a message whose content never came."""
        recipients = dict.fromkeys((*self._accepted, *(recipient.address for recipient in self.refused)))
        return CapturedMessage(
            number=0,
            envelope=Envelope(self._reverse_path, tuple(recipients)),
            content=b"",
            received=self._received,
            reply=self.reply,
            in_tls=self._in_tls,
            user=self._user,
            _source=self._recorder,
            _transfer=Transfer(refused=self.refused, is_before_content=True),
        )


class Refusals:
    """One session's."""

    def __init__(self, conversation: SMTPConversation) -> None:
        self._conversation = conversation
        self._current: Attempt | None = None

    def note(self, verb: str, argument: str, reply: Reply) -> Reply:
        """Note that a command is refused; return the reply as it is said."""
        conversation = self._conversation
        if (custom := conversation.service.custom_replies) is not None:
            reply = custom.say(reply, conversation.recorder)
        said = None if conversation.player.is_silent else plain(reply)
        octets = 0
        if verb == "MAIL":
            found = split_path("FROM:", argument)
            if found is None or conversation.engine.has_sender:
                return reply
            attempt = Attempt(conversation, None, found.plain or found.address)
        elif not conversation.engine.has_sender:
            return reply
        else:
            attempt = self._of_transaction()
        if verb == "RCPT":
            found = split_path("TO:", argument)
            address = argument[:_LONGEST] if found is None else found.plain or found.address
            octets = attempt.refuse(RefusedRecipient(address, said))
        if reply.code != _OUT_OF_ORDER:
            attempt.reply = said
            attempt.weight += octets
            conversation.service.intake.turned_away(attempt, octets)
        return reply

    def cut_off(self) -> None:
        """Note that the transaction ends before its content, and its last command has no reply."""
        attempt = self._of_transaction()
        attempt.reply = None
        self._conversation.service.intake.turned_away(attempt, 0)

    def _of_transaction(self) -> Attempt:
        """Return what was refused in the transaction that is under way."""
        engine = self._conversation.engine
        if self._current is None or self._current.transaction is not engine.transaction:
            self._current = Attempt(self._conversation, engine.transaction, engine.reverse_path)
        return self._current

    def take(self, transaction: object) -> Attempt | None:
        """Return what was refused in a transaction whose content has come, so that it is no early attempt any more."""
        attempt, self._current = self._current, None
        if attempt is None or attempt.transaction is not transaction:
            return None
        self._conversation.service.intake.withdrawn(attempt)
        return attempt
