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
"""The reply code of a probe without errors."""
TIMES: Final = ("connection", "tls", "login", "transfer", "total")
"""The phases whose times are measured, in order."""
INTERNAL_ERROR: Final = -1
"""The reply code if the connection, TLS or the probe itself failed, rather than the server refusing."""
REFUSED: Final = 1
"""The reply code if an IMAP or POP3 server refused: NO, BAD, BYE and -ERR have no codes."""

BY_PASSWORD: Final = ("PLAIN", "LOGIN", "CRAM-MD5")
"""The mechanisms for a login with a password, the best first; in clear, CRAM-MD5 is the best."""
BY_TOKEN: Final = ("OAUTHBEARER", "XOAUTH2")
"""The mechanisms for a login with a token."""

_LARGEST_PORT: Final = 65_535
_TOKEN: Final = frozenset(ascii_letters + digits + "-._~+/=")
"""RFC 6750 section 2.1."""


class Connection(StrEnum):
    """When TLS begins: how the probe connects."""

    PLAIN = "plain"
    """Never."""
    STARTTLS = "starttls"
    """With STARTTLS (RFC 3207); the probe does not go on without it."""
    IMPLICIT_TLS = "implicit-tls"
    """At once, before the greeting (RFC 8314 section 3.3)."""

    @property
    def default_port(self) -> int:
        """The port if you name none."""
        return 465 if self is Connection.IMPLICIT_TLS else 25


class Protocol(StrEnum):
    """The protocol of the server."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"

    def default_port(self, connection: Connection) -> int:
        """Return the port if you name none."""
        if self is Protocol.SMTP:
            return connection.default_port
        in_clear, in_tls = (143, 993) if self is Protocol.IMAP else (110, 995)
        return in_tls if connection is Connection.IMPLICIT_TLS else in_clear


@dataclass(frozen=True, slots=True)
class Probe:
    """The settings of a probe: which server to measure, and how. Raises `InvalidValueError`."""

    host: str
    port: int
    connection: Connection = Connection.PLAIN
    user: str | None = None
    """The user to log in as; None: no login. Over a plain connection, all mechanisms except CRAM-MD5 send the password
    in clear."""
    password: str | None = field(default=None, repr=False)
    sender: str | None = None
    recipient: str | None = None
    """The recipient of a message; None: log in, but send nothing."""
    subject: str = "smtpfix probe"
    text: str = "<p>A test message.</p>"
    """The content of the message, HTML."""
    ca_file: Path | None = None
    """A PEM file with the certificates to trust; None: those of the system."""
    verify: bool = True
    """Whether to verify the certificate. False: go on, including the login, even if it cannot be verified."""
    timeout: float = 10.0
    """Seconds for each wait."""
    deadline: float = 60.0
    """Seconds for the whole probe, including the look-up of the name, whatever the server does."""
    token: str | None = field(default=None, repr=False)
    """A bearer token (RFC 6750), instead of a password."""
    mechanism: str | None = None
    """The SASL mechanism to log in by; None: the first of `BY_PASSWORD` or `BY_TOKEN` that the server offers."""
    name: str | None = None
    """The name to check the certificate for, and to send as the server name (SNI, RFC 6066 section 3); None: the
    host."""
    ehlo_name: str | None = None
    """The name to send in EHLO; None: this machine's address, as an address literal. SMTP only."""
    ip_version: int | None = None
    """4 or 6: use only such addresses of the host. None: use any."""
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
    """The server's certificate, and OpenSSL's verdict."""

    verify_code: int
    """OpenSSL's verify code. 0: the chain is trusted, and the certificate is for this host."""
    verify_error: str
    """OpenSSL's verdict in words; empty if the code is 0."""
    subject: str = ""
    issuer: str = ""
    names: str = ""
    """The subject alternative names, in OpenSSL's notation."""
    expires: datetime | None = None
    """When the certificate expires, in UTC; None if that cannot be read."""

    def days_left(self, at: datetime) -> int | None:
        """Return the whole days from a time until it expires, negative if it has expired; None if unknown."""
        return None if self.expires is None else (self.expires - at).days


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a server said, and how long it took. Times are in milliseconds; None for phases that were not reached."""

    probe: Probe
    started: datetime
    """When the probe started, in UTC."""
    reply_code: int
    """0: no error. -1: no valid reply, or no connection or TLS. 1: an IMAP or POP3 server refused, with its words in
    `error`. Otherwise the reply code of the server (RFC 5321 section 4.2)."""
    stage: str
    """The phase in which an error ended the probe: connect, tls, greeting, ehlo (or capabilities), starttls, login,
    transfer; empty without an error."""
    error: str
    """The error, printable; empty without one. As with all texts of the server, it contains no password and no
    token."""
    connection_ms: float | None = None
    """From the look-up of the name to the greeting, without TLS."""
    tls_ms: float | None = None
    """The TLS handshake."""
    login_ms: float | None = None
    """AUTH, AUTHENTICATE, LOGIN, or USER and PASS, up to the last reply."""
    transfer_ms: float | None = None
    """MAIL, RCPT, DATA and content, up to the reply to the final dot."""
    total_ms: float | None = None
    """The whole probe, without QUIT."""
    greeting: str = ""
    """The text of the greeting, printable."""
    software: str = ""
    """What the greeting says after the name of the server; it may be empty (RFC 5321 section 3.1).

    For a POP3 server, its IMPLEMENTATION (RFC 2449 section 6.9); for an IMAP server, the ``name`` and ``version`` of
    its ID (RFC 2971)."""
    server_id: tuple[tuple[str, str], ...] = ()
    """The fields and values of an IMAP server's ID (RFC 2971), printable; empty if it does not offer ID or sends
    none."""
    extensions: tuple[str, ...] = ()
    """What the reply to EHLO, CAPABILITY or CAPA offers, printable; the reply inside TLS if there is TLS."""
    extensions_in_clear: tuple[str, ...] = ()
    """What the server offered before STARTTLS or STLS."""
    tls_version: str | None = None
    """The TLS version; None in clear."""
    cipher: str | None = None
    certificate: Certificate | None = None
    last_reply: tuple[bytes, ...] = ()
    """The lines of the last reply before the end, exactly as they arrived, with line ends, even if they are no valid
    reply."""
    logged_in: bool = False
    mechanism: str = ""
    """How the probe logged in: the SASL mechanism, or ``LOGIN command`` or ``USER and PASS`` for these commands."""
    sent: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether there was no error."""
        return self.reply_code == OK

    @property
    def days_left(self) -> int | None:
        """The whole days until the certificate expires, negative if it has expired; None in clear."""
        return None if self.certificate is None else self.certificate.days_left(self.started)

    @property
    def seconds(self) -> dict[str, float]:
        """What took how long: ``connection``, ``tls``, ``login``, ``transfer`` as far as it came, and ``total``."""
        times = {name: getattr(self, f"{name}_ms") for name in TIMES}
        return {name: milliseconds / 1000 for name, milliseconds in times.items() if milliseconds is not None}
