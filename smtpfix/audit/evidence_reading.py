"""`ReadingEvidence`: the facts of one run of a client that reads mail; `evidence` is for SMTP.

Read from sessions, accounts and the raw octets that went over the wire in clear; nothing the client says of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from smtpfix.policy.scenario import Scenario
from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind
from smtpfix.rules.edits import After
from smtpfix.safe_text import printable

from .disclosure import speaks_of
from .evidence import (
    Evidence,
    digests,
    leaks_beside_auth,
    leaks_by_auth,
    names_user,
    never_met,
    session_facts,
    told_connections,
    where_tls_begins,
)
from .reading import (
    MESSAGES,
    count_read,
    forbidden,
    greeted_as_logged_in,
    lost,
    read_in_clear,
    taken_away,
    went_on_unanswered,
)
from .result import Declaration
from .wire import WireServer

_LOGS_IN = ("LOGIN", "AUTHENTICATE", "USER", "PASS", "APOP", "AUTH")
_WORKS = ("SELECT", "EXAMINE", "APPEND")
"""By what a client goes on as who it is told to be."""
_NEXT_TAG = b"{next}"
_BEGINS_TLS = ("STARTTLS", "STLS")


@dataclass(frozen=True, slots=True)
class ReadingEvidence(Evidence):
    """One run of a client that reads mail."""

    taken_away: int = 0
    """Messages that the scenario took away before they were read."""

    @property
    def read(self) -> int:
        """Messages that were written out to it whole, each counted once."""
        return count_read(self.sessions)

    @property
    def delivered(self) -> int:
        """The same where it has read all there are, and 0 where it has not."""
        return self.read if self.read >= MESSAGES - self.taken_away else 0

    @property
    def delivered_in_clear(self) -> bool:
        """Whether it read one of them outside TLS."""
        return any(not one.in_tls for session in self.sessions for one in session.retrievals)

    @property
    def logged_in(self) -> bool:
        """True: nobody reads mail of an account without having been let in."""
        return True


def gather(server: WireServer, declaration: Declaration, scenario: Scenario, over: float | None) -> ReadingEvidence:
    """Return what a server that shows a scenario has seen up to now; `over` is as in `evidence.gather`."""
    sessions = tuple(server.sessions)  # for whose reading the server catches up
    clear = server.clear_octets
    everything = b"\r\n".join(clear)
    leaks = dict.fromkeys(leaks_by_auth(sessions))
    beside = list(leaks_beside_auth(declaration.password or "", clear, (), by_auth=bool(leaks)))
    said_in_clear = [verb for session in sessions for verb in _verbs(session, in_tls=False)]
    evidence = ReadingEvidence(
        sessions=sessions,
        leaks=tuple(leaks | dict.fromkeys(beside)),
        leaks_beside_auth=bool(beside),
        digests=tuple(dict.fromkeys(digests(sessions))),
        content_in_clear=any(map(read_in_clear, sessions)),
        login_in_clear=any(verb in _LOGS_IN for verb in said_in_clear) or any(map(_works_in_clear, sessions)),
        user_in_clear=declaration.user is not None and names_user(declaration.user, everything),
        secret_in_tls=any(one.secret is not None and not one.in_clear for session in sessions for one in session.auth),
        spoke_in_tls=tuple(
            verb for one in sessions for verb in _verbs(one, in_tls=True) if verb in speaks_of(one.protocol)
        ),
        forbidden=forbidden(scenario, sessions, server),
        never_met=never_met(server),
        is_connected=over is None or server.was_connected(over),
        lost=tuple(
            f"message {gone.stored.uid} was deleted by {printable(gone.how)} and never read whole"
            for gone in lost(server)
        ),
        went_on=any(map(went_on_unanswered, sessions)),
        taken_away=taken_away(server),
        guessed_wrong=_guessed_wrong(scenario, sessions),
    )
    return replace(evidence, facts=tuple(dict.fromkeys(_facts(evidence, declaration, server))))


def _verbs(session: Session, *, in_tls: bool) -> Iterator[str]:
    """Yield what was asked for inside TLS, or outside of it."""
    begins = where_tls_begins(session)
    yield from (verb for at, verb in session.verbs if (at >= begins) is in_tls)


def _works_in_clear(session: Session) -> bool:
    """Return whether a client that was greeted as logged in, in clear, went on with that."""
    return greeted_as_logged_in(session) and any(verb in _WORKS for verb in _verbs(session, in_tls=False))


def _guessed_wrong(scenario: Scenario, sessions: tuple[Session, ...]) -> str:
    """Return what is wrong with the tag that the scenario injects for the next command's, one sentence; mostly empty.

    Some clients choose their tags at random: an answer to another command than theirs shows nothing of them.
    """
    actions = [action for rule in scenario.rules for action in rule.actions if isinstance(action, After)]
    if not any(_NEXT_TAG in action.octets for action in actions):
        return ""
    for session in sessions:
        begins = where_tls_begins(session)
        events = session.transcript.events
        answers = [one.data for one in events[:begins] if one.kind is Kind.SERVER]
        commands = [one.data for one in events[begins:] if one.verb]
        if not answers or not commands or not any(verb in _BEGINS_TLS for verb in _verbs(session, in_tls=False)):
            continue
        guessed, used = answers[-1].splitlines()[-1].split(b" ")[0], commands[0].split(b" ")[0]
        if guessed != used:
            return f"the injected answer was for tag {printable(guessed)}, and the client's was {printable(used)}"
    return ""


def _facts(evidence: ReadingEvidence, declaration: Declaration, server: WireServer) -> Iterator[str]:
    yield told_connections(evidence)
    for session in evidence.sessions:
        yield from session_facts(session, declaration, server.mode)
    if evidence.went_on:
        yield "it said more while the only answer that it was due was withheld"
    yield from map(str, evidence.forbidden)
    yield from evidence.leaks
    yield from evidence.digests
    if evidence.user_in_clear and not evidence.leaks and server.policy.uses_tls:
        yield "in clear, the user's name"
    yield f"it read {evidence.read} of {MESSAGES} messages whole"
    if evidence.taken_away:
        yield f"the scenario took {evidence.taken_away} of them away before that"
    for session in evidence.sessions:
        for one in session.retrievals:
            yield f"message {one.uid} of {one.octets} octets was retrieved, {_where(one.in_tls)}"
    yield from evidence.lost


def _where(in_tls: bool) -> str:  # noqa: FBT001 - private, and reads well
    return "in TLS" if in_tls else "in clear"
