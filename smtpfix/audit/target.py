"""`Target`: what the audit tells a client for one run; and the placeholders for it in commands and templates."""

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
FILLING: Final = "What some servers do, they do after a thousand octets.\n" * 20
"""What follows in that message."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the client has to deliver one message, and what it may know."""

    host: str
    """The name to connect to and to check the certificate for."""
    port: int
    """The TCP port to connect to."""
    address: str
    """The IP address of `host`, for clients that need both."""
    ca_file: str
    """A PEM file with the certificate to trust; empty if the server has no TLS."""
    sender: str
    """The sender of the message, for MAIL and From."""
    recipient: str
    """The recipient of the message."""
    subject: str
    """A word that is unique to this run."""
    mode: DeclaredMode
    """When the client is meant to use TLS."""
    trust: Trust
    """Which certificates the client is meant to trust."""
    workdir: str
    """An empty directory for this run."""
    message: str
    """A file with the message. You can send it as it is, with CRLF at the end of each line, unless the scenario tests
    how the client handles another message."""
    user: str | None = None
    """The user to log in as; None: do not log in."""
    password: str | None = field(default=None, repr=False)
    """The password or token to log in with; None: do not log in."""
    patience: float = 4.0
    """Seconds to wait for a silent server before giving up. It is longer if the server is slow but does nothing
    wrong."""
    more_recipients: tuple[str, ...] = ()
    """The recipients after `recipient`, if the scenario is about several."""
    client_name: str = "client.example"
    """The name to give in EHLO."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """All recipients: one, unless the scenario is about several."""
        return (self.recipient, *self.more_recipients)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate in `ca_file`, hexadecimal with colons; empty without a certificate."""
        file = Path(self.ca_file)
        if not file.is_file():
            return ""
        pem = file.read_text(encoding="ascii")
        octets = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN") :].partition(_PEM_ENDS)[0] + _PEM_ENDS)
        return hashlib.sha256(octets).digest().hex(":").upper()

    @property
    def placeholders(self) -> Mapping[str, str]:
        """The values of ``{host}`` and the other placeholders."""
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
"""The placeholders that a command may contain, in braces."""

TEMPLATE: Final = "template"
"""The additional placeholders of templates."""


def check_template(where: str, text: str, known: tuple[str, ...] = PLACEHOLDERS) -> None:
    """Raise `InvalidValueError` for an unknown placeholder or an unpaired brace."""
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
