"""The AUTH command of one session (RFC 4954): base64, challenges and answers around a mechanism of `sasl`.

Returns replies and sends none. Every attempt is recorded with what it gave away, also when it is refused or broken off.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Generator
from functools import partial
from typing import Final

from .policy import Policy
from .recorder import Recorder
from .reply import (
    AUTH_CANCELLED,
    AUTH_SYNTAX,
    AUTHENTICATED,
    BAD_CREDENTIALS,
    NOT_BASE64,
    UNKNOWN_MECHANISM,
    Reply,
)
from .sasl import MECHANISMS, Exchange, MalformedResponseError, ServerFirstError
from .session import AuthAttempt, TLSInfo

LINE_LIMIT: Final = 12_288
"""Octets that a line of an exchange may have with its CRLF, RFC 4954 section 4."""

CANCEL: Final = b"*"
"""What a client says instead of an answer to break an exchange off, RFC 4954 section 4."""


class Authentication:
    """Who the client is, as far as it has shown."""

    def __init__(self, policy: Policy, recorder: Recorder) -> None:
        self._policy = policy
        self._recorder = recorder
        self._mechanism = ""
        self._in_clear = False
        self._exchange: Exchange | None = None
        self._turns: Generator[bytes, bytes, bool] | None = None
        self.is_running = False
        """Whether the next line is the answer to a challenge."""
        self.is_complete = False
        """Whether the client was told that it is authenticated."""
        self.user: str | None = None
        """As whom."""

    def assume(self, user: str) -> None:
        """Take the client for this user, as a proxy says it is."""
        self.is_complete, self.user = True, user

    def begin(self, argument: str, refusal: Reply | None, *, in_clear: bool) -> Reply:
        """Take an AUTH command; return its reply: `refusal`, if it is refused already, or what the mechanism says."""
        name, *initials = argument.split() or [""]
        initial = " ".join(initials)
        self._mechanism, self._in_clear = name.upper(), in_clear
        self._exchange = MECHANISMS.get(self._mechanism, Exchange)(
            self._policy.users, hostname=self._policy.hostname, certified=_certified(self._recorder.tls)
        )
        response = _decode(initial) if initial else None
        if refusal is None:
            refusal = self._refuse(initial, response)
        if refusal is not None:
            if response:
                self._exchange.peek(response)  # what was given away is recorded, though nobody asked for it
            return self.end(refusal)
        self._turns = self._exchange.run(response)
        self.is_running = True
        return self._advance(partial(next, self._turns))

    def answer(self, line: bytes) -> Reply:
        """Take the client's answer to a challenge and return the reply."""
        assert self._turns is not None  # noqa: S101 - the caller asked whether it is running
        if line == CANCEL:
            return self.end(AUTH_CANCELLED)
        response = _decode(line.decode("ascii", "replace"))
        if response is None:
            return self.end(NOT_BASE64)
        return self._advance(partial(self._turns.send, response))

    def end(self, reply: Reply | None) -> Reply:
        """Record the attempt as ended by this reply, or by the end of the connection without one; return the reply."""
        exchange = self._exchange
        assert exchange is not None  # noqa: S101 - there is nothing to end before it has begun
        accepted = reply is not None and reply.code == AUTHENTICATED.code
        if accepted:
            self.is_complete, self.user = True, exchange.user
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
        self.is_running = False
        return reply or AUTH_CANCELLED

    def _refuse(self, initial: str, response: bytes | None) -> Reply | None:
        if not self._mechanism or " " in initial:
            return AUTH_SYNTAX
        has_certificate = self._recorder.tls is not None and self._recorder.tls.client_certificate is not None
        if self._mechanism not in self._policy.mechanisms_for(has_certificate=has_certificate):
            return UNKNOWN_MECHANISM
        return NOT_BASE64 if initial and response is None else None

    def _advance(self, go_on: Callable[[], bytes]) -> Reply:
        """Let the mechanism go on: to its next challenge or to its end."""
        try:
            challenge = go_on()
        except StopIteration as stop:
            return self.end(AUTHENTICATED if stop.value else BAD_CREDENTIALS)
        except MalformedResponseError as error:
            # RFC 4954 section 4 has a code of its own for an initial response where the server speaks first.
            return self.end(Reply(501, "5.7.0" if isinstance(error, ServerFirstError) else "5.5.2", str(error)))
        return Reply(334, None, base64.b64encode(challenge).decode("ascii"))


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
