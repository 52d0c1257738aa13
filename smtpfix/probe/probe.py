"""Measures any SMTP server as a monitoring job does: what it says, how long it takes, what its certificate is.

`probe` opens a session, begins TLS, may log in and may send one message. It is a client, and knows no server of ours.
"""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.safe_text import printable

from .measurement import INTERNAL_ERROR, OK, Certificate, Connection, Probe, ProbeResult
from .speaking import Deadline, Speaker, Stopped

_READY: Final = 220
_DONE: Final = 2
"""The first digit of a positive completion (RFC 5321 section 4.2.1)."""
_REFUSED: Final = 5
"""The first digit of a permanent negative completion."""
_ERROR_SHOWN: Final = 500


def probe(settings: Probe) -> ProbeResult:
    """Measure a server; what goes wrong there is in the result. Raises `InvalidValueError` for an unusable CA file."""
    deadline = Deadline(settings.deadline)
    if settings.connection is Connection.PLAIN:
        return _Session(settings, deadline).run()
    result = _Session(settings, deadline, _verifying(settings)).run()
    if result.certificate is None or result.certificate.verify_code == 0:
        return result
    # A handshake that was broken off shows no certificate: look again, and go on only where that was asked for.
    again = _Session(settings, deadline, _unverified(), result.certificate).run(goes_on=not settings.verify)
    if not settings.verify:
        return again
    if again.tls_version is None:
        return result
    return replace(result, certificate=again.certificate, tls_version=again.tls_version, cipher=again.cipher)


class _Session:
    """One connection, and what was found on it."""

    def __init__(
        self,
        settings: Probe,
        deadline: Deadline,
        context: ssl.SSLContext | None = None,
        rejected: Certificate | None = None,
    ) -> None:
        self._settings = settings
        self._deadline = deadline
        self._context = context
        self._rejected = rejected
        """What OpenSSL made of the certificate before."""
        self._client: Speaker | None = None
        self._stage = "connect"
        self._found: dict[str, Any] = {}

    def run(self, *, goes_on: bool = True) -> ProbeResult:
        """Open a session; with `goes_on`, also log in and send, as far as the settings say so."""
        started, code, text = datetime.now(UTC), OK, ""
        try:
            client = self._open()
            if goes_on:
                self._use(client)
            self._stage = ""
        except ssl.SSLCertVerificationError as error:
            self._found["certificate"] = Certificate(error.verify_code, error.verify_message)
            code, text = INTERNAL_ERROR, f"the certificate is not trusted: {error.verify_message}"
        except smtplib.SMTPRecipientsRefused as error:
            code, reply = next(iter(error.recipients.values()))
            text = f"{code} {_text(reply)}"
        except smtplib.SMTPResponseException as error:
            code, text = error.smtp_code, f"{error.smtp_code} {_text(error.smtp_error)}"
        except Stopped as error:
            code, text = error.reply_code, str(error)
        except (OSError, smtplib.SMTPException, ValueError) as error:  # ValueError: of codecs, names and headers
            text = self._deadline.text if self._deadline.has_passed else f"{type(error).__name__}: {error}"
            code = INTERNAL_ERROR
        finally:
            self._found["last_reply"] = tuple(self._client.last_reply) if self._client is not None else ()
            self._close(politely=code != INTERNAL_ERROR)
        return ProbeResult(self._settings, started, code, self._stage, printable(text)[:_ERROR_SHOWN], **self._found)

    # The stages

    def _open(self) -> Speaker:
        """Connect and begin TLS, up to the last reply to EHLO; return what speaks."""
        settings = self._settings
        with self._timed("connection_ms"):
            connected = self._connected()
        # Named by its address, so that nothing has to be looked up (RFC 5321 section 4.1.3).
        name = _literal(connected.getsockname()[0])
        client = self._client = Speaker(connected, name, settings.timeout, self._deadline)
        if settings.connection is Connection.IMPLICIT_TLS:
            self._begin_tls(client)
        self._stage = "greeting"
        with self._timed("connection_ms"):
            code, greeting = client.getreply()
        if code != _READY:
            raise Stopped(code, f"{code} {_text(greeting)}")
        self._found["greeting"] = _text(greeting)
        self._found["software"] = _software(_text(greeting.partition(b"\n")[0]))
        if settings.connection is Connection.STARTTLS:
            self._hello(client, "extensions_in_clear")
            self._stage = "starttls"
            if not client.has_extn("starttls"):
                raise Stopped(INTERNAL_ERROR, "the server does not offer STARTTLS")
            code, reply = client.docmd("STARTTLS")
            if code != _READY:
                raise Stopped(code, f"{code} {_text(reply)}")
            self._begin_tls(client)
        self._hello(client, "extensions")
        return client

    def _connected(self) -> socket.socket:
        """Return a socket that is connected to one of the addresses of the server's name."""
        error: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self._settings.host, self._settings.port, type=socket.SOCK_STREAM
        ):
            timeout = self._deadline.left(self._settings.timeout)
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(timeout)
                connection.connect(address)
            except OSError as failure:
                connection.close()
                error = failure
            else:
                return connection
        raise error

    def _begin_tls(self, client: Speaker) -> None:
        """Shake hands, and forget what the server said in clear."""
        self._stage = "tls"
        if self._context is None:  # pragma: no cover - for type checkers
            raise AssertionError("there is a context")
        with self._timed("tls_ms"):
            secured = self._context.wrap_socket(client.waits(), server_hostname=self._settings.host)
        client.secured(secured)
        self._found["tls_version"] = secured.version()
        self._found["cipher"] = (secured.cipher() or ("",))[0]
        verdict = self._rejected or Certificate(0, "")
        self._found["certificate"] = _described(secured.getpeercert(binary_form=True) or b"", verdict)

    def _hello(self, client: Speaker, field_name: str) -> None:
        self._stage = "ehlo"
        code, reply = client.ehlo()
        if code // 100 == _REFUSED:  # a server that does not know EHLO is greeted with HELO (RFC 5321 section 3.2)
            code, reply = client.helo()
        if code // 100 != _DONE:
            raise Stopped(code, f"{code} {_text(reply)}")
        lines = (client.ehlo_resp or b"").split(b"\n")[1:]
        self._found[field_name] = tuple(map(_text, lines))

    def _use(self, client: Speaker) -> None:
        """Log in and send, as far as the settings say so."""
        settings = self._settings
        if settings.user and settings.password is not None:
            self._stage = "login"
            with self._timed("login_ms"):
                client.login(settings.user, settings.password)
            self._found["logged_in"] = True
        if settings.recipient and settings.sender:
            self._stage = "transfer"
            octets = _message(settings)
            with self._timed("transfer_ms"):
                client.sendmail(settings.sender, [settings.recipient], octets)
            self._found["sent"] = True

    # Underneath

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Add what something takes, also when it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._found[name] = self._found.get(name, 0.0) + (time.perf_counter() - start) * 1000

    def _close(self, *, politely: bool) -> None:
        if self._client is None:
            return
        if politely:
            with contextlib.suppress(OSError, smtplib.SMTPException, ValueError):
                self._client.quit()
        self._client.close()


def _verifying(settings: Probe) -> ssl.SSLContext:
    if settings.ca_file is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(settings.ca_file)
    except OSError as error:
        raise InvalidValueError("Probe.ca_file", str(settings.ca_file), "a file with certificates, PEM") from error
    return context


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _described(certificate: bytes, verdict: Certificate) -> Certificate:
    from smtpfix.pki import decode  # noqa: PLC0415 - nothing else here needs it

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


def _message(settings: Probe) -> bytes:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = settings.sender, settings.recipient, settings.subject
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="probe.invalid")
    mail.set_content(settings.text, subtype="html")
    return bytes(mail)


def _literal(address: str) -> str:
    """Return an address as a literal (RFC 5321 section 4.1.3)."""
    address = address.partition("%")[0]  # the zone is this machine's own
    return f"[IPv6:{address}]" if ipaddress.ip_address(address).version == 6 else f"[{address}]"  # noqa: PLR2004


def _software(greeting: str) -> str:
    """Return what a greeting says after the server's name and the protocol's."""
    words = greeting.split()[1:]
    return " ".join(words[1:] if words and words[0].upper() in ("SMTP", "ESMTP") else words)


def _text(octets: bytes | str) -> str:
    return printable(octets)
