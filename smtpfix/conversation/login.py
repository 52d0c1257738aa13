"""`Login`: the logins of one session, with the client's turns, the rules at each turn, and every attempt.

Hearing what the client says and settling the answer are two steps with the rules between them, so nothing that a rule
breaks off is missing from the record. Whether a client may log in here, and in what words, is the protocol's.
"""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Generic

from smtpfix.later import Later
from smtpfix.record.transcript import Kind
from smtpfix.rules.stages import AUTH_ANSWER

from .connection import AnswerT, Connection

if TYPE_CHECKING:
    from smtpfix.login import exchange as sasl
    from smtpfix.login.mechanisms import Exchange
    from smtpfix.tls.facts import TLSInfo
    from smtpfix.tls.side import TLSSide
else:
    sasl = Later("login.exchange")

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{6,}=*")
"""A word that may be base64 of a password (RFC 4648), shorter than which none is worth to be kept secret."""


class Login(ABC, Generic[AnswerT]):
    """One session's."""

    def __init__(self, connection: Connection[AnswerT]) -> None:
        self._connection = connection
        self._recorder = connection.recorder
        self._dialogue: sasl.Dialogue | None = None
        self._outcome: sasl.Outcome | None = None
        self._own: AnswerT | None = None
        self._in_clear = False
        self._names_mechanism = False
        """Whether a mechanism stands in its place, and not perhaps a credential."""
        self.tls: TLSSide | None = None
        """The TLS that mechanisms bind to, once it is on."""
        self.is_open = False
        """Whether an exchange has begun and not ended: a challenge is out, or what the client said is not answered."""
        self.is_running = False
        """Whether the next line is the answer to a challenge."""
        self.is_complete = False
        """Whether the client has shown who it is, and was told so."""
        self.user: str | None = None
        """As whom."""
        self._asks = False
        """Whether a function is asked who may log in, which may take its time."""
        self._step: Callable[[], sasl.Outcome | None] | None = None
        """What is still to be heard, with the function's answer."""
        self._refused: sasl.Dialogue | None = None
        """The last one, if it was refused: a client that does not look at replies goes on with its answers."""

    # What only the protocol knows

    @abstractmethod
    def refuse(self) -> AnswerT | None:
        """Return the answer to a client that may not log in at this stage; None if it may."""

    @abstractmethod
    def word(self, outcome: sasl.Outcome) -> AnswerT:
        """Return what a client is told that has come so far."""

    @abstractmethod
    def is_challenge(self, answer: AnswerT) -> bool:
        """Return whether an answer asks the client to go on, whatever it says."""

    @abstractmethod
    def is_acceptance(self, answer: AnswerT) -> bool:
        """Return whether an answer tells the client that it is authenticated."""

    @abstractmethod
    def ends_in_challenge(self, octets: bytes) -> bool:
        """Return whether octets that a rule sent instead of an answer ask the client to go on."""

    def is_command(self, line: bytes) -> bool:  # noqa: ARG002 - for protocols that can tell
        """Return whether a line is a command, and so no answer in a login."""
        return True

    # One attempt

    def forget(self, user: str | None = None) -> None:
        """Begin anew; it is this user if somebody else has said so."""
        self._dialogue = self._step = None
        self.is_open = self.is_running = False
        self._refused = None
        self.is_complete, self.user = user is not None, user

    def hear(self, argument: str) -> None:
        """Take a command in, and decide on its answer; a rule may break it off before that is given."""
        self._recorder.is_wary = True
        refusal = self.refuse()
        connection, tls = self._connection, self._recorder.tls
        policy = connection.policy
        self._asks = callable(policy.users)
        self._in_clear = not connection.channel.in_tls
        has_certificate = tls is not None and tls.client_certificate is not None
        offered = policy.mechanisms_for(in_tls=not self._in_clear, has_certificate=has_certificate)
        name, *initials = argument.split() or [""]
        mechanism = name.upper()
        self._names_mechanism = sasl.is_mechanism(name)
        exchange = sasl.exchange_for(
            mechanism,
            policy.users,
            offered,
            hostname=policy.hostname,
            certified=_certified(tls) if tls is not None else None,
            binding=self.tls.channel_binding if self.tls is not None else None,
        )
        self._dialogue = dialogue = sasl.Dialogue(mechanism, " ".join(initials), exchange)
        self.is_open = True
        if refusal is not None:
            dialogue.peek()
            self._outcome, self._own = None, refusal
        elif self._asks:
            dialogue.peek()  # for the record, should a rule break it off
            self._step = partial(dialogue.begin, offered)
        else:
            self._outcome = outcome = dialogue.begin(offered)
            self._own = self.word(outcome)

    def hear_at_once(self, command: str, exchange: Exchange, response: bytes, refusal: AnswerT | None = None) -> None:
        """Take a command in that says all there is to say, and decide on its answer; `conclude` gives it.

        The record has the command in the place of a mechanism. With a `refusal` the client gets that, whatever it says.
        """
        self._recorder.is_wary = True
        refusal = self.refuse() or refusal
        self._in_clear = not self._connection.channel.in_tls
        self._names_mechanism = True
        self._dialogue = dialogue = sasl.Dialogue(command, base64.b64encode(response).decode() or "=", exchange)
        self.is_open = True
        if refusal is not None:
            dialogue.peek()
            self._outcome, self._own = None, refusal
        elif callable(self._connection.policy.users):
            dialogue.peek()  # for the record, should a rule break it off
            self._step = partial(dialogue.begin, (command,))
        else:
            self._outcome = outcome = dialogue.begin((command,))
            self._own = self.word(outcome)

    def perform(self, argument: str, forced: AnswerT | None) -> None:
        """Answer the command that begins a login."""
        if not self.is_open:  # with rules, it has been heard
            self.hear(argument)
        self.conclude(forced)

    def conclude(self, forced: AnswerT | None) -> None:
        """Answer what has been heard, once a function has been asked, where one says who may log in."""
        if self._step is not None:
            self._ask(partial(self.conclude, forced))
        else:
            self._settled(forced)

    def answer(self, line: bytes) -> None:
        """Take the client's answer to a challenge, and go on, or let the rules."""
        dialogue = self._dialogue
        assert dialogue is not None  # noqa: S101 - a challenge is out
        line = line.removesuffix(b"\r")
        self._recorder.add(Kind.CLIENT if line == sasl.CANCEL else Kind.SECRET, line)
        self.is_running = False
        if self._asks and line != sasl.CANCEL:
            self._step = partial(dialogue.answer, line)
            self._ask(partial(self._answered, dialogue, line))
            return
        if (outcome := dialogue.answer(line)) is not None:
            self._outcome, self._own = outcome, self.word(outcome)
        self._answered(dialogue, line)

    def _answered(self, dialogue: sasl.Dialogue, line: bytes) -> None:
        """Answer what has been heard, or let the rules."""
        if self._connection.service.rulebook.by_stage and line != sasl.CANCEL:
            argument = f"{dialogue.mechanism} {dialogue.responses}"
            self._connection.at_stage(AUTH_ANSWER, argument, self._settled)
        else:
            self._settled(None)

    def _ask(self, then: Callable[[], None]) -> None:
        """Hear what a function has to say of the user; everything waits meanwhile."""
        assert self._step is not None  # noqa: S101 - the caller looked

        def heard(outcome: sasl.Outcome | None) -> None:
            self._step = None
            if outcome is not None:
                self._outcome, self._own = outcome, self.word(outcome)
            then()

        self._connection.player.ask("the function Policy.users", self._step, heard, self._settled)

    def settle(self, forced: AnswerT | None = None) -> AnswerT:
        """Return the answer to what was heard, or the one that a rule has in its place.

        A challenge goes on with the exchange, whatever it says; any other answer ends it. The client is authenticated
        only where it is told so and the mechanism agrees.
        """
        if forced is None:
            assert self._own is not None  # noqa: S101 - something has been heard
            answer, goes_on, accepts = self._own, type(self._outcome) is sasl.Challenge, True
        else:
            answer, goes_on, accepts = forced, self.is_challenge(forced), self.is_acceptance(forced)
        if goes_on:
            self.is_running = True
        else:
            self.end(accepted=accepts and self._outcome is sasl.Verdict.ACCEPTED)
        return answer

    def turn_away(self, argument: str) -> None:
        """Record an attempt by a command that is refused for its form."""
        self.hear(argument)
        self.end()

    def is_stray_answer(self, line: bytes) -> bool:
        """Return whether a line may be an answer in a login though nothing was asked.

        Clients that do not look at replies go on with user and password, at once or after other commands. So what is
        no command is taken for that from the first login on; while the last one was accepted, only a word in base64.
        """
        if not self._recorder.is_wary or line.strip() == sasl.CANCEL or self.is_command(line):
            return False
        was_accepted = self.is_complete and self._refused is None
        return not was_accepted or _BASE64.fullmatch(line.strip()) is not None

    def overhear(self, line: bytes) -> None:
        """Learn what such an answer gives away, for the record of the attempt."""
        if self._refused is None:
            return
        self._refused.overhear(line.strip())
        attempts, exchange = self._recorder.auth, self._refused.exchange
        attempts[-1] = replace(
            attempts[-1],
            user=exchange.user,
            password=exchange.password,
            authorization_identity=exchange.authorization_identity,
            token=exchange.token,
            trace=exchange.trace,
        )

    def cut_short(self, said: bytes) -> None:
        """Go on after octets that a rule sent instead of an answer: they are a challenge, or end the exchange."""
        if self.ends_in_challenge(said):
            self.is_running = True
        else:
            self.end()

    def end(self, *, accepted: bool = False) -> None:
        """Record the attempt as it has ended."""
        dialogue, self._step = self._dialogue, None
        assert dialogue is not None  # noqa: S101 - there is nothing to end before it has begun
        exchange = dialogue.exchange
        if accepted:
            self.is_complete, self.user = True, exchange.user
        elif exchange.refusal is not None:
            self._recorder.note(f"{dialogue.mechanism} is refused: {exchange.refusal}")
        from smtpfix.record.session import AuthAttempt  # noqa: PLC0415 - few clients log in

        self._recorder.auth.append(
            AuthAttempt(
                mechanism=dialogue.mechanism if self._names_mechanism else "",
                user=exchange.user,
                password=exchange.password,
                accepted=accepted,
                in_clear=self._in_clear,
                authorization_identity=exchange.authorization_identity,
                token=exchange.token,
                trace=exchange.trace,
            )
        )
        self._dialogue = None
        self.is_open = self.is_running = False
        self._refused = None if accepted else dialogue

    def _settled(self, forced: AnswerT | None) -> None:
        self._connection.send(self.settle(forced))


def _certified(tls: TLSInfo) -> str | None:
    """Return whom the client's certificate names: the common name of its subject."""
    parts = (tls.client_name or "").split(", ")
    return next((part.partition("=")[2] for part in parts if part.startswith("commonName=")), None)
