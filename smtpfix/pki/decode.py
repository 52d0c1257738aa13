"""A certificate as text, in the terms of ``openssl x509 -text``, whatever is wrong with it.

Reads the DER itself: some scenarios are certificates that no library parses. What does not have the form that RFC 5280
section 4 asks for is shown as octets.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from smtpfix.safe_text import printable

from . import der

_BOOLEAN: Final = 0x01
_OCTET_STRING: Final = 0x04
_BMP_STRING: Final = 0x1E
_UTC_TIME: Final = 0x17
_NAMES_SHOWN: Final = 30
"""Subject alternative names shown one by one; some scenarios have ten thousand."""
_OCTETS_SHOWN: Final = 64
_LONGEST_IDENTIFIER: Final = 256
"""Octets of an object identifier."""
_SMALL: Final = 63
"""Bits of a serial number that is shown in decimal too."""

_NAMES: Final = {
    # Attributes of names: RFC 5280 appendix A.1
    "2.5.4.3": "CN",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "0.9.2342.19200300.100.1.25": "DC",
    # Signatures: RFC 3279 section 2.2, RFC 4055 section 5, RFC 5758 section 3, RFC 8410 section 3
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "2.16.840.1.101.3.4.3.2": "dsa_with_SHA256",
    "2.16.840.1.101.3.4.3.3": "dsa_with_SHA384",
    "2.16.840.1.101.3.4.3.4": "dsa_with_SHA512",
    # Keys: RFC 3279 section 2.3, RFC 5480 section 2.1.1, RFC 5639 section 4.1, RFC 8410 section 3
    "1.2.840.113549.1.1.1": "rsaEncryption",
    "1.2.840.10040.4.1": "dsaEncryption",
    "1.2.840.10045.2.1": "id-ecPublicKey",
    "1.3.101.112": "ED25519",
    "1.3.101.113": "ED448",
    "1.2.840.10045.3.1.1": "prime192v1, 192 bit",
    "1.3.132.0.33": "secp224r1, 224 bit",
    "1.2.840.10045.3.1.7": "prime256v1, 256 bit",
    "1.3.132.0.34": "secp384r1, 384 bit",
    "1.3.132.0.35": "secp521r1, 521 bit",
    "1.3.132.0.10": "secp256k1, 256 bit",
    "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1, 256 bit",
    # Purposes: RFC 5280 section 4.2.1.12
    "1.3.6.1.5.5.7.3.1": "TLS Web Server Authentication",
    "1.3.6.1.5.5.7.3.2": "TLS Web Client Authentication",
    "1.3.6.1.5.5.7.3.3": "Code Signing",
    "1.3.6.1.5.5.7.3.4": "E-mail Protection",
    "1.3.6.1.5.5.7.3.9": "OCSP Signing",
    "2.5.29.37.0": "Any Extended Key Usage",
    # Ways of access: RFC 5280 section 4.2.2.1; names of services: RFC 4985 section 2
    "1.3.6.1.5.5.7.48.1": "OCSP",
    "1.3.6.1.5.5.7.48.2": "CA Issuers",
    "1.3.6.1.5.5.7.8.7": "SRVName",
}
_KEY_USAGES: Final = (
    *("Digital Signature", "Non Repudiation", "Key Encipherment", "Data Encipherment", "Key Agreement"),
    *("Certificate Sign", "CRL Sign", "Encipher Only", "Decipher Only"),
)
"""Bits of the KeyUsage extension, the first one first (RFC 5280 section 4.2.1.3)."""
_FEATURES: Final = {5: "status_request", 17: "status_request_v2"}
"""TLS extensions that the TLSFeature extension asks for (RFC 7633 section 4.1)."""
_GENERAL_NAMES: Final = {0x81: "email", 0x82: "DNS", 0x86: "URI"}


def lines(certificate: bytes) -> Iterator[str]:
    """Yield the lines that describe a certificate, DER, from its version to its fingerprint; what is none, they say."""
    try:
        yield from _certificate(certificate)
    except (ValueError, IndexError):
        yield f"Not a certificate: {_octets(certificate)}"
    yield f"SHA256 Fingerprint: {_colons(hashlib.sha256(certificate).digest())}"


def _certificate(certificate: bytes) -> Iterator[str]:
    tbs, outer, _ = der.sequence(certificate)
    parts = list(der.elements(tbs.content))
    version = 0
    if parts[0].tag == der.VERSION:
        version = int.from_bytes(der.first(parts.pop(0).content).content, "big")
    serial, algorithm, issuer, validity, subject, key, *rest = parts
    begin, end = der.elements(validity.content)
    yield f"Version: {version + 1} (0x{version:x})"
    yield f"Serial Number: {_serial(serial.content)}"
    yield f"Signature Algorithm: {_algorithm(outer)}"
    if algorithm.whole != outer.whole:  # RFC 5280 section 4.1.1.2 wants them equal
        yield f"Signature Algorithm inside: {_algorithm(algorithm)}"
    yield f"Issuer: {_name(issuer)}"
    yield f"Not Before: {_time(begin)}"
    yield f"Not After: {_time(end)}"
    yield f"Subject: {_name(subject)}"
    yield f"Public Key: {_or_octets(_public_key, key.content)}"
    for part in rest:
        if part.tag == der.EXTENSIONS:
            for extension in der.sequence(part.content):
                yield from _extension(extension)


def _serial(octets: bytes) -> str:
    number = int.from_bytes(octets, "big", signed=True)
    if number.bit_length() > _SMALL:
        return f"{'(Negative) ' if number < 0 else ''}{_colons(octets)}"
    return f"{number} ({number:#x})"


def _algorithm(element: der.Element) -> str:
    return _identifier(der.first(element.content).content)


def _identifier(octets: bytes) -> str:
    """Return the name of an object identifier, or its numbers (X.690 section 8.19)."""
    if len(octets) > _LONGEST_IDENTIFIER:  # its numbers would take time that grows with the square
        raise ValueError("the object identifier is too long")
    arcs, value = [], 0
    for octet in octets:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:  # noqa: PLR2004 - the last octet of a number
            arcs.append(value)
            value = 0
    top = min(arcs[0] // 40, 2)
    dotted = ".".join(map(str, (top, arcs[0] - 40 * top, *arcs[1:])))
    return _NAMES.get(dotted, dotted)


def _name(name: der.Element) -> str:
    """Return a distinguished name; what could be taken for another attribute stands in quotes."""
    shown = []
    for relative in der.elements(name.content):
        for attribute in der.elements(relative.content):
            kind, value = der.elements(attribute.content)
            shown.append(f"{_identifier(kind.content)} = {_quoted(_text(value))}")
    return ", ".join(shown) or "(empty)"


def _text(element: der.Element) -> str:
    if element.tag == _BMP_STRING:
        return printable(element.content.decode("utf-16-be", "replace"))
    return printable(element.content)


def _quoted(text: str) -> str:
    return f'"{text}"' if not text or text != text.strip() or set(text) & set(',+="<>#;') else text


def _time(element: der.Element) -> str:
    """Return a time as ISO 8601 writes it (RFC 5280 section 4.1.2.5)."""
    text = element.content.decode("ascii", "replace")
    if element.tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    try:
        return f"{datetime.strptime(text, '%Y%m%d%H%M%SZ').replace(tzinfo=UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return _quoted(printable(text))


def _public_key(octets: bytes) -> str:
    algorithm, key = der.elements(octets)
    parameters = list(der.elements(algorithm.content))
    name = _identifier(parameters[0].content)
    if name == "rsaEncryption":
        modulus, exponent = der.sequence(key.content[1:])
        return f"{name}, {_number(modulus).bit_length()} bit, exponent {_number(exponent)}"
    if name == "dsaEncryption":
        return f"{name}, {_number(der.sequence(parameters[1].whole)[0]).bit_length()} bit"
    return ", ".join([name, *(_identifier(one.content) for one in parameters[1:])])


def _number(element: der.Element) -> int:
    return int.from_bytes(element.content, "big", signed=True)


# Extensions, RFC 5280 section 4.2


def _extension(extension: der.Element) -> Iterator[str]:
    identifier, *flags, value = der.elements(extension.content)
    dotted = _identifier(identifier.content)
    title, describe = _EXTENSIONS.get(dotted, (dotted, _octets))
    critical = any(flag.tag == _BOOLEAN and flag.content != b"\x00" for flag in flags)
    yield f"{title}:{' critical' if critical else ''}"
    yield f"    {_or_octets(describe, value.content)}"


def _or_octets(describe: Callable[[bytes], str], octets: bytes) -> str:
    try:
        return describe(octets)
    except (ValueError, IndexError):
        return _octets(octets)


def _basic_constraints(octets: bytes) -> str:
    parts = der.sequence(octets)
    is_ca = any(part.tag == _BOOLEAN and part.content != b"\x00" for part in parts)
    lengths = [f", pathlen:{_number(part)}" for part in parts if part.tag == der.INTEGER]
    return f"CA:{str(is_ca).upper()}{''.join(lengths)}"


def _key_usage(octets: bytes) -> str:
    (bits,) = der.elements(octets)
    is_set = "".join(f"{octet:08b}" for octet in bits.content[1:])
    return ", ".join(name for name, bit in zip(_KEY_USAGES, is_set, strict=False) if bit == "1") or "(none)"


def _purposes(octets: bytes) -> str:
    return ", ".join(_identifier(part.content) for part in der.sequence(octets)) or "(none)"


def _alternative_names(octets: bytes) -> str:
    names = der.sequence(octets)
    more = len(names) - _NAMES_SHOWN
    shown = [_general_name(name) for name in names[:_NAMES_SHOWN]]
    return ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])]) or "(no name)"


def _general_name(name: der.Element) -> str:
    if name.tag in _GENERAL_NAMES:
        return f"{_GENERAL_NAMES[name.tag]}:{_quoted(printable(name.content))}"
    if name.tag == 0x87:  # noqa: PLR2004 - iPAddress, [7]
        return f"IP Address:{_address(name.content)}"
    if name.tag == 0xA0:  # noqa: PLR2004 - otherName, [0]
        kind, value = der.elements(name.content)
        return f"othername:{_identifier(kind.content)}:{_quoted(_text(der.first(value.content)))}"
    return f"[{name.tag & 0x1F}]:{_octets(name.content)}"


def _address(octets: bytes) -> str:
    if len(octets) in (8, 32):  # with its mask, in name constraints
        half = len(octets) // 2
        return f"{ipaddress.ip_address(octets[:half])}/{ipaddress.ip_address(octets[half:])}"
    return str(ipaddress.ip_address(octets))


def _name_constraints(octets: bytes) -> str:
    shown = []
    for part in der.sequence(octets):
        subtrees = [_general_name(der.first(subtree.content)) for subtree in der.elements(part.content)]
        shown.append(f"{'Permitted' if part.tag == 0xA0 else 'Excluded'}: {', '.join(subtrees)}")  # noqa: PLR2004
    return "; ".join(shown)


def _authority_key(octets: bytes) -> str:
    return ", ".join(
        f"keyid:{_colons(part.content)}" if part.tag == 0x80 else _octets(part.whole)  # noqa: PLR2004 - [0]
        for part in der.sequence(octets)
    )


def _features(octets: bytes) -> str:
    numbers = [_number(part) for part in der.sequence(octets)]
    return ", ".join(_FEATURES.get(number, str(number)) for number in numbers)


def _distribution_points(octets: bytes) -> str:
    shown = []
    for point in der.sequence(octets):
        for field in der.elements(point.content):
            for full in der.elements(field.content):
                shown += [_general_name(name) for name in der.elements(full.content)]
    return ", ".join(shown)


def _access(octets: bytes) -> str:
    shown = []
    for description in der.sequence(octets):
        method, location = der.elements(description.content)
        shown.append(f"{_identifier(method.content)} - {_general_name(location)}")
    return ", ".join(shown)


def _subject_key(octets: bytes) -> str:
    (identifier,) = der.elements(octets)
    return _colons(identifier.content)


_EXTENSIONS: Final[dict[str, tuple[str, Callable[[bytes], str]]]] = {
    "2.5.29.14": ("X509v3 Subject Key Identifier", _subject_key),
    "2.5.29.15": ("X509v3 Key Usage", _key_usage),
    "2.5.29.17": ("X509v3 Subject Alternative Name", _alternative_names),
    "2.5.29.19": ("X509v3 Basic Constraints", _basic_constraints),
    "2.5.29.30": ("X509v3 Name Constraints", _name_constraints),
    "2.5.29.31": ("X509v3 CRL Distribution Points", _distribution_points),
    "2.5.29.35": ("X509v3 Authority Key Identifier", _authority_key),
    "2.5.29.37": ("X509v3 Extended Key Usage", _purposes),
    "1.3.6.1.5.5.7.1.1": ("Authority Information Access", _access),
    "1.3.6.1.5.5.7.1.24": ("TLS Feature", _features),
}


def _colons(octets: bytes) -> str:
    return octets.hex(":").upper()


def _octets(octets: bytes) -> str:
    more = f" and {len(octets) - _OCTETS_SHOWN} octets more" if len(octets) > _OCTETS_SHOWN else ""
    return f"{_colons(octets[:_OCTETS_SHOWN])}{more}"
