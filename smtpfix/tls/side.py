"""TLS on the server's side of one connection: what every stack does (`TLSSide`), and Python's own stack (`TLS`).

Bytes in, bytes out, no sockets. asyncio's own TLS hides failed handshakes and drops the server's last alert; here
every alert is seen and sent.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from abc import ABC, abstractmethod
from typing import Any, Final
from weakref import ref

from smtpfix.tls.facts import ALERT_NAMES, Alert, Alerts, TLSFailure, TLSInfo

from .client_hello import ClientHello, asked_name, hello_octets, parse_client_hello

_ALERT: Final = 21  # content type, RFC 8446 section 5.1
_CERTIFICATE: Final = 11  # handshake type, RFC 8446 section 4
_FATAL: Final = 2  # alert level, RFC 8446 section 6
_HELLO_LIMIT: Final = 65_536
"""Octets of a client's first flight that are kept for reading its ClientHello."""

_CLIENT_ALERT: Final = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_ALERT_(\w+)\Z")
"""How OpenSSL names an alert it was sent, for Pythons without a message callback."""

_CERTIFICATE_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class HandshakeFailedError(Exception):
    """The handshake is over without TLS; `failure` says why."""

    def __init__(self, failure: TLSFailure, *, clear_text: bool) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.clear_text = clear_text


def watch(context: ssl.SSLContext) -> None:
    """Make a server context tell its connections of every alert and client certificate it sees.

    ``_msg_callback`` is private but the same in all Pythons since 3.8; it is set below `ssl`'s own property, which
    would look up three enumerations for every record. Without it, only the alert that ends a handshake is known.
    """
    if hasattr(context, "_msg_callback"):
        super(ssl.SSLContext, ssl.SSLContext)._msg_callback.__set__(context, _message_seen)  # type: ignore[misc]


def _message_seen(
    connection: Any, direction: str, version: int, content_type: int, message_type: int, data: bytes
) -> None:
    """Tell a connection what is its business, which few messages are: there are dozens in a session."""
    if content_type != _ALERT and (message_type != _CERTIFICATE or direction != "read"):
        return
    known = getattr(connection, "owner", None)  # contexts are shared: this is how a message finds its connection
    owner = None if known is None else known()
    if owner is None:
        return
    if content_type == _ALERT:
        owner.alert_seen("client" if direction == "read" else "server", data[0], data[1])
    else:
        owner.certificate_seen(version, data)


class TLSSide(ABC):
    """One connection's TLS, by whichever stack: what `channel` and `conversation` ask of it."""

    def __init__(self) -> None:
        self._first_flight = bytearray()
        self.established = False
        """Whether the handshake is complete."""
        self.alerts = Alerts()
        """The alerts that were seen, in both directions, in order."""

    # Bytes

    @abstractmethod
    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what came from the network."""

    @abstractmethod
    def to_send(self) -> bytes:
        """Return what has to go to the network, also after a failure: the alert."""

    @abstractmethod
    def handshake(self) -> bool:
        """Go on with the handshake; return whether it is complete. Raises `HandshakeFailedError`."""

    @abstractmethod
    def read_into(self, buffer: bytearray) -> bool:
        """Append decrypted octets to the buffer; return False once the client has said close_notify.

        Raises `ssl.SSLError`, whatever the stack, when the stream is broken.
        """

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Encrypt; `to_send` has the result. Raises `ssl.SSLError`, whatever the stack, when the stream is broken."""

    @abstractmethod
    def close(self) -> None:
        """Say close_notify (RFC 8446 section 6.1); `to_send` has it."""

    def release(self) -> None:  # noqa: B027 - not every stack holds that much
        """Let go of what only a connection needs that is there; what has become known stays."""

    # What has become known

    @abstractmethod
    def info(self, started_by: str) -> TLSInfo:
        """Return the completed handshake as a value."""

    @property
    def server_certificate(self) -> bytes | None:
        """The certificate that the server showed on this connection, DER."""
        return None

    def channel_binding(self, name: str) -> bytes | None:
        """Return this connection's channel binding of a name (RFC 5929); None where there is none.

        There is no ``tls-exporter`` (RFC 9266): Python's `ssl` does not export keying material.
        """
        certificate = self.server_certificate if name == "tls-server-end-point" else None
        if certificate is None:
            return None
        from .binding import end_point  # noqa: PLC0415 - few clients bind

        return end_point(certificate)

    @property
    def client_hello(self) -> ClientHello | None:
        """What the client offered."""
        return parse_client_hello(bytes(self._first_flight))

    @property
    def hello_octets(self) -> bytes:
        """What the client offered, not looked at yet."""
        return hello_octets(self._first_flight)

    @property
    def asked_name(self) -> str | None:
        """The server name that the client asked for."""
        return asked_name(self._first_flight)

    @property
    def first_octets(self) -> bytes:
        """What came first, for showing what it was if not TLS."""
        return bytes(self._first_flight)

    def broken_off(self, reason: str) -> TLSFailure:
        """Return why the handshake failed when it was not the TLS stack that ended it."""
        alert = self._last_alert()
        if alert is not None and alert.sender == "client":
            reason = f"TLS handshake ended by the client, alert {alert.name}"
        return TLSFailure(
            reason=reason,
            alert=alert.name if alert else None,
            alert_sender=alert.sender if alert else None,
            openssl_reason=None,
        )

    # For the stacks

    def alert_seen(self, sender: str, level: int, description: int) -> None:
        """Take note of an alert: its sender, ``client`` or ``server``, and its two octets."""
        name = ALERT_NAMES.get(description, f"unknown_{description}")
        self.alerts.append(Alert(sender, name, level == _FATAL))

    def _keep(self, data: bytes | bytearray | memoryview) -> None:
        """Keep what came first."""
        if not self.established and (room := _HELLO_LIMIT - len(self._first_flight)) > 0:
            self._first_flight += data[:room]

    @property
    def _is_clear_text(self) -> bool:
        """Whether what came first cannot be TLS."""
        return bool(self._first_flight) and not _may_be_tls(self._first_flight)

    def _last_alert(self) -> Alert | None:
        return self.alerts[-1] if self.alerts else None

    def _failed(self, why: str, *, code: str | None, certificate: bytes | None) -> HandshakeFailedError:
        """Return the error of a handshake that the stack ended, in whose words `why` is."""
        alert = self._last_alert()
        if self._is_clear_text:
            reason = "the client sent clear text where TLS has to begin"
        elif alert is not None and alert.sender == "client":
            reason = f"TLS handshake refused by the client, alert {alert.name}"
        else:
            sent = f", alert {alert.name}" if alert else ""
            reason = f"TLS handshake refused by the server{sent}: {why}"
        failure = TLSFailure(
            reason=reason,
            alert=alert.name if alert else None,
            alert_sender=alert.sender if alert else None,
            openssl_reason=code,
            rejected_certificate=certificate,
        )
        return HandshakeFailedError(failure, clear_text=self._is_clear_text)


class TLS(TLSSide):
    """One connection's TLS by Python's `ssl`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._object.owner = ref(self)  # type: ignore[attr-defined]
        self._certificate: bytes | None = None

    def certificate_seen(self, version: int, message: bytes) -> None:
        """Take note of the client's certificate, before OpenSSL decides on it."""
        position = 4  # handshake type and length
        if version >= ssl.TLSVersion.TLSv1_3:
            # The request context, RFC 8446 section 4.4.2; OpenSSL has not checked yet that there is one.
            position += 1 + int.from_bytes(message[position : position + 1], "big")
        position += 3  # length of the list
        length = int.from_bytes(message[position : position + 3], "big")
        self._certificate = bytes(message[position + 3 : position + 3 + length]) or None

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what came from the network."""
        if not self.established:
            self._keep(data)
        self._incoming.write(data)

    def to_send(self) -> bytes:
        """Return what has to go to the network, also after a failure: the alert."""
        return self._outgoing.read()

    def handshake(self) -> bool:
        """Go on with the handshake; return whether it is complete. Raises `HandshakeFailedError`."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            if not self.alerts and (match := _CLIENT_ALERT.match(error.reason or "")):
                self.alerts.append(Alert("client", match[1].lower(), is_fatal=True))
            why = getattr(error, "verify_message", None) or (error.reason or str(error)).replace("_", " ").lower()
            raise self._failed(why, code=error.reason, certificate=self._certificate) from error
        self.established = True
        return True

    def read_into(self, buffer: bytearray) -> bool:
        """Append decrypted octets to the buffer; return False once the client has said close_notify.

        Raises `ssl.SSLError` when the stream is broken.
        """
        incoming, read = self._incoming, self._object.read
        try:
            while incoming.pending:  # OpenSSL takes no more than it gives: asking in vain would cost an exception
                if not (data := read(65_536)):
                    return False
                buffer += data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            return False
        return True

    def write(self, data: bytes) -> None:
        """Encrypt; `to_send` has the result. Raises `ssl.SSLError` when the stream is broken."""
        self._object.write(data)

    def close(self) -> None:
        """Say close_notify (RFC 8446 section 6.1); `to_send` has it."""
        with contextlib.suppress(ssl.SSLError):  # the client's own close_notify is not waited for
            self._object.unwrap()

    def release(self) -> None:
        """Let go of OpenSSL's state, tens of KiB, which would wait for a garbage collection otherwise."""
        del self._object, self._incoming, self._outgoing

    @property
    def server_certificate(self) -> bytes | None:
        """The certificate that the server showed on this connection, DER."""
        chain = getattr(self._object.context, "chain_pem", b"").decode("ascii", "replace")
        first = _CERTIFICATE_PEM.search(chain)
        return ssl.PEM_cert_to_DER_cert(first[0]) if first else None

    def channel_binding(self, name: str) -> bytes | None:
        """Return this connection's channel binding of a name; ``tls-unique`` is one below TLS 1.3 only (RFC 9266)."""
        if name == "tls-unique" and self._object.version() != "TLSv1.3":
            return self._object.get_channel_binding(name)
        return super().channel_binding(name)

    def info(self, started_by: str) -> TLSInfo:
        """Return the completed handshake as a value."""
        cipher, _, bits = self._object.cipher() or ("", "", 0)
        certificate = self._object.getpeercert(binary_form=True)
        return TLSInfo(
            version=self._object.version() or "",
            cipher=cipher,
            cipher_bits=bits,
            server_name=self.asked_name,
            alpn=self._object.selected_alpn_protocol(),
            resumed=bool(self._object.session_reused),
            client_certificate=certificate,
            client_name=_subject(self._object.getpeercert()) if certificate else None,
            started_by=started_by,
        )


def _may_be_tls(first: bytes | bytearray) -> bool:
    """Return whether the first octets are a TLS record (RFC 8446 section 5.1), or an SSL 2.0 ClientHello."""
    return 20 <= first[0] <= 23 or first[0] >= 0x80  # noqa: PLR2004 - no text begins with any of these


def _subject(certificate: Any) -> str | None:
    """Return a verified certificate's subject in one line; None where Python does not decode it."""
    pairs = [pair for name in (certificate or {}).get("subject", ()) for pair in name]
    return ", ".join(f"{key}={value}" for key, value in pairs) or None
