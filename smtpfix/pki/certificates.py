"""One certificate from a `CertificateProfile`: with cryptography's builder, or re-signed where that refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID

from smtpfix.comparing import Compared
from smtpfix.errors import InvalidValueError
from smtpfix.policy.certificate_profile import KEY_USAGES, CertificateProfile
from smtpfix.policy.good_chain import CA_DAYS, LEAF_DAYS, day

from . import der, keys, names

_PURPOSES: Final = {
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
_UNKNOWN: Final = x509.ObjectIdentifier("1.3.6.1.4.1.32473.1")
"""An extension nobody knows, below the enterprise number that RFC 5612 keeps for examples."""
_SAN: Final = bytes.fromhex("0603551d11")
"""The object identifier of subjectAltName, as an element."""

_ALGORITHMS: Final = {
    ("rsa", "sha1"): bytes.fromhex("300d06092a864886f70d0101050500"),
    ("rsa", "md5"): bytes.fromhex("300d06092a864886f70d0101040500"),
    ("ec", "sha1"): bytes.fromhex("300906072a8648ce3d0401"),
}
"""AlgorithmIdentifiers (RFC 3279 section 2.2) of the signatures that the builder refuses to make."""


class Revocation(NamedTuple):
    """Where a certificate's issuer says what is revoked: URLs of the CRL, the OCSP responder and the issuer."""

    crl: str
    ocsp: str
    issuer: str


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Issued(Compared):
    """A certificate with its private key."""

    octets: bytes
    """The certificate, DER."""
    key: keys.PrivateKey
    subject: x509.Name
    until: datetime
    """When it ends, or what stands above it if that is earlier."""

    @property
    def pem(self) -> str:
        """The certificate, PEM."""
        return to_pem(self.octets)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate as cryptography sees it. Raises `ValueError` for what it cannot read."""
        return x509.load_der_x509_certificate(self.octets)


def to_pem(octets: bytes) -> str:
    """Return a certificate's octets as PEM."""
    import ssl  # noqa: PLC0415 - imported by whoever uses TLS anyway

    return ssl.DER_cert_to_PEM_cert(octets)


def issue(
    profile: CertificateProfile,
    issuer: Issued | None,
    *,
    key: keys.PrivateKey,
    subject: x509.Name,
    alternative_names: list[str],
    now: datetime,
    revocation: Revocation | None = None,
) -> Issued:
    """Issue a certificate; without an issuer, it signs itself."""
    signer = issuer.key if issuer is not None else key
    not_before, not_after = _validity(profile, issuer, now)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    for extension, critical in _extensions(profile, issuer, key, alternative_names, is_nameless=not list(subject)):
        builder = builder.add_extension(extension, critical=critical)
    if revocation is not None:
        for extension in _revocation(revocation):
            builder = builder.add_extension(extension, critical=False)
    octets = builder.sign(signer, keys.builder_hash(signer, profile.signature)).public_bytes(serialization.Encoding.DER)
    until = not_after if issuer is None else min(not_after, issuer.until)
    return Issued(_resign(profile, octets, signer), key, subject, until)


def _validity(profile: CertificateProfile, issuer: Issued | None, now: datetime) -> tuple[datetime, datetime]:
    """Return when a certificate begins and ends: no later than what stands above it, unless the profile says so.

    What has ended already is above it because a scenario is about that, and not about the certificates below.
    """
    first, last = CA_DAYS if profile.ca else LEAF_DAYS
    not_before = day(first if profile.not_before is None else profile.not_before, now)
    not_after = day(last if profile.not_after is None else profile.not_after, now)
    if profile.not_after is None and issuer is not None and issuer.until > now:
        not_after = min(not_after, issuer.until)
    return not_before, not_after


def _extensions(
    profile: CertificateProfile,
    issuer: Issued | None,
    key: keys.PrivateKey,
    alternative_names: list[str],
    *,
    is_nameless: bool,
) -> list[tuple[x509.ExtensionType, bool]]:
    """Return the extensions with whether they are critical, RFC 5280 section 4.2.1."""
    found: list[tuple[x509.ExtensionType, bool]] = []
    if profile.basic_constraints:
        found.append((x509.BasicConstraints(profile.ca, profile.path_length), True))
    if usages := _key_usages(profile, key):
        bits = {name: name in usages for name in KEY_USAGES}
        found.append((x509.KeyUsage(**bits, encipher_only=False, decipher_only=False), True))
    purposes = profile.extended_key_usage
    if purposes is None:
        purposes = () if profile.ca else ("server_auth",)
    if purposes:
        found.append((x509.ExtendedKeyUsage([_PURPOSES[name] for name in purposes]), False))
    if alternative_names or profile.empty_names:
        value = names.subject_alternative_names(alternative_names)
        found.append((x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, value), is_nameless))
    found.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if issuer is not None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        found.append((identifier, False))
    if profile.permitted or profile.excluded:
        subtrees = [[names.subtree(one) for one in some] or None for some in (profile.permitted, profile.excluded)]
        found.append((x509.NameConstraints(*subtrees), True))
    if profile.must_staple:
        found.append((x509.TLSFeature([x509.TLSFeatureType.status_request]), False))
    if profile.unknown_extension:
        value = der.encode(0x0C, b"nobody knows this extension")
        found.append((x509.UnrecognizedExtension(_UNKNOWN, value), profile.unknown_extension == "critical"))
    return found


def _key_usages(profile: CertificateProfile, key: keys.PrivateKey) -> tuple[str, ...]:
    if profile.key_usage is not None:
        return profile.key_usage
    if profile.ca:
        return ("digital_signature", "key_cert_sign", "crl_sign")  # as trustme's; the first one is for OCSP
    # RFC 8813 section 3 has keyEncipherment left out where the key is one for ECDSA; it is for RSA key transport.
    return ("digital_signature", "key_encipherment") if isinstance(key, rsa.RSAPrivateKey) else ("digital_signature",)


def _revocation(revocation: Revocation) -> list[x509.ExtensionType]:
    access = (
        (AuthorityInformationAccessOID.OCSP, revocation.ocsp),
        (AuthorityInformationAccessOID.CA_ISSUERS, revocation.issuer),
    )
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(revocation.crl)], None, None, None)
    return [
        x509.CRLDistributionPoints([point]),
        x509.AuthorityInformationAccess(
            [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in access]
        ),
    ]


def _resign(profile: CertificateProfile, octets: bytes, signer: keys.PrivateKey) -> bytes:
    """Return the certificate with what the builder will not make, signed anew."""
    weak = profile.signature in ("sha1", "md5")
    is_odd = weak or profile.serial is not None or profile.version == 1 or profile.duplicate_names
    if not is_odd and not profile.corrupt_signature:
        return octets
    parts = der.sequence(octets)
    tbs, algorithm, signature = parts[0].whole, parts[1].whole, parts[2].content[1:]
    if is_odd:
        if weak:
            algorithm = _weak_algorithm(profile, signer)
        tbs = der.change_tbs(
            tbs,
            algorithm=algorithm,
            serial=profile.serial,
            version_1=profile.version == 1,
            repeat_extension=_SAN if profile.duplicate_names else None,
        )
        signature = keys.sign(signer, tbs, profile.signature)
    if profile.corrupt_signature:
        signature = signature[:-1] + bytes((signature[-1] ^ 1,))
    return der.certificate(tbs, algorithm, signature)


def _weak_algorithm(profile: CertificateProfile, signer: keys.PrivateKey) -> bytes:
    kind = {rsa.RSAPrivateKey: "rsa", ec.EllipticCurvePrivateKey: "ec"}
    found = next((name for cls, name in kind.items() if isinstance(signer, cls)), "")
    try:
        return _ALGORITHMS[found, profile.signature]
    except KeyError:
        raise InvalidValueError(
            f"{profile.where}: signature",
            profile.signature,
            "a hash that the issuer's kind of key signs with: md5 goes with RSA, sha1 with RSA and ECDSA",
        ) from None
