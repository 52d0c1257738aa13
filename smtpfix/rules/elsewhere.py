"""`Elsewhere`: a rule's action that changes an account as another session would, while a client says a command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smtpfix.errors import InvalidValueError

from .action import Action, Performance
from .notation import QUOTED, Form

_CHANGE: Final = re.compile(
    r"deliver|expunge\s+[1-9][0-9]{0,8}|(?:un)?flag\s+[1-9][0-9]{0,8}\s+(?:\\(?:Answered|Flagged|Deleted|Seen|Draft)"
    r"|[A-Za-z$][A-Za-z0-9$_-]*)"
)
_EXPECTED: Final = r"'deliver', 'expunge 1', 'flag 1 \Seen' or 'unflag 1 \Seen'"


@dataclass(frozen=True, slots=True)
class Elsewhere(Action):
    r"""Change the account as another session would: ``Elsewhere("expunge 1")``, ``"deliver"``, ``r"flag 1 \Seen"``.

    Message numbers are those of the session that the rule answers; that session learns of the change when its protocol
    allows it. Nothing happens before the client has logged in, or if there is no such message. Raises
    `InvalidValueError`.
    """

    forms = (
        Form(
            'elsewhere "CHANGE": changes the account from another session: "expunge 1", "deliver", "flag 1 \\\\Seen"',
            rf"elsewhere\s+{QUOTED}",
            lambda match: Elsewhere(match[1].replace("\\\\", "\\")),
        ),
    )

    change: str
    r"""The change: ``expunge 1``, ``deliver``, ``flag 1 \Seen``."""

    def __post_init__(self) -> None:
        if not isinstance(self.change, str) or _CHANGE.fullmatch(self.change.strip()) is None:
            raise InvalidValueError("Elsewhere.change", self.change, _EXPECTED)

    @property
    def verb(self) -> str:
        """The kind of change: ``deliver``, ``expunge``, ``flag`` or ``unflag``."""
        return self.change.split()[0]

    @property
    def number(self) -> int | None:
        """The number of the message; None for ``deliver``."""
        words = self.change.split()
        return int(words[1]) if len(words) > 1 else None

    @property
    def flag(self) -> str:
        """The flag to set or to remove."""
        return self.change.split()[-1]

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        change = self.change.replace("\\", "\\\\")
        return f'elsewhere "{change}"'

    def play(self, performance: Performance) -> bool:
        """Change the account."""
        performance.change_elsewhere(self)
        return True
