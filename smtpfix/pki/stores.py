"""Certificates and keys in PKCS#12 files (RFC 7292): key stores, and trust stores for Java and devices."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from .certificates import Issued

if TYPE_CHECKING:
    from .chains import Chain

ROOT_PASSWORD: Final = "smtpfix"  # noqa: S105 - what it opens is public
"""Password of the PKCS#12 file with an authority's root: such files have to have one."""


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
    return _trust_store(_load(trusted), password, name)


def _trust_store(trusted: x509.Certificate, password: str, name: str) -> bytes:
    certificate = pkcs12.PKCS12Certificate(trusted, name.encode())
    return pkcs12.serialize_java_truststore([certificate], BestAvailableEncryption(password.encode()))


def client_store(chain: bytes, key: bytes, password: str, name: str) -> bytes:
    """Return a PKCS#12 file with a client's certificate, what stands above it, and its key, of these PEM texts."""
    leaf, *above = x509.load_pem_x509_certificates(chain)
    private: Any = load_pem_private_key(key, None)
    encryption = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(name.encode(), private, leaf, above, encryption)


def root_store(root: Issued) -> bytes:
    """Return a PKCS#12 file with an authority's root, for devices that take no PEM."""
    return trust_store(root, ROOT_PASSWORD, "smtpfix root")


def public_store(pem: str) -> bytes:
    """Return a PKCS#12 file as `root_store` does, with a certificate given as PEM."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _trust_store(x509.load_pem_x509_certificate(pem.encode()), ROOT_PASSWORD, "smtpfix root")


def _load(issued: Issued) -> x509.Certificate:
    with warnings.catch_warnings():  # serial numbers that are not positive are what some scenarios are about
        warnings.simplefilter("ignore")
        return issued.certificate
