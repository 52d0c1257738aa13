"""Status responses (RFC 9051 section 7.1): `Ok`, `No`, `Bad`, `Bye` and `PreAuth`; and `GoOn`, a continuation request.

Values, as rules have them: which command one answers, its tag, is known where it is sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from smtpfix.errors import InvalidValueError
from smtpfix.rules.action import Answer

_UNSAYABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What a line cannot hold: control characters, and surrogates, which have no UTF-8."""
_TEXT: Final = re.compile(r"(OK|NO|BAD|BYE|PREAUTH|\+)(?: \[([^\]]+)\])?(?: (.*))?")


@dataclass(frozen=True, slots=True)
class Status(Answer):
    """A status response to send. Raises `InvalidValueError` for control characters."""

    text: str
    """Text for humans."""
    code: str = ""
    """Response code, such as ``UNAVAILABLE`` (section 7.1, RFC 5530); empty sends none."""

    word: ClassVar[str] = ""
    """How it begins, behind the tag."""

    def __post_init__(self) -> None:
        for name, value in (("text", self.text), ("code", self.code)):
            if not isinstance(value, str) or _UNSAYABLE.search(value):
                raise InvalidValueError(f"{type(self).__name__}.{name}", value, "text without control characters")
        if "]" in self.code:
            raise InvalidValueError(f"{type(self).__name__}.code", self.code, "a response code without a bracket")

    @property
    def is_positive(self) -> bool:
        """Whether it lets the command take effect."""
        return False

    def encode(self) -> bytes:
        """Return it as the server says it unasked."""
        return self.tagged(b"*")

    def tagged(self, tag: bytes) -> bytes:
        """Return it as the answer to the command of this tag."""
        return b"%b %b\r\n" % (tag, str(self).encode())

    def __str__(self) -> str:
        return " ".join(filter(None, (self.word, f"[{self.code}]" if self.code else "", self.text)))


@dataclass(frozen=True, slots=True)
class Ok(Status):
    """The command is done: ``Ok("done")``."""

    word: ClassVar[str] = "OK"

    @property
    def is_positive(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class No(Status):
    """The command failed: ``No("later", "UNAVAILABLE")``."""

    word: ClassVar[str] = "NO"


@dataclass(frozen=True, slots=True)
class Bad(Status):
    """The command is not of the grammar, or not for this state: ``Bad("what?")``."""

    word: ClassVar[str] = "BAD"


@dataclass(frozen=True, slots=True)
class Bye(Status):
    """The server closes the connection: ``Bye("too many connections")`` (section 7.1.5)."""

    word: ClassVar[str] = "BYE"

    @property
    def ends_session(self) -> bool:
        """Always."""
        return True

    def tagged(self, tag: bytes) -> bytes:  # noqa: ARG002 - it has none
        """Return it; it has no tag."""
        return b"* %b\r\n" % str(self).encode()


@dataclass(frozen=True, slots=True)
class PreAuth(Status):
    """The greeting of a server to which the client has logged in already (section 7.1.4): ``PreAuth("hello")``."""

    word: ClassVar[str] = "PREAUTH"

    @property
    def is_positive(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class GoOn(Status):
    """A continuation request (section 7.6), which has no tag: ``GoOn("go on")``. The command goes on, or is lost."""

    word: ClassVar[str] = "+"

    def tagged(self, tag: bytes) -> bytes:  # noqa: ARG002 - it has none
        """Return it; it has no tag, and the space stands also without a text."""
        return b"+ %b\r\n" % str(self).encode()[2:]


_KINDS: Final[dict[str, type[Status]]] = {kind.word: kind for kind in (Ok, No, Bad, Bye, PreAuth, GoOn)}

Condition: TypeAlias = Ok | No | Bad
"""How a command ends."""


def parse_status(text: str) -> Status | None:
    """Read a status response, such as ``NO [UNAVAILABLE] later``; None for a text that is none."""
    match = _TEXT.fullmatch(text)
    return None if match is None else _KINDS[match[1]](match[3] or "", match[2] or "")
