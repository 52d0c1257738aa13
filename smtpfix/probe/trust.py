"""Which certificates the probe trusts, and what it reports about one."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import replace
from datetime import UTC, datetime

from smtpfix.errors import InvalidValueError
from smtpfix.pki import decode

from .measurement import Certificate, Probe


def verifying(settings: Probe) -> ssl.SSLContext:
    """Return a context that trusts the settings' file, or what the system does. Raises `InvalidValueError`."""
    if settings.ca_file is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(settings.ca_file)
    except OSError as error:
        raise InvalidValueError("Probe.ca_file", str(settings.ca_file), "a file with certificates, PEM") from error
    return context


def unverified() -> ssl.SSLContext:
    """Return a context that takes any certificate, to look at it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def described(certificate: bytes, verdict: Certificate) -> Certificate:
    """Return what a certificate, DER, says of itself, beside what OpenSSL made of it."""
    lines = list(decode.lines(certificate))
    facts = dict(line.partition(": ")[::2] for line in lines)
    names = [lines[number + 1].strip() for number, line in enumerate(lines) if "Subject Alternative Name" in line]
    expires = None
    with contextlib.suppress(KeyError, ValueError):
        expires = datetime.strptime(facts["Not After"], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    return replace(
        verdict,
        subject=facts.get("Subject", ""),
        issuer=facts.get("Issuer", ""),
        names=", ".join(names),
        expires=expires,
    )
