"""`Authority`: a root that clients trust, the certificate chain of every scenario, and TLS contexts with them.

It issues certificates on first use and keeps them, so one authority serves a whole test run.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import ssl
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from smtpfix.clock import monotonic
from smtpfix.errors import ExtraMissing, InvalidValueError
from smtpfix.extras import install
from smtpfix.forked import tell_in_child
from smtpfix.later import Later
from smtpfix.policy.good_chain import LEAF_DAYS, day
from smtpfix.policy.place import Place
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.tls.contexts import load, needed_stack, needs_weak_security, server_context
from smtpfix.tls.side import TLS, TLSSide

from .certificates import Issued
from .good_chain import GoodChain, good_chain
from .hierarchy import Hierarchy
from .keys import KeyRing
from .renewal import CLIENT_LIFETIME, FOREVER, STAPLE_LIFETIME, Fresh, Renewed, good_lifetime, lifetime

if TYPE_CHECKING:
    from smtpfix.policy import catalogue_files
    from smtpfix.policy.scenario import Scenario
    from smtpfix.policy.tls_profile import TLSProfile
    from smtpfix.tls import own_certificate

    from . import chains, revocation
    from .chains import Chain, Issuer
    from .responder import Responder
else:  # good servers need none of these, and importing them costs more than all else
    catalogue_files = Later("policy.catalogue_files")
    own_certificate = Later("tls.own_certificate")
    chains = Later("pki.chains")
    revocation = Later("pki.revocation")


def _now() -> datetime:
    return datetime.now(UTC)


class Authority:
    """A root certificate that clients trust, and everything that is issued below it.

    With `directory`, the root and its intermediate are kept there between runs, so you have to import the root into a
    trust store only once; only the owner can read the keys. Without it, nothing is left after `close`.

    ``key_type="rsa"`` is for clients that do not know ECDSA: the root, intermediates and leaves have RSA keys, unless a
    scenario names another type. None takes the type of the directory, or ``"ecdsa"``. `now` returns the time from which
    periods of validity count.

    Raises `InvalidValueError` for another key type, `AuthorityError` for a directory whose files cannot be read back,
    have another key type or are open to others, and `OSError` for a directory that cannot be written.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        key_type: str | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._directory = Path(directory) if directory is not None else None
        self._now = now or _now
        # Whether something is due does not follow a test that stops or moves the time.
        self._clock = monotonic if now is None else lambda: now().timestamp()
        self._hierarchy = Hierarchy(self._directory, key_type)
        self._ring = KeyRing()
        self._good: dict[Place, Fresh[GoodChain]] = {}
        self._clients: dict[str, Fresh[tuple[bytes, bytes]]] = {}
        self._chains: dict[tuple[Scenario, Place], Fresh[Chain]] = {}
        self._contexts: dict[object, Fresh[ssl.SSLContext]] = {}
        self._ca_files: dict[str, Path] = {}
        self._folder: Path | None = None
        self._finalizer: weakref.finalize | None = None  # type: ignore[type-arg]
        self._stranger: Authority | None = None
        self._responder: Responder | None = None
        self._ending: weakref.finalize | None = None  # type: ignore[type-arg]
        tell_in_child(self)

    @property
    def key_type(self) -> str:
        """The type of its keys: ``"ecdsa"`` or ``"rsa"``."""
        return self._hierarchy.key_type

    # What clients need

    @property
    def ca_pem(self) -> str:
        """The root certificate, PEM: what a careful client trusts, unless the scenario says otherwise."""
        return self._hierarchy.at(0).pem

    @property
    def root(self) -> Issued:
        """The root certificate with its key."""
        return self._hierarchy.at(0)

    @property
    def ca_file(self) -> Path:
        """A file with the root certificate, PEM. It exists until `close`; with `directory`, it stays for good."""
        return self._directory / "ca.pem" if self._directory is not None else self._file_with(self.ca_pem)

    def trusted_pem(self, policy: ServerPolicy, place: Place) -> str:
        """Return the certificate that a careful client of a server with this policy trusts, PEM."""
        if policy.has_own_certificate:
            return own_certificate.trusted_pem(policy)
        scenario = policy.chain_scenario
        return self.ca_pem if scenario.is_plain else self.chain(scenario, place).trusted.pem

    def trusted_file(self, policy: ServerPolicy, place: Place) -> Path:
        """Return a file with the certificate that a careful client of such a server trusts, PEM.

        The file exists until `close`.
        """
        text = self.trusted_pem(policy, place)
        return self.ca_file if text == self.ca_pem else self._file_with(text)

    def client_context(self, name: str | None = None, *, trusted_pem: str | None = None) -> ssl.SSLContext:
        """Return a new client context that trusts this authority, or `trusted_pem`, and checks host names.

        With `name`, a host name, e-mail address or IP address, the context presents a client certificate for that name.
        """
        # ssl.create_default_context() would read the system's trust store, which takes a hundred times as long.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=trusted_pem or self.ca_pem)
        if trusted_pem is not None:  # which may be an intermediate, or the leaf: Python 3.13 sets this by itself
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if name is not None:
            load(context, *self.client_certificate(name))
        return context

    def client_certificate(self, name: str) -> tuple[bytes, bytes]:
        """Return a client certificate together with its issuer's, and its key, both PEM; one per name."""
        with self._lock:
            if self._is_due(self._clients.get(name)):
                issuer, now = self._hierarchy.at(1), self._now()
                first, last = (day(one, now) for one in LEAF_DAYS)
                certificate = issuer.client_certificate(name, first, min(last, issuer.until))
                self._clients[name] = Fresh(certificate, self._clock() + CLIENT_LIFETIME)
            return self._clients[name].value

    # What servers need

    def tls_factory(self, policy: ServerPolicy, place: Place) -> Callable[[], TLSSide]:
        """Return a function that creates the TLS side of each connection to a server, with a valid leaf.

        It issues the leaf again before it expires, so a server may run for months. It does not renew a leaf below a
        root that only its scenario has, because clients would have to trust the new root. Raises `ExtraMissing` if the
        scenario needs another TLS stack than Python's, and that is not installed.
        """
        stack = needed_stack(policy)
        make = {None: self._ordinary, "stapling": self._stapling, "legacy": self._legacy}[stack]
        if policy.tls_profile.rotate_keys:

            def anew() -> TLSSide:
                return make(policy, place)()

            return anew
        if isinstance(policy.certificate, tuple):
            return make(policy, place)

        def fresh() -> Fresh[Callable[[], TLSSide]]:
            with self._lock:
                due = self._due(policy, place)
                if stack == "stapling":
                    due = min(due, self._clock() + STAPLE_LIFETIME)
                return Fresh(make(policy, place), due)

        return Renewed(fresh, self._clock)

    def _ordinary(self, policy: ServerPolicy, place: Place) -> Callable[[], TLSSide]:
        if policy.tls_profile.rotate_keys:
            return functools.partial(TLS, self.new_server_context(policy, place))
        return functools.partial(TLS, self.server_context(policy, place))

    def _stapling(self, policy: ServerPolicy, place: Place) -> Callable[[], TLSSide]:
        with _needed(policy, "pyOpenSSL", "stapling"):
            from smtpfix.tls.stapling import StaplingTLS, stapling_context  # noqa: PLC0415 - an extra
        if policy.has_own_certificate:
            raise InvalidValueError(
                "Policy.certificate", "your own", f"a scenario: in {policy.scenario} the issuer signs the OCSP response"
            )
        profile, chain = policy.tls_profile, self._shown(policy, place)
        issuer = chain.path[1] if len(chain.path) > 1 else chain.leaf
        response = revocation.staple(chain.leaf, issuer, self._now(), revoked=profile.staple == "revoked")
        key = chain.key_pem
        return functools.partial(
            StaplingTLS,
            stapling_context(policy, profile, chain.chain_pem.encode(), key, response, self._client_authority(profile)),
        )

    def _legacy(self, policy: ServerPolicy, place: Place) -> Callable[[], TLSSide]:
        with _needed(policy, "tlslite-ng", "legacy-tls"):
            from smtpfix.tls.legacy import LegacyContext, LegacyTLS  # noqa: PLC0415 - an extra
        if policy.has_own_certificate:
            octets, key = own_certificate.own_octets(policy)
        else:
            chain = self._shown(policy, place)
            octets, key = chain.chain_pem.encode(), chain.key_pem
        return functools.partial(LegacyTLS, LegacyContext(policy, policy.tls_profile, octets, key))

    def server_context(self, policy: ServerPolicy, place: Place) -> ssl.SSLContext:
        """Return the TLS context for a server; the same one for the same policy and place."""
        certificate = policy.certificate
        key = (
            certificate if isinstance(certificate, str) else policy.chain_scenario,
            certificate if policy.has_own_certificate else None,
            policy.scenario if not isinstance(policy.scenario, Path) else policy.chain_scenario,
            policy.tls_profile if isinstance(policy.scenario, Path) else None,
            place,
            policy.tls_min,
            policy.tls_max,
            policy.old_ciphers,
            policy.client_certificate,
            policy.alpn,
        )
        with self._lock:
            if self._is_due(self._contexts.get(key)):
                context = self.new_server_context(policy, place)
                is_own = isinstance(certificate, tuple)
                due = FOREVER if is_own else self._due(policy, place)
                self._contexts[key] = Fresh(context, due)
            return self._contexts[key].value

    def new_server_context(self, policy: ServerPolicy, place: Place) -> ssl.SSLContext:
        """Return another TLS context for the same server, with a new leaf if its key rotates."""
        profile = policy.tls_profile
        if policy.has_own_certificate:
            if (own := own_certificate.own_context(policy)) is not None:
                return own
            return server_context(
                policy,
                profile,
                lambda context: own_certificate.load_own(context, policy),
                weak=False,
                client_authority_pem=self.ca_pem,
            )
        chain = self._fresh_good(place).value if policy.is_good else self._shown(policy, place)
        return server_context(
            policy,
            profile,
            lambda context: load(context, chain.chain_pem.encode(), chain.key_pem),
            weak=not policy.is_good and needs_weak_security(policy.chain_scenario.profiles),
            client_authority_pem=self._client_authority(profile),
        )

    def _shown(self, policy: ServerPolicy, place: Place) -> Chain:
        """Return the chain to show now."""
        with self._lock:
            scenario = policy.chain_scenario
            if policy.tls_profile.rotate_keys:
                return self._issue(scenario, place, with_new_key=True)
            return self.chain(scenario, place)

    def _client_authority(self, profile: TLSProfile) -> str:
        """Return whose client certificates are taken, PEM."""
        with self._lock:
            return self._other().ca_pem if profile.client_authority == "other" else self.ca_pem

    def chain(self, scenario: Scenario, place: Place) -> Chain:
        """Return the certificate chain of a scenario for a server, issued on first use and again when it is due."""
        return self._fresh_chain(scenario, place).value

    def _due(self, policy: ServerPolicy, place: Place) -> float:
        """Return by when a server's chain has to be issued again."""
        if policy.is_good:
            return self._fresh_good(place).due
        return self._fresh_chain(policy.chain_scenario, place).due

    def _fresh_good(self, place: Place) -> Fresh[GoodChain]:
        with self._lock:
            if self._is_due(self._good.get(place)):
                now = self._now()
                chain = good_chain(self._hierarchy, self._ring, place, now)
                left = (chain.leaf.until - now).total_seconds()
                self._good[place] = Fresh(chain, self._clock() + good_lifetime(left))
            return self._good[place]

    def _fresh_chain(self, scenario: Scenario, place: Place) -> Fresh[Chain]:
        with self._lock:
            key = (scenario, place)
            if self._is_due(self._chains.get(key)) and scenario == catalogue_files.load_scenario("good"):
                good, due = self._fresh_good(place)  # servers that say nothing of scenarios show the same
                self._chains[key] = Fresh(self._issuer.good(good), due)
            elif self._is_due(self._chains.get(key)):
                chain = self._issue(scenario, place)
                is_ours = chain.trusted.octets == self._hierarchy.at(0).octets  # or clients would need another root
                left = (chain.leaf.until - self._now()).total_seconds()
                self._chains[key] = Fresh(chain, self._clock() + lifetime(scenario, left) if is_ours else FOREVER)
            return self._chains[key]

    @functools.cached_property
    def _issuer(self) -> Issuer:
        return chains.Issuer(self._hierarchy, self._ring, self._now)

    def _is_due(self, kept: Fresh[Any] | None) -> bool:
        """Return whether something has to be made, for the first time or again."""
        return kept is None or self._clock() >= kept.due

    def _issue(self, scenario: Scenario, place: Place, *, with_new_key: bool = False) -> Chain:
        """Issue a chain; one that has URLs gets a responder that answers them."""
        if self._responder is None and any(profile.revocation for profile in scenario.profiles):
            from .responder import Responder  # noqa: PLC0415 - an HTTP server, which few scenarios need

            self._responder = Responder(self._now)
            self._ending = weakref.finalize(self, self._responder.close)
        return self._issuer.chain(scenario, place, self._responder, with_new_key=with_new_key)

    def close(self) -> None:
        """Remove the temporary files, and stop answering questions about revocation."""
        with self._lock:
            if self._responder is not None and self._ending is not None:
                self._ending()
                self._responder = self._ending = None
            if self._finalizer is not None:
                self._finalizer()
            self._folder = self._finalizer = None
            self._ca_files.clear()

    def forked(self) -> None:
        """In a forked child, leave the temporary files and the answers about revocation to the parent."""
        self._lock = threading.RLock()
        for finalizer in (self._finalizer, self._ending):
            if finalizer is not None:
                finalizer.detach()
        if self._responder is not None:
            self._responder.forked()
        self._folder = self._finalizer = self._responder = self._ending = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _file_with(self, text: str) -> Path:
        """Return a temporary file with a certificate."""
        with self._lock:
            if text not in self._ca_files:
                if self._folder is None:
                    self._folder = Path(tempfile.mkdtemp(prefix="smtpfix-"))
                    self._finalizer = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
                number = len(self._ca_files)
                file = self._folder / ("ca.pem" if number == 0 else f"ca-{number}.pem")
                file.write_text(text, encoding="ascii")
                self._ca_files[text] = file
            return self._ca_files[text]

    def _other(self) -> Authority:
        """Return an authority that has issued nothing for anybody."""
        if self._stranger is None:
            self._stranger = Authority(now=self._now)
        return self._stranger


@contextlib.contextmanager
def _needed(policy: ServerPolicy, package: str, extra: str) -> Iterator[None]:
    """Say what to install where an extra is missing that the policy's scenario needs."""
    try:
        yield
    except ImportError as error:
        scenario = policy.scenario or policy.certificate
        text = f"scenario {str(scenario)!r} needs {package}: {install(extra)} ({error})"
        raise ExtraMissing(text, extra) from error
