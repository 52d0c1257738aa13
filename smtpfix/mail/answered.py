"""What became of a message for each of its recipients: `Answered`, which `CapturedMessage` is.

Knows replies and the envelope; nothing of the content.
"""

from __future__ import annotations

from smtpfix.rules.reply import Reply

from .envelope import Envelope, RefusedRecipient, Transfer


class Answered:
    """A message that was answered, or was not."""

    __slots__ = ()

    envelope: Envelope
    reply: Reply | None
    _transfer: Transfer

    @property
    def accepted(self) -> bool:
        """Whether the client was told that it was accepted; in LMTP, for one recipient at least."""
        return self.reply is not None and self.reply.is_positive

    @property
    def to(self) -> tuple[str, ...]:
        """The envelope's recipients; the To header is in `headers`."""
        return self.envelope.recipients

    @property
    def replies(self) -> tuple[Reply | None, ...]:
        """What was answered for each recipient of the envelope, in order, as it stands now; None without a reply.

        LMTP has a reply for each (RFC 2033 section 4.2); in SMTP `reply` is everybody's.
        """
        return (self.reply,) * len(self.to) if self._transfer.replies is None else tuple(self._transfer.replies)

    @property
    def accepted_recipients(self) -> tuple[str, ...]:
        """The recipients the client was told have it."""
        if self.refused_before_content:
            return ()
        return tuple(to for to, reply in zip(self.to, self.replies, strict=True) if reply and reply.is_positive)

    @property
    def refused_recipients(self) -> tuple[RefusedRecipient, ...]:
        """The recipients that it was not taken for, each with its reply: ``address, reply``.

        First those that were refused at RCPT, who are not in the envelope; then those of the envelope that were refused
        at the final dot, or got no reply. An address that was refused and then accepted is in both lists.
        """
        early = tuple(self._transfer.refused)
        if self.refused_before_content:
            return early
        late = zip(self.to, self.replies, strict=True)
        return early + tuple(RefusedRecipient(to, reply) for to, reply in late if not (reply and reply.is_positive))

    @property
    def refused_before_content(self) -> bool:
        """Whether MAIL, RCPT or DATA was refused and no content came: only `Inbox.attempts` has such an attempt.

        Its `content` is empty, `reply` is the last refusal, and `to` has everybody whom the client named.
        """
        return self._transfer.is_before_content
