"""What a client under test is given for one run: `Target`, and the placeholders that stand for it in texts."""

from __future__ import annotations

import hashlib
import ssl
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from smtpfix.errors import InvalidValueError

from .result import DeclaredMode, Trust

MESSAGE: Final = """\
From: <{sender}>
To: <{recipient}>
Subject: {subject}
Date: Mon, 05 Jan 2026 12:00:00 +0000
Message-ID: <{subject}@client.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

A message of the audit.
.this line begins with a dot
"""
_PEM_ENDS: Final = "-----END CERTIFICATE-----"
FILLING: Final = "What some servers do, they do behind a thousand octets.\n" * 20
"""What follows in that message."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the client has to deliver one message, and what it may know."""

    host: str
    """The name to connect to, and to check the certificate for."""
    port: int
    """The TCP port to connect to."""
    address: str
    """The IP address that `host` leads to, for clients that are told both."""
    ca_file: str
    """A PEM file with what to trust; empty where the server has no TLS."""
    sender: str
    """The message's sender, for MAIL and From."""
    recipient: str
    """Whom the message is for."""
    subject: str
    """A word of its own for this run."""
    mode: DeclaredMode
    """When the client is meant to use TLS."""
    trust: Trust
    """Which certificates it is meant to trust."""
    workdir: str
    """An empty directory of this run's."""
    message: str
    """A file with the message: one that can be sent as it is, CRLF at the ends of its lines, unless the scenario is
    about what the client makes of another one."""
    user: str | None = None
    """Whom to log in as; None: not at all."""
    password: str | None = field(default=None, repr=False)
    """The password or the token to log in with; None: not at all."""
    patience: float = 4.0
    """Seconds to wait for a silent server before giving up: longer where a server is slow and does nothing wrong."""
    more_recipients: tuple[str, ...] = ()
    """Those behind `recipient`, where the scenario is about several."""
    client_name: str = "client.example"
    """What it is to call itself, in EHLO."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Whom to deliver to: one, unless the scenario is about several."""
        return (self.recipient, *self.more_recipients)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate in `ca_file`, in hexadecimal with colons; empty where there is none."""
        file = Path(self.ca_file)
        if not file.is_file():
            return ""
        pem = file.read_text(encoding="ascii")
        octets = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN") :].partition(_PEM_ENDS)[0] + _PEM_ENDS)
        return hashlib.sha256(octets).digest().hex(":").upper()

    @property
    def placeholders(self) -> Mapping[str, str]:
        """The values of ``{host}`` and its like."""
        return {
            "host": self.host,
            "port": str(self.port),
            "address": self.address,
            "cafile": self.ca_file,
            "fingerprint": self.fingerprint,
            "user": self.user or "",
            "password": self.password or "",
            "recipient": self.recipient,
            "recipients": ",".join(self.recipients),
            "sender": self.sender,
            "subject": self.subject,
            "message": self.message,
            "name": self.client_name,
            "patience": f"{self.patience:.0f}",
            "mode": str(self.mode),
            "workdir": self.workdir,
        }


PLACEHOLDERS: Final = (
    *("host", "port", "address", "cafile", "fingerprint", "user", "password", "recipient", "recipients", "sender"),
    *("subject", "message", "name", "patience", "mode", "workdir"),
)
"""What can stand in braces in a command."""

TEMPLATE: Final = "template"
"""What can stand there besides, where there is a template."""


def check_template(where: str, text: str, known: tuple[str, ...] = PLACEHOLDERS) -> None:
    """Raise `InvalidValueError` for a placeholder that there is not, and for braces that stand alone."""
    listed = ", ".join(f"{{{name}}}" for name in known)
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise InvalidValueError(
            where, text, f"text with placeholders ({listed}), each other brace doubled ({error})"
        ) from error
    for _, name, specification, conversion in parts:
        if name is not None and (name not in known or specification or conversion):
            raise InvalidValueError(where, f"{{{name}}}", f"one of {listed}; a brace that means itself is doubled")


def write_message(folder: Path, *, sender: str, recipient: str, subject: str, asked: str | None = None) -> Path:
    """Write the message of a run, the asked one as it is, and return its file."""
    text = MESSAGE.format(sender=sender, recipient=recipient, subject=subject) + FILLING
    file = folder / "message.eml"
    file.write_bytes((text.replace("\n", "\r\n") if asked is None else asked).encode())
    return file
