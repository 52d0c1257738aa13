"""A message on its way in: DATA, its content, the final dot, and its place in the inbox before the reply.

Knows what is due at each of these; the lines and the rules around them are `conversation`'s.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from . import reply as replies
from .channel import Channel
from .content import Content
from .host import Host
from .message import CapturedMessage, Envelope
from .recorder import Recorder
from .reply import Reply
from .script import CONTENT, END_OF_DATA
from .service import Service
from .session import SessionEnd
from .transcript import Kind

if TYPE_CHECKING:
    from .lmtp import Answers


class Delivery:
    """One session's messages, one at a time."""

    def __init__(self, host: Host, service: Service, channel: Channel, recorder: Recorder) -> None:
        self._host = host
        self._service = service
        self._channel = channel
        self._recorder = recorder
        self._pending: tuple[Envelope, Content, bytes] | None = None
        self.incoming: Content | None = None
        """The content that is being read; None between contents."""
        self.answers: Answers | None = None
        """LMTP's replies to a message, while some are due."""
        self._come = 0
        self._mark = -1
        self._early: Reply | None = None

    def data(self, argument: str, forced: Reply | None) -> None:
        """Answer DATA (RFC 5321 section 4.1.1.4); behind a 354 the content follows."""
        engine = self._host.engine
        if not engine.greeted:
            own = replies.HELO_FIRST
        elif not engine.has_sender:
            own = replies.MAIL_FIRST
        elif not engine.has_recipients:
            own = replies.RCPT_FIRST
        else:
            own = replies.NO_ARGUMENT_ALLOWED if argument else replies.START_CONTENT
        reply = forced or own
        self._host.send(reply)
        if own is replies.START_CONTENT and reply.code == replies.START_CONTENT.code:
            self._come = 0
            self._mark = -1
            self._early = None
            self.incoming = Content(self._channel.received, self._service.policy.size_limit)

    def may_go_on(self, content: Content, buffer: bytearray) -> bool:
        """Let the rules have their say whose number of octets has come; return whether to read on."""
        rules = self._service.rulebook.by_stage.get(CONTENT, ())
        if not rules:
            return True
        self._come = content.measure(buffer)
        for mark in sorted({rule.octets for rule in rules if self._mark < rule.octets <= self._come}):
            self._mark = mark
            self._host.at_stage(CONTENT, self._host.engine.reverse_path, self._answer_early, mark)
            if not self._host.is_free:
                return False
        return True

    def _answer_early(self, forced: Reply | None) -> None:
        """Say now what the message is answered, if a rule has it so; its final dot is answered no more."""
        if forced is not None:
            self._early = forced
            self._host.send(forced)

    def content_ended(self, content: Content) -> None:
        """Judge a content that has come to its end, and answer its final dot."""
        self.incoming = None
        envelope = self._host.engine.take_envelope()
        octets = content.octets
        self._recorder.add(Kind.CONTENT, _content_of(content.size))
        own = replies.ACCEPTED
        if octets is None:
            own = replies.TOO_MUCH_DATA
        else:
            limit = self._service.policy.line_limit
            if limit is not None and max(map(len, octets.split(b"\r\n"))) > limit:
                own = replies.CONTENT_LINE_TOO_LONG
            self._pending = (envelope, content, octets)
        if self._early is not None:
            self._recorder.note(f"answered before its end, as a rule has it: {self._early}")
            if self._pending is not None:
                self._capture(self._pending, self._early)
            return
        if (wording := self._service.wording) is not None:
            own = wording.say(own, self._recorder)
        if self._service.policy.protocol == "lmtp":
            self._answer_each(envelope.recipients, own)
        else:
            self._host.at_stage(END_OF_DATA, envelope.reverse_path, lambda forced: self._conclude(forced or own))

    def _answer_each(self, recipients: tuple[str, ...], own: Reply) -> None:
        """Answer for each recipient (RFC 2033 section 4.2)."""
        from .lmtp import Answers  # noqa: PLC0415 - most servers speak SMTP

        if self._service.fault == "truncate-before-reply":
            self._truncate()
            return
        self.answers = Answers(self._host, recipients, own, self._decided)
        self.go_on()

    def go_on(self) -> None:
        """Answer for the recipients that are left, up to one where a rule holds."""
        assert self.answers is not None  # noqa: S101 - the caller looked
        if self.answers.go_on():
            self.give_up()  # where a rule's octets stand for the last reply
            self.answers = None
            if self._service.fault == "truncate-after-reply":
                self._truncate()

    def _decided(self, reply: Reply, is_last: bool) -> None:  # noqa: FBT001 - what `Answers` calls
        """Put the message into the inbox as soon as one recipient has it, or none has."""
        if self._pending is not None and (reply.is_positive or is_last):
            self._capture(self._pending, reply)

    def give_up(self) -> None:
        """Keep a message that waits for its reply, without one, or with those that LMTP has had up to now."""
        if self._pending is not None:
            self._capture(self._pending, None)

    def lost(self) -> None:
        """Note what was cut off: the connection is gone."""
        if self.incoming is not None:
            self._recorder.note(
                f"the connection ended inside the content, after {max(self.incoming.size, self._come)} octets"
            )
        self.give_up()

    def _conclude(self, reply: Reply) -> None:
        """Put the message into the inbox, then answer: a client that has its reply finds its message there."""
        fault = self._service.fault
        if fault == "truncate-before-reply":
            self._truncate()
            return
        if self._pending is not None:
            self._capture(self._pending, reply)
        self._host.send(reply)
        if fault == "truncate-after-reply":
            self._truncate()

    def _truncate(self) -> None:
        """Close the connection as an attacker would: without TLS's close_notify (RFC 8446 section 6.1)."""
        self.give_up()
        self._recorder.finish(SessionEnd.TRUNCATED)
        self._channel.close(notify=False)

    def _capture(self, pending: tuple[Envelope, Content, bytes], reply: Reply | None) -> None:
        self._pending = None
        envelope, content, octets = pending
        if self.answers is not None:
            reply = self.answers.best
        message = CapturedMessage(
            number=self._service.next_message_number(),
            envelope=envelope,
            content=octets,
            received=datetime.now(UTC),
            reply=reply,
            in_tls=self._channel.in_tls,
            user=self._host.user,
            _source=self._recorder,
            _dots=content.dots,
            _replies=None if self.answers is None else self.answers.replies,
        )
        if message.accepted:
            self._recorder.message_count += 1
        self._service.capture(message)


@lru_cache(maxsize=128)
def _content_of(size: int) -> bytes:
    """Return what a transcript says of content; the same object for the same size."""
    return b"<%d octets of content>" % size
