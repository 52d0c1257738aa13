"""Certificates and keys in PKCS#12 files (RFC 7292): a server's key store, and a trust store that Java reads."""

from __future__ import annotations

import warnings
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from .certificates import Issued
from .chains import Chain


def key_store(chain: Chain, password: str, name: str) -> bytes:
    """Return a PKCS#12 file with the leaf's key and everything that the server sends; `name` is its friendly name.

    Raises `ValueError` for a certificate that cryptography cannot read.
    """
    certificates = [_load(issued) for issued in chain.sent]
    leaf = chain.sent.index(chain.leaf)
    others = certificates[:leaf] + certificates[leaf + 1 :]
    key: Any = chain.leaf.key  # all kinds are taken, though not all are in the annotation of every version
    return pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificates[leaf], others, BestAvailableEncryption(password.encode())
    )


def trust_store(trusted: Issued, password: str, name: str) -> bytes:
    """Return a PKCS#12 file with one certificate that Java trusts; `name` is its alias.

    Java takes only certificates with Oracle's attribute trustedKeyUsage (https://bugs.openjdk.org/browse/JDK-8006591).
    Raises `ValueError` for a certificate that cryptography cannot read.
    """
    certificate = pkcs12.PKCS12Certificate(_load(trusted), name.encode())
    return pkcs12.serialize_java_truststore([certificate], BestAvailableEncryption(password.encode()))


def _load(issued: Issued) -> x509.Certificate:
    with warnings.catch_warnings():  # serial numbers that are not positive are what some scenarios are about
        warnings.simplefilter("ignore")
        return issued.certificate
