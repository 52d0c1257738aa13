"""Sink throughput: smtp-source sends, every message is counted and compared, and nobody wins by losing mail."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .peers import Peer, Ring, Server
from .processes import LOAD_CORES, PATIENCE, StepFailedError, cpu_seconds, run
from .results import Figure, Results, Sample, take_turns

KIB: Final = 1024
MIB: Final = 1024 * KIB
_LINE: Final = "The quick brown fox jumps over the lazy dog, again and again, and again, ok."
"""A line of content without its CRLF: 76 characters, as base64 has it."""


@dataclass(frozen=True)
class Load:
    """What smtp-source does."""

    name: str
    size: int
    """Octets of one message."""
    messages: int
    """In one turn."""
    sessions: int = 1
    """At the same time."""
    keeps_connections: bool = True
    recipients: int = 1

    def scaled(self, factor: float) -> Load:
        """Return the same load with fewer messages, at least one for each session."""
        count = max(self.sessions, 2, round(self.messages * factor))
        return Load(self.name, self.size, count, self.sessions, self.keeps_connections, self.recipients)


LOADS: Final = (
    Load("1 KiB, 1 session kept", KIB, 2000),
    Load("1 KiB, 10 sessions, a connection each", KIB, 2000, 10, keeps_connections=False),
    Load("1 KiB, 10 sessions kept", KIB, 5000, 10),
    Load("1 KiB, 100 sessions kept", KIB, 5000, 100),
    Load("100 KiB, 10 sessions kept", 100 * KIB, 400, 10),
    Load("10 MiB, 1 session", 10 * MIB, 16),
)

SIZES: Final = (
    Load("1 KiB", KIB, 3000, 4),
    Load("10 KiB", 10 * KIB, 2000, 4),
    Load("100 KiB", 100 * KIB, 400, 4),
    Load("1 MiB", MIB, 60, 4),
    Load("10 MiB", 10 * MIB, 8, 2),
    Load("100 MiB", 100 * MIB, 2, 1),
)
"""The same question at every size, for the plot."""


@functools.lru_cache(maxsize=2)
def content(size: int) -> bytes:
    """Return a message of exactly so many octets; its last line is empty, as smtp-source adds one."""
    head = "From: <ann@example.org>\r\nTo: <bob@example.org>\r\nSubject: {}\r\n\r\n"
    line = _LINE + "\r\n"
    full, rest = divmod(size - len(head.format("")) - 2, len(line))
    return (head.format("x" * rest) + line * full + "\r\n").encode("ascii")


def content_file(folder: Path, size: int) -> tuple[Path, bytes]:
    """Write a message for smtp-source, which wants LF and adds an empty line; return the file and what arrives."""
    expected = content(size)
    path = folder / f"message-{size}"
    if not path.exists():
        path.write_bytes(expected[:-2].replace(b"\r\n", b"\n"))
    return path, expected


def send(ring: Ring, load: Load, port: int) -> float:
    """Let smtp-source work; return its seconds. Raises `StepFailedError` when a reply was not as it should be."""
    if ring.smtp_source is None:
        raise StepFailedError("smtp-source is not installed; Debian's package postfix has it")
    file, _ = content_file(ring.scratch, load.size)
    command: list[str | Path] = [ring.smtp_source, "-s", str(load.sessions), "-m", str(load.messages), "-F", file]
    command += ["-f", "ann@example.org", "-t", "bob@example.org", "-M", "client.example.org", "-C", "20"]
    if load.recipients > 1:
        command += ["-r", str(load.recipients)]
    if load.keeps_connections:
        command.append("-d")
    began = time.perf_counter()
    run([*command, f"127.0.0.1:{port}"], cores=LOAD_CORES, timeout=PATIENCE)
    return time.perf_counter() - began


def turn(ring: Ring, load: Load, server: Server) -> tuple[Sample]:
    """Send one load to a server and see that it has it all."""
    server.clear()
    before = cpu_seconds(server.pid)
    seconds = send(ring, load, server.port)
    after = cpu_seconds(server.pid)
    server.check(load.messages, content_file(ring.scratch, load.size)[1])
    server.clear()
    cpu = None if before is None or after is None else (after - before) / load.messages
    return (Sample(load.messages / seconds, cpu),)


@contextlib.contextmanager
def servers(ring: Ring, peers: Sequence[Peer], mode: str, figures: Sequence[Figure]) -> Iterator[dict[str, Server]]:
    """Run a server of each peer; who does not start is noted as missing."""
    with contextlib.ExitStack() as stack:
        running = {}
        for peer in peers:
            try:
                running[peer.name] = stack.enter_context(ring.start(peer, mode))
            except StepFailedError as error:
                for figure in figures:
                    figure.missing[peer.name] = str(error)
        yield running


def contest(
    ring: Ring,
    figures: Sequence[Figure],
    mode: str,
    rounds: int,
    play: Callable[[Server], Sequence[Sample]],
    *,
    largest: int = 0,
) -> None:
    """Let every peer's server take its turns at something that gives a sample to each figure."""
    fit = []
    for peer in ring.peers.values():
        if peer.largest is not None and largest > peer.largest:
            for figure in figures:
                figure.missing[peer.name] = f"takes no message over {peer.largest // MIB} MiB"
        else:
            fit.append(peer)
    with servers(ring, fit, mode, figures) as running:
        turns = {name: functools.partial(play, server) for name, server in running.items()}
        take_turns(figures, turns, rounds)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure every load, and throughput at every size."""
    if ring.smtp_source is None:
        results.note("sink figures: not available, smtp-source is not installed (Debian's package postfix has it)")
        return
    for prefix, loads in (("sink", LOADS), ("size", SIZES)):
        for load in loads:
            figure = Figure(f"{prefix}/{load.name}", "messages/s")
            play = functools.partial(turn, ring, load.scaled(factor))
            contest(ring, [figure], "plain", rounds, play, largest=load.size)
            results.add(figure)
