"""What rules know of IMAP: its stages, and how an answer is written: `LANGUAGE`."""

from __future__ import annotations

from typing import Final

from smtpfix.rules.action import Action
from smtpfix.rules.language import Language
from smtpfix.rules.stages import ANY, AUTH_ANSWER, BESIDE_COMMANDS, CONNECT, GREETING, HANDSHAKE, UNKNOWN
from smtpfix.rules.status import Status

from .status import KINDS, parse_status

DONE: Final = "DONE"
"""The stage at the end of IDLE, whatever the client says to end it."""

COMMANDS: Final = (
    *("CAPABILITY", "NOOP", "LOGOUT", "ID", "STARTTLS", "AUTHENTICATE", "LOGIN", "ENABLE", "NAMESPACE"),
    *("SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB", "STATUS"),
    *("APPEND", "IDLE", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH", "SORT", "FETCH", "STORE", "COPY", "MOVE"),
    *("GETQUOTA", "GETQUOTAROOT"),
)
"""Every command there is; after UID it is the same stage, and UID is part of the argument."""


class IMAPLanguage(Language):
    """IMAP's."""

    stages = (CONNECT, HANDSHAKE, GREETING, *COMMANDS, AUTH_ANSWER, DONE, UNKNOWN, ANY)
    beside = BESIDE_COMMANDS | {DONE}
    answer = Status
    answer_pattern = r"(?:OK|NO|BAD|BYE|PREAUTH|\+)(?![A-Za-z0-9])"
    answer_example = "an answer such as NO [UNAVAILABLE] later"

    @property
    def own_actions(self) -> tuple[type[Action], ...]:
        """What happens to accounts, and to strings."""
        from smtpfix.rules.elsewhere import Elsewhere  # noqa: PLC0415 - servers without rules are the most

        from .literals import Literals  # noqa: PLC0415 - as above

        return (Elsewhere, Literals)

    @property
    def actions(self) -> tuple[type[Action], ...]:
        """All actions there are in it, its answers first."""
        return (*KINDS, *super().actions[1:])

    def parse_answer(self, text: str) -> Status | None:
        """Read a status response; None for a text that is none."""
        return parse_status(text)


LANGUAGE: Final = IMAPLanguage()
