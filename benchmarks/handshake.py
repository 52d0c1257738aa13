"""What a TLS handshake costs the server, in CPU.

First in memory, in this thread's CPU time: whole sessions with one message, beside what OpenSSL alone takes for such
records. Then on sockets, in the CPU time of the server's processes: handshakes that two ``openssl s_time`` ask for,
which is C and no limit, beside ``openssl s_server``.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

from smtpfix import Policy, Server
from smtpfix.pki.authority import Authority
from smtpfix.tls.side import TLS

from .counting import Client, content
from .peers import ALONE, IN_C, MODES, SUBJECT, Ring
from .processes import StepFailedError, cpu_of_all, environment, free_port, run, wait_for_port
from .results import Figure, Results, Sample, take_turns

_SESSIONS: Final = 300
_SECONDS: Final = 3
"""That clients shake hands on sockets in a round."""
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


def _session_turn(session: Callable[[Stopwatch], None], sessions: int) -> tuple[Sample]:
    watch = Stopwatch()
    for _ in range(sessions):
        session(watch)
    return (Sample(watch.seconds / sessions * 1e6),)


def in_memory(results: Results, sessions: int, rounds: int) -> None:
    """Measure what sessions cost, each kind in turn."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    figure = Figure("handshake/in memory, a session with one message", "µs of CPU", more_is_better=False)
    with contextlib.ExitStack() as stack:
        authority = stack.enter_context(Authority())
        servers = {mode: stack.enter_context(Server(Policy(mode), authority=authority)) for mode in MODES}
        side = servers["implicit-tls"]._issuing.new()  # noqa: SLF001 - for its context
        assert isinstance(side, TLS)  # noqa: S101 - as the policy has it
        bare = side._object.context  # noqa: SLF001 - as above
        kinds: dict[str, Callable[[Stopwatch], None]] = {ALONE: partial(_alone, bare, context)}
        for mode, server in servers.items():
            kinds[f"{SUBJECT}, {mode}"] = partial(_ours, server, context)
        take_turns([figure], {name: partial(_session_turn, kind, sessions) for name, kind in kinds.items()}, rounds)
    results.add(figure)


@contextlib.contextmanager
def _serving(python: Path, *options: str) -> Iterator[tuple[int, int]]:
    command = [str(python), "-P", "-m", "smtpfix", "serve", "--json", "--listen", "implicit-tls:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        hello = process.stdout.readline()
        if not hello:
            raise StepFailedError(f"smtpfix serve {' '.join(options)} does not start")
        port = int(json.loads(hello)["port"])
        reader = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        try:
            yield process.pid, port
        finally:
            process.terminate()
            reader.wait()


@contextlib.contextmanager
def _in_c(folder: Path) -> Iterator[tuple[int, int]]:
    """Run OpenSSL's own server with a key of the same kind."""
    key, chain, port = folder / "key.pem", folder / "chain.pem", free_port()
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
    run(["openssl", "req", "-x509", *new, "-keyout", key, "-out", chain])
    command = ["openssl", "s_server", "-accept", str(port), "-cert", str(chain), "-key", str(key), "-quiet"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for_port(port)
            yield process.pid, port
        finally:
            process.terminate()


def _handshakes(port: int, seconds: int) -> int:
    """Let the clients shake hands for some seconds; return how often they did."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", str(seconds)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(_CLIENTS)]
    told = [client.communicate()[0] for client in clients]
    return sum(int(match[1]) for one in told if (match := re.search(r"(\d+) connections in \d+ real", one)))


def _sockets_turn(start: Callable[[], AbstractContextManager[tuple[int, int]]], seconds: int) -> tuple[Sample]:
    with start() as (pid, port):
        _handshakes(port, 1)
        before = cpu_of_all(pid)
        count = _handshakes(port, seconds)
        after = cpu_of_all(pid)
    if before is None or after is None or not count:
        raise StepFailedError("no handshakes, or this system does not tell a process's CPU time")
    return (Sample((after - before) / count * 1e6),)


def on_sockets(ring: Ring, results: Results, seconds: int, rounds: int) -> None:
    """Measure what handshakes cost, each server in turn."""
    figure = Figure("handshake/on sockets, a handshake and no message", "µs of CPU", more_is_better=False)
    servers: dict[str, Callable[[], AbstractContextManager[tuple[int, int]]]] = {IN_C: partial(_in_c, ring.scratch)}
    for options in ("--loop asyncio", "--loop uvloop", "--workers 2"):
        servers[f"smtpfix serve {options}"] = partial(_serving, ring.complete(), *options.split())
    turns = {name: partial(_sockets_turn, start, seconds) for name, start in servers.items()}
    take_turns([figure], turns, rounds, warm_up=0)
    results.add(figure)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure both."""
    if SUBJECT not in ring.peers:
        results.note("handshake figures: smtpfix takes no part")
        return
    in_memory(results, max(10, round(_SESSIONS * factor)), rounds)
    if shutil.which("openssl") is None:
        results.note("handshakes on sockets: not available, the program openssl is not installed")
        return
    try:
        on_sockets(ring, results, max(1, round(_SECONDS * factor)), rounds)
    except StepFailedError as error:
        results.note(f"handshakes on sockets: not available, {error}")
