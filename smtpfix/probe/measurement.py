"""The settings and the result of a probe, as values: `Probe`, `ProbeResult`; `probe` takes the measurement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from string import ascii_letters, digits
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import one_of

OK: Final = 0
"""The reply code when all went well."""
TIMES: Final = ("connection", "tls", "login", "transfer", "total")
"""What is measured in time, in order."""
INTERNAL_ERROR: Final = -1
"""The reply code when the server did not say no, but the connection, TLS or the probe itself failed."""
REFUSED: Final = 1
"""The reply code when an IMAP or POP3 server said no: NO, BAD, BYE and -ERR have no codes."""

BY_PASSWORD: Final = ("PLAIN", "LOGIN", "CRAM-MD5")
"""The mechanisms that a probe can log in by with a password, the best first; in clear, CRAM-MD5 is the best."""
BY_TOKEN: Final = ("OAUTHBEARER", "XOAUTH2")
"""With a token."""

_LARGEST_PORT: Final = 65_535
_TOKEN: Final = frozenset(ascii_letters + digits + "-._~+/=")
"""RFC 6750 section 2.1."""


class Connection(StrEnum):
    """When TLS begins."""

    PLAIN = "plain"
    """Never."""
    STARTTLS = "starttls"
    """On STARTTLS, without which it does not go on (RFC 3207)."""
    IMPLICIT_TLS = "implicit-tls"
    """On connect (RFC 8314 section 3.3)."""

    @property
    def default_port(self) -> int:
        """The port where none is named."""
        return 465 if self is Connection.IMPLICIT_TLS else 25


class Protocol(StrEnum):
    """What the server speaks."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"

    def default_port(self, connection: Connection) -> int:
        """Return the port where none is named."""
        if self is Protocol.SMTP:
            return connection.default_port
        in_clear, in_tls = (143, 993) if self is Protocol.IMAP else (110, 995)
        return in_tls if connection is Connection.IMPLICIT_TLS else in_clear


@dataclass(frozen=True, slots=True)
class Probe:
    """What to do with a server. Raises `InvalidValueError`."""

    host: str
    port: int
    connection: Connection = Connection.PLAIN
    user: str | None = None
    """None: no login. Over a plain connection a password travels in clear, unless it is by CRAM-MD5."""
    password: str | None = field(default=None, repr=False)
    sender: str | None = None
    recipient: str | None = None
    """None: log in, send nothing."""
    subject: str = "smtpfix probe"
    text: str = "<p>A test message.</p>"
    """The message's content, HTML."""
    ca_file: Path | None = None
    """The certificates to trust, PEM; None: the system's."""
    verify: bool = True
    """False: go on, login included, also where the certificate cannot be verified."""
    timeout: float = 10.0
    """Seconds for each wait."""
    deadline: float = 60.0
    """Seconds for all of it, the name's look-up too, whatever the server does."""
    token: str | None = field(default=None, repr=False)
    """A bearer token (RFC 6750) in the password's place."""
    mechanism: str | None = None
    """The SASL mechanism to log in by; None: the first of `BY_PASSWORD` or `BY_TOKEN` that the server offers."""
    name: str | None = None
    """The name that the certificate has to be for, and that the server is told (SNI); None: the host."""
    ehlo_name: str | None = None
    """The name to send in EHLO; None: this machine's address, as a literal. SMTP only."""
    ip_version: int | None = None
    """4 or 6: take only such addresses of the host."""
    protocol: Protocol = Protocol.SMTP

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("host", bool(self.host), "a host name or an IP address"),
            ("port", 0 < self.port <= _LARGEST_PORT, f"a number from 1 to {_LARGEST_PORT}"),
            ("connection", self.connection in tuple(Connection), f"one of {', '.join(Connection)}"),
            ("protocol", self.protocol in tuple(Protocol), f"one of {', '.join(Protocol)}"),
            ("sender", not self.recipient or bool(self.sender), "a sender with the recipient"),
            *((one, self._is_smtp or not getattr(self, one), "none: only SMTP has it") for one in _SMTP_ONLY),
            *((one, (getattr(self, one) or "").isprintable(), "one line of text") for one in _LINES),
            ("name", self.name is None or _is_host(self.name), "a host name or an IP address"),
            ("ehlo_name", self.ehlo_name is None or _is_word(self.ehlo_name), "a name in ASCII, without blanks"),
            ("ip_version", self.ip_version in (None, 4, 6), "4, 6 or None"),
            ("timeout", self.timeout > 0, "seconds above 0"),
            ("deadline", self.deadline > 0, "seconds above 0"),
        ):
            if not good:
                raise InvalidValueError(f"Probe.{name}", getattr(self, name), expected)
        self._check_login()

    @property
    def _is_smtp(self) -> bool:
        return self.protocol == Protocol.SMTP

    def _check_login(self) -> None:
        """Raise `InvalidValueError`, which never shows a secret."""
        by = [name for name in ("password", "token") if getattr(self, name)]
        if bool(self.user) != bool(by):
            who = "a password or a token, and no user" if by else f"user {self.user!r}, and no password or token"
            raise InvalidValueError.saying("Probe.user", self.user, f"to log in takes both: there is {who}")
        if len(by) > 1:
            raise InvalidValueError.saying("Probe.token", None, "there is a password too; a login has one of them")
        if "\0" in f"{self.user}{self.password}":
            raise InvalidValueError.saying("Probe.password", None, "no user and no password can hold a NUL character")
        if not _TOKEN.issuperset(self.token or ""):
            raise InvalidValueError("Probe.token", "something else", "ASCII letters, digits and -._~+/= (RFC 6750)")
        known = BY_TOKEN if self.token else BY_PASSWORD
        if self.mechanism is not None and self.mechanism not in known:
            kind = "token" if self.token else "password"
            raise InvalidValueError(
                "Probe.mechanism", self.mechanism, f"one for a {kind}, {one_of(self.mechanism, known)}"
            )


_SMTP_ONLY: Final = ("sender", "recipient", "ehlo_name")
_LINES: Final = ("host", "user", "sender", "recipient", "subject")


def _is_host(name: str) -> bool:
    try:
        return bool(name.encode("idna")) and name.isprintable() and not name.startswith(".")
    except UnicodeError:
        return False


def _is_word(name: str) -> bool:
    return name.isascii() and name.isprintable() and name != "" and " " not in name


@dataclass(frozen=True, slots=True)
class Certificate:
    """The server's certificate, and what OpenSSL made of it."""

    verify_code: int
    """OpenSSL's verify code; 0: it leads to what is trusted, and is for this host."""
    verify_error: str
    """The same in words; empty where the code is 0."""
    subject: str = ""
    issuer: str = ""
    names: str = ""
    """Its subject alternative names, in OpenSSL's words."""
    expires: datetime | None = None
    """UTC; None where it cannot be read."""

    def days_left(self, at: datetime) -> int | None:
        """Return the whole days from a time until it expires, below 0 where it has; None where nobody knows."""
        return None if self.expires is None else (self.expires - at).days


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a server said and how long it took. Milliseconds are None for what was not reached."""

    probe: Probe
    started: datetime
    """UTC."""
    reply_code: int
    """0: all went well; -1: no valid reply, or no connection or TLS; else the server's (RFC 5321 section 4.2).

    1: an IMAP or POP3 server said no; its words are in `error`.
    """
    stage: str
    """Where it ended: connect, tls, greeting, ehlo (or capabilities), starttls, login, transfer; empty where all went
    well."""
    error: str
    """What went wrong, printable; empty where nothing did. Like all the server says, without password and token."""
    connection_ms: float | None = None
    """From the name's look-up to the greeting, without TLS."""
    tls_ms: float | None = None
    """The handshake."""
    login_ms: float | None = None
    """AUTH, AUTHENTICATE, LOGIN, or USER and PASS, up to the last reply."""
    transfer_ms: float | None = None
    """MAIL, RCPT, DATA and content, up to the reply to the final dot."""
    total_ms: float | None = None
    """All of it, without QUIT."""
    greeting: str = ""
    """The greeting's text, printable."""
    software: str = ""
    """What the greeting says after the server's name; servers need not say anything (RFC 5321 section 3.1).

    A POP3 server says it with IMPLEMENTATION (RFC 2449 section 6.9), an IMAP server with ``name`` and ``version`` of
    its ID (RFC 2971).
    """
    server_id: tuple[tuple[str, str], ...] = ()
    """The fields and values of an IMAP server's answer to ID, printable; empty where it does not offer ID, or says
    nothing of itself."""
    extensions: tuple[str, ...] = ()
    """What the reply to EHLO, CAPABILITY or CAPA offers, printable; inside TLS where there is TLS."""
    extensions_in_clear: tuple[str, ...] = ()
    """What it offered before STARTTLS or STLS."""
    tls_version: str | None = None
    """None: in clear."""
    cipher: str | None = None
    certificate: Certificate | None = None
    last_reply: tuple[bytes, ...] = ()
    """The lines of the last reply before the end, octets as they came: line ends, and what is no reply, too."""
    logged_in: bool = False
    mechanism: str = ""
    """By which it logged in: the SASL mechanism, or the commands ``LOGIN`` (``LOGIN command``) or ``USER and PASS``."""
    sent: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether all went well."""
        return self.reply_code == OK

    @property
    def days_left(self) -> int | None:
        """The whole days until the certificate expires, below 0 where it has; None in clear."""
        return None if self.certificate is None else self.certificate.days_left(self.started)

    @property
    def seconds(self) -> dict[str, float]:
        """What took how long: ``connection``, ``tls``, ``login``, ``transfer`` as far as it came, and ``total``."""
        times = {name: getattr(self, f"{name}_ms") for name in TIMES}
        return {name: milliseconds / 1000 for name, milliseconds in times.items() if milliseconds is not None}
