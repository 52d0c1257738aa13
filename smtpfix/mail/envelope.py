"""How a message came: its `Envelope`, and what of its transfer few messages have: `Transfer`, `RefusedRecipient`.

Values only; whoever takes a message in fills them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from smtpfix.errors import InvalidValueError
from smtpfix.rules.reply import Reply

_USUAL_PARAMETERS: Final = ((),)
"""Those of most messages: of one recipient, and none."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of a mail transaction (RFC 5321 section 2.3.1), which need not agree with the message's headers."""

    reverse_path: str
    """The MAIL address without angle brackets; ``""`` for the null reverse-path ``<>``."""
    recipients: tuple[str, ...]
    """The RCPT addresses that were accepted, in order, without angle brackets."""
    mail_parameters: tuple[str, ...] = ()
    """Parameters of the MAIL command, verbatim: ``("SIZE=1000", "BODY=8BITMIME")``."""
    recipient_parameters: tuple[tuple[str, ...], ...] = ()
    """Parameters of each RCPT command, verbatim, in the order of `recipients`."""

    @property
    def octets(self) -> int:
        """The length of all its addresses and parameters together."""
        octets = len(self.reverse_path) + sum(map(len, self.recipients))
        if self.mail_parameters:
            octets += sum(map(len, self.mail_parameters))
        if self.recipient_parameters != _USUAL_PARAMETERS:
            octets += sum(map(len, itertools.chain.from_iterable(self.recipient_parameters)))
        return octets

    def parameter(self, keyword: str, recipient: str | None = None) -> str | None:
        """Return the value of a parameter of MAIL, or of RCPT: ``parameter("NOTIFY", "bob@example.org")``.

        It is as it was sent, xtext included; ``""`` for a parameter without a value, None where it was not sent.
        Raises `InvalidValueError` for somebody who is no recipient. A recipient named twice is meant by the first.
        """
        parameters = self.mail_parameters
        if recipient is not None:
            if recipient not in self.recipients:
                expected = f"one of the recipients, {', '.join(self.recipients) or 'and there are none'}"
                raise InvalidValueError("Envelope.parameter recipient", recipient, expected)
            place = self.recipients.index(recipient)
            parameters = self.recipient_parameters[place] if place < len(self.recipient_parameters) else ()
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.upper() == keyword.upper():
                return value
        return None


class RefusedRecipient(NamedTuple):
    """A recipient that a message was not taken for: ``address, reply = message.refused_recipients[0]``."""

    address: str
    """Without angle brackets; what stood in its place where it was none."""
    reply: Reply | None
    """What refused it, at RCPT or behind the content; None where nothing was said."""

    @property
    def octets(self) -> int:
        """About how much memory it takes."""
        return len(self.address) + (0 if self.reply is None else len(self.reply.text)) + _REFUSAL


_REFUSAL: Final = 200
"""Octets of memory that a refusal takes beside its texts."""


class Dots(NamedTuple):
    """The lines of a content that began with a dot on the wire (RFC 5321 section 4.5.2)."""

    stuffed: int = 0
    """Lines that came with a doubled dot."""
    unstuffed: int = 0
    """Lines that came with a single dot, against the standard."""
    ends: tuple[str, ...] = ()
    """Which of ``CRLF.LF`` and ``CRLF.CR`` are among the latter."""


NO_DOTS: Final = Dots()


class Transfer(NamedTuple):
    """What few messages have of how they came; apart, so that the others need no room for it."""

    replies: Sequence[Reply | None] | None = None
    """LMTP's, one for each recipient."""
    chunks: tuple[int, ...] = ()
    """BDAT's."""
    dots: Dots = NO_DOTS
    """DATA's."""
    refused: Sequence[RefusedRecipient] = ()
    """The recipients that were refused at RCPT."""
    ended_by: str = ""
    """What ended the content of DATA, where it was not CRLF.CRLF, such as ``LF.LF``."""
    is_before_content: bool = False
    """Whether it was refused before any content came."""


USUAL: Final = Transfer()
"""What most messages have."""
