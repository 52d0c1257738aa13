"""The channel binding ``tls-server-end-point`` (RFC 5929 section 4): a hash of the server's certificate."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm


def end_point(certificate: bytes) -> bytes | None:
    """Return the binding of a DER certificate; None where its signature has no hash of its own, as Ed25519's.

    The hash is the signature's, and SHA-256 in the place of MD5 and SHA-1 (RFC 5929 section 4.1).
    """
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return None
    if algorithm is None:
        return None
    name = algorithm.name.replace("-", "_")
    return hashlib.new("sha256" if name in ("md5", "sha1") else name, certificate).digest()
