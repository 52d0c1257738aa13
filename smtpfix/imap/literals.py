"""`Literals`: a rule's action that sends every string of an answer as a literal (RFC 9051 section 4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from smtpfix.rules.edits import AnswerEdit, Fill
from smtpfix.rules.notation import Form

from .writing import literal

_MAILBOX: Final = re.compile(
    rb'(\* (?:LIST|LSUB) \([^()\r\n]*+\) (?:"[^"\\\r\n]"|"\\."|NIL) |\* STATUS )([^\s"(){]++)', re.IGNORECASE
)
"""The beginning of a response that names a mailbox, by an atom."""
_PLACE: Final = re.compile(rb'\{([0-9]{1,10})\+?\}\r\n|"((?:[^"\\\r\n]|\\.)*+)"?+|\r\n|[^"{\r]++|.', re.DOTALL)
"""A literal's beginning, a quoted string, the end of a line, or what is none of these."""
_KEPT: Final = re.compile(rb"[ 0-9][0-9]-[A-Za-z]{3}-[0-9]{4} [0-9:]{8} [+-][0-9]{4}|\\?+.", re.DOTALL)
"""What stands in quotes and is no string: INTERNALDATE; and one character, which may be a delimiter (section 9)."""
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Literals(AnswerEdit):
    """Send every string of an answer, and the names of mailboxes, as a literal: ``{7}``, then ``Message``.

    Existing literals, response codes and texts stay as they are.
    """

    forms = (
        Form(
            "literals: sends every string of the answer as a literal",
            r"literals",
            lambda _: Literals(),
        ),
    )

    def as_text(self) -> str:
        """Return the action as a rule has it."""
        return "literals"

    def edited(self, answer: bytes, fill: Fill) -> bytes:  # noqa: ARG002 - as the others
        """Return the answer with literals in the place of its quoted strings."""
        return b"".join(_rewritten(answer))


def _rewritten(answer: bytes) -> Iterator[bytes]:
    at, begins_line = 0, True
    while at < len(answer):
        if begins_line:
            begins_line = False
            if not answer.startswith(b"* ", at) or _is_status(answer, at):
                end = answer.find(b"\n", at) + 1 or len(answer)
                yield answer[at:end]
                at, begins_line = end, True
                continue
            if (named := _MAILBOX.match(answer, at)) is not None:
                yield named[1] + literal(named[2])
                at = named.end()
                continue
        found = _PLACE.match(answer, at)
        assert found is not None  # noqa: S101 - it takes anything
        at = found.end()
        if found[1] is not None:
            end = min(at + int(found[1]), len(answer))
            yield found[0] + answer[at:end]
            at = end
        elif found[2] is None or _KEPT.fullmatch(found[2]):
            yield found[0]
            begins_line = found[0] == b"\r\n"
        else:
            yield literal(_ESCAPED.sub(rb"\1", found[2]))


def _is_status(answer: bytes, at: int) -> bool:
    """Return whether a response is a status, whose text is for people and no string."""
    return answer[at + 2 : at + 5].upper() in (b"OK ", b"NO ", b"BAD", b"BYE", b"PRE")
