"""A toy protocol, to show what a protocol has to bring: ECHO, with STARTTLS and a login.

A line ``ECHO text`` is answered ``+ text``; ``STARTTLS``, ``AUTH mechanism [initial-response]`` and ``QUIT`` are what
they are elsewhere. ``+`` stands before what is well, ``-`` before what is not, ``>`` before a challenge.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import ClassVar, Self

from smtpfix.conversation.conversation import Conversation
from smtpfix.conversation.login import Login
from smtpfix.conversation.protocol import ServedProtocol
from smtpfix.login.exchange import Challenge
from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.record.reading import Reading
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.rules.action import Action, Answer, Performance
from smtpfix.rules.language import Language
from smtpfix.rules.notation import Form
from smtpfix.rules.stages import ANY, AUTH_ANSWER, BESIDE_COMMANDS, CONNECT, GREETING, HANDSHAKE, UNKNOWN


@dataclass(frozen=True)
class Line(Answer):
    """An answer: a sign and a text."""

    text: str

    @property
    def is_positive(self) -> bool:
        return self.text.startswith("+")

    def encode(self) -> bytes:
        return self.text.encode() + b"\r\n"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Shout(Action):
    """An action that only this protocol has: the answer in capitals, so many times."""

    times: int = 1

    forms = (Form("shout [TIMES]", r"shout(?: ([0-9]))?", lambda match: Shout(int(match[1] or 1))),)
    stages = frozenset({"ECHO"})

    def play(self, performance: Performance) -> bool:
        performance.edit(self)
        return True


class EchoLogin(Login[Line]):
    def refuse(self) -> Line | None:
        allowed = self._connection.policy.allows_auth(in_tls=self._connection.channel.in_tls)
        return None if allowed else Line("- not here")

    def word(self, outcome) -> Line:
        if isinstance(outcome, Challenge):
            return Line(f"> {outcome.encoded}")
        return Line("+ welcome" if outcome.name == "ACCEPTED" else "- go away")

    def is_challenge(self, answer: Line) -> bool:
        return answer.text.startswith(">")

    def is_acceptance(self, answer: Line) -> bool:
        return answer.is_positive

    def ends_in_challenge(self, octets: bytes) -> bool:
        return octets.startswith(b">")


class EchoConversation(Conversation[Line]):
    login_kind = EchoLogin

    def greeting(self) -> Line:
        return Line(f"+ {self.policy.motto}")

    def command(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        self.recorder.add(Kind.SECRET if line.startswith(b"AUTH") else Kind.CLIENT, line)
        verb, _, argument = line.decode().partition(" ")
        if verb == "AUTH":
            self.login.hear(argument)
        self.at_stage(verb, argument, lambda forced: self._perform(verb, argument, forced))

    def _perform(self, verb: str, argument: str, forced: Line | None) -> None:
        if verb == "AUTH":
            self.login.perform(argument, forced)
        elif verb == "STARTTLS":
            grants = self.policy.has_starttls and not self.channel.in_tls and (forced is None or forced.is_positive)
            self.send(forced or Line("+ go ahead" if grants else "- no"))
            if grants:
                self.upgrade.begin_by("STARTTLS")
        elif verb == "QUIT":
            self.send(forced or Line("+ bye"))
            self.end(SessionEnd.QUIT)
        elif self.policy.mode is Mode.TLS_REQUIRED and not self.channel.in_tls:
            self.send(forced or Line("- STARTTLS first"))
        else:
            for shout in self.player.edits:
                argument = argument.upper() * shout.times
            self.send(forced or Line(f"+ {argument}" if verb == "ECHO" else "- what?"))

    def line_too_long(self) -> None:
        self.send(Line("- too long"))

    def timed_out(self) -> None:
        self.send(Line("- too slow"))
        self.end(SessionEnd.TIMEOUT)


class EchoLanguage(Language):
    stages = (CONNECT, HANDSHAKE, GREETING, "ECHO", "AUTH", AUTH_ANSWER, "STARTTLS", "QUIT", UNKNOWN, ANY)
    beside = BESIDE_COMMANDS
    answer = Line
    answer_pattern = "[-+>]"
    answer_example = "an answer such as + well"
    own_actions = (Shout,)

    def parse_answer(self, text: str) -> Line | None:
        return Line(text) if text[:1] in ("+", "-", ">") else None


class EchoReading(Reading):
    name = "echo"

    def secret_at(self, line: bytes) -> int:
        return len(b"AUTH ")

    def refuses(self, reply: str) -> bool:
        return reply.startswith("-")


class Echo(ServedProtocol):
    name = "echo"
    language = EchoLanguage()
    reading = EchoReading()

    def conversation(self, service, channel, recorder, ended) -> EchoConversation:
        return EchoConversation(service, channel, recorder, ended)

    def client(self, contact, *, timeout: float) -> EchoClient:
        return EchoClient(contact, timeout)


ECHO = Echo()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class EchoPolicy(ServerPolicy):
    """What an ECHO server demands, beside what every server does."""

    motto: str = "hello"
    """What it greets with."""
    clear_modes: ClassVar[frozenset[Mode]] = frozenset({Mode.PLAIN, Mode.STARTTLS})

    def speaks(self) -> Echo:
        return ECHO


class EchoClient:
    """A client that is in TLS wherever the mode knows it."""

    def __init__(self, contact, timeout: float) -> None:
        self._contact = contact
        self._socket = socket.create_connection((contact.host, contact.port), timeout)
        self._file = self._socket.makefile("rb")
        if contact.mode is Mode.IMPLICIT_TLS:
            self._handshake()
        self.greeting = self._file.readline().decode().strip()
        if contact.mode.has_starttls:
            assert self.say("STARTTLS").startswith("+")
            self._handshake()

    def _handshake(self) -> None:
        self._socket = self._contact.ssl_context().wrap_socket(self._socket, server_hostname=self._contact.host)
        self._file = self._socket.makefile("rb")

    def say(self, line: str) -> str:
        self._socket.sendall(line.encode() + b"\r\n")
        return self._file.readline().decode().strip()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
