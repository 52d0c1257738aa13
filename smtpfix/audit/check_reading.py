"""Whether a client that reads mail did what a scenario calls for: `RunningReadingScenario.check`."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Final

from smtpfix.policy.mode import Mode
from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind

from .check import Outcome, RunningScenario
from .disclosure import gave_away, may_be_late

_MESSAGES: Final = 3
"""How many there are to be read."""
_BODY: Final = (
    "".join(f"Line {number} of the text.\r\n" for number in range(1, 13)) + ".\r\nBehind a line with a dot.\r\n"
)
_UNANSWERED: Final = b"not sent, as a rule has it"
_LEAVES: Final = ("QUIT", "LOGOUT")


class RunningReadingScenario(RunningScenario):
    """A scenario, and a server of mail that shows it: what the fixtures ``imap_scenario`` and ``pop3_scenario`` are.

    `check` takes a function that is given the server, and has a client read all mail there is, and may have it deleted.
    The client finds three messages; what it does is judged by what the server sent it and what it deleted.
    """

    __slots__ = ()

    def _prepare(self) -> None:
        """Put messages where whoever logs in finds them."""
        for number in range(1, _MESSAGES + 1):
            headers = f"From: shop@example.org\r\nTo: ann@example.org\r\nSubject: Message {number}\r\n"
            identity = f"Message-ID: <{number}@example.org>\r\n\r\n"
            self.server.put(headers + identity + _BODY)

    def _outcome(self, sessions: Collection[Session]) -> Outcome:
        found = [one for session in sessions for one in session.retrievals]
        accounts = [*self.server.inbox.accounts.values()]
        if self.scenario.group == "injection" and any(map(_went_on_unanswered, sessions)):
            return Outcome.ACTED_ON_INJECTION
        if any(account.lost for account in accounts):
            return Outcome.LOST_MAIL
        if any(not one.in_tls for one in found) and self.server.mode is not Mode.PLAIN:
            return Outcome.RETRIEVED_IN_CLEAR
        if len({(one.user, one.uid) for one in found}) >= _MESSAGES:
            return Outcome.RETRIEVED
        if found or any(map(gave_away, sessions)):
            return Outcome.REFUSED_LATE
        return Outcome.REFUSED if sessions else Outcome.NEVER_CONNECTED

    def _complaint(self, outcome: Outcome) -> str | None:
        """Return what is wrong; None if nothing is."""
        name, expected = self.name or self.scenario.id, self.expected
        read = outcome is Outcome.RETRIEVED
        complaints = {
            Outcome.LOST_MAIL: "the client deleted a message that it had not read whole",
            Outcome.RETRIEVED_IN_CLEAR: "the client read its mail in clear",
            Outcome.ACTED_ON_INJECTION: "the client took a reply that was injected in clear for the server's",
        }
        if outcome is Outcome.NEVER_CONNECTED:
            where = f"{self.server.host}:{self.server.port}"
            return f"the client never connected to {where}, so nothing is known of it"
        if outcome in complaints:
            return None if name in self.accepts else complaints[outcome]
        if name in self.accepts:
            return None if read else f"accepts= names {name}, but the client refuses it: take it out"
        if name in self.refuses:
            return f"refuses= names {name}, but the client accepts it: take it out" if read else None
        if expected == "accept" and not read:
            return f"the client should have read all {_MESSAGES} messages"
        if expected == "refuse" and read:
            return "the client should have refused, and read the mail"
        if expected == "refuse" and outcome is Outcome.REFUSED_LATE and not may_be_late(self.scenario):
            return "the client should have refused before it gave anything away"
        return None

    def _forbidden(self, sessions: Collection[Session]) -> str | None:
        """Return what the client did that the scenario forbids; None if it did nothing of it."""
        passwords = {one.password for session in sessions for one in session.auth if one.password is not None}
        forbids = () if (self.name or self.scenario.id) in self.accepts else self.scenario.forbids
        if "another-password" in forbids and len(passwords) > 1:
            return "the client tried another password though the first one was not at fault"
        found = (violation for session in sessions for violation in session.violations)
        return next((f"the client did {one}" for one in found if one.id in forbids), None)


def _went_on_unanswered(session: Session) -> bool:
    """Return whether a client said more, and did not just leave, while the only answer that it was due was withheld.

    It may come together with the command that is not answered: who takes an injected answer need not wait. Nor does it
    pipeline, as it cannot know yet what is offered inside TLS.
    """
    events = session.transcript.events
    for at, event in enumerate(events):
        if event.kind is Kind.NOTE and event.data.startswith(_UNANSWERED):
            behind = itertools.islice((verb for place, verb in session.verbs if place > at), 1)
            return any(verb not in _LEAVES for verb in behind)
    return False
