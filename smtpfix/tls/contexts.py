"""The TLS context of a server: the policy's versions, the scenario's chain, and the settings of a `TLSProfile`.

What contexts cannot do, such as stalling, is `conversation`'s.
"""

from __future__ import annotations

import os
import ssl
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.server_policy import TLS_VERSIONS, ServerPolicy

from .side import watch

if TYPE_CHECKING:
    from smtpfix.policy.certificate_profile import CertificateProfile
    from smtpfix.policy.tls_profile import TLSProfile

_VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_OLD: Final = ("TLSv1", "TLSv1.1")
_OLD_GROUP: Final = 1024
"""Bits of the largest Diffie-Hellman group that clients of that time know, such as Java 7."""
_WEAK_KEYS: Final = ("rsa512", "rsa1024", "p192", "p224", "dsa2048")
_WEAK_SIGNATURES: Final = ("sha1", "md5")
EVERYTHING: Final = "DEFAULT:!aNULL"
"""The cipher suites of a server that says nothing of them; without this, a list such as ``ALL`` has anonymous ones."""

DH_GROUPS: Final = {
    1024: b"""-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
""",
    2048: b"""-----BEGIN X9.42 DH PARAMETERS-----
MIICDAKCAQEA///////////JD9qiIWjCNMTGYouA3BzRKQJOCIpnzHQCC76mOxOb
IlFKCHmONATd75UZs806QxswKwpt8l8UN0/hNW1tUcJF5IW1dmJefsb0TELppjft
awv/XLb0Brft7jhr+1qJn6WunyQRfEsf5kkoZlHs5Fs9wgB8uKFjvwWY2kg2HFXT
mmkWP6j9JM9fg2VdI9yjrZYcYvNWIIVSu57VKQdwlpZtZww1Tkq8mATxdGwIyhgh
fDKQXkYuNs474553LBgOhgObJ4Oi7Aeij7XFXfBvTFLJ3ivL9pVYFxg5lUl86pVq
5RXSJhiY+gUQFXKOWoqsqmj//////////wIBAgKCAQB//////////+SH7VEQtGEa
YmMxRcBuDmiUgScERTPmOgEF31Mdic2RKKUEPMcaAm73yozZ5p0hjZgVhTb5L4ob
p/Catrao4SLyQtq7MS8/Y3omIXTTG/a1hf+uW3oDW/b3HDX9rUTP0tdPkgi+JY/z
JJQzKPZyLZ7hAD5cULHfgsxtJBsOKunNNIsf1H6SZ6/Bsq6R7lHWyw4xeasQQqld
z2qUg7hLSzazhhqnJV5MAni6NgRlDBC+GUgvIxcbZx3xzzuWDAdDAc2TwdF2A9FH
2uKu+DemKWTvFeX7SqwLjBzKpL51SrVyiukTDEx9AogKuUctRVZVNH//////////
-----END X9.42 DH PARAMETERS-----
""",
}
"""Diffie-Hellman groups: the second of RFC 2409 (section 6.2), and the one of 2,048 bits of RFC 3526 (section 3)."""


def needs_weak_security(profiles: tuple[CertificateProfile, ...]) -> bool:
    """Return whether OpenSSL shows these certificates only at its security level 0."""
    return any(profile.key in _WEAK_KEYS or profile.signature in _WEAK_SIGNATURES for profile in profiles)


def needed_stack(policy: ServerPolicy) -> str | None:
    """Return which stack has to speak TLS where Python's own cannot: ``stapling`` or ``legacy``."""
    if policy.is_good:
        return None
    profile = policy.tls_profile
    # OpenSSL does not load a certificate that has an extension twice.
    if profile.legacy is not None or any(one.duplicate_names for one in policy.chain_scenario.profiles):
        return "legacy"
    return "stapling" if profile.staple is not None else None


def version_bounds(policy: ServerPolicy, profile: TLSProfile) -> tuple[str, str]:
    """Return the lowest and the highest version, whichever stack speaks. Raises `InvalidValueError` for none at all."""
    lowest, highest = profile.min or policy.tls_min, profile.max or policy.tls_max
    if TLS_VERSIONS.index(lowest) > TLS_VERSIONS.index(highest):
        raise InvalidValueError(f"{profile.where}: min", lowest, f"at most the highest version, which is {highest!r}")
    return lowest, highest


def server_context(
    policy: ServerPolicy,
    profile: TLSProfile,
    load: Callable[[ssl.SSLContext], None],
    *,
    weak: bool,
    client_authority_pem: str,
) -> ssl.SSLContext:
    """Return a context; `load` puts the certificate in, `weak` allows those that OpenSSL would not show.

    Raises `InvalidValueError` for ciphers that OpenSSL does not know.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lowest, highest = version_bounds(policy, profile)
    with warnings.catch_warnings():  # old versions are deprecated, which is why somebody wants to test them
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[lowest]
        context.maximum_version = _VERSIONS[highest]
    group = profile.dh or (_OLD_GROUP if policy.old_ciphers else None)
    if profile.ciphers is not None or weak or group or lowest in _OLD:
        try:  # before the certificate is loaded, which is measured by the security level
            context.set_ciphers(f"{profile.ciphers or EVERYTHING}:@SECLEVEL=0")
        except ssl.SSLError as error:
            raise InvalidValueError(
                f"{profile.where}: ciphers", profile.ciphers, f"suites that {ssl.OPENSSL_VERSION} knows"
            ) from error
    load(context)
    if group is not None:
        with_file(DH_GROUPS[group], context.load_dh_params)
    requires = profile.client_certificate or policy.client_certificate
    if requires != "none":
        context.verify_mode = ssl.CERT_REQUIRED if requires == "required" else ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=client_authority_pem)
    if policy.alpn:
        context.set_alpn_protocols(list(policy.alpn))
    if profile.server_name is not None:
        context.sni_callback = _refuse_all if profile.server_name == "unrecognized" else _refuse_nameless
    watch(context)
    return context


def _refuse_all(_connection: Any, _name: str | None, _context: ssl.SSLContext) -> int:
    return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def _refuse_nameless(_connection: Any, name: str | None, _context: ssl.SSLContext) -> int | None:
    return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name is None else None


def with_file(octets: bytes, use: Callable[[str], object]) -> None:
    """Let OpenSSL, which reads files only, read something secret: a file of the owner's that is gone afterwards."""
    descriptor, path = tempfile.mkstemp(prefix="smtpfix-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
        use(path)
    finally:
        Path(path).unlink()


def load(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    """Put a chain and its key into a context."""
    with_file(key + chain, context.load_cert_chain)
    context.chain_pem = chain  # type: ignore[attr-defined]


def load_files(context: ssl.SSLContext, chain: Path, key: Path) -> None:
    """Put a user's own files into a context. Raises `InvalidValueError`, which names them."""
    try:
        context.load_cert_chain(chain, key, password="")  # without, OpenSSL asks for one on the terminal
    except (ssl.SSLError, OSError) as error:
        raise InvalidValueError(
            "Policy.certificate", (str(chain), str(key)), f"a PEM chain and its unencrypted key ({error})"
        ) from error
    context.chain_pem = chain.read_bytes()  # type: ignore[attr-defined]
