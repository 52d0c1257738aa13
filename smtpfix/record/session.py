"""`Session`: what one client did on one connection; and `AuthAttempt`, one of its AUTH commands.

Values only, no sockets: `recorder` collects these facts while the connection lasts.
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
from .transcript import STOPPED, UNENDED, Kind, last_line

if TYPE_CHECKING:
    from smtpfix.tls.client_hello import ClientHello
    from smtpfix.tls.facts import Alert, TLSFailure, TLSInfo
    from smtpfix.wire.proxy_header import ProxyHeader

    from .violation import Violation
    from .xclient import XClient


@dataclass(frozen=True, slots=True)
class AuthAttempt:
    """One AUTH command, as far as it got (RFC 4954)."""

    mechanism: str
    """The SASL mechanism in upper case."""
    user: str | None
    """The authentication identity; None if the exchange did not get that far."""
    password: str | None = field(repr=False)
    """The password; None if the exchange did not get that far, or if the mechanism does not reveal it (CRAM-MD5). It is
    not in the repr, because reports show that."""
    accepted: bool
    """Whether the client proved its identity and the server answered 235. A 235 that a rule sends too early, or in
    spite of wrong credentials, authenticates nobody."""
    in_clear: bool
    """Whether the command came outside TLS, where anybody on the network path can read it."""
    authorization_identity: str | None = None
    """The identity that the user wants to act as (RFC 4616 section 2); None if the mechanism has none or it is
    empty."""
    token: str | None = field(default=None, repr=False)
    """The bearer token of XOAUTH2 or OAUTHBEARER (RFC 6750); None without one. It is not in the repr either."""
    trace: str | None = None
    """What an ANONYMOUS client says about itself (RFC 4505 section 2); None if that is empty."""

    @property
    def secret(self) -> str | None:
        """The password or token that the attempt revealed to anybody who can listen; None without one."""
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
    """A message that the server sent to a client completely: all octets of its body, at once or in pieces."""

    user: str
    """The user whose account has the message."""
    folder: str
    """The name of its folder."""
    uid: int
    """Its `StoredMessage.uid`."""
    octets: int
    """Its size in octets."""
    in_tls: bool
    """Whether the last piece was sent inside TLS."""

    def __str__(self) -> str:
        where = "in TLS" if self.in_tls else "in clear"
        return f"{printable(self.user)!r} {printable(self.folder)} {self.uid}, {self.octets} octets, {where}"


class Retrievals(Bounded[tuple[str, str, int, int, bool]]):
    """The retrievals of a session, in order: the fields of each `Retrieval`, which is made when somebody looks."""

    most = 10_000

    @staticmethod
    def kind(item: tuple[str, str, int, int, bool]) -> bool:
        """Return what makes it evidence: whether somebody could read along."""
        return item[-1]


@dataclass(frozen=True, slots=True)
class Session:
    """What one client did on one connection, up to the moment when you asked for it."""

    number: int
    """Its number on the server. The first session has number 1."""
    mode: Mode
    """The mode of the server."""
    client: tuple[str, int]
    """The client's IP address and port. Behind a proxy, what the PROXY header or XCLIENT says; on a UNIX socket,
    ``local`` and 0."""
    server: tuple[str, int]
    """The IP address and port that the client connected to; for a UNIX socket, its path and 0."""
    started: datetime
    """When the client connected, in UTC."""
    duration: float
    """Seconds from the connection to its end, or to the latest event if it still lasts."""
    end: SessionEnd | None
    """How the session ended; None while it lasts."""
    client_name: str | None
    """The name that the client gave in its last EHLO or HELO."""
    tls: TLSInfo | None
    """The completed TLS handshake; None without one."""
    tls_failure: TLSFailure | None
    """The TLS handshake that failed, and the reason; None without one."""
    client_hello: ClientHello | None
    """What the client offered in its TLS handshake, whether the handshake completed or not."""
    alerts: tuple[Alert, ...]
    """The TLS alerts of both sides, in order."""
    auth: tuple[AuthAttempt, ...]
    """The AUTH commands, in order."""
    message_count: int
    """How many messages the server accepted from the client."""
    injected: bytes = field(repr=False)
    """Octets that arrived in clear after STARTTLS and were discarded (RFC 3207 section 4.2). Empty for honest
    clients."""
    transcript: Transcript = field(repr=False)
    """Everything that client and server said, in order."""
    peer: tuple[str, int] = ("", 0)
    """The IP address and port of the actual connection: those of `client`, or those of a proxy."""
    proxy: ProxyHeader | None = None
    """The PROXY protocol header at the beginning of the connection; None without one."""
    xclient: XClient | None = None
    """What XCLIENT commands said about the client, up to the latest one; None without one."""
    truncated: tuple[str, ...] = ()
    """What this record leaves out, so that no client can make it grow without bound; empty for most sessions.

    One line of text each: events, AUTH commands, injected octets, alerts. The record always has the first and the last
    ones, an AUTH command that was accepted, and one that revealed a password in clear, if there were any."""
    retrievals: tuple[Retrieval, ...] = ()
    """The messages that the client read completely, in order; a message appears as often as it was read."""
    _reading: Reading = field(default=Reading(), repr=False, compare=False)
    """The protocol that was spoken, for what only it can tell of the record."""
    _violations: tuple[Violation, ...] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def protocol(self) -> str:
        """The protocol: ``smtp`` (for LMTP too), ``imap`` or ``pop3``."""
        return self._reading.name

    @property
    def verbs(self) -> tuple[tuple[int, str], ...]:
        """The verb of each line of the client, as its protocol defines it, with the index of its transcript event."""
        lines = ((at, one.data) for at, one in enumerate(self.transcript.events) if one.verb)
        return tuple((at, self._reading.verb(data)) for at, data in lines)

    @property
    def work(self) -> str:
        """What the client achieved, in words: how many messages it delivered or read."""
        what = self._reading.counts
        count = len(self.retrievals) if what == "retrieval" else self.message_count
        return f"{count} {what}{'' if count == 1 else 's'}"

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended."""
        return self.end is not None

    @property
    def pipelined(self) -> tuple[tuple[str, ...], ...]:
        """The groups of commands that the client pipelined (RFC 2920), as printable text with credentials shortened.

        A group consists of commands that were followed by more before the server answered them. This is the server's
        view: if it answers quickly, it may not notice that a client does not wait. For octets after STARTTLS, see
        `injected`.
        """
        return tuple(
            tuple(event.lines[0] for event in group) for _, group in self._reading.pipelined(self.transcript.events)
        )

    @property
    def violations(self) -> tuple[Violation, ...]:
        """How the client broke the standards: in the grammar of commands, in their order, and in pipelining.

        A client that refuses the server's certificate with an alert needs no QUIT. For messages, see
        `CapturedMessage.violations`.
        """
        if self._violations is None:
            gone = self.end in (SessionEnd.CLIENT_CLOSED, SessionEnd.RESET)
            refused = any(alert.sender == "client" and alert.is_fatal for alert in self.alerts)
            found = tuple(self._reading.violations(self.transcript.events, left_unsaid=gone and not refused))
            object.__setattr__(self, "_violations", found)
            return found
        return self._violations

    @property
    def refusal(self) -> str | None:
        """The server's last reply that refused something, 4yz or 5yz (RFC 5321 section 4.2.1); None without one."""
        replies = dict.fromkeys(event.data for event in reversed(self.transcript.events) if event.kind is Kind.SERVER)
        return next(filter(self._reading.refuses, map(last_line, replies)), None)

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
