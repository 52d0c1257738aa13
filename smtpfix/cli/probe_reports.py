"""The result of a probe as lines for people, `facts`, and as one JSON object, `as_object`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from smtpfix.probe.measurement import Connection, ProbeResult, Protocol
from smtpfix.safe_text import printable

IMPLICIT_TLS: Final = "--connection implicit-tls: a server that begins with TLS waits for its client"
"""What to try where a server does not greet."""
_UNTRUSTED: Final = (2, 18, 19, 20, 21)
"""OpenSSL's verify codes of chains that end in no authority that is trusted."""
_OTHER_NAME: Final = (62, 64)
"""Those of a certificate for another host name or IP address."""
_LINES_SHOWN: Final = 3
_SHOWN: Final = 300
"""Characters of a line of the last reply; `--json` has all of it."""


def as_object(result: ProbeResult) -> dict[str, object]:
    """Return what `--json` prints; never the password."""
    asked, certificate = result.probe, result.certificate
    return {
        "host": asked.host,
        "port": asked.port,
        "connection": str(asked.connection),
        "protocol": str(asked.protocol),
        "started": result.started.isoformat(),
        "reply_code": result.reply_code,
        "stage": result.stage or None,
        "error": result.error or None,
        "connection_ms": result.connection_ms,
        "tls_ms": result.tls_ms,
        "login_ms": result.login_ms,
        "transfer_ms": result.transfer_ms,
        "total_ms": result.total_ms,
        "greeting": result.greeting,
        "software": result.software,
        "server_id": dict(result.server_id),
        "extensions": list(result.extensions),
        "extensions_in_clear": list(result.extensions_in_clear),
        "tls_version": result.tls_version,
        "cipher": result.cipher,
        "certificate": None
        if certificate is None
        else {
            "verify_code": certificate.verify_code,
            "verify_error": certificate.verify_error or None,
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": certificate.names,
            "expires": None if certificate.expires is None else certificate.expires.isoformat(),
            "days_left": result.days_left,
        },
        "last_reply": [_shown(line) for line in result.last_reply],
        "logged_in": result.logged_in,
        "mechanism": result.mechanism or None,
        "sent": result.sent,
    }


def facts(result: ProbeResult) -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each line; a line without a label goes on with the one before."""
    for label, milliseconds in (
        ("Connection", result.connection_ms),
        ("TLS", result.tls_ms),
        ("Login", result.login_ms),
        ("Transfer", result.transfer_ms),
        ("Total", result.total_ms),
    ):
        if milliseconds is not None:
            yield label, f"{milliseconds:.1f} ms"
    if result.greeting:
        yield "Greeting", result.greeting
    if result.software or (result.greeting and result.probe.protocol == Protocol.SMTP):
        yield "Software", result.software or "not named"
    if result.server_id:
        yield "Server ID", ", ".join(f"{name} {value}" for name, value in result.server_id)
    if result.extensions_in_clear:
        yield "Offered in clear", ", ".join(result.extensions_in_clear)
    if result.extensions:
        yield "Offered", ", ".join(result.extensions)
    if result.tls_version:
        yield "TLS version", f"{result.tls_version}, {result.cipher}"
    if certificate := result.certificate:
        yield "Certificate", f"verify code {certificate.verify_code} ({certificate.verify_error or 'ok'})"
    if certificate and certificate.subject:
        yield "Names", certificate.names or certificate.subject
        yield "Issuer", certificate.issuer
        yield "Expires", "not known" if certificate.expires is None else _expiry(certificate.expires, result.days_left)
    if result.succeeded:
        nothing = "nothing sent" if result.probe.protocol == Protocol.SMTP else "not logged in"
        logged_in = f"logged in by {result.mechanism}"
        done = [name for name, so in ((logged_in, result.logged_in), ("sent", result.sent)) if so]
        yield "Reply code", f"0, {' and '.join(done) or nothing}"
    else:
        yield "Reply code", f"{result.reply_code}, at {result.stage}"
        yield "Error", result.error
        if (advice := what_to_try(result)) is not None:
            yield "Try", advice
        for number, line in enumerate(result.last_reply[:_LINES_SHOWN]):
            yield "" if number else "Last reply", _shown(line)[:_SHOWN]
        if (more := len(result.last_reply) - _LINES_SHOWN) > 0:
            yield "", f"and {more} more lines"


def what_to_try(result: ProbeResult) -> str | None:
    """Return what may help after a failure, where its kind says so."""
    begins_with_tls = result.probe.connection == Connection.IMPLICIT_TLS
    if result.certificate is not None and result.certificate.verify_code in _UNTRUSTED:
        return "--ca-file FILE, if you trust its authority: 'smtpfix serve' shows the file of its own"
    if result.certificate is not None and result.certificate.verify_code in _OTHER_NAME:
        return "--name NAME, if the certificate is for another name of this server"
    if result.stage == "greeting" and not begins_with_tls and not result.last_reply:
        return IMPLICIT_TLS
    if result.stage == "tls" and begins_with_tls and result.tls_version is None and result.certificate is None:
        return "--connection starttls, or plain: a server that speaks first has no TLS yet"
    return None


def _shown(line: bytes) -> str:
    return printable(line.removesuffix(b"\r\n"))


def _expiry(expires: datetime, days_left: int | None) -> str:
    return f"{expires:%Y-%m-%d %H:%M:%S} UTC, {days_left} days left"
