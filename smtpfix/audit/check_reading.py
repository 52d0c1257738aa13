"""Whether a client that reads mail did what a scenario requires: `RunningReadingScenario.check`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from smtpfix.policy.mode import Mode
from smtpfix.record.session import Session

from .check import Outcome, RunningScenario
from .disclosure import gave_away
from .reading import (
    ANOTHER_PASSWORD,
    MESSAGES,
    count_read,
    forbidden,
    lost,
    put_messages,
    read_in_clear,
    taken_away,
    went_on_unanswered,
)

_DECLARED: Final = (Outcome.LOST_MAIL, Outcome.RETRIEVED_IN_CLEAR, Outcome.ACTED_ON_INJECTION)
"""What a client may be declared to do."""


class RunningReadingScenario(RunningScenario):
    """A scenario and the mail server that shows it: the value of ``imap_scenario`` and ``pop3_scenario``.

    `check` takes a function that gets the server, and makes a client read all messages, which it may delete. The client
    finds three messages. The verdict follows from what the server sent to it and what it deleted.
    """

    __slots__ = ()

    _task = f"read all {MESSAGES} messages"
    _deed = "read the mail"

    def _prepare(self) -> None:
        """Put messages where whoever logs in finds them."""
        put_messages(self.server)

    def _outcome(self, sessions: Collection[Session]) -> Outcome:
        found = [one for session in sessions for one in session.retrievals]
        if self.scenario.group == "injection" and any(map(went_on_unanswered, sessions)):
            return Outcome.ACTED_ON_INJECTION
        if lost(self.server):
            return Outcome.LOST_MAIL
        in_clear = any(not one.in_tls for one in found) or any(map(read_in_clear, sessions))
        if in_clear and self.server.mode is not Mode.PLAIN:
            return Outcome.RETRIEVED_IN_CLEAR
        if count_read(sessions) >= MESSAGES - taken_away(self.server):
            return Outcome.RETRIEVED
        if found or any(map(gave_away, sessions)):
            return Outcome.REFUSED_LATE
        return Outcome.REFUSED if sessions else Outcome.NEVER_CONNECTED

    def _complaint(self, outcome: Outcome) -> str | None:
        """Return what is wrong; None if nothing is, or the client is known for it."""
        is_known = (self.name or self.scenario.id) in self.accepts
        return None if is_known and outcome in _DECLARED else super()._complaint(outcome)

    def _forbidden(self, sessions: Collection[Session]) -> str | None:
        """Return what the client did that the scenario forbids; None if it did nothing of it."""
        if (self.name or self.scenario.id) in self.accepts:
            return None
        found = forbidden(self.scenario, sessions, self.server)
        if ANOTHER_PASSWORD in found:
            return "the client tried another password though the first one was not at fault"
        return next((f"the client did {one}" for one in found), None)
