"""`Answered`: how the server answered a message, for each recipient. `CapturedMessage` inherits from it."""

from __future__ import annotations

from smtpfix.rules.reply import Reply

from .envelope import Envelope, RefusedRecipient, Transfer


class Answered:
    """A message with its replies, as far as it was answered."""

    __slots__ = ()

    envelope: Envelope
    reply: Reply | None
    _transfer: Transfer

    @property
    def accepted(self) -> bool:
        """Whether the client was told that the message is accepted; in LMTP, for at least one recipient."""
        return self.reply is not None and self.reply.is_positive

    @property
    def to(self) -> tuple[str, ...]:
        """The envelope's recipients. For the To header, see `CapturedMessage.headers`."""
        return self.envelope.recipients

    @property
    def replies(self) -> tuple[Reply | None, ...]:
        """The reply for each recipient of the envelope, in order, as it is now; None without a reply.

        LMTP has one reply per recipient (RFC 2033 section 4.2). In SMTP, all recipients share `reply`.
        """
        return (self.reply,) * len(self.to) if self._transfer.replies is None else tuple(self._transfer.replies)

    @property
    def accepted_recipients(self) -> tuple[str, ...]:
        """The recipients for which the client was told that the message is accepted."""
        if self.refused_before_content:
            return ()
        return tuple(to for to, reply in zip(self.to, self.replies, strict=True) if reply and reply.is_positive)

    @property
    def refused_recipients(self) -> tuple[RefusedRecipient, ...]:
        """The recipients for which the message was refused, each with the reply: ``address, reply``.

        First those that were refused at RCPT, which are not in the envelope; then those of the envelope that were
        refused at the final dot, or got no reply. An address that was first refused and then accepted is in both lists.
        """
        early = tuple(self._transfer.refused)
        if self.refused_before_content:
            return early
        late = zip(self.to, self.replies, strict=True)
        return early + tuple(RefusedRecipient(to, reply) for to, reply in late if not (reply and reply.is_positive))

    @property
    def refused_before_content(self) -> bool:
        """Whether MAIL, RCPT or DATA was refused, so no content arrived. Only `Inbox.attempts` has such attempts.

        Then `content` is empty, `reply` is the last refusal, and `to` has every recipient that the client named.
        """
        return self._transfer.is_before_content
