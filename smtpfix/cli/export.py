"""`smtpfix certs write` and `ca`: certificates as files, for other servers and their clients."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from smtpfix.errors import InvalidValueError, SMTPFixError
from smtpfix.pki import stores
from smtpfix.pki.authority import Authority
from smtpfix.pki.certificates import Issued
from smtpfix.pki.chains import Chain
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.good_chain import check_key_type
from smtpfix.policy.place import Place
from smtpfix.policy.scenario import GROUPS, OUTCOMES, Scenario
from smtpfix.safe_text import printable
from smtpfix.smtp.policy import Policy

from .certs import HERE
from .folder import file_name
from .pipe import complain
from .shown import find_scenario, is_scenario_file
from .terminal import Terminal


class CannotWriteError(SMTPFixError):
    """A file cannot be written; the text is one line for people."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What `smtpfix certs write` was asked for. Raises `InvalidValueError`."""

    names: tuple[str, ...]
    """Scenarios' ids, groups' names and scenarios' files."""
    out: Path
    """Directory to write to; made if it is not there."""
    hostname: str | None = None
    """The server's name; None: that of `smtpfix serve`."""
    address: str | None = None
    """The server's IP address; None: 127.0.0.1."""
    pkcs12: str | None = None
    """Password of a PKCS#12 file with key and chain; None writes none."""
    truststore: str | None = None
    """Password of a PKCS#12 trust store for Java; None writes none."""
    authority: Path | None = None
    """Directory that keeps the authority; None makes a new one."""
    key_type: str | None = None
    """What keys the authority has; None: what the directory has, or ``ecdsa``."""
    force: bool = False
    """Overwrite existing files."""

    def __post_init__(self) -> None:
        for option, password in (("--pkcs12", self.pkcs12), ("--truststore", self.truststore)):
            if password == "":
                raise InvalidValueError.saying(option, password, "the password is empty; give one")
        if self.address is not None:
            try:
                ipaddress.ip_address(self.address)
            except ValueError:
                raise InvalidValueError("--address", self.address, "an IPv4 or IPv6 address") from None
        if self.hostname is not None:
            try:
                Policy(hostname=self.hostname)
            except InvalidValueError as error:
                raise error.renamed("--hostname") from None

    @property
    def place(self) -> Place:
        """What the certificates name."""
        if self.hostname is None and self.address is None:
            return HERE
        hostname = self.hostname or HERE.hostname
        return Place(hostname, hostname, self.address or HERE.address)


def write(stream: TextIO, options: WriteOptions) -> int:
    """Write the files of every scenario asked for, or none, and say what they are."""
    scenarios = _wanted(options.names)
    with _authority(options.authority, options.key_type) as authority:
        files = {
            scenario: _files(options, scenario, authority.chain(scenario, options.place)) for scenario in scenarios
        }
    _write(options.out, [file for some in files.values() for file in some], force=options.force)
    lines = []
    for scenario, some in files.items():
        connect = printable(options.place.expand(scenario.connect))
        lines.append(f"{scenario.id}: {scenario.expected}, {OUTCOMES[scenario.expected]}; clients connect to {connect}")
        width = max(len(file.name) for file in some)
        lines += [f"    {options.out / file.name.ljust(width)}  {file.what}" for file in some]
        if any(profile.revocation for profile in scenario.profiles):
            lines.append("    its URLs, of CRL and OCSP responder, are answered by smtpfix serve only")
    Terminal(stream).lines(lines)
    return 0


def write_root(
    stream: TextIO, file: Path, *, directory: Path | None = None, key_type: str | None = None, force: bool = False
) -> int:
    """Write an authority's root."""
    with _authority(directory, key_type) as authority:
        form, octets = _form(file, authority.root)
        _write(file.parent, [_File(file.name, octets, "")], force=force)
    whose = f"of the authority in {directory}" if directory is not None else "of a new authority that is gone already"
    Terminal(stream).lines([f"{file}  the root {whose}, {form}"])
    if directory is None:
        complain(
            "no server's certificate will ever be issued below this root, since its authority was not kept; "
            "to keep one, add --authority DIR here and to 'smtpfix serve'"
        )
    return 0


def _form(file: Path, root: Issued) -> tuple[str, bytes]:
    """Return what a file's name asks for, in words, and the root in that form."""
    if file.suffix == ".der":
        return "DER", root.octets
    if file.suffix == ".p12":
        return f"PKCS#12, its password is {stores.ROOT_PASSWORD}", stores.root_store(root)
    return "PEM", root.pem.encode()


def write_clients(
    stream: TextIO, names: Sequence[str], directory: Path, out: Path, *, pkcs12: str | None = None, force: bool = False
) -> int:
    """Issue certificates for clients, and say what was written."""
    if pkcs12 == "":
        raise InvalidValueError.saying("--pkcs12", pkcs12, "the password is empty; give one")
    files: dict[str, list[_File]] = {}
    with _authority(directory, None) as authority:
        for name in names:
            base = file_name(name)
            if not base or base in files:
                sentence = f"{name!r} leaves no name of its own for its files; leave it out, or choose another one"
                raise InvalidValueError.saying("NAME", name, sentence)
            try:
                chain, key = authority.client_certificate(name)
            except ValueError as error:  # idna's errors are of this kind
                expected = f"a host name, an e-mail address or an IP address ({error})"
                raise InvalidValueError("NAME", name, expected) from error
            files[base] = [
                _File(f"{base}-chain.pem", chain, "the certificate, and its issuer's"),
                _File(f"{base}-key.pem", key, "its private key", is_private=True),
            ]
            if pkcs12 is not None:
                store = stores.client_store(chain, key, pkcs12, base)
                files[base].append(_File(f"{base}.p12", store, "PKCS#12: key and chain", is_private=True))
    _write(out, [file for some in files.values() for file in some], force=force)
    width = max(len(file.name) for some in files.values() for file in some)
    lines = []
    for name, some in zip(names, files.values(), strict=True):
        lines.append(f"{printable(name)}: a client of servers below the authority in {directory}")
        lines += [f"    {out / file.name.ljust(width)}  {file.what}" for file in some]
    Terminal(stream).lines(lines)
    return 0


@dataclass(frozen=True, slots=True)
class _File:
    """One file to write."""

    name: str
    octets: bytes
    what: str
    """What is in it, for people."""
    is_private: bool = False
    """Whether only its owner may read it."""


def _wanted(names: Collection[str]) -> list[Scenario]:
    """Return each scenario once, in the order in which they were asked for."""
    found: dict[str, Scenario] = {}
    for name in names:
        some = (
            [load_scenario(one) for one in scenario_ids(name)]
            if name in GROUPS and not is_scenario_file(name)
            else [find_scenario("ID", name)]
        )
        for scenario in some:
            if scenario.group != "certificates":
                sentence = (
                    f"{scenario.id!r} is no certificate's scenario; 'smtpfix serve --scenario {scenario.id}' plays it"
                )
                raise InvalidValueError.saying("ID", name, sentence)
            if found.setdefault(scenario.id, scenario) != scenario:
                sentence = f"another scenario has the name {scenario.id!r} and its files already; rename this one"
                raise InvalidValueError.saying("ID", name, sentence)
    return list(found.values())


def _files(options: WriteOptions, scenario: Scenario, chain: Chain) -> list[_File]:
    name, count = scenario.id, len(chain.sent)
    holds = "the leaf" if count == 1 else f"the leaf and {count - 1} more, as the server has to send them"
    files = [
        _File(f"{name}-chain.pem", chain.chain_pem.encode(), holds),
        _File(f"{name}-key.pem", chain.key_pem, "the leaf's private key", is_private=True),
        _File(f"{name}-ca.pem", chain.trusted.pem.encode(), "what a careful client trusts"),
    ]
    try:
        if options.pkcs12 is not None:
            store = stores.key_store(chain, options.pkcs12, name)
            files.append(_File(f"{name}.p12", store, "PKCS#12: key and chain", is_private=True))
        if options.truststore is not None:
            store = stores.trust_store(chain.trusted, options.truststore, name)
            files.append(_File(f"{name}-truststore.p12", store, "PKCS#12: trust store for Java", is_private=True))
    except ValueError as error:
        raise InvalidValueError("ID", name, f"certificates that PKCS#12 files can be made of ({error})") from error
    return files


@contextmanager
def _authority(directory: Path | None, key_type: str | None) -> Iterator[Authority]:
    if key_type is not None:
        check_key_type(key_type, "--key-type")
    try:
        authority = Authority(directory, key_type=key_type)
    except OSError as error:
        raise CannotWriteError(
            f"cannot keep the authority in {directory}: {error.strerror}; choose a directory that can be written"
        ) from error
    with authority:
        yield authority


def _write(directory: Path, files: Sequence[_File], *, force: bool) -> None:
    """Write all files, each with its permissions from the start; none if one is there and may not be overwritten."""
    paths = [directory / file.name for file in files]
    there = [path for path in paths if os.path.lexists(path)]
    if there and not force:
        more = f" and {len(there) - 1} more files are" if len(there) > 1 else " is"
        raise CannotWriteError(f"{there[0]}{more} there already; --force overwrites")
    path = directory
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path, file in zip(paths, files, strict=True):
            path.unlink(missing_ok=True)
            mode = 0o600 if file.is_private else 0o644
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
                opened.write(file.octets)
    except OSError as error:
        raise CannotWriteError(
            f"cannot write {path}: {error.strerror}; choose a directory that can be written"
        ) from error
