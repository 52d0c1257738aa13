"""The AUTH command of one session (RFC 4954): base64, challenges and answers around a mechanism of `sasl`.

Returns replies and sends none. First it hears what the client says, then its reply is settled: a rule may have another
one. Every attempt is recorded with what it gave away, also when it is refused or broken off.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Generator
from functools import partial
from typing import Final

from smtpfix.errors import ExtraMissing
from smtpfix.login.mechanisms import MECHANISMS, SCRAM, SCRAM_PLUS, Exchange, MalformedResponseError, ServerFirstError
from smtpfix.record.recorder import Recorder
from smtpfix.record.session import AuthAttempt
from smtpfix.rules.reply import (
    AUTH_CANCELLED,
    AUTH_SYNTAX,
    AUTHENTICATED,
    BAD_CREDENTIALS,
    NOT_BASE64,
    UNKNOWN_MECHANISM,
    Reply,
)
from smtpfix.smtp.policy import Policy
from smtpfix.tls.facts import TLSInfo
from smtpfix.tls.side import TLSSide

CANCEL: Final = b"*"
"""What a client says instead of an answer to break an exchange off, RFC 4954 section 4."""

_CHALLENGE: Final = 334
"""The reply code of a challenge, RFC 4954 section 4."""


class Authentication:
    """Who the client is, as far as it has shown."""

    def __init__(self, policy: Policy, recorder: Recorder) -> None:
        self._policy = policy
        self._recorder = recorder
        self.tls: TLSSide | None = None
        """The TLS that mechanisms bind to, once it is on."""
        self._mechanism = ""
        self._in_clear = False
        self._exchange: Exchange | None = None
        self._turns: Generator[bytes, bytes, bool] | None = None
        self._own = AUTH_CANCELLED
        self._responses = 0
        self.is_open = False
        """Whether an exchange has begun and not ended: a challenge is out, or what the client said is not answered."""
        self.is_running = False
        """Whether the next line is the answer to a challenge."""
        self.is_complete = False
        """Whether the client has shown who it is, and was told so."""
        self.user: str | None = None
        """As whom."""

    def assume(self, user: str) -> None:
        """Take the client for this user, as a proxy says it is."""
        self.is_complete, self.user = True, user

    @property
    def stage_argument(self) -> str:
        """What rules know the client's answer by: the mechanism, and which of its responses it is: ``LOGIN 2``."""
        return f"{self._mechanism} {self._responses}"

    def hear(self, argument: str, refusal: Reply | None, *, in_clear: bool) -> None:
        """Take an AUTH command in, and decide on its reply: `refusal`, if it is refused, or what the mechanism says."""
        name, *initials = argument.split() or [""]
        initial = " ".join(initials)
        self._mechanism, self._in_clear = name.upper(), in_clear
        tls = self._recorder.tls
        has_certificate = tls is not None and tls.client_certificate is not None
        offered = self._policy.mechanisms_for(in_tls=not in_clear, has_certificate=has_certificate)
        if self._mechanism in SCRAM and self._mechanism in offered:
            exchange = self._scram(offered)
        else:
            kind = MECHANISMS.get(self._mechanism, Exchange)
            exchange = kind(self._policy.users, hostname=self._policy.hostname, certified=_certified(tls))
        self._exchange = exchange
        self.is_open = True
        response = _decode(initial) if initial else None
        self._responses = 1 if response is not None else 0
        if refusal is None:
            refusal = self._refuse(initial, response, offered)
        if refusal is not None:
            if response:
                exchange.peek(response)  # what was given away is recorded, though nobody asked for it
            self._own = refusal
            return
        self._turns = exchange.run(response)
        self._advance(partial(next, self._turns))

    def hear_answer(self, line: bytes) -> None:
        """Take the client's answer to a challenge in, and decide on its reply."""
        self.is_running = False
        self._responses += 1
        if line == CANCEL:
            self._own = AUTH_CANCELLED
        elif self._turns is None:
            pass  # the mechanism is through, and only a rule wanted to hear more
        elif (response := _decode(line.decode("ascii", "replace"))) is None:
            self._turns, self._own = None, NOT_BASE64
        else:
            self._advance(partial(self._turns.send, response))

    def settle(self, forced: Reply | None = None) -> Reply:
        """Return the reply to what was heard, or the one that a rule has in its place.

        A challenge goes on with the exchange, whatever it says; any other reply ends it. 235 tells the client that it
        is authenticated, and it is only where the mechanism agrees.
        """
        reply = forced or self._own
        if reply.code == _CHALLENGE:
            self.is_running = True
            return reply
        return self.end(reply)

    def cut_short(self, said: bytes) -> None:
        """Go on behind octets that a rule sent instead of a reply: they are a challenge, or end the exchange."""
        if said.rpartition(b"\n334")[1] or said.startswith(b"334"):
            self.is_running = True
        else:
            self.end(None)

    def end(self, reply: Reply | None) -> Reply:
        """Record the attempt as ended by this reply, or without one; return the reply."""
        exchange = self._exchange
        assert exchange is not None  # noqa: S101 - there is nothing to end before it has begun
        accepted = reply is not None and reply.code == AUTHENTICATED.code and self._own is AUTHENTICATED
        if accepted:
            self.is_complete, self.user = True, exchange.user
        elif exchange.refusal is not None:
            self._recorder.note(f"{self._mechanism} is refused: {exchange.refusal}")
        self._recorder.auth.append(
            AuthAttempt(
                mechanism=self._mechanism,
                user=exchange.user,
                password=exchange.password,
                accepted=accepted,
                in_clear=self._in_clear,
                authorization_identity=exchange.authorization_identity,
                token=exchange.token,
                trace=exchange.trace,
            )
        )
        self._exchange = self._turns = None
        self.is_open = self.is_running = False
        return reply or AUTH_CANCELLED

    def _scram(self, offered: tuple[str, ...]) -> Exchange:
        from smtpfix.login.scram import SCRAM_MECHANISMS  # noqa: PLC0415 - an extra

        return SCRAM_MECHANISMS[self._mechanism](
            self._policy.users,
            binding=self.tls.channel_binding if self.tls is not None else None,
            offers_binding=any(name in SCRAM_PLUS for name in offered),
        )

    def _refuse(self, initial: str, response: bytes | None, offered: tuple[str, ...]) -> Reply | None:
        if not self._mechanism or " " in initial:
            return AUTH_SYNTAX
        if self._mechanism not in offered:
            return UNKNOWN_MECHANISM
        return NOT_BASE64 if initial and response is None else None

    def _advance(self, go_on: Callable[[], bytes]) -> None:
        """Let the mechanism go on: to its next challenge or to its end."""
        try:
            challenge = go_on()
        except StopIteration as stop:
            self._turns, self._own = None, AUTHENTICATED if stop.value else BAD_CREDENTIALS
        except MalformedResponseError as error:
            # RFC 4954 section 4 has a code of its own for an initial response where the server speaks first.
            enhanced = "5.7.0" if isinstance(error, ServerFirstError) else "5.5.2"
            self._turns, self._own = None, Reply(501, enhanced, str(error))
        else:
            self._own = Reply(_CHALLENGE, None, base64.b64encode(challenge).decode("ascii"))


def check_mechanisms(policy: Policy) -> None:
    """Raise `ExtraMissing` where a policy has mechanisms that need a package that is not installed."""
    wanted = [name for name in (*policy.mechanisms, *(policy.mechanisms_in_clear or ())) if name in SCRAM]
    if wanted:
        try:
            from smtpfix.login import scram as sasl_scram  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise ExtraMissing(f"{wanted[0]} needs scramp: pip install 'smtpfix[scram]' ({error})") from error


def _certified(tls: TLSInfo | None) -> str | None:
    """Return whom the client's certificate names: the common name of its subject."""
    parts = (tls.client_name or "").split(", ") if tls is not None else []
    return next((part.partition("=")[2] for part in parts if part.startswith("commonName=")), None)


def _decode(text: str) -> bytes | None:
    """Decode base64 as RFC 4954 section 4 has it, ``=`` for an empty response; None if it is none."""
    if text == "=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
