"""Whether a client that reads mail did what a scenario calls for: `RunningReadingScenario.check`."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Final

from smtpfix.policy.mode import Mode
from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind

from .check import Outcome, RunningScenario
from .disclosure import gave_away

_MESSAGES: Final = 3
"""How many there are to be read."""
_BODY: Final = (
    "".join(f"Line {number} of the text.\r\n" for number in range(1, 13)) + ".\r\nBehind a line with a dot.\r\n"
)
_DECLARED: Final = (Outcome.LOST_MAIL, Outcome.RETRIEVED_IN_CLEAR, Outcome.ACTED_ON_INJECTION)
"""What a client may be declared to do."""
_UNANSWERED: Final = b"not sent, as a rule has it"
_LEAVES: Final = ("QUIT", "LOGOUT")


class RunningReadingScenario(RunningScenario):
    """A scenario, and a server of mail that shows it: what the fixtures ``imap_scenario`` and ``pop3_scenario`` are.

    `check` takes a function that is given the server, and has a client read all mail there is, and may have it deleted.
    The client finds three messages; what it does is judged by what the server sent it and what it deleted.
    """

    __slots__ = ()

    _task = f"read all {_MESSAGES} messages"
    _deed = "read the mail"

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
        if any(
            gone.session is not None for account in accounts for gone in account.lost
        ):  # by a rule it is no client's
            return Outcome.LOST_MAIL
        if any(not one.in_tls for one in found) and self.server.mode is not Mode.PLAIN:
            return Outcome.RETRIEVED_IN_CLEAR
        if len({(one.user, one.uid) for one in found}) >= _MESSAGES:
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
