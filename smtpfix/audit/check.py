"""Whether a client did what a scenario requires, decided from the server's evidence alone: `RunningScenario.check`.

What the client reports, by an exception or an exit status, is quoted and never believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final

from smtpfix.errors import ScenarioFailed
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import OUTCOMES, Scenario
from smtpfix.record.session import Session
from smtpfix.safe_text import printable
from smtpfix.server import Server

from .disclosure import gave_away, may_be_late

_REASON_SHOWN: Final = 500


class Outcome(StrEnum):
    """What a client did, as the server saw it."""

    DELIVERED = "delivered"
    """The server accepted a message, inside TLS if its mode has TLS."""
    DELIVERED_IN_CLEAR = "delivered in clear"
    """The server accepted a message outside TLS, although its mode has TLS."""
    RETRIEVED = "retrieved"
    """The client read every message completely, inside TLS if the server's mode has TLS."""
    RETRIEVED_IN_CLEAR = "retrieved in clear"
    """The client read a message outside TLS, although the server's mode has TLS."""
    LOST_MAIL = "lost mail"
    """The client deleted a message that it had not read completely."""
    REFUSED = "refused"
    """The client connected and left, and revealed nothing."""
    REFUSED_LATE = "refused late"
    """The server accepted no message, but the client had already revealed credentials, the envelope or content."""
    ACTED_ON_INJECTION = "acted on an injected reply"
    """The client used something that only a reply injected before TLS had offered (RFC 3207 section 4.2)."""
    NEVER_CONNECTED = "never connected"
    """No client connected: there is no evidence."""


_NEVER_RIGHT: Final = {
    Outcome.DELIVERED_IN_CLEAR: "the client delivered in clear",
    Outcome.RETRIEVED_IN_CLEAR: "the client read its mail in clear",
    Outcome.ACTED_ON_INJECTION: "the client took a reply that was injected in clear for the server's",
    Outcome.LOST_MAIL: "the client deleted a message that it had not read whole",
}
"""What no scenario calls for."""


@dataclass(frozen=True, slots=True, repr=False)
class RunningScenario:
    """A scenario and the server that shows it: the value of the fixture ``smtp_scenario``."""

    _task: ClassVar[str] = "delivered"
    """What a client has to have done where it should accept."""
    _deed: ClassVar[str] = "delivered"
    """What it has done where it should have refused."""

    scenario: Scenario
    """The scenario that the server shows."""
    server: Server
    """The server that shows it."""
    accepts: frozenset[str] = frozenset()
    """Ids of scenarios that this client is known to accept, although it should not, or need not."""
    refuses: frozenset[str] = frozenset()
    """Ids of scenarios that this client is known to refuse, although it should not, or need not."""
    name: str = ""
    """Its name in `accepts` and `refuses`; if empty, the id of the scenario."""

    def __repr__(self) -> str:
        return f"<RunningScenario {self.name or self.scenario.id} {self.server!r}>"

    @property
    def expected(self) -> str:
        """What a careful client does: one of `scenario.OUTCOMES`."""
        return self.scenario.expected

    def check(self, deliver: Callable[[Server[Any]], object]) -> Outcome:
        """Let a client deliver one message to the server that it gets, and return what the client did.

        Raises `ScenarioFailed` if the client did neither what the scenario requires nor what `accepts` or `refuses`
        declares. An exception that the client raises is no failure by itself: a client that refuses raises one.
        """
        __tracebackhide__ = True
        before = self._over()
        self._prepare()
        raised: Exception | None = None
        try:
            deliver(self.server)
        except Exception as error:  # noqa: BLE001 - whatever the client raises is quoted
            raised = error
        return self._judge(before, raised)

    async def acheck(self, deliver: Callable[[Server[Any]], Awaitable[object]]) -> Outcome:
        """Check a coroutine function as `check` does."""
        __tracebackhide__ = True
        before = self._over()
        self._prepare()
        raised: Exception | None = None
        try:
            await deliver(self.server)
        except Exception as error:  # noqa: BLE001 - as above
            raised = error
        return self._judge(before, raised)

    @property
    def outcome(self) -> Outcome:
        """What all clients of this server did up to now."""
        return self._outcome(tuple(self.server.sessions))

    def _prepare(self) -> None:
        """Make ready what the client finds."""

    def _over(self) -> frozenset[int]:
        """Return the numbers of the sessions that are over, and so are no evidence on the next client."""
        return frozenset(session.number for session in self.server.sessions if session.is_over)

    def _outcome(self, sessions: Collection[Session]) -> Outcome:
        numbers = {session.number for session in sessions}
        # After the sessions, for whose reading the server has caught up with what came.
        accepted = [message for message in self.server.inbox.messages if message.session_number in numbers]
        injected = self.scenario.injected_mechanisms
        if any(attempt.mechanism in injected for session in sessions for attempt in session.auth):
            return Outcome.ACTED_ON_INJECTION
        if any(not message.in_tls for message in accepted) and self.server.mode is not Mode.PLAIN:
            return Outcome.DELIVERED_IN_CLEAR
        if accepted:
            return Outcome.DELIVERED
        if any(map(gave_away, sessions)):
            return Outcome.REFUSED_LATE
        return Outcome.REFUSED if sessions else Outcome.NEVER_CONNECTED

    def _judge(self, before: frozenset[int], raised: Exception | None) -> Outcome:
        __tracebackhide__ = True
        sessions = [session for session in self.server.sessions if session.number not in before]
        outcome = self._outcome(sessions)
        complaint = self._complaint(outcome) or self._leak(sessions) or self._forbidden(sessions)
        if complaint:
            raise ScenarioFailed(self._explain(complaint, outcome, sessions, raised)) from raised
        return outcome

    def _complaint(self, outcome: Outcome) -> str | None:
        """Return what is wrong; None if nothing is."""
        name, expected = self.name or self.scenario.id, self.expected
        if outcome is Outcome.NEVER_CONNECTED:
            where = f"{self.server.host}:{self.server.port}"
            return f"the client never connected to {where}, so nothing is known of it"
        if outcome in _NEVER_RIGHT:
            return _NEVER_RIGHT[outcome]
        delivered = outcome in (Outcome.DELIVERED, Outcome.RETRIEVED)
        if name in self.accepts:
            return None if delivered else f"accepts= names {name}, but the client refuses it: take it out"
        if name in self.refuses:
            return f"refuses= names {name}, but the client accepts it: take it out" if delivered else None
        if expected == "accept" and not delivered:
            return f"the client should have {self._task}"
        if expected == "refuse" and delivered:
            return f"the client should have refused, and {self._deed}"
        if expected == "refuse" and outcome is Outcome.REFUSED_LATE and not may_be_late(self.scenario):
            return "the client should have refused before it gave anything away"
        return None

    def _leak(self, sessions: Collection[Session]) -> str | None:
        """Return what the client told whoever reads along, where the scenario is about that; None if nothing."""
        if not self.scenario.is_about_trust or self.server.mode is Mode.PLAIN:
            return None
        in_clear = any(attempt.in_clear and attempt.secret for session in sessions for attempt in session.auth)
        return "the client logged in in clear" if in_clear else None

    def _forbidden(self, sessions: Collection[Session]) -> str | None:
        """Return what the client did that the scenario forbids; None if it did nothing of it."""
        if not self.scenario.forbids or (self.name or self.scenario.id) in self.accepts:
            return None
        numbers = {session.number for session in sessions}
        messages = [*self.server.inbox.messages, *self.server.inbox.refused]
        found = [violation for session in sessions for violation in session.violations]
        found += [one for message in messages if message.session_number in numbers for one in message.violations]
        return next((f"the client did {one}" for one in found if one.id in self.scenario.forbids), None)

    def _explain(
        self, complaint: str, outcome: Outcome, sessions: Collection[Session], raised: Exception | None
    ) -> str:
        scenario = self.scenario
        lines = [
            f"scenario {scenario.id}: {complaint}",
            f"  what it is: {scenario.summary}",
            f"  expected:   {scenario.expected} ({OUTCOMES[scenario.expected]}), {scenario.standard}",
            f"  happened:   {outcome}",
            f"  the client: {_told(raised)}",
        ]
        for session in sessions:
            lines += [f"{session}", *(f"  {line}" for line in str(session.transcript).splitlines())]
        if sessions:
            lines += [f"hint: {hint}" for hint in self.server.hints(sessions)]
        return "\n".join(lines)


def _told(raised: Exception | None) -> str:
    if raised is None:
        return "raised nothing"
    return f"raised {type(raised).__name__}: {printable(str(raised))[:_REASON_SHOWN]}"
