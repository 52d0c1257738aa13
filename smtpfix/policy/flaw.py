"""`Flaw`: what a client fails to check if it delivers although it must refuse, and how severe that is.

Severity is what an attacker needs to make use of it, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """What an attacker needs, the least first."""

    LISTENING = "listening"
    """To listen on the way."""
    POSITION = "position"
    """To stand between client and server: to answer in the server's place, or change what it says."""
    CERTIFICATE = "certificate"
    """Such a position, and a certificate that anybody can get: for a name of their own, from a trusted authority."""
    WEAKNESS = "weakness"
    """Such a position, and somebody else's mistake: a certificate issued wrongly, too weak or past its time, or a
    server with outdated cryptography."""
    AUTHORITY = "authority"
    """Such a position, and the key of an authority, be it a limited or a retired one."""
    HYGIENE = "hygiene"
    """No attack is known."""


NEEDS: Final = {
    Severity.LISTENING: "An attacker only has to listen.",
    Severity.POSITION: "An attacker only has to get between client and server.",
    Severity.CERTIFICATE: "An attacker has to get between client and server, with a certificate for a name of "
    "their own.",
    Severity.WEAKNESS: "An attacker has to get between client and server, and needs somebody else's mistake: a "
    "certificate issued wrongly, too weak or past its time, or a server with outdated cryptography.",
    Severity.AUTHORITY: "An attacker has to get between client and server, with the key of an authority, be it a "
    "limited or a retired one.",
    Severity.HYGIENE: "No attack is known.",
}
"""Each severity, as one sentence."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that a client does not do as it should."""

    id: str
    severity: Severity
    cause: str
    """What the client does not do, one sentence."""


_TABLE: Final = (
    Flaw("clear", Severity.LISTENING, "It sends in clear to a server that does nothing wrong."),
    Flaw("null-cipher", Severity.LISTENING, "It accepts TLS that does not encrypt."),
    Flaw("downgrade", Severity.POSITION, "It goes on in clear when somebody takes TLS away."),
    Flaw("lost-mail", Severity.POSITION, "It deletes mail that it has not read whole."),
    Flaw("injection", Severity.POSITION, "It acts on replies that came in clear before TLS."),
    Flaw("anything", Severity.POSITION, "It does not verify the server's certificate: any will do."),
    Flaw("issuer", Severity.POSITION, "It does not check who issued the certificate."),
    Flaw("pin", Severity.POSITION, "It does not insist on the certificate that it was given."),
    Flaw("anonymous", Severity.POSITION, "It accepts TLS without any certificate."),
    Flaw("name", Severity.CERTIFICATE, "It does not compare the certificate's names with the server's."),
    Flaw("part-of-name", Severity.CERTIFICATE, "It compares only a part of the server's name."),
    Flaw("leaf-as-issuer", Severity.CERTIFICATE, "It accepts certificates that were issued by who is no authority."),
    Flaw("common-name", Severity.WEAKNESS, "It takes the certificate's common name for the server's name."),
    Flaw("same-domain", Severity.WEAKNESS, "It takes a certificate of another host in the server's domain."),
    Flaw("name-form", Severity.WEAKNESS, "It accepts names in forms that stand for no server, or for too many."),
    Flaw("validity", Severity.WEAKNESS, "It does not check when the certificate is valid."),
    Flaw("purpose", Severity.WEAKNESS, "It takes certificates for what they were not issued for."),
    Flaw("critical-extension", Severity.WEAKNESS, "It accepts critical extensions that it does not know."),
    Flaw("weak-key", Severity.WEAKNESS, "It accepts keys that are too small."),
    Flaw("weak-signature", Severity.WEAKNESS, "It accepts signatures made with MD5 or SHA-1."),
    Flaw("old-version", Severity.WEAKNESS, "It accepts TLS below 1.2."),
    Flaw("weak-cipher", Severity.WEAKNESS, "It accepts ciphers or key exchanges that are too weak."),
    Flaw("weak-authority", Severity.AUTHORITY, "It trusts authorities whose keys or signatures are too weak."),
    Flaw("authority-limits", Severity.AUTHORITY, "It does not hold authorities to their limits."),
    Flaw("hygiene", Severity.HYGIENE, "It is less strict than it could be."),
)

FLAWS: Final = {flaw.id: flaw for flaw in _TABLE}
"""Every flaw by its id, the most severe first."""

BY_VERIFY_CODE: Final = {
    7: "issuer",
    9: "validity",
    10: "validity",
    18: "issuer",
    20: "issuer",
    25: "authority-limits",
    26: "purpose",
    34: "critical-extension",
    47: "authority-limits",
    48: "authority-limits",
    62: "name",
    64: "name",
    66: "weak-key",
    67: "weak-key",
    68: "weak-signature",
    79: "leaf-as-issuer",
}
"""The flaw of who accepts what OpenSSL refuses with this verify code, where a scenario does not say otherwise."""
