"""What a TLS handshake costs the server, in CPU: ``python -m benchmarks.handshake``.

First in memory, in this thread's CPU time: whole sessions with one message, beside what OpenSSL alone takes for such
records. Then on sockets, in the CPU time of the server's processes: handshakes that two ``openssl s_time`` ask for,
which is C and no limit, beside ``openssl s_server``. Medians, and the smallest and largest figures beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from smtpfix import Policy, Server
from smtpfix.pki.authority import Authority
from smtpfix.tls.side import TLS

from .guard import Client, content
from .processes import cpu_seconds, environment

_SESSIONS: Final = 300
_CLIENTS: Final = 2
_RECORDS: Final = ((60, 200), (30, 20), (28, 20), (6, 40), (1100, 20), (6, 20))
"""Octets of what a client says in a session with one message, and of the answers."""


class Stopwatch:
    """Stands for the guard's tally, and adds up the server's CPU time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Count what happens inside."""
        began = time.thread_time()
        try:
            yield
        finally:
            self.seconds += time.thread_time() - began


def _ours(server: Server, context: ssl.SSLContext, watch: Stopwatch) -> None:
    """Have one session with one message."""
    client = Client(server, watch, context=context)  # type: ignore[arg-type]
    if server.mode == "starttls":
        client.upgrade()
    client.hello()
    client.message(content(1024))
    client.quit()


def _alone(server: ssl.SSLContext, context: ssl.SSLContext, watch: Stopwatch) -> None:
    """Have OpenSSL do both sides of one such session, and nothing else."""
    near, far = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    client = context.wrap_bio(*near, server_hostname="localhost")
    with watch.on():
        ours = server.wrap_bio(*far, server_side=True)
    steps: list[Callable[[], Any]] = [client.do_handshake]
    while steps:
        with contextlib.suppress(ssl.SSLWantReadError):
            steps[0]()
            steps.clear()
        with watch.on():
            far[0].write(near[1].read())
            with contextlib.suppress(ssl.SSLWantReadError):
                ours.do_handshake()
            sent = far[1].read()
        near[0].write(sent)
    for said, answered in _RECORDS:
        client.write(b"x" * said)
        with watch.on():
            far[0].write(near[1].read())
            with contextlib.suppress(ssl.SSLWantReadError):
                while ours.read(65_536):
                    pass
            ours.write(b"x" * answered)
            far[1].read()


def in_memory(rounds: int) -> None:
    """Print what sessions cost, each kind in turn."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.ExitStack() as stack:
        authority = stack.enter_context(Authority())
        servers = {
            mode: stack.enter_context(Server(Policy(mode), authority=authority))
            for mode in ("plain", "starttls", "implicit-tls")
        }
        side = servers["implicit-tls"]._issuing.new()  # noqa: SLF001 - for its context
        assert isinstance(side, TLS)  # noqa: S101 - as the policy has it
        bare = side._object.context  # noqa: SLF001 - as above
        kinds: dict[str, Callable[[Stopwatch], None]] = {"OpenSSL alone": lambda watch: _alone(bare, context, watch)}
        for mode, server in servers.items():
            kinds[f"smtpfix, {mode}"] = lambda watch, server=server: _ours(server, context, watch)  # type: ignore[misc]
        figures: dict[str, list[float]] = {name: [] for name in kinds}
        for turn in range(rounds + 1):
            for name, session in kinds.items():
                watch = Stopwatch()
                for _ in range(_SESSIONS):
                    session(watch)
                if turn:
                    figures[name].append(watch.seconds / _SESSIONS * 1e6)
    _print("in memory, a session with one message", figures)


@contextlib.contextmanager
def _serving(*options: str) -> Iterator[tuple[int, int]]:
    """Run `smtpfix serve`; give its process and port."""
    command = [sys.executable, "-m", "smtpfix", "serve", "--json", "--listen", "implicit-tls:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        port = int(json.loads(process.stdout.readline())["port"])
        reader = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        try:
            yield process.pid, port
        finally:
            process.terminate()
            reader.wait()


@contextlib.contextmanager
def _in_c(folder: Path) -> Iterator[tuple[int, int]]:
    """Run OpenSSL's own server with a key of the same kind."""
    key, chain, port = folder / "key.pem", folder / "chain.pem", 28_465
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", *new, "-keyout", key, "-out", chain], check=True, stderr=subprocess.DEVNULL
    )
    command = ["openssl", "s_server", "-accept", str(port), "-cert", chain, "-key", key, "-quiet"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            time.sleep(1)
            yield process.pid, port
        finally:
            process.terminate()


def _handshakes(port: int, seconds: int) -> int:
    """Let the clients shake hands for some seconds; return how often they did."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", str(seconds)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(_CLIENTS)]
    told = [client.communicate()[0] for client in clients]
    return sum(int(match[1]) for one in told if (match := re.search(r"(\d+) connections in \d+ real", one)))


def _processes(pid: int) -> list[int]:
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *map(int, below)]


def on_sockets(rounds: int, seconds: int) -> None:
    """Print what handshakes cost, each server in turn."""
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        servers: dict[str, Callable[[], Any]] = {
            "openssl s_server": lambda: _in_c(Path(folder)),
            "smtpfix serve --loop asyncio": lambda: _serving("--loop", "asyncio"),
            "smtpfix serve --loop uvloop": lambda: _serving("--loop", "uvloop"),
            "smtpfix serve --workers 2": lambda: _serving("--workers", "2"),
        }
        for _ in range(rounds):
            for name, start in servers.items():
                with start() as (pid, port):
                    _handshakes(port, 1)
                    before = sum(cpu_seconds(one) or 0 for one in _processes(pid))
                    count = _handshakes(port, seconds)
                    spent = sum(cpu_seconds(one) or 0 for one in _processes(pid)) - before
                    figures.setdefault(name, []).append(spent / max(1, count) * 1e6)
    _print("on sockets, a handshake and no message", figures)


def _print(title: str, figures: dict[str, list[float]]) -> None:
    first = statistics.median(next(iter(figures.values())))
    print(f"| {title} | CPU, µs | of all | |\n|---|---|---|---|")
    for name, values in figures.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:.0f} | {min(values):.0f} to {max(values):.0f} | {middle / first:.2f} |")
    print(flush=True)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.handshake", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="that clients shake hands on sockets in a round")
    options = parser.parse_args()
    in_memory(options.rounds)
    on_sockets(options.rounds, options.seconds)


if __name__ == "__main__":
    main()
