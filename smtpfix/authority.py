"""Certificate authorities: root, intermediates and leaves by trustme, and the TLS contexts that show them.

The only importer of trustme. Issues on first use and keeps what it has issued: one authority serves a whole test run.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import ssl
import tempfile
import threading
import warnings
import weakref
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

import trustme

from .errors import AuthorityError, InvalidValueError
from .policy import Policy
from .scenario import load_scenario
from .tls import watch

_ORGANIZATION: Final = "smtpfix test authority"
_LIFETIME: Final = timedelta(days=90)
_VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class Authority:
    """A root that clients trust, and everything that is issued below it.

    With `directory`, the root and its intermediates are kept there between runs, so that a person can import the root
    into a trust store once; keys are readable by their owner only. Without, nothing outlives `close`.

    Raises `AuthorityError` for a directory whose files cannot be read back, `OSError` for one that cannot be written.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._lock = threading.RLock()
        self._directory = Path(directory) if directory is not None else None
        self._issuers: list[trustme.CA] = []
        self._contexts: dict[object, ssl.SSLContext] = {}
        self._folder: Path | None = None
        self._finalizer: weakref.finalize | None = None  # type: ignore[type-arg]
        if self._directory is not None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._issuer(0)

    # What clients need

    @property
    def ca_pem(self) -> str:
        """The root certificate, PEM: what a careful client trusts."""
        return self._issuer(0).cert_pem.bytes().decode("ascii")

    @property
    def ca_file(self) -> Path:
        """A file with the root certificate, PEM; it is there until `close`, or for good in a directory of its own."""
        if self._directory is not None:
            return self._directory / "ca.pem"
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="smtpfix-"))
                self._finalizer = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
                (self._folder / "ca.pem").write_text(self.ca_pem, encoding="ascii")
            return self._folder / "ca.pem"

    def client_context(self, name: str | None = None) -> ssl.SSLContext:
        """Return a new client context that trusts this authority and nothing else, checking host names.

        With `name`, a host name, e-mail address or IP address, it shows a client certificate for it.
        """
        # ssl.create_default_context() would read the system's trust store, which takes a hundred times as long.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.ca_pem)
        if name is not None:
            with self._lock:
                self._issuer(1).issue_cert(name, common_name=name, organization_name=_ORGANIZATION).configure_cert(
                    context
                )
        return context

    # What servers need

    def server_context(self, policy: Policy, names: Collection[str]) -> ssl.SSLContext:
        """Return the context for a policy whose server goes by these host names and addresses."""
        identities = tuple(sorted(filter(_is_identity, set(names))))
        key = (
            policy.certificate,
            identities,
            policy.tls_min,
            policy.tls_max,
            policy.client_certificate,
            policy.alpn,
        )
        with self._lock:
            if key not in self._contexts:
                self._contexts[key] = self._server_context(policy, identities)
            return self._contexts[key]

    def _server_context(self, policy: Policy, identities: tuple[str, ...]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():  # old versions are deprecated, which is why somebody wants to test them
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = _VERSIONS[policy.tls_min]
            context.maximum_version = _VERSIONS[policy.tls_max]
        if policy.tls_min in ("TLSv1", "TLSv1.1"):
            context.set_ciphers("DEFAULT:!aNULL:@SECLEVEL=0")  # OpenSSL 3 has no such versions above level 0
        scenario = load_scenario(policy.certificate)
        try:
            leaf = self._issuer(scenario.intermediates).issue_cert(
                *identities,
                common_name=policy.hostname[:64],  # RFC 5280 appendix A.1: ub-common-name
                organization_name=_ORGANIZATION,
                not_after=datetime.now(UTC) + _LIFETIME,
            )
        except UnicodeError as error:  # idna's errors are of this kind
            raise InvalidValueError(
                "the server's names", identities, f"names a certificate can hold ({error})"
            ) from error
        leaf.configure_cert(context)
        if policy.client_certificate != "none":
            required = policy.client_certificate == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=self.ca_pem)
        if policy.alpn:
            context.set_alpn_protocols(list(policy.alpn))
        watch(context)
        return context

    def close(self) -> None:
        """Remove the temporary files."""
        with self._lock:
            if self._finalizer is not None:
                self._finalizer()
            self._folder = self._finalizer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Issuers: 0 is the root, each next one is issued by the one before

    def _issuer(self, depth: int) -> trustme.CA:
        with self._lock:
            while len(self._issuers) <= depth:
                parent = self._issuers[-1] if self._issuers else None
                self._issuers.append(self._stored(parent) or self._new(parent))
            return self._issuers[depth]

    def _new(self, parent: trustme.CA | None) -> trustme.CA:
        number = len(self._issuers)
        issuer = trustme.CA(parent_cert=parent, path_length=9 - number, organization_name=_ORGANIZATION)
        if self._directory is not None:
            certificate, key = self._files(number)
            _write_private(key, issuer.private_key_pem.bytes())
            certificate.write_bytes(issuer.cert_pem.bytes())
        return issuer

    def _stored(self, parent: trustme.CA | None) -> trustme.CA | None:
        if self._directory is None:
            return None
        certificate, key = self._files(len(self._issuers))
        if not certificate.exists() and not key.exists():
            return None
        try:
            issuer = trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)  # does the key fit?
            issuer._certificate.verify_directly_issued_by((parent or issuer)._certificate)  # noqa: SLF001
        except Exception as error:  # cryptography has exceptions that are neither OSError nor ValueError
            raise AuthorityError(
                f"cannot read the authority back from {certificate} and {key}: {error}; "
                "restore both files, or remove both to make a new authority"
            ) from error
        issuer.parent_cert = parent
        return issuer

    def _files(self, number: int) -> tuple[Path, Path]:
        assert self._directory is not None  # noqa: S101 - the callers looked
        name = "ca" if number == 0 else f"intermediate-{number}"
        return self._directory / f"{name}.pem", self._directory / f"{name}.key"


def _is_identity(name: str) -> bool:
    """Return whether a certificate can name this; a wildcard address such as 0.0.0.0 is nobody's."""
    try:
        return not ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return not name.startswith("[")


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
