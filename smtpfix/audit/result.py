"""What an audit found, as values: `AuditResult`, a `Finding` for each scenario, and the words they are made of.

Knows no server, no client and no report; whoever judges fills these in, whoever reports reads nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from smtpfix.policy.flaw import Severity


class DeclaredMode(StrEnum):
    """When the client under test is meant to use TLS. Declared, never guessed."""

    IMPLICIT = "implicit"
    """From the first octet (RFC 8314 section 3.3)."""
    STARTTLS_REQUIRED = "starttls-required"
    """By STARTTLS, or not at all."""
    OPPORTUNISTIC = "opportunistic"
    """By STARTTLS where it is offered, in clear elsewhere."""
    NONE = "none"
    """Never."""


class Trust(StrEnum):
    """What the client under test is meant to trust."""

    PKI = "pki"
    """Certificates that an authority it knows issued for the name it connects to."""
    PINNED = "pinned"
    """One certificate, or one key."""
    NONE = "none"
    """Any certificate: it does not look."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the client under test is meant to do; every verdict is measured by it."""

    mode: DeclaredMode
    """When it is meant to use TLS."""
    trust: Trust = Trust.PKI
    """Which certificates it is meant to trust."""
    user: str | None = None
    """Whom it logs in as; None: not at all."""
    password: str | None = field(default=None, repr=False)
    """The password, or the token."""
    mechanisms: tuple[str, ...] = ()
    """The SASL mechanisms that it can log in by, which servers offer; empty: PLAIN and LOGIN."""
    expects_staple: bool = False
    """Whether it demands a stapled OCSP response."""
    protocol: str = "smtp"
    """What it speaks: ``smtp``, or ``imap`` or ``pop3``, by which mail is read."""

    @property
    def reads_mail(self) -> bool:
        """Whether it reads mail; else it sends."""
        return self.protocol != "smtp"


class Outcome(StrEnum):
    """What the client did in one scenario, as the server saw it."""

    DELIVERED = "delivered"
    """The server accepted the message, inside TLS where the declared mode has TLS."""
    RETRIEVED = "retrieved"
    """A client that reads mail was sent every message whole, inside TLS where the declared mode has TLS."""
    REFUSED_CLEAN = "refused-clean"
    """It left and gave nothing away."""
    REFUSED_LATE = "refused-late"
    """It left, but a peer inside TLS that it had to refuse has the secret, the envelope or the content."""
    FALSE_REFUSAL = "false-refusal"
    """It left where there is nothing to refuse."""
    DOWNGRADED = "downgraded"
    """It went on in clear where its declared mode has TLS, without a secret to give away."""
    LEAKED_CREDENTIALS = "leaked-credentials"
    """The secret went over the wire in clear."""
    LEAKED_MESSAGE = "leaked-message"
    """Envelope or content went over the wire in clear where the declared mode has TLS, or was read so."""
    LOST_MAIL = "lost-mail"
    """It deleted a message that it had never read whole."""
    UNAUTHENTICATED_SEND = "unauthenticated-send"
    """It was to log in and sent the message without."""
    ACTED_ON_INJECTION = "acted-on-injection"
    """It took a reply injected in clear for the server's; the control run shows that it does not do so anyway."""
    HUNG = "hung"
    """It had not ended when its time was over."""
    MISREPORTED = "misreported"
    """It reported success where nothing was delivered or read, or failure where the message was accepted."""
    NOT_RUN = "not-run"
    """There is no evidence; `Finding.reason` says why. Never counted as passed."""


class Verdict(StrEnum):
    """What an outcome is worth under the declaration."""

    PASSED = "passed"
    """As a careful client does it."""
    LAX = "lax"
    """Refusing is right; accepting is common."""
    CAPPED = "capped"
    """As the declared mode has it, which is what limits its worth: clear text when TLS is stripped, say."""
    FAILED = "failed"
    """Not what the declared mode promises."""
    NOT_RUN = "not-run"
    """Not known."""


class Grade(StrEnum):
    """What the client's mode is worth, the best first."""

    AUTHENTICATED = "Authenticated"
    """Only the right server gets the message, encrypted."""
    GAPS = "Authenticated, with gaps"
    """The same, but for what is named."""
    UNAUTHENTICATED = "Encrypted, unauthenticated"
    """Whoever only listens learns nothing; whoever gets in between can be the server."""
    OPPORTUNISTIC = "Opportunistic"
    """Encrypted as long as nobody interferes."""
    PLAINTEXT = "Plaintext"
    """Whoever listens can read it."""
    UNKNOWN = "Not known"
    """Too little could be run to say."""

    @property
    def letter(self) -> str:
        """``A`` for the best, ``E`` for the worst, ``?`` where it is not known."""
        return "ABCDE?"[list(Grade).index(self)]

    @property
    def heading(self) -> str:
        """The letter and the words: ``B, authenticated, with gaps``; without a letter where it is not known."""
        return self.value if self is Grade.UNKNOWN else f"{self.letter}, {self.value[0].lower()}{self.value[1:]}"


class Flag(StrEnum):
    """What overrides every grade."""

    LEAKS_CREDENTIALS_PASSIVE = "LEAKS CREDENTIALS (passive)"
    """Whoever reads along learns the secret from a server that does nothing wrong."""
    LEAKS_CREDENTIALS_ACTIVE = "LEAKS CREDENTIALS (active)"
    """Whoever can change what the server says learns the secret."""
    INJECTABLE = "INJECTABLE"
    LOSES_MAIL = "LOSES MAIL"
    """It deletes what it has not read whole."""
    BROKEN = "BROKEN"
    """It does not deliver, or read its mail, even when nothing is wrong."""
    MISREPORTS = "MISREPORTS"
    HANGS = "HANGS"


class Ending(StrEnum):
    """How a run of the client ended, by its own account."""

    SUCCEEDED = "succeeded"
    """Exit status 0, or no exception."""
    FAILED = "failed"
    """Another exit status, or an exception."""
    CRASHED = "crashed"
    """Ended by a signal."""
    TIMED_OUT = "timed-out"
    """Ended by the audit when its time was over."""
    NOT_STARTED = "not-started"
    ELSEWHERE = "elsewhere"
    """It ran where nobody can see how it ended: on a device, or in a child of its own that the client left behind."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the client: what it said of itself, and what the server saw of it."""

    ending: Ending
    status: int | None = None
    """Exit status; the negative number of a signal; None for a callable, or when it was not started."""
    seconds: float = 0.0
    said: str = ""
    """What it printed, or its exception: the end of it, printable."""
    connections: int = 0
    delivered: int = 0
    """Messages the server accepted."""
    transcripts: tuple[str, ...] = ()
    """Each session's one-line summary and transcript, printable, credentials shortened."""
    retrieved: int | None = None
    """Messages that a client which reads mail was sent whole, each counted once; None for one that sends."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One scenario in one server mode, and what the client did."""

    scenario: str
    """The catalogue's id, or the name of a file of one's own without ``.toml``."""
    group: str
    """The scenario's group, such as ``certificates``."""
    mode: str
    """The server's mode."""
    summary: str
    """What the server showed, in one sentence."""
    expected: str
    """What a careful client with this declaration does: accept, refuse, lax or either."""
    standard: str
    """Where the standard says so."""
    outcome: Outcome
    """What the client did."""
    verdict: Verdict
    """What that is worth under the declaration."""
    also: tuple[Outcome, ...] = ()
    """What else it did: it hung, it misreported."""
    evidence: tuple[str, ...] = ()
    """The facts the outcome follows from, each one sentence: in clear, AUTH PLAIN as 'ann' with the secret."""
    consequence: str = ""
    """What it means for the user, one sentence; empty where nothing is wrong."""
    fix: str = ""
    """What to change in the client, one sentence; empty where nothing is wrong."""
    flaw: str = ""
    """What it has shown not to check, one of `smtpfix.policy.flaw.FLAWS`; empty where no attacker gains anything."""
    reason: str = ""
    """Why it was not run."""
    extra: str = ""
    """The extra of smtpfix that it needs and that is not installed, such as ``stapling``; mostly empty."""
    run: Run | None = None
    """None where it was not run."""
    control: Run | None = None
    """The control run that decided it, where the scenario has one."""

    @property
    def got_through(self) -> bool:
        """Whether the server accepted the message; or, of a client that reads mail, whether it read all there was."""
        has_read = Outcome.RETRIEVED in (self.outcome, *self.also)
        return self.run is not None and (bool(self.run.delivered) or has_read)

    @property
    def key(self) -> str:
        """What it is known by in baselines: ``strip-ehlo/starttls``."""
        return f"{self.scenario}/{self.mode}"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that the client does not do, and all the findings that follow from it."""

    flaw: str
    """One of `smtpfix.policy.flaw.FLAWS`."""
    severity: Severity
    """What an attacker needs to make use of it."""
    what: str
    """What the client does not do, one sentence."""
    needs: str
    """What an attacker needs, one sentence."""
    fix: str
    """What to change in the client, one sentence: in its own language where that is known."""
    keys: tuple[str, ...]
    """The findings that it explains, each by `Finding.key`."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What a client is worth, and why."""

    client: str
    """What was audited: the adapter's name, the command, the function."""
    declaration: Declaration
    """What it was measured by."""
    findings: tuple[Finding, ...]
    """In the order of the catalogue's groups."""
    keeps_its_promise: bool
    """Whether it does what its declared mode promises; False too where that is not known."""
    promise: str
    """The first line: one sentence on whether it does what its mode promises."""
    grade: Grade
    """What its mode is worth."""
    worth: str
    """The second line: one sentence on what that mode is worth."""
    flags: tuple[Flag, ...] = ()
    """What overrides the grade."""
    reasons: tuple[str, ...] = ()
    """Why the grade is not a better one, or not known, each one sentence naming scenarios."""
    causes: tuple[Cause, ...] = ()
    """What to change, the most severe first."""
    notes: tuple[str, ...] = ()
    """What is worth knowing and changes no verdict, such as a login that was left out, each one sentence naming
    scenarios."""
    family: str = ""
    """The documented family it was compared with."""
    differences: tuple[str, ...] = ()
    """Where it behaves otherwise than documented for the family, each one sentence."""
    started: datetime | None = None
    """UTC."""
    seconds: float = 0.0
    """How long the audit took."""
    is_complete: bool = True
    """False where it was broken off."""
    versions: tuple[tuple[str, str], ...] = ()
    """What took part: smtpfix, Python, OpenSSL, names and versions."""
    left_out: tuple[str, ...] = ()
    """Ids of scenarios that were asked for and that a client with the declaration cannot meet, by its mode or without a
    login: n/a, counted and not judged."""
