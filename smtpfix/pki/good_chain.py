"""The chain of every good server, issued without a scenario: importing those takes longer than issuing it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from smtpfix.errors import InvalidValueError
from smtpfix.policy.certificate_profile import CertificateProfile
from smtpfix.policy.place import Place

from . import keys, names
from .certificates import Issued, issue
from .hierarchy import Hierarchy


class GoodChain(NamedTuple):
    """What a good server shows."""

    leaf: Issued
    intermediate: Issued

    @property
    def chain_pem(self) -> str:
        """What is sent, PEM."""
        return self.leaf.pem + self.intermediate.pem

    @property
    def key_pem(self) -> bytes:
        """The leaf's private key, PEM."""
        return keys.pem(self.leaf.key)


def good_chain(hierarchy: Hierarchy, ring: keys.KeyRing, place: Place, now: datetime) -> GoodChain:
    """Issue the leaf of a server that is there. Raises `InvalidValueError` for names that no certificate can hold."""
    intermediate, wanted = hierarchy.at(1), place.names(place.host)
    try:
        alternative_names = [names.with_kind(one) for one in wanted]
    except UnicodeError as error:  # idna's errors are of this kind
        raise InvalidValueError("the server's names", wanted, f"names a certificate can hold ({error})") from error
    leaf = issue(
        CertificateProfile("leaf", ca=False),
        intermediate,
        key=ring.key(hierarchy.key, "leaf"),
        subject=names.distinguished(place.hostname),
        alternative_names=alternative_names,
        now=now,
    )
    return GoodChain(leaf, intermediate)
