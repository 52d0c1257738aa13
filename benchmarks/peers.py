"""Who takes part: each peer's program, its own environment, what it can do, and why it may be absent."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from .certificates import write_certificate
from .processes import HERE, ROOT, SERVER_CORES, Child, StepFailedError, free_port, run, wait_for_port

MODES: Final = ("plain", "starttls", "implicit-tls")
BASE: Final = "smtp-sink"
"""What sink figures are divided by: the limit of the machine."""
STOCK: Final = "aiosmtpd"
"""What they are divided by where smtp-sink cannot take part."""
SUBJECT: Final = "smtpfix"
ALONE: Final = "OpenSSL alone"
IN_C: Final = "openssl s_server"
"""What handshakes are divided by: in memory, and on sockets."""
BEFORE: Final = f"{SUBJECT} at "
"""What the name of this project begins with as it was at a commit."""


@dataclass(frozen=True)
class Peer:
    """A server that is measured."""

    name: str
    program: str | None
    """Its file in `servers`; None for a program of the system."""
    requirements: tuple[str, ...] = ()
    """What pip installs into its environment; empty for one that needs Python only."""
    modes: tuple[str, ...] = MODES
    fixture: str | None = None
    """The name of its pytest fixture."""
    largest: int | None = None
    """Largest message in octets it takes as it comes."""
    commit: str | None = None
    """The commit of this project that it is; None: what lies in the folder, or another project."""
    extras: str = ""
    """The extras of this project that are installed with it, as pip has them: ``[web,fast]``."""

    @property
    def is_ours(self) -> bool:
        """Whether it is this project, as it is or as it was."""
        return self.name == SUBJECT or self.commit is not None


_AIOSMTPD_LIMIT: Final = 33_554_432

PEERS: Final = {
    peer.name: peer
    for peer in (
        Peer("smtpfix", "run_smtpfix.py", ("pytest>=8",), fixture="smtp_server"),
        Peer("aiosmtpd", "run_aiosmtpd.py", ("aiosmtpd>=1.4.6",)),
        Peer("smtpdfix", "run_smtpdfix.py", ("smtpdfix>=0.5", "pytest>=8"), fixture="smtpd", largest=_AIOSMTPD_LIMIT),
        Peer(
            "pytest-localserver",
            "run_localserver.py",
            ("pytest-localserver[smtp]>=0.9", "pytest>=8"),
            modes=("plain",),
            fixture="smtpserver",
            largest=_AIOSMTPD_LIMIT,
        ),
        Peer("smtp-sink", None, modes=("plain",)),
        Peer("raw", "run_raw.py"),
    )
}


def earlier(revision: str) -> Peer:
    """Return this project as it was at a commit. Raises `StepFailedError` where there is no such commit."""
    commit = run(["git", "-C", ROOT, "rev-parse", "--verify", "--short", f"{revision}^{{commit}}"], timeout=10).strip()
    now = PEERS[SUBJECT]
    return replace(now, name=f"{BEFORE}{commit}", commit=commit)


_COMPLETE: Final = replace(PEERS[SUBJECT], extras="[fast,legacy-tls,postgres,scram,stapling,web]")
"""This project with what its web server, its stores and its audit can use. Those who measure fixtures go without."""

_SMTP_SOURCE_PATHS: Final = os.pathsep.join(("/usr/sbin", "/usr/libexec/postfix", "/usr/local/sbin"))


def find_program(name: str) -> str | None:
    """Return where a program of Postfix is."""
    return shutil.which(name) or shutil.which(name, path=_SMTP_SOURCE_PATHS)


class Ring:
    """The peers of one run: their environments under the cache folder, made on first use."""

    def __init__(
        self,
        peers: Iterable[Peer],
        cache: Path,
        scratch: Path,
        *,
        maildev: Path | None = None,
        postgres: str | None = None,
    ) -> None:
        self.maildev = maildev
        """The folder that has MailDev; None: one in the cache folder."""
        self.postgres = postgres
        """The URL of an empty database; None: that of a server of our own."""
        self.cache = cache
        self.scratch = scratch
        self.absent: dict[str, str] = {}
        """Who cannot take part at all, and why."""
        self.versions: dict[str, str] = {}
        self.smtp_source = find_program("smtp-source")
        self.chain, self.key = write_certificate(scratch)
        self._pythons: dict[str, Path] = {}
        self.peers: dict[str, Peer] = {}
        for peer in peers:
            try:
                self._prepare(peer)
            except StepFailedError as error:
                self.absent[peer.name] = str(error)
            else:
                self.peers[peer.name] = peer

    def python(self, peer: Peer) -> Path:
        """Return the interpreter of a peer's environment."""
        return self._pythons[peer.name]

    def complete(self) -> Path:
        """Return the interpreter of an environment with smtpfix and its extras. Raises `StepFailedError`."""
        if _COMPLETE.extras not in self._pythons:
            self._pythons[_COMPLETE.extras] = self._environment(_COMPLETE)
        return self._pythons[_COMPLETE.extras]

    def start(self, peer: Peer, mode: str = "plain", *extra: str) -> Server:
        """Start a peer's server on the servers' core. Raises `StepFailedError`."""
        if mode not in peer.modes:
            raise StepFailedError(f"has no {mode}")
        server = Server(self, peer, mode, extra)
        self.versions.update(server.versions)
        return server

    # Environments

    def _prepare(self, peer: Peer) -> None:
        if peer.program is None:
            if find_program(peer.name) is None:
                raise StepFailedError("not installed; Debian's package postfix has it, which need not run")
            self._pythons[peer.name] = Path(sys.executable)
        elif not peer.requirements:
            self._pythons[peer.name] = Path(sys.executable)
        else:
            self._pythons[peer.name] = self._environment(peer)

    def _environment(self, peer: Peer) -> Path:
        name = peer.name.replace(" ", "-") + ("-complete" if peer.extras else "")
        folder = self.cache / f"{name}-{sys.version_info[0]}.{sys.version_info[1]}"
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        done = folder / "done.json"
        wanted: list[str] = [*peer.requirements, *filter(None, [peer.extras])]
        if peer.is_ours:
            wanted.append(peer.commit or _digest_of_sources())
        if not done.exists() or json.loads(done.read_text()) != wanted:
            done.unlink(missing_ok=True)
            if not python.exists():
                print(f"making an environment for {peer.name} …", file=sys.stderr)
                run([sys.executable, "-m", "venv", folder])
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([*pip, *peer.requirements], timeout=600)
            if peer.is_ours:
                copy = _checkout(self.scratch, peer.commit) if peer.commit else _copy_of_sources(self.scratch)
                run(
                    [*pip, f"{copy}{peer.extras}"], timeout=600
                )  # a folder is installed anew even if its version is the same
            done.write_text(json.dumps(wanted))
        return python


class Server:
    """A peer's server in a process of its own."""

    def __init__(self, ring: Ring, peer: Peer, mode: str, extra: tuple[str, ...]) -> None:
        self.peer = peer
        self.versions: dict[str, str] = {}
        self.keeps = "nothing"
        if peer.program is None:
            self.port = free_port()
            self._child: Child = _start_smtp_sink(self.port)
            return
        options = ["--mode", mode]
        if mode != "plain":
            options += ["--certificate", str(ring.chain), "--key", str(ring.key)]
        command = [ring.python(peer), HERE / "servers" / peer.program, *options, *extra]
        self._child = Child(command, cores=SERVER_CORES)
        try:
            hello = self._child.answer(30)
        except StepFailedError:
            self._child.close()
            raise
        self.port = int(hello["port"])
        self.versions = hello["versions"]
        self.keeps = str(hello["keeps"])

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._child.pid

    def check(self, count: int, content: bytes | None) -> None:
        """Make sure that so many messages were kept, each with this content. Raises `StepFailedError`."""
        if self.keeps == "nothing":
            return
        tally = self._child.ask("tally")
        if tally["count"] != count:
            raise StepFailedError(f"kept {tally['count']} messages of {count}")
        if content is None:
            return
        if self.keeps == "body":
            content = content.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
        digest = hashlib.sha256(content).hexdigest()
        wrong = sum(number for found, number in tally["digests"].items() if found != digest)
        if wrong:
            raise StepFailedError(f"changed {wrong} messages of {count}")

    def clear(self) -> None:
        """Let it forget its messages."""
        if self.keeps != "nothing":
            self._child.ask("clear")

    def times(self, count: int) -> list[float]:
        """Return the seconds that each of `count` starts and stops of another such server took."""
        return [float(seconds) for seconds in self._child.ask(f"times {count}")["seconds"]]

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Sink(Child):
    """smtp-sink, which listens to signals only."""

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        super().close()


def _start_smtp_sink(port: int) -> _Sink:
    program = find_program("smtp-sink")
    assert program is not None  # noqa: S101 - the ring looked
    command = [program, "-m", "4096"]
    if os.geteuid() == 0:
        command += ["-u", _unprivileged()]
    sink = _Sink([*command, f"127.0.0.1:{port}", "1024"], cores=SERVER_CORES)
    try:
        wait_for_port(port)
    except StepFailedError:
        sink.close()
        raise
    return sink


def _unprivileged() -> str:
    """Return a user without rights: smtp-sink insists on one when run by root."""
    names = {user.pw_name for user in pwd.getpwall() if user.pw_uid != 0}
    return "nobody" if "nobody" in names else min(names)


# smtpfix is installed as its users have it, not as its developers do

_SOURCES: Final = ("smtpfix", "conftest_plugin", "certs")
_FILES: Final = ("pyproject.toml", "README.md", "LICENSE")


def _source_files() -> list[Path]:
    found = [ROOT / name for name in _FILES]
    for folder in _SOURCES:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return sorted(found)


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for path in _source_files():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _copy_of_sources(scratch: Path) -> Path:
    copy = scratch / "sources"
    for path in _source_files():
        there = copy / path.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, there)
    return copy


def _checkout(scratch: Path, commit: str) -> Path:
    """Return a folder with the project as it was."""
    copy = scratch / f"sources-{commit}"
    copy.mkdir()
    archive = scratch / f"{commit}.tar"
    run(["git", "-C", ROOT, "archive", "--output", archive, commit], timeout=60)
    run(["tar", "-x", "-f", archive, "-C", copy], timeout=60)
    return copy


def postfix_version() -> str | None:
    """Return Postfix's version, if its settings can be read."""
    postconf = find_program("postconf")
    if postconf is None:
        return None
    try:
        found = re.search(r"= *(\S+)", run([postconf, "-d", "mail_version"], timeout=10))
    except StepFailedError:
        return None
    return found[1] if found else None
