"""An arriving message: DATA or BDAT, its content, the final dot, and the inbox before the reply.

Knows what is due at each of these; the lines and the rules around them are `conversation`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from smtpfix.errors import CallbackFailed
from smtpfix.mail.envelope import NO_DOTS, USUAL, Envelope, Transfer
from smtpfix.mail.message import CapturedMessage
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import STOPPED, UNENDED, Kind
from smtpfix.rules.reply import Reply

from . import replies
from .content import Content
from .language import BDAT, CONTENT, END_OF_DATA

if TYPE_CHECKING:
    from smtpfix.rules.rule import Rule

    from .chunks import Chunk, Chunks, Whole
    from .conversation import SMTPConversation
    from .lmtp import Answers, Say
    from .refusals import Attempt, Refusals

    Pending: TypeAlias = tuple[Envelope, Content | Whole, bytes]
    """A message that came whole and waits for its reply."""

_CONTENT: Final = Kind.CONTENT  # Python 3.11 is slow to look members up
_LATEST: Final = 4_096
"""Octets of a content that does not end which are looked at."""


class Marks:
    """The numbers of octets at which rules stand, in one content."""

    def __init__(self) -> None:
        self.come = 0
        """Octets that have come."""
        self._last = -1

    def reached(self, come: int, rules: Iterable[Rule]) -> Iterator[int]:
        """Yield each mark that has been reached since the last time, in order."""
        self.come = come
        for mark in sorted({rule.octets for rule in rules if self._last < rule.octets <= come}):
            self._last = mark
            yield mark


class Delivery:
    """One session's messages, one at a time."""

    def __init__(self, conversation: SMTPConversation) -> None:
        self._conversation = conversation
        self._service = conversation.service
        self._channel = conversation.channel
        self._recorder = conversation.recorder
        self._pending: Pending | None = None
        self._chunks: Chunks | None = None
        self.answers: Answers | None = None
        """LMTP's replies to a message, while some are due."""
        self._delivered: CapturedMessage | None = None
        """The message that these are about, once one recipient has it."""
        self._marks: Marks | None = None
        self._early: Reply | None = None
        self._refusals: Refusals | None = None
        self._looked_at = 0.0
        """When the latest octets came of a content that was looked at, as it did not go on."""
        self._attempt: Attempt | None = None
        """What was refused of the message whose content has come."""

    def refuse(self, verb: str, argument: str, reply: Reply) -> Reply:
        """Note that a command before the content is refused; return the reply as it is said."""
        return self._noted_refusals().note(verb, argument, reply)

    def cut_off(self) -> None:
        """Note that a rule ends the connection, where that is within a transaction and before its content."""
        conversation = self._conversation
        if conversation.engine.has_sender and conversation.incoming is None and self._pending is None:
            self._noted_refusals().cut_off()

    def _noted_refusals(self) -> Refusals:
        if self._refusals is None:
            from .refusals import Refusals  # noqa: PLC0415 - most sessions are refused nothing

            self._refusals = Refusals(self._conversation)
        return self._refusals

    def data(self, argument: str, forced: Reply | None) -> None:
        """Answer DATA (RFC 5321 section 4.1.1.4); after a 354 the content follows."""
        engine = self._conversation.engine
        transaction = engine.transaction
        if not engine.greeted:
            own = replies.HELO_FIRST
        elif transaction.sender is None:
            own = replies.MAIL_FIRST
        elif not transaction.recipients:
            own = replies.RCPT_FIRST
        elif self._chunks is not None and self._chunks.transaction is transaction:
            own = replies.NO_DATA_AFTER_BDAT
        elif self._service.policy.offer and engine.is_binary:
            own = replies.NO_DATA_FOR_BINARY
        else:
            own = replies.NO_ARGUMENT_ALLOWED if argument else replies.START_CONTENT
        reply = forced or own
        self._conversation.send(reply)
        if own is replies.START_CONTENT and reply.code == replies.START_CONTENT.code:
            self._marks = self._early = None
            kind = Content
            if self._service.policy.syntax == "lenient" and not self._conversation.has_said_crlf:
                from .lf_content import LFContent  # noqa: PLC0415 - few clients know no CRLF

                kind = LFContent
            self._conversation.incoming = kind(self._channel.received, self._service.policy.size_limit)

    def may_go_on(self, content: Content | Chunk, buffer: bytearray) -> bool:
        """Let the rules have their say whose number of octets has come; return whether to read on."""
        rules = self._service.rulebook.by_stage.get(CONTENT, ())
        if not rules:
            return True
        if self._marks is None:
            self._marks = Marks()
        for mark in self._marks.reached(content.measure(buffer), rules):
            self._conversation.at_stage(CONTENT, self._conversation.engine.reverse_path, self._answer_early, mark)
            if not self._conversation.is_free:
                return False
        return True

    def _answer_early(self, forced: Reply | None) -> None:
        """Say now what the message is answered, if a rule has it so; its final dot is answered no more."""
        if forced is not None:
            self._early = forced
            self._conversation.send(forced)

    def bdat(self, argument: str, refusal: Reply | None) -> None:
        """Begin a chunk (RFC 3030 section 2); a refused one is drained too, and answered when it has come."""
        from .chunks import Chunks, parse_argument  # noqa: PLC0415 - few servers offer CHUNKING

        engine = self._conversation.engine
        parsed = parse_argument(argument)
        if parsed is None:
            self._conversation.at_stage(
                BDAT, argument, lambda forced: self._conversation.send(forced or replies.BDAT_SYNTAX)
            )
            return
        chunks = self._chunks
        if chunks is None or chunks.transaction is not engine.transaction:
            chunks = Chunks(engine.transaction, self._service.policy.size_limit)
            self._marks = self._early = None
        if engine.has_sender:
            self._chunks = chunks
        if refusal is None:
            refusal = self._refuse_chunk(chunks, is_right=parsed.is_right)
        chunk = chunks.begin(parsed, refusal)
        if parsed.size:
            self._conversation.incoming = chunk
        else:
            if self._channel.received:
                self._recorder.follow()
            self.chunk_ended(chunk)

    def _refuse_chunk(self, chunks: Chunks, *, is_right: bool) -> Reply | None:
        """Return the reply to a chunk that has no place here; None if it has one."""
        engine = self._conversation.engine
        if not engine.greeted:
            return replies.HELO_FIRST
        if not engine.has_sender:
            return replies.MAIL_FIRST
        if not engine.has_recipients:
            return replies.RCPT_FIRST
        if chunks.has_failed:
            return replies.RSET_FIRST
        return None if is_right else replies.BDAT_SYNTAX

    def chunk_ended(self, chunk: Chunk) -> None:
        """Answer a chunk that has come; the last one makes the message complete."""
        self._conversation.incoming = None
        self._recorder.add(Kind.CONTENT, _content_of(chunk.size))
        if chunk.is_last and chunk.refusal is None:
            self._chunks = None
            self.content_ended(chunk.complete())
        else:
            self._conversation.at_stage(BDAT, chunk.argument, lambda forced: self._answer_chunk(chunk, forced))

    def _answer_chunk(self, chunk: Chunk, forced: Reply | None) -> None:
        own = chunk.refusal
        if own is None:
            own = replies.TOO_MUCH_DATA
            if chunk.fits:
                own = replies.detailed(replies.CHUNK_ACCEPTED, f"{chunk.size} octets received")
        if own.is_positive and (forced is None or forced.is_positive):
            chunk.keep()
        else:
            chunk.fail()
        self._conversation.send(forced or own)

    def content_ended(self, content: Content | Whole) -> None:
        """Judge a content that has come to its end, and answer its final dot or its last chunk."""
        self._conversation.incoming = None
        if self._refusals is not None:
            self._attempt = self._refusals.take(self._conversation.engine.transaction)
        envelope = self._conversation.engine.take_envelope()
        octets = content.octets
        if not content.chunks:
            self._recorder.add(_CONTENT, _content_of(content.size))
        own = replies.ACCEPTED
        if octets is None:
            own = replies.TOO_MUCH_DATA
        else:
            limit = self._service.policy.line_limit
            if limit is not None and not _is_binary(envelope) and max(map(len, octets.split(b"\r\n"))) > limit:
                own = replies.CONTENT_LINE_TOO_LONG
            elif (refused := self._service.policy.refuse) and not _is_binary(envelope):
                from .refusing import refuse_content  # noqa: PLC0415 - few servers look at contents

                own = refuse_content(octets, envelope, refused) or own
            self._pending = (envelope, content, octets)
        if self._service.is_usual and self._early is None:
            if self._service.rulebook.by_stage:
                path = envelope.reverse_path
                self._conversation.at_stage(END_OF_DATA, path, lambda forced: self._conclude(forced or own))
            else:
                self._conclude(own)
            return
        if self._early is not None:
            self._recorder.note(f"answered before its end, as a rule has it: {self._early}")
            if self._pending is not None:
                self._capture(self._pending, self._early)
            return
        if (custom := self._service.custom_replies) is not None:
            own = custom.say(own, self._recorder)
        if content.chunks:
            self._conversation.at_stage(
                BDAT, content.argument, lambda forced: self._last_chunk_ended(envelope, forced, own)
            )
        elif self._service.policy.protocol == "lmtp":
            self._answer_each(envelope.recipients, own)
        else:
            self._conversation.at_stage(
                END_OF_DATA, envelope.reverse_path, lambda forced: self._conclude(forced or own)
            )

    def _answer_each(self, recipients: tuple[str, ...], own: Reply) -> None:
        """Answer for each recipient (RFC 2033 section 4.2)."""
        from .lmtp import Answers  # noqa: PLC0415 - most servers speak SMTP

        if self._service.fault == "truncate-before-reply":
            self._truncate()
            return
        self.answers = Answers(self._conversation, recipients, own, self._decided)
        self._conversation.has_detour = True
        self.go_on()

    def go_on(self) -> None:
        """Answer for the recipients that are left, up to one where a rule holds."""
        assert self.answers is not None  # noqa: S101 - the caller looked
        if self.answers.go_on():
            self.give_up()  # where a rule's octets stand for the last reply
            self.answers = None
            if self._service.fault == "truncate-after-reply":
                self._truncate()

    def _decided(self, reply: Reply, is_last: bool, say: Say) -> None:  # noqa: FBT001 - what `Answers` calls
        """Put the message into the inbox as soon as one recipient has it, or none has; then answer this one."""
        pending = self._pending
        if pending is None or not (reply.is_positive or is_last) or self._capture(pending, reply, say):
            say(reply)

    def _last_chunk_ended(self, envelope: Envelope, given: Reply | None, own: Reply) -> None:
        """Let the rules for the end of the message have their say, unless those for its last chunk refused it."""
        if self._service.policy.protocol == "lmtp":
            self._answer_each(envelope.recipients, given or own)
        elif given is not None and not given.is_positive:
            self._conclude(given)
        else:
            path = envelope.reverse_path
            self._conversation.at_stage(END_OF_DATA, path, lambda forced: self._conclude(forced or given or own))

    def give_up(self) -> None:
        """Keep a message that waits for its reply, without one, or with those that LMTP has had up to now."""
        if self._pending is not None:
            self._capture(self._pending, None)

    def note_unended(self, *, may_go_on: bool) -> None:
        """Note what a content that does not end has in it that its client may take for the end.

        A client that has said what it takes for the end says nothing more: so the latest octets are enough.
        """
        content = self._conversation.incoming
        if not isinstance(content, Content) or (may_go_on and self._looked_at == self._channel.last_active):
            return
        self._looked_at = self._channel.last_active
        from .lf_content import unended  # noqa: PLC0415 - few contents never end

        if found := unended(bytes(self._channel.received[-_LATEST:])):
            said = STOPPED if may_go_on else UNENDED
            self._recorder.note(f"{said.decode()}; it holds {found}, and CRLF.CRLF is due")

    def lost(self) -> None:
        """Note what was cut off: the connection is gone."""
        if self._recorder.end is SessionEnd.DISCONNECTED:  # also by a reset, which `end` does not see
            self.cut_off()
        if self._conversation.incoming is not None:
            come = max(self._conversation.incoming.size, self._marks.come if self._marks is not None else 0)
            if self._recorder.end is None:  # otherwise `end` has
                self.note_unended(may_go_on=False)
            self._recorder.note(f"the connection ended inside the content, after {come} octets")
        self.give_up()

    def _conclude(self, reply: Reply) -> None:
        """Put the message into the inbox, then answer: a client that has its reply finds its message there."""
        fault = self._service.fault
        if fault == "truncate-before-reply":
            self._truncate()
            return
        if self._pending is not None and not self._capture(self._pending, reply, self._conclude):
            return
        self._conversation.send(reply)
        if fault == "truncate-after-reply":
            self._truncate()

    def _truncate(self) -> None:
        """Close the connection as an attacker would: without TLS's close_notify (RFC 8446 section 6.1)."""
        self.give_up()
        self._recorder.finish(SessionEnd.TRUNCATED)
        self._channel.close(notify=False)

    def _capture(self, pending: Pending, reply: Reply | None, say: Say | None = None) -> bool:
        """Put a message into the inbox; return whether it is there, or will be once it is kept: then `say` answers."""
        self._pending = None
        number = self._service.intake.next_number()
        if self.answers is None:
            message = self._made_of(pending, number, reply)
        else:
            message = self._delivered = self._made_of(pending, number, self.answers.best, self.answers.replies)
        if (keep := self._service.intake.keep) is not None:
            if say is not None and message.accepted:
                from .keeping import keep_and_say  # noqa: PLC0415 - few servers keep messages

                keep_and_say(self._conversation, keep, message, say, self._take_in)
                return False
            keep(message, self._note_not_kept)
        return self._take_in(message)

    def _note_not_kept(self, error: Exception | None) -> None:
        if error is not None:
            self._recorder.note(f"the message could not be kept: {error}")

    def _take_in(self, message: CapturedMessage) -> bool:
        if message.accepted:
            self._recorder.message_count += 1
        try:
            self._service.intake.capture(message)
        except OSError as error:
            self._recorder.note(f"the message could not be kept, so it is not answered: {error.strerror}")
            self._channel.abort()
            return False
        except CallbackFailed:
            self._recorder.message_count -= message.accepted
            self._service.intake.taken_back(message, replace(message, reply=replies.LOCAL_ERROR))
            self._conversation.player.give_in("the observer")
            return False
        return True

    @property
    def waiting(self) -> CapturedMessage | None:
        """The message that waits for its reply, or in LMTP for more of them; None where none does."""
        if self._pending is None:
            return None if self.answers is None else self._delivered
        return self._made_of(self._pending, 0, None)

    def _made_of(
        self, pending: Pending, number: int, reply: Reply | None, answers: Sequence[Reply | None] | None = None
    ) -> CapturedMessage:
        """Return the message that has come; `answers` are LMTP's, one for each recipient."""
        envelope, content, octets = pending
        refused = () if self._attempt is None else self._attempt.refused
        transfer = USUAL
        if answers is not None or content.chunks or content.dots is not NO_DOTS or refused or content.ended_by:
            transfer = Transfer(answers, content.chunks, content.dots, refused, content.ended_by)
        return CapturedMessage(
            number=number,
            envelope=envelope,
            content=octets,
            received=datetime.now(UTC),
            reply=reply,
            in_tls=self._channel.in_tls,
            user=self._conversation.login.user,
            _source=self._recorder,
            _transfer=transfer,
        )


def _is_binary(envelope: Envelope) -> bool:
    """Return whether lines mean nothing in the content (RFC 3030 section 3)."""
    return any(parameter.upper() == "BODY=BINARYMIME" for parameter in envelope.mail_parameters)


@lru_cache(maxsize=128)
def _content_of(size: int) -> bytes:
    """Return what a transcript says of content; the same object for the same size."""
    return b"<%d octets of content>" % size
