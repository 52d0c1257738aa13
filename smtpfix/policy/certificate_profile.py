"""`CertificateProfile`: one certificate of a scenario, from a table of the scenario's file.

Knows the values and which are allowed, and nothing of how a certificate is made. Everything that is not said is as in
the good chain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from smtpfix.comparing import Compared
from smtpfix.errors import InvalidValueError

from .good_chain import CA_DAYS, LEAF_DAYS, Day
from .tables import check_table

KEYS: Final = (
    *("p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096"),
    *("ed25519", "ed448", "p192", "p224", "secp256k1", "brainpool256", "dsa2048", "rsa512", "rsa1024"),
)
"""Kinds of keys: those that everybody takes, then the rarer and the weak ones."""

SIGNATURES: Final = ("sha256", "sha384", "sha512", "sha1", "md5")
"""Hashes of a signature; Ed25519 and Ed448 bring their own."""

KEY_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
"""Bits of the KeyUsage extension, RFC 5280 section 4.2.1.3."""

EXTENDED_KEY_USAGES: Final = ("server_auth", "client_auth", "email_protection", "code_signing", "ocsp_signing", "any")
"""Purposes of the ExtendedKeyUsage extension, RFC 5280 section 4.2.1.12."""

NAME_KINDS: Final = ("dns", "ip", "email", "uri", "srv")
"""Kinds of subject alternative names, as the prefix of a name: ``dns:``, ``ip:``, …; ``srv:`` is RFC 4985's SRVName."""

PLACEHOLDERS: Final = ("names", "name", "host", "hostname", "label", "initial", "domain", "tld", "address")
"""What a name may hold in braces; `place.Place` has the meaning of each."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CertificateProfile(Compared):
    """One certificate. Raises `InvalidValueError` naming the key, the value and what is allowed."""

    where: str
    """The file and the table it stands in, for errors."""
    ca: bool
    """Whether BasicConstraints says CA: the default of the table it stands in, unless the table says otherwise."""
    key: str | None = None
    """One of `KEYS`; None: what the authority has, ``p256`` or ``rsa2048``."""
    signature: str = "sha256"
    """Hash its issuer signs with, one of `SIGNATURES`."""
    corrupt_signature: bool = False
    """One bit of the signature is flipped."""
    issuer: str = "above"
    """Who signs: ``above``, the next certificate up the chain, or ``self``."""
    version: int = 3
    """X.509 version, 3 or 1; version 1 knows no extensions."""
    serial: int | None = None
    """Serial number; None takes a random one."""
    not_before: Day | None = None
    """First day of validity; None: that of `LEAF_DAYS`, or of `CA_DAYS`."""
    not_after: Day | None = None
    """Last day of validity; None: that of `LEAF_DAYS`, or of `CA_DAYS`, and never after what stands above it."""
    subject: bool = True
    """False leaves the subject empty."""
    common_name: str | None = None
    """CN of the subject; None: the server's host name for a leaf, a name of its own for a CA."""
    names: tuple[str, ...] | None = None
    """Subject alternative names; None: all that the server goes by for a leaf, none for a CA. Empty: no extension."""
    extra_names: int = 0
    """So many further DNS names, below ``smtpfix.test``, behind the others."""
    empty_names: bool = False
    """The subjectAltName extension is there and holds no name."""
    duplicate_names: bool = False
    """The subjectAltName extension is there twice."""
    basic_constraints: bool = True
    """False leaves the extension out."""
    path_length: int | None = None
    """pathLenConstraint of BasicConstraints; None: of a CA, what trustme has it say."""
    key_usage: tuple[str, ...] | None = None
    """Out of `KEY_USAGES`; None: what a leaf or CA needs. Empty: no extension."""
    extended_key_usage: tuple[str, ...] | None = None
    """Out of `EXTENDED_KEY_USAGES`; None: server_auth for a leaf, no extension for a CA. Empty: no extension."""
    permitted: tuple[str, ...] = ()
    """permittedSubtrees of NameConstraints, as ``dns:example.org`` or ``ip:10.0.0.0/8``."""
    excluded: tuple[str, ...] = ()
    """excludedSubtrees of NameConstraints."""
    unknown_extension: str | None = None
    """``critical`` or ``noncritical``: has an extension that nobody knows."""
    must_staple: bool = False
    """Has the TLSFeature extension with status_request (RFC 7633)."""
    impersonates: bool = False
    """A root of its own that has the name of the authority's root, and another key."""
    revocation: bool = False
    """Has CRLDistributionPoints and AuthorityInfoAccess, with URLs that the server answers at."""
    revoked: bool = False
    """Its issuer's CRL and OCSP responder say that it is revoked."""

    def __post_init__(self) -> None:
        for name, (test, allowed) in _CHECKS.items():
            if not test(getattr(self, name)):
                raise self._fail(name, allowed)
        if self.revoked and not self.revocation:
            raise self._fail("revoked", "false where revocation is: nobody could find out")

    def _fail(self, name: str, allowed: str) -> InvalidValueError:
        value = getattr(self, name)
        return InvalidValueError(f"{self.where}: {name}", list(value) if isinstance(value, tuple) else value, allowed)

    @classmethod
    def parse(cls, where: str, table: Any, *, ca: bool) -> CertificateProfile:
        """Read a table. Raises `InvalidValueError`."""
        check_table(where, table, (item.name for item in fields(cls) if item.name != "where"))
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        if values.get("ca", ca) is not ca:  # which changes what it says, and not when it begins and ends
            first, last = CA_DAYS if ca else LEAF_DAYS
            values = {"not_before": first, "not_after": last, **values}
        return cls(where, **{"ca": ca, **values})

    @classmethod
    def plain_ca(cls, where: str) -> CertificateProfile:
        """Return the profile of an authority in which nothing is unusual."""
        return cls(where, ca=True)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _one_of(*allowed: object) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda value: any(type(value) is type(one) and value == one for one in allowed),
        "one of " + ", ".join(str(one) for one in allowed),
    )


def _some_of(allowed: tuple[str, ...]) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda value: value is None or (isinstance(value, tuple) and all(one in allowed for one in value)),
        "a list out of " + ", ".join(allowed),
    )


def _is_int(value: object) -> bool:
    return type(value) is int


_BRACED: Final = re.compile(r"\{([^{}]*)\}")


def is_template(value: object) -> bool:
    """Return whether a value is text whose braces hold placeholders only."""
    if not isinstance(value, str):
        return False
    rest = _BRACED.sub("", value)
    return "{" not in rest and "}" not in rest and all(name in PLACEHOLDERS for name in _BRACED.findall(value))


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not is_template(value):
        return False
    kind, colon, rest = value.partition(":")
    return value == "{names}" or (bool(colon) and kind in NAME_KINDS and bool(rest))


def _are_subtrees(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_name(one) and str(one).startswith(("dns:", "ip:")) for one in value)


_DAY: Final = (
    lambda value: (
        value is None or (_is_int(value) and abs(value) <= 365_000) or type(value) is date  # noqa: PLR2004 - 1,000 years
    ),
    "a number of days from today, or a date such as 3000-01-01",
)
_is_key, _A_KEY = _one_of(*KEYS)
_BOOL: Final = (_is_bool, "true or false")
_TEXT: Final = "with {" + "}, {".join(PLACEHOLDERS) + "} for what is known only once the server runs"

_CHECKS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "ca": _BOOL,
    "key": (lambda value: value is None or _is_key(value), _A_KEY),
    "signature": _one_of(*SIGNATURES),
    "corrupt_signature": _BOOL,
    "issuer": _one_of("above", "self"),
    "version": _one_of(3, 1),
    "serial": (lambda value: value is None or _is_int(value), "a whole number"),
    "not_before": _DAY,
    "not_after": _DAY,
    "subject": _BOOL,
    "common_name": (lambda value: value is None or is_template(value), f"text, {_TEXT}"),
    "names": (
        lambda value: value is None or (isinstance(value, tuple) and all(map(_is_name, value))),
        f'a list of names such as "dns:mx.example" with {", ".join(NAME_KINDS)} as kinds, {_TEXT}',
    ),
    "extra_names": (lambda value: _is_int(value) and 0 <= value <= 100_000, "a whole number up to 100000"),  # noqa: PLR2004
    "empty_names": _BOOL,
    "duplicate_names": _BOOL,
    "basic_constraints": _BOOL,
    "path_length": (lambda value: value is None or (_is_int(value) and value >= 0), "a whole number from 0 up"),
    "key_usage": _some_of(KEY_USAGES),
    "extended_key_usage": _some_of(EXTENDED_KEY_USAGES),
    "permitted": (_are_subtrees, 'a list such as ["dns:example.org", "ip:10.0.0.0/8"]'),
    "excluded": (_are_subtrees, 'a list such as ["dns:example.org", "ip:10.0.0.0/8"]'),
    "unknown_extension": (lambda value: value in (None, "critical", "noncritical"), "critical or noncritical"),
    "must_staple": _BOOL,
    "impersonates": _BOOL,
    "revocation": _BOOL,
    "revoked": _BOOL,
}
