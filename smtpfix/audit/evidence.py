"""`Evidence`: the facts that a server saw in one run of a client. `verdict` judges them.

Read from sessions, inbox and the raw octets that went over the wire in clear; nothing the client says of itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from smtpfix.audit.disclosure import SPEAKS_OF_MAIL, gave_away, verbs
from smtpfix.mail.message import CapturedMessage
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import Scenario
from smtpfix.record.session import Session
from smtpfix.record.transcript import Event
from smtpfix.record.violation import Violation
from smtpfix.rules.rule import Rule
from smtpfix.safe_text import printable

from .acted import acted_on
from .asked import not_asked, smuggled, without_asked
from .encodings import PLAIN, find
from .result import Declaration
from .wire import WireServer

_ENVELOPE: Final = re.compile(rb"(?im)^[ \t]*(MAIL FROM|RCPT TO)[ \t]*:")
_HEADER: Final = re.compile(rb"(?im)^(From|To|Subject|Date|Message-ID|MIME-Version|Content-Type):[ \t]")
_AUTH: Final = re.compile(rb"(?im)^[ \t]*AUTH\b")
_NAMES_OTHERS: Final = (b"EHLO", b"HELO", b"LHLO", b"MAIL", b"RCPT")
"""Commands whose words are a host's name or an address."""
_ENDS_A_WORD: Final = b" \t\r\n\0\"'(){}<>,;:="
_DIGESTS: Final = ("CRAM-MD5", "DIGEST-MD5", "APOP")
_NO_COMMON_SUITE: Final = ("handshake_failure", "server")
"""The alert for it (RFC 5246 section 7.2.2, RFC 8446 section 6.2): an old version has another, protocol_version."""
_NO_COMMON_SIGNATURE: Final = "NO_SUITABLE_SIGNATURE_ALGORITHM"
_NOTHING_IN_COMMON: Final = (None, "NO_SHARED_CIPHER", _NO_COMMON_SIGNATURE, "NO_SUITABLE_KEY_SHARE")
"""What OpenSSL calls it, and tlslite-ng does not: the same alert is for a client's missing certificate."""
_TLS_BEGINS: Final = b"TLS begins"
"""The note that `conversation` writes."""
_SHOWN_SESSIONS: Final = 20
_BOUNDS: Final = {
    "size_limit": "552",
    "max_recipients": "452",
    "max_recipient_domains": "452",
    "greylist": "450",
    "limits": "4",
    "line_limit": "5",
    "refuse": "5",
}
"""Fields of a policy by which a server refuses what goes beyond them, and how its reply begins then."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run."""

    sessions: tuple[Session, ...] = ()
    messages: tuple[CapturedMessage, ...] = ()
    """Those that came whole and were accepted."""
    leaks: tuple[str, ...] = ()
    """How the secret went over the wire in clear, each one sentence."""
    leaks_beside_auth: bool = False
    """Whether it did so elsewhere than in an AUTH exchange."""
    digests: tuple[str, ...] = ()
    """What went over the wire in clear that a weak password can be guessed from, each one sentence."""
    envelope_in_clear: bool = False
    content_in_clear: bool = False
    login_in_clear: bool = False
    """Whether AUTH was begun in clear."""
    user_in_clear: bool = False
    secret_in_tls: bool = False
    """Whether the server has the secret, inside TLS."""
    spoke_in_tls: tuple[str, ...] = ()
    """The verbs by which it gave something away inside TLS."""
    ways_on: tuple[tuple[str, ...], ...] = ()
    """What it said inside TLS up to the first of them, of AUTH the mechanism: each way once, whatever connection."""
    forbidden: tuple[Violation, ...] = ()
    """What it did that the scenario forbids, whatever came of it."""
    beside_asked: str = ""
    """What it wrote in the place of what the scenario asks for, one sentence; empty where it did as it was asked, or
    wrote nothing."""
    smuggled: tuple[str, ...] = ()
    """What it made commands of that followed a line end in what it was asked to write, each one sentence."""
    never_met: tuple[str, ...] = ()
    """At what the scenario's rules or bounds would have answered, where none of them has."""
    is_connected: bool = True
    """Whether it was connected when its time was over, if it had not ended by then."""
    acted_on: tuple[str, ...] = ()
    """What it took replies for that can be read in two ways, each one sentence."""
    lost: tuple[str, ...] = ()
    """What a client that reads mail deleted and had never read whole, each one sentence."""
    went_on: bool = False
    """Whether such a client said more while the only answer that it was due was withheld."""
    guessed_wrong: str = ""
    """Why what was injected was no answer to what such a client said, one sentence; mostly empty."""
    facts: tuple[str, ...] = ()
    """All of it and more, each one sentence."""

    @property
    def connections(self) -> int:
        """How often the client connected."""
        return len(self.sessions)

    @property
    def read(self) -> int:
        """Messages that it has read whole, each counted once: none, since it sends."""
        return 0

    @property
    def delivered(self) -> int:
        """Messages that came to whom they were for: that the server accepted, or that a reader has read whole."""
        return len(self.messages)

    @property
    def delivered_in_clear(self) -> bool:
        """Whether one of them came outside TLS."""
        return any(not message.in_tls for message in self.messages)

    @property
    def logged_in(self) -> bool:
        """Whether each message came from somebody who had logged in."""
        return all(message.user is not None for message in self.messages)

    @property
    def mechanisms(self) -> frozenset[str]:
        """The SASL mechanisms it tried."""
        return frozenset(attempt.mechanism for session in self.sessions for attempt in session.auth)

    @property
    def no_common_suite(self) -> bool:
        """Whether TLS never began since the server has no cipher suite, or no key, that goes with the client's."""
        failures = [session.tls_failure for session in self.sessions if session.tls_failure is not None]
        return (
            bool(failures)
            and all((one.alert, one.alert_sender) == _NO_COMMON_SUITE for one in failures)
            and all(one.openssl_reason in _NOTHING_IN_COMMON for one in failures)
            and all(session.tls is None for session in self.sessions)
        )

    def offers(self, version: str) -> bool:
        """Whether it offered a version of TLS in a ClientHello; without the extension for it, all up to the highest."""
        hellos = [session.client_hello for session in self.sessions if session.client_hello is not None]
        return any(version in hello.versions for hello in hellos)

    @property
    def no_common_signature(self) -> bool:
        """Whether it never began since the client offers no algorithm by which the server's certificates are signed."""
        reasons = {one.tls_failure.openssl_reason for one in self.sessions if one.tls_failure is not None}
        return reasons == {_NO_COMMON_SIGNATURE}

    @property
    def gave_away(self) -> bool:
        """Whether it said more than it takes to begin TLS and to leave."""
        return any(map(gave_away, self.sessions))

    @property
    def transcripts(self) -> tuple[str, ...]:
        """Each session's line and transcript, printable, credentials shortened."""
        return tuple(f"{session}\n{session.transcript}" for session in self.sessions[:_SHOWN_SESSIONS])


def gather(server: WireServer, declaration: Declaration, scenario: Scenario, over: float | None = None) -> Evidence:
    """Return what a server that shows a scenario has seen up to now.

    `over` is when the client's time was over, by the monotonic clock.
    """
    sessions = tuple(server.sessions)  # for whose reading the server catches up
    accepted, refused = tuple(server.inbox.messages), tuple(server.inbox.refused)
    clear = server.clear_octets
    everything = b"\r\n".join(without_asked(scenario.asked, octets) for octets in clear)
    messages = (*accepted, *refused)
    leaks = dict.fromkeys(leaks_by_auth(sessions))
    by_auth = bool(leaks)
    if declaration.password is not None:
        beside = list(leaks_beside_auth(declaration.password, clear, messages, by_auth=by_auth))
        leaks |= dict.fromkeys(beside)
    else:
        beside = []
    in_tls = [attempt for session in sessions for attempt in session.auth if not attempt.in_clear]
    evidence = Evidence(
        sessions=sessions,
        messages=accepted,
        leaks=tuple(leaks),
        leaks_beside_auth=bool(beside),
        digests=tuple(dict.fromkeys(digests(sessions))),
        envelope_in_clear=_ENVELOPE.search(everything) is not None,
        content_in_clear=_HEADER.search(everything) is not None or any(not message.in_tls for message in messages),
        login_in_clear=_AUTH.search(everything) is not None,
        user_in_clear=declaration.user is not None and names_user(declaration.user, everything),
        secret_in_tls=any(attempt.secret is not None for attempt in in_tls)
        or (declaration.password is not None and any(_tells(declaration.password, one) for one in messages)),
        spoke_in_tls=tuple(_spoke_in_tls(sessions)),
        ways_on=tuple(dict.fromkeys(filter(None, map(_way_on, sessions)))),
        forbidden=tuple(_forbidden(scenario, sessions, messages)),
        beside_asked=not_asked(scenario.asked, sessions, messages),
        smuggled=tuple(dict.fromkeys(smuggled(scenario.asked, sessions))),
        never_met=never_met(server) or _within_bounds(scenario, sessions),
        is_connected=over is None or server.was_connected(over),
        acted_on=tuple(acted_on(scenario, sessions)),
    )
    return replace(evidence, facts=tuple(dict.fromkeys(_facts(evidence, declaration, refused, server.mode))))


def _forbidden(
    scenario: Scenario, sessions: tuple[Session, ...], messages: tuple[CapturedMessage, ...]
) -> Iterator[Violation]:
    if not scenario.forbids:  # looking for them costs more than the run
        return
    by_session = [violation for one in sessions for violation in one.violations]
    by_message = [violation for one in messages for violation in one.violations]
    found: dict[str, Violation] = {}
    for violation in (*by_session, *by_message):
        found.setdefault(violation.id, violation)
    yield from (found[one] for one in scenario.forbids if one in found)


def never_met(server: WireServer) -> tuple[str, ...]:
    """Return at what the rules of a server would have answered, where none of them has."""
    unused = server.unused_rules
    return tuple(dict.fromkeys(map(_when, unused))) if unused and len(unused) == len(server.rules) else ()


def _within_bounds(scenario: Scenario, sessions: tuple[Session, ...]) -> tuple[str, ...]:
    """Return the bounds by which a scenario acts, where nothing went beyond any: a message may be too small for it."""
    if scenario.rules or scenario.expected == "accept":
        return ()
    bounds = {name: value for name, value in scenario.policy if name in _BOUNDS}
    replies = [reply for session in sessions for reply in session.transcript.replies] if bounds else []
    if any(reply.startswith(_BOUNDS[name]) for name in bounds for reply in replies):
        return ()
    return tuple(f"{name} {value}" for name, value in bounds.items())


def _when(rule: Rule) -> str:
    """Return at what a rule would have answered."""
    argument = f" {rule.argument}" if isinstance(rule.argument, str) else ""
    after = f" after the first {rule.after}" if rule.after else ""
    return f"{rule.stage}{argument}{after}" + (f" after {rule.octets} octets" if rule.octets else "")


def leaks_by_auth(sessions: tuple[Session, ...]) -> Iterator[str]:
    """Yield how each login gave the secret away in clear, each one sentence."""
    for session in sessions:
        for attempt in session.auth:
            if attempt.in_clear and attempt.secret:
                who = f" as {printable(attempt.user)!r}" if attempt.user is not None else ""
                what = "token" if attempt.token is not None else "password"
                yield f"in clear, AUTH {printable(attempt.mechanism)}{who} with the {what}"


def leaks_beside_auth(
    password: str, clear: tuple[bytes, ...], messages: tuple[CapturedMessage, ...], *, by_auth: bool
) -> Iterator[str]:
    """Yield how the password went over the wire in clear elsewhere, each one sentence."""
    in_message = [way for one in messages if not one.in_tls for way in find(password, one.content)]
    yield from (f"in clear, the password in the message, {way}" for way in in_message)
    if by_auth or in_message:
        return
    for octets in clear:
        for way in find(password, octets):
            yield f"in clear, the password {way}, in what the server did not take for a login"


def names_user(user: str, clear: bytes) -> bool:
    """Return whether a user's name went over the wire as a word of its own, or encoded.

    What a client calls itself, addresses and the message's header are left aside: they may have the same letters.
    """
    said = b"\n".join(line for line in clear.split(b"\n") if not _tells_of_others(line))
    return any(way != PLAIN for way in find(user, said)) or _has_word(user.encode(), said)


def _tells_of_others(line: bytes) -> bool:
    verb = line.split(maxsplit=1)[0].upper() if line.strip() else b""
    return verb in _NAMES_OTHERS or _HEADER.match(line) is not None


def _has_word(word: bytes, octets: bytes) -> bool:
    at = octets.find(word)
    while at >= 0:
        beside = octets[max(0, at - 1) : at] + octets[at + len(word) : at + len(word) + 1]
        if not beside.strip(_ENDS_A_WORD):
            return True
        at = octets.find(word, at + 1)
    return False


def _tells(password: str, message: CapturedMessage) -> bool:
    return message.in_tls and bool(find(password, message.content))


def digests(sessions: tuple[Session, ...]) -> Iterator[str]:
    """Yield what went over the wire in clear that a weak password can be guessed from, each one sentence."""
    for session in sessions:
        for attempt in session.auth:
            if attempt.in_clear and attempt.mechanism in _DIGESTS and attempt.user is not None:
                yield (
                    f"in clear, AUTH {attempt.mechanism} as {printable(attempt.user)!r}: "
                    "not the password, but a digest that a weak one can be guessed from"
                )


def _in_tls(session: Session) -> tuple[Event, ...]:
    return session.transcript.events[where_tls_begins(session) :]


def where_tls_begins(session: Session) -> int:
    """Return which event is the first inside TLS; where there is no TLS, how many events there are."""
    events = session.transcript.events
    if session.tls is None:
        return len(events)
    return next((at for at, event in enumerate(events) if event.data.startswith(_TLS_BEGINS)), 0)


def _spoke_in_tls(sessions: tuple[Session, ...]) -> Iterator[str]:
    for session in sessions:
        yield from (verb for verb in verbs(_in_tls(session)) if verb in SPEAKS_OF_MAIL)


def _way_on(session: Session) -> tuple[str, ...]:
    """Return what was said inside TLS up to the first command that gives something away; nothing if none does."""
    said: list[str] = []
    for event in _in_tls(session):
        for verb in verbs([event]):
            mechanism = printable(b" ".join(event.data.split()[:2]))
            line = event.lines[0].partition(" SIZE=")[0]  # which need not be the same in another run
            said.append(mechanism if verb == "AUTH" else line)
            if verb in SPEAKS_OF_MAIL:
                return tuple(said)
    return ()


def _facts(
    evidence: Evidence, declaration: Declaration, refused: tuple[CapturedMessage, ...], mode: Mode
) -> Iterator[str]:
    yield told_connections(evidence)
    for session in evidence.sessions:
        yield from session_facts(session, declaration, mode)
    yield from evidence.acted_on
    yield from map(str, evidence.forbidden)
    yield from evidence.smuggled
    yield from evidence.leaks
    yield from evidence.digests
    if evidence.user_in_clear and not evidence.leaks:
        yield "in clear, the user's name"
    if mode is not Mode.PLAIN:
        if evidence.envelope_in_clear:
            yield "in clear, the envelope"
        if evidence.content_in_clear:
            yield "in clear, the message"
    if declaration.password is not None and any(_tells(declaration.password, one) for one in evidence.messages):
        yield "the message contains the password, for anyone who gets it"
    for message in evidence.messages:
        where = "in TLS" if message.in_tls else "in clear"
        yield f"a message of {message.size} octets was accepted, {where}, {_by(message)}"
    for message in refused:
        answer = f"answered {printable(str(message.reply))!r}" if message.reply is not None else "not answered"
        yield f"a message of {message.size} octets came whole and was {answer}"


def told_connections(evidence: Evidence) -> str:
    """Return how often the client connected, in words."""
    count = evidence.connections
    return {0: "it did not connect", 1: "it connected once"}.get(count, f"it connected {count} times")


def session_facts(session: Session, declaration: Declaration, mode: Mode) -> Iterator[str]:
    """Yield what there is to say of TLS and logins in one session."""
    if session.tls_failure is not None:
        yield printable(session.tls_failure.reason)
    elif session.tls is not None:
        yield f"{session.tls.version}, {session.tls.cipher}, by {session.tls.started_by}"
    elif mode is not Mode.PLAIN:
        yield "no TLS was begun"
    for attempt in session.auth:
        if not attempt.in_clear:
            yield f"inside TLS, AUTH {attempt}"
        if declaration.password is not None and attempt.secret not in (None, declaration.password):
            yield "it logged in with a password other than the declared one"
    if session.injected:
        yield f"{len(session.injected)} octets came after STARTTLS in clear"


def _by(message: CapturedMessage) -> str:
    return f"from {printable(message.user)!r} who had logged in" if message.user is not None else "without a login"
