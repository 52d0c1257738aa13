"""One SMTP session: policy, rules and record around the engine; the only place that knows the stage.

It sees every command before anything acts on it, and every reply before it leaves. Synchronous: a timer runs only where
a rule waits. DATA, STARTTLS, HELP and QUIT are its own, AUTH is `authentication`'s, the rest the engine's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from . import reply as replies
from .authentication import CANCEL, LINE_LIMIT, Authentication
from .channel import Channel
from .client_hello import looks_like_tls, parse_client_hello
from .content import Content
from .engine import VERBS
from .message import CapturedMessage, Envelope
from .player import Perform, Player
from .policy import Mode
from .recorder import Recorder
from .reply import Reply
from .script import CONNECT, END_OF_DATA, UNKNOWN, Moment
from .service import Service
from .session import SessionEnd, TLSFailure
from .tls import TLSSide
from .transcript import Kind, carries_credential, excerpt

if TYPE_CHECKING:
    from .tls_faults import Instead

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BEFORE_TLS: Final = frozenset({"EHLO", "STARTTLS", "NOOP", "QUIT"})
"""What ``tls-required`` lets through in clear (RFC 3207 section 4)."""
_NEEDS_AUTH: Final = frozenset({"MAIL", "RCPT", "DATA", "VRFY", "EXPN"})
"""What ``require_auth`` holds back; RFC 4954 section 6 exempts AUTH, EHLO, HELO, NOOP, RSET and QUIT."""
_COMMANDS: Final = frozenset({*VERBS, "AUTH", "DATA", "HELP", "QUIT", "STARTTLS"})
_WITHOUT_CREDENTIAL: Final = _COMMANDS - {"AUTH"}
_NOT_IMPLEMENTED: Final = frozenset({"BDAT", "ETRN", "ATRN", "TURN", "SEND", "SOML", "SAML", "BURL"})
_TURN: Final = 500
"""Commands that one connection may have answered before the others get their turn, and closing too."""
_SHOWN: Final = 200
"""Octets of a rejected line that the transcript keeps."""


class Conversation:
    """One session, from connecting to the end; a `channel.Listener`."""

    def __init__(
        self, service: Service, channel: Channel, recorder: Recorder, ended: Callable[[Conversation], None]
    ) -> None:
        self.recorder = recorder
        self._ended = ended
        self._service = service
        self._policy = service.policy
        self._rulebook = service.rulebook
        self._channel = channel
        self._engine = service.engine.fresh()
        self._enhanced = self._policy.has("ENHANCEDSTATUSCODES")
        self._scan = 0
        self._skipping = 0
        self._limit = self._policy.command_limit
        self._content: Content | None = None
        self._pending: tuple[Envelope, Content, bytes] | None = None
        self._authentication = Authentication(self._policy, recorder)
        self._player = Player(self, channel, recorder, service.loop)
        self._tls_began = 0.0
        self._fault = service.fault
        self._instead: Instead | None = None
        self._kept = b""

    # What the channel tells

    def connected(self) -> None:
        """Greet, or begin TLS first."""
        if not self._service.tls_on_connect or not self._begin_tls():
            self._greet()
        self._channel.flush()

    def readable(self) -> None:
        """Take everything that can be taken from what has come, then send the replies."""
        channel = self._channel
        buffer = channel.received
        if self._instead is not None:
            self._instead.take(buffer)
            return
        if self._player.is_stalled:
            buffer.clear()
            channel.flush()
            return
        taken = 0
        while buffer and not self._player.is_holding and not channel.is_closing and not channel.is_blocked:
            if taken == _TURN:
                self._player.hold(0, _go_on)
                break
            taken += 1
            if self._content is not None:
                if not self._content.take(buffer):
                    break
                if buffer:
                    self.recorder.has_more = True
                self._end_of_data(self._content)
                continue
            if buffer[0] == 0x16 and self._is_client_hello(buffer):  # noqa: PLR2004 - a TLS handshake record
                self._tls_in_clear()
                return
            line = self._take_line(buffer)
            if line is None:
                break
            if buffer:
                self.recorder.has_more = True
            if self._authentication.is_running:
                self._auth_answer(line)
            else:
                self._command(line)
        channel.flush()

    def tls_established(self, tls: TLSSide) -> None:
        """Forget what was said in clear (RFC 3207 section 4.2) and go on in TLS."""
        recorder = self.recorder
        recorder.client_hello = tls.client_hello
        on_connect = self._service.tls_on_connect
        recorder.tls = info = tls.info("connect" if on_connect else "STARTTLS", recorder.client_hello)
        recorder.alerts = tls.alerts
        recorder.note(f"TLS begins: {info.version}, {info.cipher}, server name {info.server_name or 'not asked for'}")
        if on_connect:
            self._greet()
        else:
            self._engine = self._service.engine.fresh()
            self._authentication = Authentication(self._policy, recorder)
            self._channel.received[:0] = self._kept
            self._kept = b""
        self._channel.flush()

    def tls_failed(self, tls: TLSSide, failure: TLSFailure, *, clear_text: bool) -> None:
        """Record why there is no TLS."""
        recorder = self.recorder
        recorder.client_hello = tls.client_hello
        recorder.alerts = tls.alerts
        if self._service.tls_on_connect and not tls.first_octets:
            failure = replace(
                failure, reason=f"{failure.reason}; it sent nothing, perhaps waiting for a greeting in clear"
            )
        recorder.tls_failure = failure
        if clear_text:
            shown = tls.first_octets[:_SHOWN]
            recorder.add(Kind.SECRET if carries_credential(shown) else Kind.CLIENT, shown)
        recorder.note(failure.reason)
        recorder.finish(SessionEnd.CLEAR_INSTEAD_OF_TLS if clear_text else SessionEnd.HANDSHAKE_FAILED)

    def lost(self, error: Exception | None) -> None:
        """Record the end."""
        self._player.stop()
        if self._content is not None:
            self.recorder.note(f"the connection ended inside the content, after {self._content.size} octets")
        self.give_up()
        if self._authentication.is_running:
            self._authentication.end(None)
        self.recorder.finish(SessionEnd.RESET if error is not None else SessionEnd.CLIENT_CLOSED)
        self._ended(self)

    # What the server tells

    def shut_down(self) -> None:
        """End at once: the server closes."""
        self.recorder.finish(SessionEnd.SERVER_CLOSED)
        self._channel.abort()

    def check_time(self, now: float) -> None:
        """End a session that has been silent, or handshaking, for too long; `now` by the monotonic clock."""
        channel = self._channel
        if channel.is_closing:
            if now - channel.last_active > 2 * self._policy.timeout:  # it does not read what was due to it at the end
                channel.abort()
        elif self._player.is_holding:
            return
        elif channel.is_handshaking:
            limit = self._policy.handshake_timeout
            if now - self._tls_began > limit:
                channel.fail_handshake(f"the TLS handshake was not complete within {limit:g} s")
        elif now - channel.last_active <= self._policy.timeout:
            return
        elif self._instead is not None or self._player.is_stalled:
            self.end(SessionEnd.TIMEOUT)
        else:
            self._send(replies.IDLE_TOO_LONG, SessionEnd.TIMEOUT)

    # Lines

    def _is_client_hello(self, buffer: bytearray) -> bool:
        """Return whether TLS begins here, where the server speaks in clear and a line would begin."""
        return not self._skipping and not self._channel.in_tls and looks_like_tls(buffer)

    def _take_line(self, buffer: bytearray) -> bytes | None:
        """Take one line off the buffer, without its LF; lines over the limit are answered here and skipped."""
        while True:
            if not self._skipping:
                self._limit = self._policy.command_limit
                if self._authentication.is_running or buffer[:5].upper() == b"AUTH ":
                    self._limit = max(LINE_LIMIT, self._limit)
            limit = self._limit
            end = buffer.find(b"\n", self._scan)
            if end < 0:
                if self._skipping or len(buffer) > limit:
                    self._skip(buffer, len(buffer))
                else:
                    self._scan = len(buffer)
                return None
            self._scan = 0
            if not self._skipping and end < limit:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                return line
            self._skip(buffer, end + 1)
            self.recorder.note(f"the line was {self._skipping} octets long, the limit is {limit}")
            self._skipping = 0
            if self._authentication.is_running:
                self._send(self._authentication.end(replies.AUTH_LINE_TOO_LONG))
            else:
                self._send(replies.LINE_TOO_LONG)

    def _skip(self, buffer: bytearray, count: int) -> None:
        if not self._skipping:
            shown = bytes(buffer[:_SHOWN])
            is_secret = self._authentication.is_running or carries_credential(shown)
            self.recorder.add(Kind.SECRET if is_secret else Kind.CLIENT, shown)
        self._skipping += count
        self._scan = 0
        del buffer[:count]

    def _command(self, line: bytes) -> None:
        if line[-1:] == b"\r":
            line = line[:-1]
            shown = line
        else:
            shown = line + b"\n"  # a bare LF ends a command too, against RFC 5321 section 2.3.8: it is shown
        head, _, rest = line.partition(b" ")
        verb = head.upper().decode("ascii", "replace")
        is_secret = verb not in _WITHOUT_CREDENTIAL and carries_credential(line)
        self.recorder.add(Kind.SECRET if is_secret else Kind.CLIENT, shown)
        if (malformed := _malformed(line, head)) is not None:
            self._send(malformed)
            return
        argument = rest.strip().decode("utf-8", "surrogateescape")
        if self._rulebook.by_stage:
            stage = verb if verb in _COMMANDS else UNKNOWN  # what a client calls CONNECT is no stage of ours
            self._at_stage(stage, argument, partial(self._perform, verb, argument))
        else:
            self._perform(verb, argument, None)

    # Rules

    @property
    def _moment(self) -> Moment:
        return Moment(self._channel.in_tls, self.recorder.number)

    def _at_stage(self, stage: str, argument: str, perform: Perform) -> None:
        if self._rulebook.by_stage and (rule := self._rulebook.pick(stage, argument, self._moment)) is not None:
            if rule.probability < 1:
                self.recorder.note(f"a rule answers by chance: {rule}")
            self._player.play(rule.actions, perform)
        else:
            perform(None)

    # Replies

    def _send(self, reply: Reply, end: SessionEnd = SessionEnd.REFUSED) -> None:
        if self._player.is_silent:
            self.recorder.note(f"not sent, as a rule has it: {reply}")
            return
        data = reply.encode(enhanced=self._enhanced)
        self.recorder.add(Kind.SERVER, data)
        self._channel.write(data)
        if reply.code == 421:  # noqa: PLR2004 - RFC 5321 section 3.8
            self.end(end)

    def end(self, end: SessionEnd, *, notify: bool = True) -> None:
        """End the session in order: say what is due, and close."""
        if self._channel.is_closing:
            return
        self.give_up()
        self.recorder.finish(end)
        self._channel.close(notify=notify)

    def _greet(self) -> None:
        self._at_stage(CONNECT, "", lambda forced: self._send(forced or self._service.greeting))

    # Commands

    def _perform(self, verb: str, argument: str, forced: Reply | None) -> None:
        if verb in ("AUTH", "STARTTLS", "QUIT"):
            self._OWN[verb](self, argument, forced)
            return
        if forced is not None and not forced.is_positive:
            self._send(forced)
            return
        if (refusal := self._refuse_stage(verb)) is not None:
            self._send(forced or refusal)
        elif verb in self._OWN:
            self._OWN[verb](self, argument, forced)
        elif verb in VERBS:
            reply = self._engine.execute(verb, argument or None)
            if reply.is_positive and verb in ("EHLO", "HELO"):
                self.recorder.client_name = argument
                if verb == "EHLO":
                    tls = self.recorder.tls
                    has_certificate = tls is not None and tls.client_certificate is not None
                    reply = self._service.capabilities[self._channel.in_tls, has_certificate]
                    if self._player.edits:
                        from .action import edited  # noqa: PLC0415 - as in `script`

                        lines = edited(reply.text.split("\n"), self._player.edits)
                        reply = replace(reply, text="\n".join(lines))
            self._send(forced or reply)
        else:
            self._send(forced or (replies.NOT_IMPLEMENTED if verb in _NOT_IMPLEMENTED else replies.UNKNOWN_COMMAND))

    def _refuse_stage(self, verb: str) -> Reply | None:
        """Return the reply to a command that the policy does not allow at this stage; None if it does."""
        policy = self._policy
        if policy.mode is Mode.TLS_REQUIRED and verb not in _BEFORE_TLS and not self._channel.in_tls:
            return replies.TLS_REQUIRED
        if policy.require_auth and verb in _NEEDS_AUTH and not self._authentication.is_complete:
            return replies.AUTH_REQUIRED
        return None

    def _help(self, _argument: str, forced: Reply | None) -> None:
        if not self._policy.has("HELP"):
            self._send(forced or replies.NOT_IMPLEMENTED)
        else:
            self._send(forced or Reply(214, "2.0.0", "Commands: " + " ".join(sorted(_COMMANDS))))

    def _quit(self, argument: str, forced: Reply | None) -> None:
        reply = forced or (replies.NO_ARGUMENT_ALLOWED if argument else replies.BYE)
        self._send(reply)
        if reply.is_positive:
            self.end(SessionEnd.QUIT)

    # STARTTLS

    def _starttls(self, argument: str, forced: Reply | None) -> None:
        if self._channel.in_tls:
            own = replies.TLS_ALREADY_ON
        elif not self._policy.has("STARTTLS"):
            own = replies.NOT_IMPLEMENTED
        else:
            own = replies.NO_ARGUMENT_ALLOWED if argument else replies.START_TLS
        reply = forced or own
        self._send(reply)
        if own is replies.START_TLS and reply.code == replies.START_TLS.code:
            injected = bytes(self._channel.received)
            keeps = self._player.keeps_injected
            if injected:
                self.recorder.injected += injected
                what = "kept" if keeps else "discarded"
                self.recorder.note(f"{what} what came behind STARTTLS in clear: {excerpt(injected, _SHOWN)}")
            self._kept = injected if keeps else b""
            self._begin_tls()

    def _begin_tls(self) -> bool:
        """Begin TLS, or what the scenario has instead; return False if that is going on in clear."""
        if self._fault == "clear-text":
            self.recorder.note("the server goes on in clear where TLS has to begin, as the scenario has it")
            return False
        if self._fault in ("stall", "close", "alert"):
            from .tls_faults import Instead  # noqa: PLC0415 - few scenarios need it

            self._channel.flush()
            self._channel.received.clear()
            self._instead = Instead(self._fault, self._channel, self.recorder)
            return True
        self._tls_began = time.monotonic()
        self._channel.start_tls(self._service.new_tls())
        return True

    def _tls_in_clear(self) -> None:
        first = bytes(self._channel.received)
        recorder = self.recorder
        recorder.client_hello = parse_client_hello(first)
        reason = "the client began TLS where the server speaks in clear"
        recorder.tls_failure = TLSFailure(reason=reason, alert=None, alert_sender=None, openssl_reason=None)
        recorder.note(reason)
        self.end(SessionEnd.TLS_ON_CLEAR_PORT)

    # AUTH

    def _auth(self, argument: str, forced: Reply | None) -> None:
        refusal = forced or self._refuse_auth()
        self._send(self._authentication.begin(argument, refusal, in_clear=not self._channel.in_tls))

    def _refuse_auth(self) -> Reply | None:
        """Return the reply to an AUTH command that the policy does not allow at this stage; None if it does."""
        policy = self._policy
        in_tls = self._channel.in_tls
        if policy.mode is Mode.TLS_REQUIRED and not in_tls and not policy.auth_in_clear:
            return replies.TLS_REQUIRED
        if not policy.has("AUTH"):
            return replies.NOT_IMPLEMENTED
        if not policy.allows_auth(in_tls=in_tls):
            return replies.ENCRYPTION_REQUIRED
        if not self._engine.is_extended:
            return replies.HELO_FIRST
        if self._authentication.is_complete:
            return replies.ALREADY_AUTHENTICATED
        return replies.NO_AUTH_IN_TRANSACTION if self._engine.has_sender else None

    def _auth_answer(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        self.recorder.add(Kind.CLIENT if line == CANCEL else Kind.SECRET, line)
        self._send(self._authentication.answer(line))

    # DATA

    def _data(self, argument: str, forced: Reply | None) -> None:
        engine = self._engine
        if not engine.greeted:
            own = replies.HELO_FIRST
        elif not engine.has_sender:
            own = replies.MAIL_FIRST
        elif not engine.has_recipients:
            own = replies.RCPT_FIRST
        else:
            own = replies.NO_ARGUMENT_ALLOWED if argument else replies.START_CONTENT
        reply = forced or own
        self._send(reply)
        if own is replies.START_CONTENT and reply.code == replies.START_CONTENT.code:
            self._content = Content(self._channel.received, self._policy.size_limit)

    def _end_of_data(self, content: Content) -> None:
        self._content = None
        envelope = self._engine.take_envelope()
        octets = content.octets
        self.recorder.add(Kind.CONTENT, _content_of(content.size))
        own = replies.ACCEPTED
        if octets is None:
            own = replies.TOO_MUCH_DATA
        else:
            limit = self._policy.line_limit
            if limit is not None and max(map(len, octets.split(b"\r\n"))) > limit:
                own = replies.CONTENT_LINE_TOO_LONG
            self._pending = (envelope, content, octets)
        self._at_stage(END_OF_DATA, envelope.reverse_path, lambda forced: self._conclude(forced or own))

    def _conclude(self, reply: Reply) -> None:
        """Put the message into the inbox, then answer: a client that has its reply finds its message there."""
        if self._fault == "truncate-before-reply":
            self._truncate()
            return
        if self._pending is not None:
            self._capture(self._pending, reply)
        self._send(reply)
        if self._fault == "truncate-after-reply":
            self._truncate()

    def _truncate(self) -> None:
        """Close the connection as an attacker would: without TLS's close_notify (RFC 8446 section 6.1)."""
        self.give_up()
        self.recorder.finish(SessionEnd.TRUNCATED)
        self._channel.close(notify=False)

    def give_up(self) -> None:
        """Keep a message that waits for its reply, without one."""
        if self._pending is not None:
            self._capture(self._pending, None)

    def _capture(self, pending: tuple[Envelope, Content, bytes], reply: Reply | None) -> None:
        self._pending = None
        envelope, content, octets = pending
        message = CapturedMessage(
            number=self._service.next_message_number(),
            envelope=envelope,
            content=octets,
            received=datetime.now(UTC),
            reply=reply,
            in_tls=self._channel.in_tls,
            user=self._authentication.user,
            _source=self.recorder,
            stuffed_lines=content.stuffed_lines,
            unstuffed_lines=content.unstuffed_lines,
        )
        if message.accepted:
            self.recorder.message_count += 1
        self._service.capture(message)

    _OWN: Final[Mapping[str, Callable[[Conversation, str, Reply | None], None]]] = {
        "AUTH": _auth,
        "DATA": _data,
        "HELP": _help,
        "QUIT": _quit,
        "STARTTLS": _starttls,
    }
    """The commands that are not the engine's."""


def _go_on() -> None:
    """Do nothing before going on."""


@lru_cache(maxsize=128)
def _content_of(size: int) -> bytes:
    """Return what a transcript says of content; the same object for the same size."""
    return b"<%d octets of content>" % size


def _malformed(line: bytes, head: bytes) -> Reply | None:
    """Return the reply to a line that is no command whatever its verb; None if it may be one."""
    if not line.strip():
        return replies.EMPTY_LINE
    if _CONTROL.search(line):
        return replies.CONTROL_CHARACTER
    if line.isascii():
        return None
    if not head.isascii():
        return replies.NOT_ASCII
    try:
        line.decode()
    except UnicodeDecodeError:
        return replies.NOT_UTF8
    return None
