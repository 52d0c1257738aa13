"""What a probe of a server is told, and what it found, as values: `Probe`, `ProbeResult`; `probe` does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from smtpfix.errors import InvalidValueError

OK: Final = 0
"""The reply code when all went well."""
INTERNAL_ERROR: Final = -1
"""The reply code when the server did not say no, but the connection, TLS or the probe itself failed."""

_LARGEST_PORT: Final = 65_535


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


@dataclass(frozen=True, slots=True)
class Probe:
    """What to do with a server. Raises `InvalidValueError`."""

    host: str
    port: int
    connection: Connection = Connection.PLAIN
    user: str | None = None
    """None: no login. Over a plain connection the password travels in clear."""
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
    """Seconds for all of it, whatever the server does; only the name's look-up has the system's own limit."""

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("host", bool(self.host), "a host name or an IP address"),
            ("port", 0 < self.port <= _LARGEST_PORT, f"a number from 1 to {_LARGEST_PORT}"),
            ("connection", self.connection in tuple(Connection), f"one of {', '.join(Connection)}"),
            (
                "user",
                self.password is not None if self.user else not self.password,
                "a user and a password, or neither",
            ),
            ("sender", not self.recipient or bool(self.sender), "a sender with a recipient"),
            ("timeout", self.timeout > 0, "seconds above 0"),
            ("deadline", self.deadline > 0, "seconds above 0"),
        ):
            if not good:
                raise InvalidValueError(f"Probe.{name}", getattr(self, name), expected)


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


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a server said and how long it took. Milliseconds are None for what was not reached."""

    probe: Probe
    started: datetime
    """UTC."""
    reply_code: int
    """0: all went well; -1: an internal error; else the server's reply code (RFC 5321 section 4.2)."""
    stage: str
    """Where it ended: connect, tls, greeting, ehlo, starttls, login, transfer; empty where all went well."""
    error: str
    """What went wrong, printable; empty where nothing did."""
    connection_ms: float | None = None
    """From the name's look-up to the greeting, without TLS."""
    tls_ms: float | None = None
    """The handshake."""
    login_ms: float | None = None
    """AUTH, up to its last reply."""
    transfer_ms: float | None = None
    """MAIL, RCPT, DATA and content, up to the reply to the final dot."""
    greeting: str = ""
    """The greeting's text, printable."""
    software: str = ""
    """What the greeting says after the server's name; servers need not say anything (RFC 5321 section 3.1)."""
    extensions: tuple[str, ...] = ()
    """What the EHLO reply offers, printable; inside TLS where there is TLS."""
    extensions_in_clear: tuple[str, ...] = ()
    """What it offered before STARTTLS."""
    tls_version: str | None = None
    """None: in clear."""
    cipher: str | None = None
    certificate: Certificate | None = None
    last_reply: tuple[bytes, ...] = ()
    """The lines of the last reply before the end, octets as they came: line ends, and what is no reply, too."""
    logged_in: bool = False
    sent: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether all went well."""
        return self.reply_code == OK
