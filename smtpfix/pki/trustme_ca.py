"""`TrustmeCA`: authorities by trustme, and the profiles that it supports. Only this imports trustme."""

from __future__ import annotations

import ssl
from collections.abc import Hashable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from smtpfix.policy.certificate_profile import CertificateProfile
from smtpfix.policy.good_chain import KEY_TYPES

from . import keys, names
from .certificates import Issued

_KEYS: Final = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)
"""What trustme signs with."""
_KEY_TYPES: Final = {key: key_type for key_type, key in KEY_TYPES.items()}
_PLAIN: Final = CertificateProfile.plain_ca("as trustme makes them")
_TOLD: Final = {"where", "key", "path_length", "impersonates"}
"""Fields of a profile that trustme can be told, the last one by its name; all others have to be a plain CA's."""
_BESIDE: Final = _TOLD | {"common_name", "signature", "not_before", "not_after"}
"""Fields in which an authority may differ whose key trustme signs with: it asks for a name and a key identifier."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TrustmeCA(Issued):
    """An authority that trustme can sign with: one that it has made, or one that it has read."""

    ca: trustme.CA = field(repr=False, compare=False)

    @classmethod
    def of(cls, ca: trustme.CA, issuer: Issued | None = None) -> TrustmeCA:
        """Return an authority of trustme's, which `issuer` has signed."""
        pem = ca.cert_pem.bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        # It was made a moment ago or checked when it was read; checking an RSA key takes longer than all the rest.
        key: Any = load_pem_private_key(ca.private_key_pem.bytes(), None, unsafe_skip_rsa_key_validation=True)
        ends = certificate.not_valid_after_utc
        until = ends if issuer is None else min(ends, issuer.until)
        return cls(ssl.PEM_cert_to_DER_cert(pem.decode("ascii")), key, certificate.subject, until, ca)

    @classmethod
    def read(cls, certificate: bytes, key: bytes, issuer: Issued | None = None) -> TrustmeCA:
        """Read an authority back, which `issuer` has signed, or itself.

        Raises `ValueError`, and whatever else trustme and cryptography raise, for what trustme cannot sign with.
        """
        found = cls.of(trustme.CA.from_pem(certificate, key), issuer)
        if not isinstance(found.key, _KEYS):
            raise ValueError("the key is neither an ECDSA nor an RSA one")  # noqa: TRY004 - a file's content
        loaded = found.certificate
        if loaded.public_key() != found.key.public_key():
            raise ValueError("the key is not the certificate's")
        loaded.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        loaded.verify_directly_issued_by((issuer or found).certificate)
        return found

    @property
    def key_type(self) -> str:
        """One of `KEY_TYPES`."""
        return "rsa" if isinstance(self.key, rsa.RSAPrivateKey) else "ecdsa"

    def client_certificate(self, name: str, not_before: datetime, not_after: datetime) -> tuple[bytes, bytes]:
        """Issue a certificate for a client; return it with this authority's own after it, and its key, both PEM."""
        leaf = self.ca.issue_cert(
            name,
            common_name=name,
            organization_name=names.ORGANIZATION,
            not_before=not_before,
            not_after=not_after,
            key_type=trustme.KeyType[self.key_type.upper()],
        )
        return leaf.cert_chain_pems[0].bytes() + self.pem.encode(), leaf.private_key_pem.bytes()


class Trustme:
    """Makes authorities, and keeps what it has made: RSA keys are costly, and trustme takes none from elsewhere."""

    def __init__(self) -> None:
        self._made: dict[Hashable, TrustmeCA] = {}

    def make(self, profile: CertificateProfile, issuer: Issued | None, subject: x509.Name) -> TrustmeCA | None:
        """Return the authority of a profile; None where trustme cannot say what the profile says.

        One without an issuer signs itself. Dates, extensions and names have to be those that trustme gives.
        """
        if profile.key is None or profile.path_length is None or profile.key not in _KEY_TYPES:
            return None
        if not (issuer is None or isinstance(issuer, TrustmeCA)):
            return None
        if not _differences(profile) <= _TOLD or not _can_name(subject):
            return None
        wanted = (profile.key, profile.path_length, issuer and issuer.octets, subject)
        if wanted not in self._made:
            organization, unit = (str(attribute.value) for attribute in subject)
            key_type = _KEY_TYPES[profile.key]
            self._made[wanted] = make(issuer, unit, organization, key_type=key_type, path_length=profile.path_length)
        return self._made[wanted]


def make(
    issuer: TrustmeCA | None, unit: str, organization: str = names.ORGANIZATION, *, key_type: str, path_length: int
) -> TrustmeCA:
    """Return a new authority; without an issuer, it signs itself. `key_type` is one of `KEY_TYPES`."""
    ca = trustme.CA(
        issuer.ca if issuer is not None else None,
        path_length=path_length,
        organization_name=organization,
        organization_unit_name=unit,
        key_type=trustme.KeyType[key_type.upper()],
    )
    return TrustmeCA.of(ca, issuer)


def signer(profile: CertificateProfile, issued: Issued) -> Issued:
    """Return an authority of our builder's as trustme's where trustme can sign with it, and as it is where not."""
    if profile.key == "rsa512" or not isinstance(issued.key, _KEYS):  # a key that small is not read back
        return issued
    if not _differences(profile) <= _BESIDE:
        return issued
    ca = trustme.CA.from_pem(issued.pem.encode(), keys.pem(issued.key))
    return TrustmeCA(issued.octets, issued.key, issued.subject, issued.until, ca)


def _can_name(subject: x509.Name) -> bool:
    """Return whether trustme gives an authority this very name, octet by octet."""
    if [one.oid for one in subject] != [NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME]:
        return False
    organization, unit = (str(attribute.value) for attribute in subject)
    return subject.public_bytes() == names.authority(unit, organization).public_bytes()


def _differences(profile: CertificateProfile) -> set[str]:
    """Return the names of the fields in which a profile is not as a plain CA's."""
    return {one.name for one in fields(profile) if getattr(profile, one.name) != getattr(_PLAIN, one.name)}
