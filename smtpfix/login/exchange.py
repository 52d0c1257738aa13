"""One SASL exchange (RFC 4422 section 3): base64, challenges and answers around a mechanism.

Says what came of each step and words nothing: replies, and whether a client may log in at all, are the protocol's.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, TypeAlias

from smtpfix.errors import ExtraMissing
from smtpfix.extras import install

from .mechanisms import MECHANISMS, Exchange, MalformedResponseError, ServerFirstError, Users
from .names import MECHANISM_NAMES, SCRAM, SCRAM_PLUS

CANCEL: Final = b"*"
"""What a client says instead of an answer to break an exchange off (RFC 4954 section 4, RFC 9051 section 6.2.2)."""


_NAME: Final = re.compile("[A-Z0-9_-]{1,20}")
"""A mechanism's, RFC 4422 section 3.1."""


def is_mechanism(word: str) -> bool:
    """Return whether a word is a mechanism's name, and no credential in its place, such as base64 of some text."""
    if word.upper() in MECHANISM_NAMES:
        return True
    return _NAME.fullmatch(word) is not None and not _is_text(_decode(word) or b"\xff")


def _is_text(octets: bytes) -> bool:
    try:
        return octets.decode().replace("\0", "").isprintable()
    except UnicodeDecodeError:
        return False


class Verdict(Enum):
    """What came of an exchange that is over."""

    ACCEPTED = "the client is who it says"
    BAD_CREDENTIALS = "it is not"
    CANCELLED = "the client broke it off"
    NOT_BASE64 = "its answer is not base64"
    UNKNOWN_MECHANISM = "the mechanism is not offered here"
    MALFORMED_COMMAND = "the command is not of its form"


@dataclass(frozen=True, slots=True)
class Malformed:
    """An answer that is not of the mechanism's form, which ends the exchange."""

    reason: str
    """What the mechanism takes."""
    server_first: bool = False
    """Whether it came too early: in this mechanism the server speaks first."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the client has to answer next."""

    octets: bytes

    @property
    def encoded(self) -> str:
        """The challenge in base64, as every protocol sends it."""
        return base64.b64encode(self.octets).decode("ascii")


Outcome: TypeAlias = Challenge | Malformed | Verdict
"""What came of one step."""


def exchange_for(
    mechanism: str,
    users: Users,
    offered: Collection[str],
    *,
    hostname: str,
    certified: str | None,
    binding: Callable[[str], bytes | None] | None,
) -> Exchange:
    """Return what speaks a mechanism; one that nobody knows learns nothing and refuses.

    `offered` are the mechanisms that this client may use, `certified` is whom its TLS certificate names, and `binding`
    returns the connection's channel binding of a name (RFC 5929); it is None outside TLS.
    """
    if mechanism in SCRAM and mechanism in offered:
        from .scram import SCRAM_MECHANISMS  # noqa: PLC0415 - an extra

        offers_binding = any(name in SCRAM_PLUS for name in offered)
        return SCRAM_MECHANISMS[mechanism](users, binding=binding, offers_binding=offers_binding)
    return MECHANISMS.get(mechanism, Exchange)(users, hostname=hostname, certified=certified)


class Dialogue:
    """One exchange: a mechanism, an initial response if there was one, and the answers after it."""

    def __init__(self, mechanism: str, initial: str, exchange: Exchange) -> None:
        self.mechanism = mechanism
        """In upper case; the empty text where the command named none."""
        self.exchange = exchange
        self._initial = initial
        self._response = _decode(initial) if initial else None
        self._turns: Generator[bytes, bytes, bool] | None = None
        self._answers: list[bytes] = []
        """What has come after the command, decoded; empty for what is not base64."""
        self.responses = 1 if self._response is not None else 0
        """How often the client has answered; an initial response is one."""

    def peek(self) -> None:
        """Learn what an initial response gives away, though nobody asked for it."""
        if self._response:
            self.exchange.peek(self._response)

    def begin(self, offered: Collection[str]) -> Outcome:
        """Take in the initial response; what cannot begin still tells what it gave away."""
        verdict = None
        if not self.mechanism or " " in self._initial:
            verdict = Verdict.MALFORMED_COMMAND
        elif self.mechanism not in offered:
            verdict = Verdict.UNKNOWN_MECHANISM
        elif self._initial and self._response is None:
            verdict = Verdict.NOT_BASE64
        if verdict is not None:
            self.peek()
            return verdict
        self._turns = self.exchange.run(self._response)
        return self._advance(partial(next, self._turns))

    def answer(self, line: bytes) -> Outcome | None:
        """Take in an answer; None where the mechanism is through, and only a rule wanted to hear more."""
        self.responses += 1
        if line == CANCEL:
            return Verdict.CANCELLED
        if self._turns is None:
            self.overhear(line)
            return None
        response = _decode(line.decode("ascii", "replace"))
        if len(self._answers) < self.exchange.answers:  # a rule may ask for more without end
            self._answers.append(response or b"")
        if response is None:
            self._turns = None
            return Verdict.NOT_BASE64
        return self._advance(partial(self._turns.send, response))

    def overhear(self, line: bytes) -> None:
        """Learn what an answer gives away that comes though the exchange is over; nobody is authenticated by it.

        One that cannot be read takes its place all the same: else a password might be taken for the user.
        """
        if len(self._answers) > self.exchange.answers:
            return
        self._answers.append(_decode(line.decode("ascii", "replace")) or b"")
        said = self._answers
        if self._initial and said[0] != self._response:  # said again, it is no second answer
            said = [self._response or b"", *said]
        # What a mechanism makes of it that nobody knows, and of answers that are too many, is nothing.
        with contextlib.suppress(StopIteration, MalformedResponseError, NotImplementedError):
            turns = self.exchange.run(None)
            next(turns)
            for answer in said:
                turns.send(answer)

    def _advance(self, go_on: Callable[[], bytes]) -> Outcome:
        """Let the mechanism go on: to its next challenge or to its end."""
        self.exchange.asks = True
        try:
            return Challenge(go_on())
        except StopIteration as stop:
            self._turns = None
            return Verdict.ACCEPTED if stop.value else Verdict.BAD_CREDENTIALS
        except MalformedResponseError as error:
            self._turns = None
            return Malformed(str(error), isinstance(error, ServerFirstError))
        finally:
            self.exchange.asks = False


def check_installed(mechanisms: Collection[str]) -> None:
    """Raise `ExtraMissing` where one of these needs a package that is not installed."""
    wanted = [name for name in mechanisms if name in SCRAM]
    if wanted:
        try:
            from . import scram  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise ExtraMissing(f"{wanted[0]} needs scramp: {install('scram')} ({error})", "scram") from error


def _decode(text: str) -> bytes | None:
    """Decode base64, ``=`` for an empty response (RFC 4954 section 4, RFC 9051 section 6.2.2); None if it is none."""
    if text == "=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
