"""The facts of a TLS handshake: `TLSInfo` if it completed, `TLSFailure` if it failed, and each `Alert`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from smtpfix.bounded import Bounded
from smtpfix.comparing import Compared

ALERT_NAMES: Final = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
"""IANA's TLS alerts: RFC 8446 section 6, and those of earlier versions that clients still send."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Alert(Compared):
    """A TLS alert (RFC 8446 section 6)."""

    sender: str
    """The side that sent it: ``client`` or ``server``."""
    name: str
    """Its standard name, such as ``unknown_ca``."""
    is_fatal: bool
    """Whether it is an error; False for closure and warning alerts."""

    def __str__(self) -> str:
        return f"{'fatal ' if self.is_fatal else ''}alert {self.name} from the {self.sender}"


class Alerts(Bounded[Alert]):
    """The alerts of a connection; a client may send warnings without end."""

    most = 100

    @staticmethod
    def kind(item: Alert) -> tuple[str, bool]:
        """Return who sent it, and whether it ended something."""
        return item.sender, item.is_fatal


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TLSInfo(Compared):
    """A completed TLS handshake."""

    version: str
    """The negotiated version, such as ``TLSv1.2``."""
    cipher: str
    """The negotiated cipher suite, by its OpenSSL name."""
    cipher_bits: int
    """The strength of the cipher in bits."""
    server_name: str | None
    """The server name that the client asked for (SNI, RFC 6066 section 3)."""
    alpn: str | None
    """The negotiated ALPN protocol (RFC 7301)."""
    resumed: bool
    """Whether the client resumed an earlier TLS session."""
    client_certificate: bytes | None = field(repr=False)
    """The client's certificate, DER; None if it sent none."""
    client_name: str | None
    """The subject of the client's certificate, as ``commonName=ann, …``."""
    started_by: str
    """``connect`` for implicit TLS, ``STARTTLS`` otherwise."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TLSFailure(Compared):
    """A TLS handshake that failed, and the reason."""

    reason: str
    """The reason, in one sentence."""
    alert: str | None
    """The name of the fatal alert that ended it, such as ``unknown_ca``; None without an alert."""
    alert_sender: str | None
    """The side that sent the alert: ``client`` if the client refused the server, ``server`` in the opposite case."""
    openssl_reason: str | None
    """OpenSSL's own reason code, such as ``NO_SHARED_CIPHER``."""
    rejected_certificate: bytes | None = field(default=None, repr=False)
    """The client certificate that the server refused, DER."""

    def __str__(self) -> str:
        return self.reason
