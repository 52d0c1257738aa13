"""What a rule may do to the octets of an answer, in every protocol: `Before`, `After`, `Edit` and `Cut`.

The command takes effect as it would have; only what the client is told differs. What stands behind these in the rule
follows the answer.
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
    """One change of an answer's octets."""

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
    r"""Put octets in front of the answer, in the same write: ``Before(b"* 5 EXISTS\r\n")``."""

    forms = (
        Form(
            'before "OCTETS": puts these before the answer',
            rf"before\s+{QUOTED}",
            lambda match: Before(octets(match[1])),
        ),
    )

    octets: bytes
    """What stands in front; may have placeholders that the protocol fills in."""

    def __post_init__(self) -> None:
        _check_octets("Before.octets", self.octets)

    def as_text(self) -> str:
        """Return how a rule has it."""
        return f"before {quoted(self.octets)}"

    def edited(self, answer: bytes, fill: Fill) -> bytes:
        """Return these octets and the answer."""
        return fill(self.octets) + answer


@dataclass(frozen=True, slots=True)
class After(AnswerEdit):
    r"""Put octets behind the answer, in the same write: ``After(b"250 OK\r\n")``.

    Behind the answer to STARTTLS they are in clear, and the client may take them for answers inside TLS.
    """

    forms = (
        Form(
            'after "OCTETS": puts these after the answer',
            rf"after\s+{QUOTED}",
            lambda match: After(octets(match[1])),
        ),
    )

    octets: bytes
    """What stands behind; may have placeholders that the protocol fills in."""

    def __post_init__(self) -> None:
        _check_octets("After.octets", self.octets)

    def as_text(self) -> str:
        """Return how a rule has it."""
        return f"after {quoted(self.octets)}"

    def edited(self, answer: bytes, fill: Fill) -> bytes:
        """Return the answer and these octets."""
        return answer + fill(self.octets)


@dataclass(frozen=True, slots=True)
class Edit(AnswerEdit):
    r"""Replace each match of an expression in the answer: ``Edit(rb"SIZE \d+", b"SIZE 7")``.

    ``^`` and ``$`` are the beginning and the end of a line, and `by` may have ``\1`` for a group, as in `re.sub`.
    """

    forms = (
        Form(
            'edit "PATTERN" "OCTETS": replaces each match of the expression in the answer',
            rf"edit\s+{QUOTED}\s+{QUOTED}",
            lambda match: Edit(match[1].replace('\\"', '"').encode(), octets(match[2])),
        ),
    )

    pattern: bytes
    """A regular expression of octets."""
    by: bytes
    """What stands for each match."""
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
        """Return how a rule has it."""
        pattern = self.pattern.decode().replace('"', '\\"')
        return f'edit "{pattern}" {quoted(self.by)}'

    def edited(self, answer: bytes, fill: Fill) -> bytes:
        """Return the answer with each match replaced."""
        return self._compiled.sub(fill(self.by), answer)


@dataclass(frozen=True, slots=True)
class Cut(AnswerEdit):
    """Send no more than so many octets of the answer; then what stands behind it: ``Cut(300), Disconnect()``."""

    forms = (
        Form(
            "cut OCTETS: sends so many of the answer, then what follows",
            r"cut\s+([0-9]{1,12})",
            lambda match: Cut(int(match[1])),
        ),
    )
    only_once = True

    octets: int
    """How many octets of the answer are sent."""

    def __post_init__(self) -> None:
        check_number("Cut.octets", self.octets, least=0, unit="octets", whole=True)

    def as_text(self) -> str:
        """Return how a rule has it."""
        return f"cut {self.octets}"

    def edited(self, answer: bytes, fill: Fill) -> bytes:  # noqa: ARG002 - as the others
        """Return the beginning of the answer."""
        return answer[: self.octets]


EDITS: Final[tuple[type[AnswerEdit], ...]] = (Before, After, Edit, Cut)
"""Every change there is."""


def _check_octets(name: str, value: object) -> None:
    if not isinstance(value, bytes) or not value:
        raise InvalidValueError(name, value, "octets, as bytes, one or more")
