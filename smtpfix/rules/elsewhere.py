"""`Elsewhere`: what a rule has happen to an account while one of its sessions says a command, as by another session."""

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
    r"""Have the account change as by another session: ``Elsewhere("expunge 1")``, ``"deliver"``, ``r"flag 1 \Seen"``.

    Numbers are those of the session that the rule answers, which is told when its protocol allows it. Before a client
    has logged in, and where there is no such message, nothing happens.
    """

    forms = (
        Form(
            'elsewhere "CHANGE": the account changes as by another session: "expunge 1", "deliver", "flag 1 \\\\Seen"',
            rf"elsewhere\s+{QUOTED}",
            lambda match: Elsewhere(match[1].replace("\\\\", "\\")),
        ),
    )

    change: str
    """What happens: ``expunge 1``, ``deliver``, ``flag 1 \\Seen``."""

    def __post_init__(self) -> None:
        if not isinstance(self.change, str) or _CHANGE.fullmatch(self.change.strip()) is None:
            raise InvalidValueError("Elsewhere.change", self.change, _EXPECTED)

    @property
    def verb(self) -> str:
        """What happens: ``deliver``, ``expunge``, ``flag`` or ``unflag``."""
        return self.change.split()[0]

    @property
    def number(self) -> int | None:
        """The number of the message; None for a new one."""
        words = self.change.split()
        return int(words[1]) if len(words) > 1 else None

    @property
    def flag(self) -> str:
        """The flag that it gets, or loses."""
        return self.change.split()[-1]

    def as_text(self) -> str:
        """Return how a rule has it."""
        change = self.change.replace("\\", "\\\\")
        return f'elsewhere "{change}"'

    def play(self, performance: Performance) -> bool:
        """Change the account."""
        performance.change_elsewhere(self)
        return True
