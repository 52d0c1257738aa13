"""What an issuer says about the revocation of its certificates: CRLs (RFC 5280 section 5) and OCSP (RFC 6960)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from smtpfix.errors import InvalidValueError

from . import der, keys
from .certificates import Issued

_DER: Final = serialization.Encoding.DER
_AGE: Final = timedelta(hours=1)
"""How long ago a statement was made, so that no client's clock is before it."""
_LIFE: Final = timedelta(days=7)
"""How long a statement holds."""
_MALFORMED: Final = ocsp.OCSPResponseStatus.MALFORMED_REQUEST
_REASON: Final = x509.ReasonFlags.key_compromise


class Ledger:
    """What one issuer knows of the certificates below it: which it has issued, and which of them are revoked."""

    def __init__(self, issuer: Issued, now: Callable[[], datetime]) -> None:
        self.issuer = issuer
        self._now = now
        self._lock = threading.Lock()
        self._revoked: dict[int, bool] = {}
        self._number = 0

    def add(self, issued: Issued, *, revoked: bool) -> None:
        """Take note of a certificate."""
        with self._lock:
            self._revoked[serial_number(issued)] = revoked

    def crl(self) -> bytes:
        """Return the CRL as of now, DER; each has a higher number (RFC 5280 section 5.2.3)."""
        with self._lock:
            self._number += 1
            number = self._number
            revoked = [serial for serial, is_revoked in self._revoked.items() if is_revoked]
        updated = self._now() - _AGE
        key = self.issuer.key
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.issuer.subject)
            .last_update(updated)
            .next_update(updated + _LIFE)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(updated)
            builder = builder.add_revoked_certificate(
                entry.add_extension(x509.CRLReason(_REASON), critical=False).build()
            )
        return builder.sign(key, keys.builder_hash(key, "sha256")).public_bytes(_DER)

    def answer(self, request: bytes) -> bytes:
        """Return the answer to an OCSP request, both DER; to one that makes no sense, the error that says so.

        A certificate of another issuer's, or one that was never issued, is ``unknown`` (RFC 6960 section 2.2).
        """
        try:
            asked = ocsp.load_der_ocsp_request(request)
            issuer = (asked.issuer_name_hash, asked.issuer_key_hash)
            serial, algorithm = asked.serial_number, asked.hash_algorithm
            nonces = [extension for extension in asked.extensions if extension.oid == x509.OCSPNonce.oid]
            is_own = issuer == _issuer_hashes(self.issuer, algorithm)
            with self._lock:
                revoked = self._revoked.get(serial) if is_own else None
            builder = _response(self.issuer, self._now(), serial, revoked, algorithm, issuer)
            for nonce in nonces:  # returned as it came, RFC 9654 section 2.1
                builder = builder.add_extension(nonce.value, critical=False)
            return _signed(builder, self.issuer.key)
        except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm):  # also for negative serial numbers
            return ocsp.OCSPResponseBuilder.build_unsuccessful(_MALFORMED).public_bytes(_DER)


def staple(leaf: Issued, issuer: Issued, now: datetime, *, revoked: bool) -> bytes:
    """Return the OCSP response that a server staples, DER, signed by the leaf's issuer (RFC 6960 section 4.2.2.2).

    Raises `InvalidValueError` for a leaf that no response can name.
    """
    serial = serial_number(leaf)
    if serial < 0:
        raise InvalidValueError("the leaf's serial number", serial, "one from 0 up where there is a staple")
    algorithm = hashes.SHA1()  # noqa: S303 - as every client asks it: the hash names the issuer and protects nothing
    issuer_hashes = _issuer_hashes(issuer, algorithm)
    return _signed(_response(issuer, now, serial, revoked, algorithm, issuer_hashes), issuer.key)


def serial_number(issued: Issued) -> int:
    """Return a serial number, also of a certificate that cryptography does not read."""
    parts = der.sequence(der.tbs_certificate(issued.octets))
    place = 1 if parts[0].tag == der.VERSION else 0
    return int.from_bytes(parts[place].content, "big", signed=True)


def _issuer_hashes(issuer: Issued, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """Return the hashes of the issuer's name and key that a CertID has (RFC 6960 section 4.1.1)."""
    public = issuer.key.public_key().public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = der.sequence(public)[1].content[1:]  # the BIT STRING without its count of unused bits
    return _hash(issuer.subject.public_bytes(), algorithm), _hash(key, algorithm)


def _hash(octets: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(octets)
    return digest.finalize()


def _response(
    issuer: Issued,
    now: datetime,
    serial: int,
    revoked: bool | None,  # noqa: FBT001 - private; None is unknown
    algorithm: hashes.HashAlgorithm,
    issuer_hashes: tuple[bytes, bytes],
) -> ocsp.OCSPResponseBuilder:
    updated = now - _AGE
    status = ocsp.OCSPCertStatus
    return (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            *issuer_hashes,
            serial,
            algorithm,
            status.UNKNOWN if revoked is None else status.REVOKED if revoked else status.GOOD,
            updated,
            updated + _LIFE,
            updated if revoked else None,
            _REASON if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    )


def _signed(builder: ocsp.OCSPResponseBuilder, key: keys.PrivateKey) -> bytes:
    return builder.sign(key, keys.builder_hash(key, "sha256")).public_bytes(_DER)
