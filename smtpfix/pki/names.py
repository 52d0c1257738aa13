"""Names in certificates, as octets, including those that no library encodes: some scenarios consist of them.

Subject alternative names: RFC 5280 section 4.2.1.6.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from . import der

ORGANIZATION: Final = "smtpfix test authority"

_TAGS: Final = {"email": 0x81, "dns": 0x82, "uri": 0x86, "ip": 0x87}
_OTHER_NAME: Final = 0xA0
_IA5_STRING: Final = 0x16
_SRV_NAME: Final = bytes.fromhex("06082b06010505070807")
"""id-on-dnsSRV, RFC 4985 section 2, as an element."""


def with_kind(name: str) -> str:
    """Return a bare name with the kind in front that it has: ``ip:127.0.0.1``, ``dns:mx.example``."""
    try:
        return f"ip:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"dns:{to_alabels(name)}"


def to_alabels(name: str) -> str:
    """Return a host name in the form that is sent (RFC 5890 section 2.3.2.1). Raises `UnicodeError`."""
    return name if name.isascii() else name.encode("idna").decode("ascii")


def subject_alternative_names(names: list[str]) -> bytes:
    """Return the value of the extension for names with their kinds in front."""
    return der.encode(der.SEQUENCE, *map(_general_name, names))


def _general_name(name: str) -> bytes:
    kind, _, value = name.partition(":")
    if kind == "srv":
        return der.encode(_OTHER_NAME, _SRV_NAME, der.encode(0xA0, der.encode(_IA5_STRING, value.encode())))
    octets = ipaddress.ip_address(value).packed if kind == "ip" else value.encode()
    return der.encode(_TAGS[kind], octets)


def subtree(name: str) -> x509.GeneralName:
    """Return a name constraint: ``dns:example.org`` or ``ip:10.0.0.0/8`` (RFC 5280 section 4.2.1.10)."""
    kind, _, value = name.partition(":")
    return x509.IPAddress(ipaddress.ip_network(value)) if kind == "ip" else x509.DNSName(value)


def authority(unit: str, organization: str = ORGANIZATION) -> x509.Name:
    """Return the name of an authority as trustme has it: a unit stands where others have a common name."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            # RFC 5280 appendix A.1: ub-organizational-unit-name is 64.
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit[:64]),
        ]
    )


def distinguished(common_name: str | None) -> x509.Name:
    """Return a subject or issuer with our organization and, if there is one, a common name."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION)]
    if common_name:
        # RFC 5280 appendix A.1: ub-common-name is 64.
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]))
    return x509.Name(attributes)
