"""What reading mail over IMAP and POP3 costs, beside Dovecot, which has the same messages in Maildirs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count as counter
from pathlib import Path
from typing import Final

from . import dovecot
from .peers import Peer, Ring
from .processes import HERE, LOAD_CORES, SERVER_CORES, Child, StepFailedError, cpu_of_all, memory, reset_peak
from .results import Figure, Results, Sample, take_turns
from .sink import KIB, MIB

COUNT: Final = 1000
_HEAD: Final = (
    b"From: Shop <shop@example.org>\r\nTo: ann@example.org\r\n"
    b"Subject: Order %d\r\nMessage-ID: <order@example.org>\r\n\r\n"
)
_LINE: Final = b"x" * 78 + b"\r\n"
_OVER_IMAP: Final = {
    "ENVELOPE and BODYSTRUCTURE of all, the first time": "ask FETCH 1:* (ENVELOPE BODYSTRUCTURE)",
    "all in one FETCH": "ask FETCH 1:* (BODY.PEEK[])",
    "flags, UIDs and sizes of all in one FETCH": "ask FETCH 1:* (FLAGS UID RFC822.SIZE)",
    "a FETCH each": "each 1 COUNT FETCH {} (BODY.PEEK[])",
    "an APPEND each": "append COUNT Archive FILE",
}
_OVER_POP3: Final = {"POP3, a RETR each": "each 1 COUNT RETR {}"}
_ALL_OF_IT: Final = ("all in one FETCH", "a FETCH each", "POP3, a RETR each")
"""What has to bring every octet of every message."""
IDLE: Final = 100
_LARGE: Final = 32 * MIB
_TOO_LARGE: Final = 34 * MIB
"""More than ``servers/run_reading.py`` takes."""


@dataclass(frozen=True)
class Place:
    """A server whose mail is read."""

    imap: int
    pop3: int
    pid: int
    fill: Callable[[str, int, Path], object]
    """Gives a user so many messages with the octets of a file, in which ``%d`` is their number."""


def message_file(folder: Path, size: int) -> Path:
    """Write what messages of about so many octets are made from."""
    path = folder / f"read-{size}"
    path.write_bytes(_HEAD + _LINE * max(1, (size - len(_HEAD)) // len(_LINE)))
    return path


@contextlib.contextmanager
def own(ring: Ring, peer: Peer) -> Iterator[Place]:
    """Run this project's server. Raises `StepFailedError`."""
    with Child([ring.python(peer), HERE / "servers" / "run_reading.py"], cores=SERVER_CORES) as server:
        hello = server.answer(30)
        ring.versions.update(hello["versions"])

        def fill(user: str, count: int, file: Path) -> None:
            server.ask(f"fill {user} {count} {file}")

        yield Place(hello["imap"], hello["pop3"], server.pid, fill)


@contextlib.contextmanager
def _dovecot(ring: Ring) -> Iterator[Place]:
    with dovecot.running(ring.scratch / "dovecot") as server:
        ring.versions["dovecot"] = server.version
        yield Place(server.imap, server.pop3, server.pid, server.fill)


class Reader(Child):
    """A client that does as it is told, and throws away what it reads."""

    def __init__(self, place: Place, protocol: str, user: str) -> None:
        port = place.imap if protocol == "imap" else place.pop3
        super().__init__(
            [sys.executable, HERE / "clients" / "reading.py", protocol, port, user],
            cores=LOAD_CORES,
        )
        self._place = place
        self.answer(30)

    def step(self, line: str, *, units: int = 1, octets: int = 0) -> Sample:
        """Do what a line says; return its milliseconds, and the server's CPU seconds a unit.

        Raises `StepFailedError`, also where fewer octets came.
        """
        before = cpu_of_all(self._place.pid)
        found = self.ask(line)
        after = cpu_of_all(self._place.pid)
        if found["octets"] < octets:
            raise StepFailedError(f"{line}: {found['octets']:,} octets came of {octets:,}")
        return Sample(found["seconds"] * 1e3, None if before is None or after is None else (after - before) / units)


def turn(place: Place, file: Path, count: int, users: Iterator[int]) -> list[Sample]:
    """Read the messages of a new user in every way."""
    user = f"u{next(users)}"
    place.fill(user, count, file)
    samples = []
    for protocol, steps in (("imap", _OVER_IMAP), ("pop3", _OVER_POP3)):
        with Reader(place, protocol, user) as client:
            client.step("login")
            if protocol == "imap":
                client.step("ask CREATE Archive")
                client.step("ask SELECT INBOX")
            for name, line in steps.items():
                octets = count * file.stat().st_size if name in _ALL_OF_IT else 0
                told = line.replace("COUNT", str(count)).replace("FILE", str(file))
                samples.append(client.step(told, units=count, octets=octets))
    return samples


def idle_turn(place: Place, file: Path, clients: int) -> tuple[Sample]:
    """Let clients wait to be told of one message."""
    with Reader(place, "imap", "u0") as client:
        return (Sample(client.step(f"idle {clients} {file}").value),)  # its CPU is mostly that of their logins


def append_turn(place: Place, file: Path, *, is_kept: bool) -> tuple[Sample, Sample]:
    """Append one large message; return how long it takes, and the MiB of memory more at the peak."""
    with Reader(place, "imap", "u1") as client:
        client.step("login")
        client.step(f"{'append' if is_kept else 'refuse'} 1 INBOX {file}")
        return _with_peak(place, lambda: client.step(f"{'append' if is_kept else 'refuse'} 1 INBOX {file}"))


def fetch_turn(place: Place, file: Path, count: int) -> tuple[Sample, Sample]:
    """Read many large messages in one FETCH."""
    with Reader(place, "imap", "u2") as client:
        client.step("login")
        client.step("ask SELECT INBOX")
        octets = count * file.stat().st_size
        return _with_peak(place, lambda: client.step("ask FETCH 1:* (BODY.PEEK[])", units=count, octets=octets))


def _with_peak(place: Place, work: Callable[[], Sample]) -> tuple[Sample, Sample]:
    reset_peak(place.pid)
    before = memory(place.pid)
    sample = work()
    after = memory(place.pid)
    if before is None or after is None:
        raise StepFailedError("this system does not tell a process's memory")
    return sample, Sample((after[1] - before[0]) / MIB)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure small messages beside Dovecot, and what is large, or many clients, on this project's server."""
    count = max(10, round(COUNT * factor))
    figures = [
        Figure(f"reading/{COUNT:,} x 1 KiB: {name}", "ms", more_is_better=False) for name in (*_OVER_IMAP, *_OVER_POP3)
    ]
    with contextlib.ExitStack() as stack:
        places = {}
        makers = {peer.name: partial(own, ring, peer) for peer in ring.peers.values() if peer.is_ours}
        for name, make in {**makers, dovecot.NAME: partial(_dovecot, ring)}.items():
            try:
                places[name] = stack.enter_context(make())
            except StepFailedError as error:
                for figure in figures:
                    figure.missing[name] = str(error)
        file = message_file(ring.scratch, KIB)
        contestants = {name: partial(turn, place, file, count, counter(10)) for name, place in places.items()}
        take_turns(figures, contestants, rounds)
        results.add(*figures)
        _large(ring, results, {name: place for name, place in places.items() if name != dovecot.NAME}, rounds, factor)


def _large(ring: Ring, results: Results, places: dict[str, Place], rounds: int, factor: float) -> None:
    idle = Figure(f"reading/{IDLE} clients in IDLE, all told of an APPEND", "ms", more_is_better=False)
    file = message_file(ring.scratch, KIB)
    take_turns([idle], {name: partial(idle_turn, place, file, IDLE) for name, place in places.items()}, rounds)
    results.add(idle)
    for name, size, is_kept in (("kept", _LARGE, True), ("over the limit", _TOO_LARGE, False)):
        figures = _both(f"an APPEND of {size // MIB} MiB, {name}")
        file = message_file(ring.scratch, size)
        turns = {who: partial(append_turn, place, file, is_kept=is_kept) for who, place in places.items()}
        take_turns(figures, turns, min(rounds, 3))
        results.add(*figures)
    count = max(10, round(COUNT * factor))
    file = message_file(ring.scratch, 100 * KIB)
    figures = _both(f"{COUNT:,} x 100 KiB in one FETCH")
    for place in places.values():
        place.fill("u2", count, file)  # it has filled accounts before
    take_turns(figures, {who: partial(fetch_turn, place, file, count) for who, place in places.items()}, min(rounds, 3))
    results.add(*figures)


def _both(name: str) -> list[Figure]:
    return [
        Figure(f"reading/{name}", "ms", more_is_better=False),
        Figure(f"reading/{name}: memory more at the peak", "MiB", more_is_better=False),
    ]
