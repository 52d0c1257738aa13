"""What a function is asked about that decides for a server: `Turn`.

A value; each protocol fills in what only it knows, such as SMTP the envelope.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage, SessionSource
from smtpfix.record.session import Session

_NO_ENVELOPE: Final = Envelope("", ())


@dataclass(frozen=True, slots=True)
class Turn:
    """One point of a conversation, at which a function decides what the server does: ``server.on("RCPT", function)``.

    It stands still while the function runs: the client waits for its answer.
    """

    stage: str
    """The stage, in capital letters: ``RCPT``, ``END-OF-DATA``."""
    argument: str = field(repr=False)
    """What `Rule.argument` is compared with at this stage. Not in the repr: AUTH's may hold a password."""
    _source: SessionSource = field(repr=False)
    address: str = ""
    """The address in the argument of MAIL or RCPT, without angle brackets; in LMTP at ``END-OF-DATA`` the recipient's;
    ``""`` for the null reverse-path, where there is none, and at every other stage."""
    envelope: Envelope = _NO_ENVELOPE
    """The envelope of the transaction so far: without what is being decided on."""
    message: CapturedMessage | None = None
    """At ``END-OF-DATA`` the message that waits for its reply, so that its `number` is 0 and its `reply` None; in LMTP,
    once one recipient has it, the one in the inbox. None at every other stage."""
    user: str | None = None
    """The user the client has authenticated as; None without AUTH."""

    @property
    def session(self) -> Session:
        """The session so far, as it stands now."""
        return self._source.session()

    @property
    def content(self) -> bytes | None:
        """The exact octets of the message's content; None before it has come."""
        return None if self.message is None else self.message.content
