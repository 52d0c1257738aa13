"""The actions that change the octets of an answer, in every protocol: `Before`, `After`, `Edit` and `Cut`.

The command takes effect as usual; only the answer that the client sees is different. The next actions of the rule come
after the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from smtpfix.errors import InvalidValueError

from .action import Action, Performance
from .actions import check_number
from .notation import QUOTED, Form, octets, quoted

Fill = Callable[[bytes], bytes]
"""Puts what the session knows into the place of a rule's placeholders, such as IMAP's ``{tag}``."""


class AnswerEdit(Action):
    """A change to the octets of an answer."""

    __slots__ = ()

    changes_answer = True

    def edited(self, answer: bytes, fill: Fill) -> bytes:
        """Return the octets after the change."""
        raise NotImplementedError

    def play(self, performance: Performance) -> bool:
        """Change the answer; the last change of the rule sends it."""
        performance.edit_answer(self)
        return True


@dataclass(frozen=True, slots=True)
class Before(AnswerEdit):
    r"""Send octets before the answer, in the same write: ``Before(b"* 5 EXISTS\r\n")``. Raises `InvalidValueError`."""

    forms = (
        Form(
            'before "OCTETS": sends this before the reply',
            rf"before\s+{QUOTED}",
            lambda match: Before(octets(match[1])),
        ),
    )

    octets: bytes
    """The octets to send first. They may contain placeholders that the protocol fills in."""

    def __post_init__(self) -> None:
        _check_octets("Before.octets", self.octets)

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"before {quoted(self.octets)}"

    def edited(self, answer: bytes, fill: Fill) -> bytes:
        """Return these octets and the answer."""
        return fill(self.octets) + answer


@dataclass(frozen=True, slots=True)
class After(AnswerEdit):
    r"""Send octets after the answer, in the same write: ``After(b"250 OK\r\n")``. Raises `InvalidValueError`.

    After the answer to STARTTLS they are in clear, and the client may take them for answers inside TLS.
    """

    forms = (
        Form(
            'after "OCTETS": sends this after the reply',
            rf"after\s+{QUOTED}",
            lambda match: After(octets(match[1])),
        ),
    )

    octets: bytes
    """The octets to send next. They may contain placeholders that the protocol fills in."""

    def __post_init__(self) -> None:
        _check_octets("After.octets", self.octets)

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"after {quoted(self.octets)}"

    def edited(self, answer: bytes, fill: Fill) -> bytes:
        """Return the answer and these octets."""
        return answer + fill(self.octets)


@dataclass(frozen=True, slots=True)
class Edit(AnswerEdit):
    r"""Replace each match of a regular expression in the answer: ``Edit(rb"SIZE \d+", b"SIZE 7")``.

    ``^`` and ``$`` match at the beginning and the end of each line, and `by` may contain ``\1`` for a group, as in
    `re.sub`. Raises `InvalidValueError`.
    """

    forms = (
        Form(
            'edit "PATTERN" "OCTETS": replaces each match of the expression in the reply',
            rf"edit\s+{QUOTED}\s+{QUOTED}",
            lambda match: Edit(match[1].replace('\\"', '"').encode(), octets(match[2])),
        ),
    )

    pattern: bytes
    """The regular expression, as bytes."""
    by: bytes
    """The octets that replace each match."""
    _compiled: re.Pattern[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_octets("Edit.pattern", self.pattern)
        if not isinstance(self.by, bytes):
            raise InvalidValueError("Edit.by", self.by, "octets, as bytes")
        try:
            object.__setattr__(self, "_compiled", re.compile(self.pattern, re.MULTILINE))
        except (re.error, OverflowError, RecursionError) as error:
            raise InvalidValueError("Edit.pattern", self.pattern, f"a regular expression ({error})") from error
        try:
            self._compiled.sub(self.by, b"")
        except (re.error, IndexError, ValueError) as error:
            raise InvalidValueError("Edit.by", self.by, rf"octets, with \1 for a group ({error})") from error

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        pattern = self.pattern.decode().replace('"', '\\"')
        return f'edit "{pattern}" {quoted(self.by)}'

    def edited(self, answer: bytes, fill: Fill) -> bytes:
        """Return the answer with each match replaced."""
        return self._compiled.sub(fill(self.by), answer)


@dataclass(frozen=True, slots=True)
class Cut(AnswerEdit):
    """Send only the first octets of the answer; then do the rule's next action: ``Cut(300), Disconnect()``.

    Raises `InvalidValueError`.
    """

    forms = (
        Form(
            "cut OCTETS: sends only this many octets of the reply; then does what follows",
            r"cut\s+([0-9]{1,12})",
            lambda match: Cut(int(match[1])),
        ),
    )
    only_once = True

    octets: int
    """How many octets of the answer to send."""

    def __post_init__(self) -> None:
        check_number("Cut.octets", self.octets, least=0, unit="octets", whole=True)

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"cut {self.octets}"

    def edited(self, answer: bytes, fill: Fill) -> bytes:  # noqa: ARG002 - as the others
        """Return the beginning of the answer."""
        return answer[: self.octets]


EDITS: Final[tuple[type[AnswerEdit], ...]] = (Before, After, Edit, Cut)
"""Every change there is."""


def _check_octets(name: str, value: object) -> None:
    if not isinstance(value, bytes) or not value:
        raise InvalidValueError(name, value, "octets, as bytes, one or more")
