"""Programs that take mail and show it, as the one run starts them: smtpfix, PostgreSQL behind it, and MailDev."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .peers import Ring
from .processes import (
    PATIENCE,
    SERVER_CORES,
    StepFailedError,
    cpu_seconds,
    environment,
    free_port,
    memory,
    on_cores,
    run,
    wait_for_port,
)
from .results import Sample

MAILDEV: Final = "MailDev"
_URL: Final = re.compile(rb"accessible via (http://[^ /]+/)")
_PLACE: Final = re.compile(rb"^plain +localhost:([0-9]+)", re.MULTILINE)


@dataclass
class Running:
    """A program that takes mail, shows it, or both."""

    process: subprocess.Popen[bytes]
    port: int = 0
    url: str = ""
    cpu: float = 0.0
    """The CPU seconds from its start to its first answer."""

    @property
    def octets(self) -> int:
        """Its memory."""
        return (memory(self.process.pid) or (0, 0))[0]


@contextmanager
def started(ring: Ring, *arguments: object, is_page: bool = False) -> Iterator[Running]:
    """Run the copy of `smtpfix` that is measured until the end of the block. Raises `StepFailedError`."""
    with serving(ring.complete(), *arguments, is_page=is_page) as running:
        yield running


@contextmanager
def serving(python: Path | str, *arguments: object, is_page: bool = False) -> Iterator[Running]:
    """Run the `smtpfix` of an interpreter until the end of the block. Raises `StepFailedError`."""
    command = [str(python), "-P", "-m", "smtpfix", *map(str, arguments)]
    with (
        on_cores(SERVER_CORES),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        said = b""
        while b"Ctrl-C" not in said and not (is_page and _URL.search(said)):
            line = process.stdout.readline()
            if not line:
                raise StepFailedError(f"smtpfix {arguments[0]} ended: {said.decode()[:200]}")
            said += line
        place, page = _PLACE.search(said), _URL.search(said)
        running = Running(process, int(place[1]) if place else 0, page[1].decode() if page else "")
        if running.url:
            fetch(f"{running.url}livez")
        running.cpu = cpu_seconds(process.pid) or 0.0
        threading.Thread(target=process.stdout.read, daemon=True).start()  # so that it never waits for its reader
        try:
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@contextmanager
def maildev(ring: Ring) -> Iterator[Running]:
    """Run MailDev until the end of the block. Raises `StepFailedError`."""
    program = _maildev_folder(ring) / "node_modules" / ".bin" / "maildev"
    smtp, web = free_port(), free_port()
    command = list(map(str, [program, "--smtp", smtp, "--web", web, "--ip", "127.0.0.1"]))
    with (
        on_cores(SERVER_CORES),
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
    ):
        try:
            wait_for_port(web)
            wait_for_port(smtp)
            yield Running(process, smtp, f"http://127.0.0.1:{web}/")
        finally:
            process.kill()


def _maildev_folder(ring: Ring) -> Path:
    folder = ring.maildev or ring.cache / "maildev"
    package = folder / "node_modules" / "maildev" / "package.json"
    if not package.exists():
        if ring.maildev is not None or shutil.which("npm") is None:
            raise StepFailedError(f"not in {folder}, where npm install maildev puts it")
        folder.mkdir(parents=True, exist_ok=True)
        run(["npm", "install", "--no-fund", "--no-audit", "--prefix", folder, "maildev"], timeout=600)
    found = re.search(r'"version": *"([^"]+)"', package.read_text(encoding="utf-8"))
    ring.versions["maildev"] = found[1] if found else "unknown"
    return folder


@contextmanager
def postgres(ring: Ring) -> Iterator[str]:
    """Give the URL of an empty database: the one that was asked for, or of a server that runs for the block.

    Raises `StepFailedError`.
    """
    if ring.postgres is not None:
        yield ring.postgres
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    initdb = shutil.which("initdb") or next(map(str, programs), None)
    if initdb is None:
        raise StepFailedError("PostgreSQL is not installed; Debian's package is postgresql, which need not run")
    folder = ring.scratch / "postgres"
    folder.mkdir()
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, "postgres", "postgres")
        except LookupError as error:
            raise StepFailedError(f"PostgreSQL does not run as root: {error}") from error

    def tell(program: Path, *arguments: str) -> None:
        who: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        command: list[str | Path] = [program, "-D", folder / "data", *arguments]
        quiet = subprocess.DEVNULL  # the server keeps them: a pipe would never end
        with on_cores(SERVER_CORES):
            done = subprocess.run(command, stdout=quiet, stderr=quiet, cwd=folder, check=False, timeout=PATIENCE, **who)
        if done.returncode:
            raise StepFailedError(f"PostgreSQL's {program.name} ended with {done.returncode}")

    tell(Path(initdb), "--username=smtpfix", "--auth=trust", "--encoding=UTF8", "--locale=C")
    control = Path(initdb).with_name("pg_ctl")
    options = f"-c listen_addresses= -c unix_socket_directories={folder}"
    tell(control, "start", "-w", "-o", options, "-l", str(folder / "log"))
    ring.versions["postgresql"] = run([Path(initdb).with_name("postgres"), "--version"]).split()[2]
    try:
        yield f"postgresql://smtpfix@/postgres?host={folder}"
    finally:
        with contextlib.suppress(StepFailedError):
            tell(control, "stop", "-w", "-m", "fast")


def fetch(url: str) -> bytes:
    """Return an answer's body. Raises `StepFailedError`."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - our own servers
            return bytes(answer.read())
    except OSError as error:
        raise StepFailedError(f"{url}: {error}") from error


def answered(running: Running, path: str, times: int) -> Sample:
    """Return the median of the milliseconds that an answer takes, and the mean of the program's CPU seconds."""
    seconds, before = [], cpu_seconds(running.process.pid)
    for _ in range(times):
        began = time.perf_counter()
        fetch(running.url + path)
        seconds.append(time.perf_counter() - began)
    after = cpu_seconds(running.process.pid)
    return Sample(
        statistics.median(seconds) * 1e3, None if before is None or after is None else (after - before) / times
    )
