"""The chain of a scenario: who issues which certificate, what the server sends, and what a careful client trusts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from cryptography import x509

from smtpfix.errors import InvalidValueError
from smtpfix.policy.certificate_profile import CertificateProfile
from smtpfix.policy.place import Place
from smtpfix.policy.scenario import Scenario

from . import keys, names, trustme_ca
from .certificates import Issued, Revocation, issue
from .good_chain import GoodChain
from .hierarchy import Hierarchy, path_length

_INTERMEDIATE: Final = CertificateProfile.plain_ca("an intermediate")


@dataclass(frozen=True, slots=True)
class Chain:
    """What a server shows."""

    sent: tuple[Issued, ...]
    """What is sent, the leaf first as a rule."""
    path: tuple[Issued, ...]
    """The whole path, from the leaf up to the root."""
    trusted: Issued
    """What a careful client trusts."""

    @property
    def leaf(self) -> Issued:
        """The server's own certificate."""
        return self.path[0]

    @property
    def chain_pem(self) -> str:
        """What is sent, PEM."""
        return "".join(issued.pem for issued in self.sent)

    @property
    def key_pem(self) -> bytes:
        """The leaf's private key, PEM."""
        return keys.pem(self.leaf.key)


class Register(Protocol):
    """Knows where it is said which certificates are revoked; `responder` has one."""

    def urls(self, issuer: Issued) -> Revocation:
        """Return the URLs that a certificate of this issuer's has."""

    def add(self, issuer: Issued, issued: Issued, *, revoked: bool) -> None:
        """Take note of a certificate that has the URLs of its issuer."""


class Issuer:
    """Issues the chains of one authority, below its own hierarchy or beside it."""

    def __init__(self, hierarchy: Hierarchy, ring: keys.KeyRing, now: Callable[[], datetime]) -> None:
        self._hierarchy = hierarchy
        self._now = now
        self._means = _Means(hierarchy.key, ring, trustme_ca.Trustme())

    def chain(
        self, scenario: Scenario, place: Place, register: Register | None = None, *, with_new_key: bool = False
    ) -> Chain:
        """Issue a scenario's chain; `register` is needed where the scenario speaks of revocation.

        The leaf's key is its own where that costs nothing, and otherwise `with_new_key`. Raises `InvalidValueError`
        for names that no certificate can hold, and for one that would revoke itself.
        """
        means = self._means._replace(ring=keys.KeyRing()) if with_new_key else self._means
        work = _Work(scenario, place, means, self._now(), register)
        try:
            path = self._path(work)
            return Chain(self._sent(work, path), path, self._trusted(work, path))
        except UnicodeError as error:  # idna's errors are of this kind
            raise InvalidValueError(
                "the server's names", place.names(work.name), f"names a certificate can hold ({error})"
            ) from error

    def good(self, chain: GoodChain) -> Chain:
        """Return a good server's chain as that of a scenario."""
        root = self._hierarchy.at(0)
        return Chain(tuple(chain), (*chain, root), root)

    def _path(self, work: _Work) -> tuple[Issued, ...]:
        """Issue the path, from the leaf up to the root."""
        scenario = work.scenario
        if scenario.leaf.issuer == "self":
            return (work.leaf(scenario.leaf, None),)
        intermediates = scenario.intermediates
        if isinstance(intermediates, int) and scenario.root is None:
            down: list[Issued] = [self._hierarchy.at(depth) for depth in range(intermediates + 1)]
        else:
            down = [self._hierarchy.at(0) if scenario.root is None else self._root(work, scenario.root)]
            own = (_INTERMEDIATE,) * intermediates if isinstance(intermediates, int) else intermediates
            for depth, profile in enumerate(own, 1):
                down.append(work.authority(profile, down[-1], f"intermediate {depth}", depth=depth))
        down.append(work.leaf(scenario.leaf, down[-1]))
        return tuple(reversed(down))

    def _root(self, work: _Work, profile: CertificateProfile) -> Issued:
        subject = self._hierarchy.at(0).subject if profile.impersonates else None
        return work.authority(profile, None, "root", subject=subject)

    def _sent(self, work: _Work, path: tuple[Issued, ...]) -> tuple[Issued, ...]:
        sent: list[Issued] = []
        middle = path[1:-1]
        for part in work.scenario.send:
            if part == "leaf":
                sent.append(path[0])
            elif part == "intermediates":
                sent += middle
            elif part == "intermediates-reversed":
                sent += reversed(middle)
            elif part == "root":
                sent.append(path[-1])
            else:
                sent.append(work.authority(CertificateProfile.plain_ca("stranger"), None, "stranger"))
        return tuple(sent)

    def _trusted(self, work: _Work, path: tuple[Issued, ...]) -> Issued:
        trust = work.scenario.trust
        if trust == "authority":
            return self._hierarchy.at(0)
        if trust == "leaf":
            return path[0]
        if trust == "other-key":
            return work.leaf(work.scenario.leaf, None, "other leaf")
        return path[-1]


class _Means(NamedTuple):
    """What all chains of one authority are made with."""

    key: str
    """The kind of key of whoever names no other."""
    ring: keys.KeyRing
    trustme: trustme_ca.Trustme


class _Work(NamedTuple):
    """One chain being issued."""

    scenario: Scenario
    place: Place
    means: _Means
    now: datetime
    register: Register | None

    @property
    def name(self) -> str:
        """What this scenario's clients connect to."""
        return self.place.expand(self.scenario.connect)

    def leaf(self, profile: CertificateProfile, issuer: Issued | None, part: str = "leaf") -> Issued:
        return self.issue(profile, issuer, part, self.subject(profile, None))

    def authority(
        self,
        profile: CertificateProfile,
        issuer: Issued | None,
        part: str,
        *,
        depth: int = 0,
        subject: x509.Name | None = None,
    ) -> Issued:
        """Return a root or an intermediate: by trustme where it can say what the profile says, or else by `issue`."""
        subject = subject or self.subject(profile, part)
        profile = replace(profile, key=profile.key or self.means.key)
        # RFC 5280 section 4.2.1.9: pathLenConstraint is for those who may sign certificates.
        if profile.path_length is None and profile.ca and "key_cert_sign" in (profile.key_usage or ("key_cert_sign",)):
            profile = replace(profile, path_length=path_length(depth))
        made = self.means.trustme.make(profile, issuer, subject)
        return made or trustme_ca.signer(profile, self.issue(profile, issuer, part, subject))

    def subject(self, profile: CertificateProfile, part: str | None) -> x509.Name:
        """Return a subject: as the profile says, or with the host name for a leaf and the part's for others."""
        if not profile.subject:
            return x509.Name([])
        if profile.common_name is not None:
            return names.distinguished(self.place.expand(profile.common_name, self.name))
        if part is None:
            return names.distinguished(self.place.hostname)
        return names.authority(f"smtpfix {self.scenario.id} {part}")

    def issue(self, profile: CertificateProfile, issuer: Issued | None, part: str, subject: x509.Name) -> Issued:
        revocation = self.revocation(profile, issuer)
        alternative_names = self.alternative_names(profile)
        try:
            issued = issue(
                self.expanded(profile),
                issuer,
                key=self.means.ring.key(profile.key or self.means.key, part),
                subject=subject,
                alternative_names=alternative_names,
                now=self.now,
                revocation=revocation,
            )
        except InvalidValueError:
            raise
        except ValueError as error:  # cryptography's, and ipaddress's
            raise InvalidValueError(profile.where, str(error), "what a certificate can hold") from error
        if revocation is not None and self.register is not None and issuer is not None:
            self.register.add(issuer, issued, revoked=profile.revoked)
        return issued

    def expanded(self, profile: CertificateProfile) -> CertificateProfile:
        """Return a profile with the placeholders in its name constraints filled in."""
        if not profile.permitted and not profile.excluded:
            return profile
        permitted, excluded = (
            tuple(self.place.expand(one, self.name) for one in subtrees)
            for subtrees in (profile.permitted, profile.excluded)
        )
        return replace(profile, permitted=permitted, excluded=excluded)

    def revocation(self, profile: CertificateProfile, issuer: Issued | None) -> Revocation | None:
        """Return where the issuer says what is revoked, if the certificate is to say it."""
        if not profile.revocation:
            return None
        if issuer is None or self.register is None:
            raise InvalidValueError(
                f"{profile.where}: revocation", True, "false where nobody else has issued the certificate"
            )
        return self.register.urls(issuer)

    def alternative_names(self, profile: CertificateProfile) -> list[str]:
        """Return the names with their kinds, placeholders filled in."""
        wanted = profile.names
        if wanted is None:
            wanted = () if profile.ca or profile.empty_names else ("{names}",)
        found: list[str] = []
        for name in wanted:
            if name == "{names}":
                found += [names.with_kind(one) for one in self.place.names(self.name)]
            else:
                found.append(self.place.expand(name, self.name))
        return found + [f"dns:host-{number}.smtpfix.test" for number in range(profile.extra_names)]
