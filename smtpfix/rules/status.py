"""`Status`: the answers of IMAP and POP3, as rules give them; and `Ok`, which both protocols have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from smtpfix.errors import InvalidValueError

from .action import Answer

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CODE: Final = re.compile(r"[^\x00-\x1f\x7f\[\]]*")
_TEXT: Final = re.compile(r"(?:\[([^\[\]]*)\])?\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Status(Answer):
    """An answer to a command: ``Ok("done")``, or with a response code ``Err("locked", "IN-USE")``.

    Each protocol encodes it in its own syntax. Raises `InvalidValueError`.
    """

    word: ClassVar[str]
    """The word in front of the text."""

    text: str = ""
    """The text for people."""
    code: str = ""
    """The response code without its brackets (RFC 2449 section 8, RFC 9051 section 7.1); ``""`` sends none."""

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.text, str) or _CONTROL.search(self.text):
            raise InvalidValueError(f"{name}.text", self.text, "text of one line, without control characters")
        if not isinstance(self.code, str) or not _CODE.fullmatch(self.code):
            raise InvalidValueError(f"{name}.code", self.code, "a response code without its brackets, such as IN-USE")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text after the word: ``[IN-USE] locked``. Raises `InvalidValueError`."""
        match = _TEXT.fullmatch(text.strip())
        assert match is not None  # noqa: S101 - it takes any text
        return cls(match[2], match[1] or "")

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"{self.word} {self.words}".rstrip()

    @property
    def words(self) -> str:
        """The response code in brackets, followed by the text."""
        return f"[{self.code}] {self.text}".rstrip() if self.code else self.text


class Ok(Status):
    """The answer that the command was performed: ``Ok("done")``."""

    __slots__ = ()
    word = "OK"

    @property
    def is_positive(self) -> bool:
        """True."""
        return True
