"""TLS sessions a second: several clients with blocking sockets, a new connection and one message each time."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from typing import Final

from .peers import Ring, Server
from .processes import HERE, LOAD_CORES, Child, cpu_seconds
from .results import Figure, Results, Sample
from .sink import KIB, content_file, contest

CLIENTS: Final = 4
"""Processes that load the server, so that it never waits for one."""
SESSIONS: Final = 100
"""Of each client in one turn."""

_BUSY: Final = 0.85
"""Share of the load's cores that the clients use when it is they who limit the figure."""
_CPU_COUNTS: Final = "there the server's CPU is the figure to go by"


def turn(ring: Ring, mode: str, sessions: int, limited: set[str], server: Server) -> tuple[Sample]:
    """Let all clients run their sessions and see that every message is there."""
    server.clear()
    file, expected = content_file(ring.scratch, KIB)
    command = [sys.executable, HERE / "clients" / "tls_sessions.py", mode, str(server.port), str(sessions), file]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Child(command, cores=LOAD_CORES)) for _ in range(CLIENTS)]
        for client in clients:
            client.answer()
        before = cpu_seconds(server.pid)
        began = time.perf_counter()
        for client in clients:
            client.say("go")
        busy = sum(float(client.answer()["cpu"]) for client in clients)
        seconds = time.perf_counter() - began
        after = cpu_seconds(server.pid)
    count = CLIENTS * sessions
    if busy > _BUSY * seconds * max(1, len(LOAD_CORES)):
        limited.add(server.peer.name)
    server.check(count, expected)
    server.clear()
    cpu = None if before is None or after is None else (after - before) / count
    return (Sample(count / seconds, cpu),)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure both ways to begin TLS, and the same sessions in clear."""
    sessions = max(5, round(SESSIONS * factor))
    for mode in ("plain", "starttls", "implicit-tls"):
        figure = Figure(f"tls/{mode}", "sessions/s")
        limited: set[str] = set()
        contest(ring, [figure], mode, rounds, functools.partial(turn, ring, mode, sessions, limited))
        results.add(figure)
        if limited:
            results.note(f"tls/{mode}: the clients were the limit for {', '.join(sorted(limited))}: {_CPU_COUNTS}")
