"""The results of an audit, as values: `AuditResult`, a `Finding` for each scenario, and the terms they use.

It knows no server, no client and no report: the audit fills these values in, and reports read nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from smtpfix.policy.flaw import Severity


class DeclaredMode(StrEnum):
    """When the client under test is meant to use TLS. You declare it; the audit never guesses."""

    IMPLICIT = "implicit"
    """From the first octet (RFC 8314 section 3.3)."""
    STARTTLS_REQUIRED = "starttls-required"
    """With STARTTLS, or not at all."""
    OPPORTUNISTIC = "opportunistic"
    """With STARTTLS if the server offers it, otherwise in clear."""
    NONE = "none"
    """Never."""


class Trust(StrEnum):
    """What the client under test is meant to trust."""

    PKI = "pki"
    """Certificates that a known authority issued for the name that the client connects to (RFC 5280, RFC 9525)."""
    PINNED = "pinned"
    """One certificate, or one key."""
    NONE = "none"
    """Any certificate: the client does not check it."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the client under test is meant to do. Every verdict depends on it."""

    mode: DeclaredMode
    """When the client is meant to use TLS."""
    trust: Trust = Trust.PKI
    """Which certificates the client is meant to trust."""
    user: str | None = None
    """The user that the client logs in as; None: it does not log in."""
    password: str | None = field(default=None, repr=False)
    """The password or token; None: it does not log in."""
    mechanisms: tuple[str, ...] = ()
    """The SASL mechanisms that the client can use, which servers then offer. Empty: PLAIN and LOGIN."""
    expects_staple: bool = False
    """Whether the client demands a stapled OCSP response."""
    protocol: str = "smtp"
    """The protocol of the client: ``smtp``, or ``imap`` or ``pop3`` if it reads mail."""

    @property
    def reads_mail(self) -> bool:
        """Whether the client reads mail, rather than sends it."""
        return self.protocol != "smtp"


class Outcome(StrEnum):
    """What the client did in one scenario, as the server saw it."""

    DELIVERED = "delivered"
    """The server accepted the message, inside TLS if the declared mode has TLS."""
    RETRIEVED = "retrieved"
    """The client read every message completely, inside TLS if the declared mode has TLS."""
    REFUSED_CLEAN = "refused-clean"
    """The client left and revealed nothing."""
    REFUSED_LATE = "refused-late"
    """The client left, but had already revealed the secret, the envelope or content inside TLS, to a server that it had
    to refuse."""
    FALSE_REFUSAL = "false-refusal"
    """The client left although there is nothing to refuse."""
    DOWNGRADED = "downgraded"
    """The client went on in clear although its declared mode has TLS, but had no secret to reveal."""
    LEAKED_CREDENTIALS = "leaked-credentials"
    """The client sent the secret in clear."""
    LEAKED_MESSAGE = "leaked-message"
    """The client sent the envelope or content in clear, or read mail in clear, although the declared mode has TLS."""
    LOST_MAIL = "lost-mail"
    """The client deleted a message that it had not read completely."""
    UNAUTHENTICATED_SEND = "unauthenticated-send"
    """The client was meant to log in, but sent the message without a login."""
    ACTED_ON_INJECTION = "acted-on-injection"
    """The client took a reply that was injected in clear for the server's. The control run shows that it does not
    behave so anyway."""
    HUNG = "hung"
    """The client had not ended when its time was over."""
    MISREPORTED = "misreported"
    """The client reported success although nothing was delivered or read, or failure although the message was
    accepted."""
    NOT_RUN = "not-run"
    """There is no evidence; `Finding.reason` says why. Never counted as passed."""


class Verdict(StrEnum):
    """What an outcome means under the declaration."""

    PASSED = "passed"
    """The client did what a careful client does."""
    LAX = "lax"
    """The client should have refused, but many clients accept this."""
    CAPPED = "capped"
    """The client did what its declared mode says, but that mode limits the grade: clear text if TLS is stripped, for
    example."""
    FAILED = "failed"
    """The client did not do what its declared mode promises."""
    NOT_RUN = "not-run"
    """The case did not run, so the verdict is unknown."""


class Grade(StrEnum):
    """The grade of the client's mode, best first."""

    AUTHENTICATED = "Authenticated"
    """Only the right server gets the message, and it is encrypted."""
    GAPS = "Authenticated, with gaps"
    """The same, except for the cases that the result names."""
    UNAUTHENTICATED = "Encrypted, unauthenticated"
    """A passive attacker learns nothing; an active attacker can impersonate the server."""
    OPPORTUNISTIC = "Opportunistic"
    """Messages are encrypted as long as no attacker interferes."""
    PLAINTEXT = "Plaintext"
    """Anybody who listens can read the messages."""
    UNKNOWN = "Not known"
    """Too few cases ran for a grade."""

    @property
    def letter(self) -> str:
        """``A`` for the best grade, ``E`` for the worst, ``?`` for an unknown one."""
        return "ABCDE?"[list(Grade).index(self)]

    @property
    def heading(self) -> str:
        """The letter and the words: ``B, authenticated, with gaps``; no letter for an unknown grade."""
        return self.value if self is Grade.UNKNOWN else f"{self.letter}, {self.value[0].lower()}{self.value[1:]}"


class Flag(StrEnum):
    """A fault that overrides every grade."""

    LEAKS_CREDENTIALS_PASSIVE = "LEAKS CREDENTIALS (passive)"
    """An attacker who only listens learns the secret, even if the server does nothing wrong."""
    LEAKS_CREDENTIALS_ACTIVE = "LEAKS CREDENTIALS (active)"
    """An attacker who can change what the server says learns the secret."""
    INJECTABLE = "INJECTABLE"
    LOSES_MAIL = "LOSES MAIL"
    """The client deletes mail that it has not read completely."""
    BROKEN = "BROKEN"
    """The client does not deliver or read mail even if nothing is wrong."""
    MISREPORTS = "MISREPORTS"
    HANGS = "HANGS"


class Ending(StrEnum):
    """How a run of the client ended, as the client reports it."""

    SUCCEEDED = "succeeded"
    """Exit status 0, or no exception."""
    FAILED = "failed"
    """Another exit status, or an exception."""
    CRASHED = "crashed"
    """A signal ended it."""
    TIMED_OUT = "timed-out"
    """The audit ended it when its time was over."""
    NOT_STARTED = "not-started"
    ELSEWHERE = "elsewhere"
    """Nobody can see how it ended: it ran on a device, or in a child process that the client left behind."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the client: what it reported, and what the server saw."""

    ending: Ending
    status: int | None = None
    """The exit status; the negative number of a signal; None for a callable, or if it was not started."""
    seconds: float = 0.0
    said: str = ""
    """The end of what it printed, or its exception, printable."""
    connections: int = 0
    delivered: int = 0
    """How many messages the server accepted."""
    transcripts: tuple[str, ...] = ()
    """The one-line summary and the transcript of each session, printable, with credentials shortened."""
    retrieved: int | None = None
    """How many messages a client that reads mail read completely, each counted once; None for one that sends."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One scenario in one server mode, and what the client did."""

    scenario: str
    """The id of the scenario, or the name of your own file without ``.toml``."""
    group: str
    """The group of the scenario, such as ``certificates``."""
    mode: str
    """The mode of the server."""
    summary: str
    """What the server did, in one sentence."""
    expected: str
    """What a careful client with this declaration does: accept, refuse, lax or either."""
    standard: str
    """The section of the standard that says so."""
    outcome: Outcome
    """What the client did."""
    verdict: Verdict
    """What the outcome means under the declaration."""
    also: tuple[Outcome, ...] = ()
    """What else the client did: it hung, or it misreported."""
    evidence: tuple[str, ...] = ()
    """The facts behind the outcome, one sentence each: in clear, AUTH PLAIN as 'ann' with the secret."""
    consequence: str = ""
    """What this means for the user, in one sentence; empty if nothing is wrong."""
    fix: str = ""
    """What to change in the client, in one sentence; empty if nothing is wrong."""
    flaw: str = ""
    """What the client fails to check, one of `smtpfix.policy.flaw.FLAWS`; empty if no attacker gains anything."""
    reason: str = ""
    """Why the case did not run; empty if it did."""
    extra: str = ""
    """The extra of smtpfix that the case needs and that is not installed, such as ``stapling``; otherwise empty."""
    run: Run | None = None
    """The run of the client; None if the case did not run."""
    control: Run | None = None
    """The control run that decided the finding, if the scenario has one."""

    @property
    def got_through(self) -> bool:
        """Whether the server accepted the message; for a client that reads mail, whether it read all messages."""
        has_read = Outcome.RETRIEVED in (self.outcome, *self.also)
        return self.run is not None and (bool(self.run.delivered) or has_read)

    @property
    def key(self) -> str:
        """Its name in baselines: ``strip-ehlo/starttls``."""
        return f"{self.scenario}/{self.mode}"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that the client fails to do, and all findings that follow from it."""

    flaw: str
    """One of `smtpfix.policy.flaw.FLAWS`."""
    severity: Severity
    """What an attacker needs to exploit it."""
    what: str
    """What the client fails to do, in one sentence."""
    needs: str
    """What an attacker needs, in one sentence."""
    fix: str
    """What to change in the client, in one sentence, in the client's own language if that is known."""
    keys: tuple[str, ...]
    """The findings that it explains, by `Finding.key`."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of an audit: the client's grade, and the reasons for it."""

    client: str
    """The client: the name of the adapter, the command or the function."""
    declaration: Declaration
    """What the client is meant to do; the audit judges it by this."""
    findings: tuple[Finding, ...]
    """The findings, in the order of the catalogue's groups."""
    keeps_its_promise: bool
    """Whether the client does what its declared mode promises; also False if that is unknown."""
    promise: str
    """The first line of a report: one sentence on whether the client does what its mode promises."""
    grade: Grade
    """The grade of the client's mode."""
    worth: str
    """The second line of a report: one sentence on the worth of that mode."""
    flags: tuple[Flag, ...] = ()
    """The faults that override the grade."""
    reasons: tuple[str, ...] = ()
    """Why the grade is not better, or unknown: one sentence each, with the names of scenarios."""
    causes: tuple[Cause, ...] = ()
    """What to change, the most severe cause first."""
    notes: tuple[str, ...] = ()
    """Facts that change no verdict, such as a login that was left out: one sentence each, with the names of
    scenarios."""
    family: str = ""
    """The documented family that the client was compared with; empty without one."""
    differences: tuple[str, ...] = ()
    """How the client differs from the documentation of its family, one sentence each."""
    started: datetime | None = None
    """When the audit started, in UTC."""
    seconds: float = 0.0
    """How long the audit took, in seconds."""
    is_complete: bool = True
    """Whether the audit ran to its end; False if it was interrupted."""
    versions: tuple[tuple[str, str], ...] = ()
    """The names and versions of the software that took part: smtpfix, Python, OpenSSL."""
    left_out: tuple[str, ...] = ()
    """Ids of scenarios that you asked for, but that a client with this declaration cannot meet because of its mode or
    because it does not log in. Reports count them as n/a and do not judge them."""
