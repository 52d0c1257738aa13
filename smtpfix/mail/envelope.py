"""The `Envelope` of a message, and the rarer facts of its transfer: `Transfer`, `RefusedRecipient`.

Values only; the code that receives a message fills them in.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from smtpfix.comparing import Compared
from smtpfix.errors import InvalidValueError
from smtpfix.rules.reply import Reply

_USUAL_PARAMETERS: Final = ((),)
"""Those of most messages: of one recipient, and none."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Envelope(Compared):
    """The envelope of a mail transaction (RFC 5321 section 2.3.1). The message's headers need not agree with it."""

    reverse_path: str
    """The address of MAIL without angle brackets; ``""`` for the null reverse-path ``<>``."""
    recipients: tuple[str, ...]
    """The accepted addresses of RCPT, in order, without angle brackets."""
    mail_parameters: tuple[str, ...] = ()
    """The parameters of MAIL, verbatim: ``("SIZE=1000", "BODY=8BITMIME")``."""
    recipient_parameters: tuple[tuple[str, ...], ...] = ()
    """The parameters of each RCPT, verbatim, in the order of `recipients`."""

    @property
    def octets(self) -> int:
        """The length of all addresses and parameters together."""
        octets = len(self.reverse_path) + sum(map(len, self.recipients))
        if self.mail_parameters:
            octets += sum(map(len, self.mail_parameters))
        if self.recipient_parameters != _USUAL_PARAMETERS:
            octets += sum(map(len, itertools.chain.from_iterable(self.recipient_parameters)))
        return octets

    def parameter(self, keyword: str, recipient: str | None = None) -> str | None:
        """Return the value of a parameter of MAIL, or of RCPT: ``parameter("NOTIFY", "bob@example.org")``.

        The value is verbatim, xtext included; ``""`` if the parameter has no value, None if it was not sent. For a
        recipient that was named twice, the first RCPT counts. Raises `InvalidValueError` if `recipient` is not one of
        `recipients`.
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
    """A recipient for which a message was refused: ``address, reply = message.refused_recipients[0]``."""

    address: str
    """The address without angle brackets; if it was no address, the text that RCPT had instead."""
    reply: Reply | None
    """The reply that refused it, to RCPT or to the content; None if there was no reply."""

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
    """The rarer facts of how a message arrived; kept apart so that most messages need no room for them."""

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
