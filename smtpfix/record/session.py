"""What one client did on one connection, as values: `Session`, how it ended, and each `AuthAttempt`.

Knows no sockets: `recorder` collects these facts while the connection lives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from smtpfix.bounded import Bounded
from smtpfix.policy.mode import Mode
from smtpfix.safe_text import printable, shorten

from .reading import Reading
from .said import Transcript
from .session_end import SessionEnd
from .transcript import STOPPED, UNENDED, Kind

if TYPE_CHECKING:
    from smtpfix.tls.client_hello import ClientHello
    from smtpfix.tls.facts import Alert, TLSFailure, TLSInfo
    from smtpfix.wire.proxy_header import ProxyHeader

    from .violation import Violation
    from .xclient import XClient


@dataclass(frozen=True, slots=True)
class AuthAttempt:
    """One AUTH command, as far as it went (RFC 4954)."""

    mechanism: str
    """SASL mechanism in upper case."""
    user: str | None
    """Authentication identity; None when the exchange did not get that far."""
    password: str | None = field(repr=False)
    """Password; None when the exchange did not get that far, or the mechanism does not give it away (CRAM-MD5).
    Not in the repr, which ends up in reports."""
    accepted: bool
    """Whether the client showed who it is, and the server answered 235; a rule that answers so too early or in spite of
    everything authenticates nobody."""
    in_clear: bool
    """Whether it came outside TLS, so that everybody on the way could read it."""
    authorization_identity: str | None = None
    """Whom the user wants to act as (RFC 4616 section 2), when the mechanism carries it and it is not empty."""
    token: str | None = field(default=None, repr=False)
    """Bearer token of XOAUTH2 and OAUTHBEARER (RFC 6750); None where there is none. Not in the repr either."""
    trace: str | None = None
    """What an anonymous client said of itself (RFC 4505 section 2), when it is not empty."""

    @property
    def secret(self) -> str | None:
        """The password or token that it gave away to everybody who can read along; None if there was none."""
        return self.password if self.password is not None else self.token

    def __str__(self) -> str:
        who = f" as {printable(self.user)!r}" if self.user is not None else ""
        password = f", password {shorten(self.password)}" if self.password is not None else ""
        token = f", token {shorten(self.token)}" if self.token is not None else ""
        where = "in clear" if self.in_clear else "in TLS"
        return (
            f"{printable(self.mechanism)}{who}{password}{token}, {'accepted' if self.accepted else 'refused'}, {where}"
        )


class AuthAttempts(Bounded[AuthAttempt]):
    """The AUTH commands of a session, in order; a line of a login has 12,288 octets at the most."""

    most = 1_000

    @staticmethod
    def kind(item: AuthAttempt) -> tuple[bool, bool, bool]:
        """Return what makes it evidence: no number of others may hide a password in clear."""
        return item.accepted, item.in_clear, item.secret is not None


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A message that was written out to a client whole: all octets of its body, at once or piece by piece."""

    user: str
    """Whose account it is in."""
    folder: str
    """The name of the folder."""
    uid: int
    """Its `StoredMessage.uid`."""
    octets: int
    """Its size."""
    in_tls: bool
    """Whether the last piece of it was written inside TLS."""

    def __str__(self) -> str:
        where = "in TLS" if self.in_tls else "in clear"
        return f"{printable(self.user)!r} {printable(self.folder)} {self.uid}, {self.octets} octets, {where}"


class Retrievals(Bounded[Retrieval]):
    """The retrievals of a session, in order."""

    most = 10_000

    @staticmethod
    def kind(item: Retrieval) -> tuple[bool]:
        """Return what makes it evidence: whether somebody could read along."""
        return (item.in_tls,)


@dataclass(frozen=True, slots=True)
class Session:
    """What one client did on one connection, up to the moment this was asked for."""

    number: int
    """1 for the server's first session, and so on."""
    mode: Mode
    """The mode of the server it came to."""
    client: tuple[str, int]
    """The client's IP address and port; behind a proxy, what its PROXY header or XCLIENT says they are; ``local`` and 0
    on a UNIX socket."""
    server: tuple[str, int]
    """The IP address and port it came to; or the path of a UNIX socket, and 0."""
    started: datetime
    """When it connected, UTC."""
    duration: float
    """Seconds from connecting to the end, or to the last thing that happened."""
    end: SessionEnd | None
    """How it ended; None while it lasts."""
    client_name: str | None
    """What the client called itself in its last EHLO or HELO."""
    tls: TLSInfo | None
    """The TLS handshake that completed; None without one."""
    tls_failure: TLSFailure | None
    """The TLS handshake that did not complete, and why."""
    client_hello: ClientHello | None
    """What the client offered in its TLS handshake, completed or not."""
    alerts: tuple[Alert, ...]
    """TLS alerts, in both directions, in order."""
    auth: tuple[AuthAttempt, ...]
    """AUTH commands, in order."""
    message_count: int
    """Messages it delivered and the server accepted."""
    injected: bytes = field(repr=False)
    """What came behind STARTTLS in clear and was thrown away (RFC 3207 section 4.2); empty for honest clients."""
    transcript: Transcript = field(repr=False)
    """Everything that was said."""
    peer: tuple[str, int] = ("", 0)
    """The IP address and port that really connected: those of `client`, or the proxy's."""
    proxy: ProxyHeader | None = None
    """The PROXY protocol header that the connection began with."""
    xclient: XClient | None = None
    """What XCLIENT commands said of the client, up to the last one."""
    truncated: tuple[str, ...] = ()
    """What was left out of this record, so that no client can make it grow without end; empty for most.

    A line each, in words: events, AUTH commands, octets that were injected, alerts. The first and the last ones are
    there, and of AUTH commands one that was accepted, or gave a password away in clear, if there was any."""
    retrievals: tuple[Retrieval, ...] = ()
    """The messages that it read, in order; the same one as often as it did."""
    _reading: Reading = field(default=Reading(), repr=False, compare=False)
    """The protocol that was spoken, for what only it can tell of the record."""

    @property
    def protocol(self) -> str:
        """The protocol that was spoken: ``smtp``, or ``lmtp`` under the same name."""
        return self._reading.name

    @property
    def verbs(self) -> tuple[tuple[int, str], ...]:
        """What the client's lines ask for, as its protocol has it, each with its event's place in the transcript."""
        lines = ((at, one.data) for at, one in enumerate(self.transcript.events) if one.verb)
        return tuple((at, self._reading.verb(data)) for at, data in lines)

    @property
    def work(self) -> str:
        """What it came for, in words: how many messages it delivered, or how many it read."""
        what = self._reading.counts
        count = len(self.retrievals) if what == "retrieval" else self.message_count
        return f"{count} {what}{'' if count == 1 else 's'}"

    @property
    def is_over(self) -> bool:
        """True once the connection has ended."""
        return self.end is not None

    @property
    def pipelined(self) -> tuple[tuple[str, ...], ...]:
        """The groups of commands that were not said one by one (RFC 2920), as printable text, credentials shortened.

        Those are meant whose next one, or a part of it, had come before they were answered: what the server saw, so the
        replies of a fast server may hide that a client does not wait. What follows STARTTLS is in `injected`.
        """
        return tuple(
            tuple(event.lines[0] for event in group) for _, group in self._reading.pipelined(self.transcript.events)
        )

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What the client did against the standards: in the grammar of commands, in their order, in pipelining them.

        Refusing the server's certificate with an alert is no lack of a QUIT. Messages have violations of their own.
        """
        gone = self.end in (SessionEnd.CLIENT_CLOSED, SessionEnd.RESET)
        refused = any(alert.sender == "client" and alert.is_fatal for alert in self.alerts)
        return tuple(self._reading.violations(self.transcript.events, left_unsaid=gone and not refused))

    @property
    def refusal(self) -> str | None:
        """The last reply that refused something, 4yz or 5yz (RFC 5321 section 4.2.1); None if there was none."""
        return next(filter(self._reading.refuses, reversed(self.transcript.replies)), None)

    def __str__(self) -> str:
        """Return the session in one line, as failed waits list it."""
        facts = [] if self.client == self.peer else [f"for {self.client[0]}, forwarded by {self.peer[0]}"]
        if self.tls_failure is not None:
            facts.append(self.tls_failure.reason)
        elif self.tls is not None:
            facts.append(f"{self.tls.version} by {self.tls.started_by}")
        else:
            facts.append("in clear")
        facts += [f"AUTH {attempt}" for attempt in self.auth]
        facts.append(self.work)
        notes = (event for event in self.transcript.events if event.kind is Kind.NOTE)
        facts += [event.lines[0] for event in notes if event.data.startswith((UNENDED, STOPPED))][-1:]
        if self.refusal is not None:
            facts.append(f"answered {self.refusal!r}")
        facts.append(str(self.end) if self.end else "still connected")
        return f"session {self.number} ({self.mode}): {'; '.join(facts)}"
