"""`Turn`: what a function is told when it decides for a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage, SessionSource
from smtpfix.record.session import Session

_NO_ENVELOPE: Final = Envelope("", ())


@dataclass(frozen=True, slots=True)
class Turn:
    """The point of a session at which a function decides what the server does: ``server.on("RCPT", function)``.

    Nothing changes while the function runs: the client waits for its answer.
    """

    stage: str
    """The stage in upper case: ``RCPT``, ``END-OF-DATA``."""
    argument: str = field(repr=False)
    """The text that `Rule.argument` would match at this stage. It is not in the repr, because that of AUTH may hold a
    password."""
    _source: SessionSource = field(repr=False)
    address: str = ""
    """The address in the argument of MAIL or RCPT, without angle brackets. In LMTP at ``END-OF-DATA``, the address of
    the recipient. ``""`` for the null reverse-path, for an argument without an address, and at every other stage."""
    envelope: Envelope = _NO_ENVELOPE
    """The envelope of the transaction so far, without the command that the function decides on."""
    message: CapturedMessage | None = None
    """At ``END-OF-DATA``, the message that waits for its reply: its `number` is 0 and its `reply` is None. In LMTP,
    once it is accepted for one recipient, the message in the inbox. None at every other stage."""
    user: str | None = None
    """The user that the client has authenticated as; None without AUTH."""

    @property
    def session(self) -> Session:
        """The session so far, as it is now."""
        return self._source.session()

    @property
    def content(self) -> bytes | None:
        """The exact octets of the message's content; None before it has arrived."""
        return None if self.message is None else self.message.content
