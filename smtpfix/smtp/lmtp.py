"""LMTP's replies to a message: one per recipient (RFC 2033 sections 4.2 and 4.3), with rules for each.

Knows how to go through the recipients where a rule delays one of the replies; what a reply means is `delivery`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from smtpfix.rules.reply import Reply

from .language import END_OF_DATA
from .replies import NOT_KEPT

if TYPE_CHECKING:
    from .conversation import SMTPConversation

Say: TypeAlias = Callable[[Reply], None]
"""Sends a reply, as soon as the message is where it belongs."""


class Answers:
    """The replies to one message."""

    def __init__(
        self,
        conversation: SMTPConversation,
        recipients: tuple[str, ...],
        own: Reply,
        decided: Callable[[Reply, bool, Say], None],
    ) -> None:
        self._conversation = conversation
        self._recipients = recipients
        self._own = own
        self._decided = decided
        self._next = 0
        self._is_lost = False
        self.replies: list[Reply | None] = [None] * len(recipients)
        """One for each recipient; None for those that have none, or none yet."""

    @property
    def best(self) -> Reply | None:
        """The first positive reply, or else the first one."""
        known = [reply for reply in self.replies if reply is not None]
        return next((reply for reply in known if reply.is_positive), known[0] if known else None)

    def go_on(self) -> bool:
        """Answer for the recipients that are left, up to one where a rule holds; return whether it is done."""
        while self._next < len(self._recipients) and self._conversation.is_free:
            place = self._next
            self._next += 1
            self._conversation.at_stage(END_OF_DATA, self._recipients[place], partial(self._answer, place))
        return self._conversation.is_free

    def _answer(self, place: int, forced: Reply | None) -> None:
        reply = forced or self._own
        if self._is_lost and reply.is_positive:
            reply = NOT_KEPT
        self.replies[place] = reply
        is_last = place + 1 == len(self._recipients)
        self._decided(reply, is_last, partial(self._say, place))  # before it is sent: as `delivery` has it

    def _say(self, place: int, reply: Reply) -> None:
        self.replies[place] = reply
        self._is_lost = self._is_lost or reply is NOT_KEPT
        self._conversation.send(reply)
