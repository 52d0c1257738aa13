"""`Hierarchy`: the root of an authority and its chain of intermediates, made by trustme.

Made on first use. With a directory, the root and the first intermediate are kept there over runs; longer chains are a
few scenarios' only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from smtpfix.errors import AuthorityError
from smtpfix.policy.good_chain import KEY_TYPES, MOST_INTERMEDIATES, check_key_type

from . import trustme_ca
from .keys import pem
from .trustme_ca import TrustmeCA

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_KEPT: Final = 2
"""How many authorities are kept: the root and the intermediate that all good servers have."""


class Hierarchy:
    """The root is at depth 0, and each next authority is issued by the one before.

    `key_type` is one of `KEY_TYPES`; None is what the directory has, and ECDSA where nothing is there. Raises
    `InvalidValueError` for another one, `AuthorityError` for a directory whose files cannot be read back or are of the
    other type, `OSError` for one that cannot be written.
    """

    def __init__(self, directory: Path | None, key_type: str | None) -> None:
        if key_type is not None:
            check_key_type(key_type, "Authority.key_type")
        self._lock = threading.RLock()
        self._directory = directory
        self._made: list[TrustmeCA] = []
        self.key_type = key_type or "ecdsa"
        """What its authorities are, and the leaves below them."""
        if directory is not None:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.key_type = self.at(0).key_type
            self._keep_other_forms(directory)
            if key_type not in (None, self.key_type):
                raise AuthorityError(
                    f"the authority in {directory} is of the key type {self.key_type!r}, and {key_type!r} was asked "
                    "for; choose another directory, or leave the key type out"
                )

    @property
    def key(self) -> str:
        """The kind of its keys, one of `KEYS`."""
        return KEY_TYPES[self.key_type]

    def at(self, depth: int) -> TrustmeCA:
        """Return an authority, made where it is not there yet. Raises `AuthorityError`."""
        with self._lock:
            while len(self._made) <= depth:
                above = self._made[-1] if self._made else None
                self._made.append(self._stored(above) or self._kept(above))
            return self._made[depth]

    def _kept(self, above: TrustmeCA | None) -> TrustmeCA:
        """Make the next authority, and keep it where it is to be kept; another program may have been quicker."""
        depth = len(self._made)
        if self._directory is None or depth >= _KEPT:
            return self._new(above)
        with _locked(self._directory):
            certificate, key = _files(self._directory, depth)
            part = certificate.with_name(f".{certificate.name}.part")
            if key.exists() and not certificate.exists() and part.exists():
                part.replace(certificate)  # a program died between the two
            stored = self._stored(above)
            if stored is not None:
                return stored
            issuer = self._new(above)
            key_part = key.with_name(f".{key.name}.part")
            _write(key_part, pem(issuer.key), 0o600)
            _write(part, issuer.pem.encode("ascii"), 0o644)
            key_part.replace(key)
            part.replace(certificate)
            return issuer

    def _new(self, above: TrustmeCA | None) -> TrustmeCA:
        depth = len(self._made)
        part = f"intermediate {depth}" if depth else "root"
        name = f"smtpfix {part} {secrets.token_hex(4)}"
        return trustme_ca.make(above, name, key_type=self.key_type, path_length=path_length(depth))

    def _keep_other_forms(self, directory: Path) -> None:
        """Keep the root beside its PEM in forms that devices import; a directory may be there to be read only."""
        root = self.at(0)
        der, store = directory / "ca.der", directory / "ca.p12"
        with contextlib.suppress(OSError):
            if store.exists() and der.exists() and der.read_bytes() == root.octets:
                return
            from .stores import root_store  # noqa: PLC0415 - once for each directory

            with _locked(directory):
                for path, octets in ((store, root_store(root)), (der, root.octets)):
                    part = path.with_name(f".{path.name}.part")
                    _write(part, octets, 0o644)
                    part.replace(path)

    def _stored(self, above: TrustmeCA | None) -> TrustmeCA | None:
        if self._directory is None or len(self._made) >= _KEPT:
            return None
        certificate, key = _files(self._directory, len(self._made))
        if not certificate.exists() and (
            not key.exists() or certificate.with_name(f".{certificate.name}.part").exists()
        ):
            return None
        _check_private(key)
        try:
            return TrustmeCA.read(certificate.read_bytes(), key.read_bytes(), above)
        except Exception as error:  # cryptography has exceptions that are neither OSError nor ValueError
            raise AuthorityError(
                f"cannot read the authority back from {certificate} and {key}: {error}; "
                "restore both files, or remove both to make a new authority"
            ) from error


def path_length(depth: int) -> int:
    """Return how many intermediates may stand below an authority at this depth: as many as a scenario can have.

    trustme leaves no pathLenConstraint out, and its own for a root is 9.
    """
    return max(MOST_INTERMEDIATES - depth, 0)


def _check_private(key: Path) -> None:
    """Refuse a key that others can read or write, as ssh does: whoever has it can pretend to be any server.

    Repaired without a word, it would still be known to whoever has read it. Windows has no such permissions.
    """
    if os.name != "nt" and key.exists() and key.stat().st_mode & 0o077:
        raise AuthorityError(
            f"others can read or write {key}, so they can pretend to be any server to anyone who trusts its root; "
            "if nobody has read it, run chmod 600 on it; otherwise remove its directory and make a new authority"
        )


def _files(directory: Path, depth: int) -> tuple[Path, Path]:
    name = "ca" if depth == 0 else f"intermediate-{depth}"
    return directory / f"{name}.pem", directory / f"{name}.key"


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Let no other program make an authority in a directory meanwhile; Windows knows no such lock."""
    if fcntl is None:  # pragma: no cover - Windows
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a new file, in the place of one that a program has left half-written which died."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
