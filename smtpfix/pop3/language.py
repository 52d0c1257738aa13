"""What rules know about POP3: its stages, and its replies as text."""

from __future__ import annotations

from typing import Final

from smtpfix.rules.action import Action, Answer
from smtpfix.rules.language import Language
from smtpfix.rules.stages import ANY, AUTH_ANSWER, BESIDE_COMMANDS, CONNECT, GREETING, HANDSHAKE, UNKNOWN
from smtpfix.rules.status import Ok, Status

from .replies import Err

TRANSACTION: Final = ("STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET", "NOOP")
"""The commands that work on the maildrop of a client that has logged in."""
VERBS: Final = frozenset({*TRANSACTION, "USER", "PASS", "APOP", "AUTH", "STLS", "CAPA", "UTF8", "LANG", "QUIT"})
"""Every command there is."""


class Pop3Language(Language):
    """POP3's."""

    stages = (
        *(CONNECT, HANDSHAKE, GREETING, "CAPA", "STLS", "USER", "PASS", "APOP", "AUTH", AUTH_ANSWER, "UTF8", "LANG"),
        *(*TRANSACTION, "QUIT", UNKNOWN, ANY),
    )
    beside = BESIDE_COMMANDS
    answer = Status
    answer_pattern = r"\+OK|-ERR"
    answer_example = "a reply such as -ERR [IN-USE] locked"

    @property
    def own_actions(self) -> tuple[type[Action], ...]:
        """What happens to accounts."""
        from smtpfix.rules.elsewhere import Elsewhere  # noqa: PLC0415 - servers without rules are the most

        return (Elsewhere,)

    @property
    def actions(self) -> tuple[type[Action], ...]:
        """All actions there are in it, its replies first."""
        return (Ok, Err, *super().actions[1:])

    def parse_answer(self, text: str) -> Status | None:
        """Read a reply, such as ``-ERR [IN-USE] locked``; None for a text that is none."""
        sign, _, rest = text.partition(" ")
        kind: type[Status] | None = {"+OK": Ok, "-ERR": Err}.get(sign.upper())
        return None if kind is None else kind.parse(rest)

    def write_answer(self, answer: Answer) -> str:
        """Return a reply with its sign."""
        return f"+{answer.as_text()}" if isinstance(answer, Ok) else answer.as_text()


LANGUAGE: Final = Pop3Language()
