"""Measure what the store, the page and the APIs cost: ``python -m benchmarks.web --markdown web.md``.

MailDev takes part with ``--maildev FOLDER``, where ``npm install maildev`` has put it; PostgreSQL with
``--postgres URL``, an empty database.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from .processes import HERE, LOAD_CORES, PATIENCE, SERVER_CORES, cpu_seconds, environment, memory, on_cores, run

OCTETS: Final = 2_000
CONNECTIONS: Final = 10
KEPT: Final = 100_000
"""Messages in the store whose page and search are timed."""
_URL: Final = re.compile(rb"accessible via (http://[^ /]+/)")
_PLACE: Final = re.compile(rb"^plain +localhost:([0-9]+)", re.MULTILINE)


@dataclass
class Running:
    """A program that takes mail, shows it, or both."""

    process: subprocess.Popen[bytes]
    port: int = 0
    url: str = ""
    began: float = 0.0
    """Seconds from its start to its first answer."""
    cpu: float = 0.0
    """The CPU time that this took."""

    @property
    def octets(self) -> int:
        """Its memory."""
        return (memory(self.process.pid) or (0, 0))[0]


@contextmanager
def started(*arguments: object, is_page: bool = False) -> Iterator[Running]:
    """Run `smtpfix` until the end of the block."""
    command = [sys.executable, "-m", "smtpfix", *map(str, arguments)]
    began = time.perf_counter()
    with (
        on_cores(SERVER_CORES),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        said = b""
        while b"Ctrl-C" not in said and not (is_page and _URL.search(said)):
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"{' '.join(command)} ended: {said.decode()}")
            said += line
        place, page = _PLACE.search(said), _URL.search(said)
        running = Running(process, int(place[1]) if place else 0, page[1].decode() if page else "")
        if running.url:
            fetch(f"{running.url}livez")
        running.began = time.perf_counter() - began
        running.cpu = cpu_seconds(process.pid) or 0.0
        threading.Thread(target=process.stdout.read, daemon=True).start()  # so that it never waits for its reader
        try:
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@contextmanager
def maildev(folder: Path) -> Iterator[Running]:
    """Run MailDev until the end of the block."""
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    command = [folder / "node_modules" / ".bin" / "maildev", "--smtp", ports[0], "--web", ports[1], "--ip", "127.0.0.1"]
    began = time.perf_counter()
    with (
        on_cores(SERVER_CORES),
        subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
    ):
        running = Running(process, ports[0], f"http://127.0.0.1:{ports[1]}/")
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    fetch(f"{running.url}api/email")
                    running.began = time.perf_counter() - began
                    break
                time.sleep(0.05)
            yield running
        finally:
            process.kill()


def fetch(url: str) -> bytes:
    """Return an answer's body."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - our own servers
        return bytes(answer.read())


def timed(running: Running, path: str, times: int) -> tuple[float, float]:
    """Return the median of the milliseconds that an answer takes, and the mean of those of the program's CPU."""
    seconds, before = [], cpu_seconds(running.process.pid) or 0.0
    for _ in range(times):
        began = time.perf_counter()
        fetch(running.url + path)
        seconds.append(time.perf_counter() - began)
    cpu = (cpu_seconds(running.process.pid) or 0.0) - before
    return statistics.median(seconds) * 1e3, cpu / times * 1e3


@dataclass
class Table:
    """The figures."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float, shown: str, target: str = "") -> None:
        """Take a figure in, and show it."""
        self.figures[name] = value
        self.rows.append((name, shown, target))
        print(f"{name}: {shown}" + (f" (target: {target})" if target else ""), flush=True)

    def markdown(self) -> str:
        """Return all as a table."""
        lines = ["| figure | value | target |", "| --- | --- | --- |"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)]) + "\n"


def answered(table: Table, name: str, took: tuple[float, float], target: str = "") -> None:
    """Take in how long an answer takes."""
    table.add(name, took[1], f"{took[0]:,.1f} ms, {took[1]:,.1f} ms of CPU", target)


def load(port: int, messages: int, prefix: str = "m", connections: int = CONNECTIONS) -> dict[str, Any]:
    """Send messages from a process of its own."""
    command = [sys.executable, HERE / "clients" / "load.py", port, connections, messages, OCTETS, prefix]
    found: dict[str, Any] = json.loads(run(command, cores=LOAD_CORES))
    return found


def intake(table: Table, name: str, running: Running, messages: int, rounds: int, target: str = "") -> None:
    """Measure messages a second, and CPU a message."""
    load(running.port, messages // 5, "warm")
    rates, costs = [], []
    for number in range(rounds):
        before = cpu_seconds(running.process.pid) or 0.0
        done = load(running.port, messages, f"r{number}-")
        after = cpu_seconds(running.process.pid) or 0.0
        if len(done["acknowledged"]) != messages // CONNECTIONS * CONNECTIONS:
            raise SystemExit(f"{name}: {len(done['acknowledged'])} of {messages} were acknowledged")
        rates.append(messages / done["seconds"])
        costs.append((after - before) / messages * 1e6)
    rate, cost = statistics.median(rates), statistics.median(costs)
    table.figures[f"{name}: CPU"] = cost
    table.add(name, rate, f"{rate:,.0f} messages/s, {cost:,.0f} µs of CPU", target)


def takes(table: Table, arguments: argparse.Namespace, folder: Path) -> None:
    """Measure intake, with and without a page, and beside MailDev."""
    count, rounds = arguments.messages, arguments.rounds
    plain = ("serve", "--listen", "plain:0")
    with started(*plain) as running:
        intake(table, "in memory, no page", running, count, rounds, "unchanged")
    with started(*plain, "--store", folder / "intake.db", "--web", "localhost:0") as running:
        intake(table, "SQLite and the page, 250 after commit", running, count, rounds, "≥ 1,500/s, ≤ 550 µs")
        rows = json.loads(fetch(f"{running.url}api/v1/messages?limit=1"))["total"]
        if rows != count // 5 + rounds * count:
            raise SystemExit(f"the API has {rows} messages")
    if arguments.postgres:
        with started(*plain, "--store", arguments.postgres, "--web", "localhost:0") as running:
            intake(table, "PostgreSQL and the page, 250 after commit", running, count, rounds, "≥ 500/s")
    if arguments.maildev:
        with maildev(arguments.maildev) as running:
            intake(table, "MailDev", running, count, rounds)
            had = count // 5 + rounds * count
            answered(table, f"MailDev: its list of {had:,}", timed(running, "api/email", 3))
            table.add("MailDev: memory", running.octets, f"{running.octets / 1e6:,.0f} MB with {had:,}")
            table.add("MailDev: first answer", running.began, f"{running.began * 1e3:,.0f} ms")
        ratio = table.figures["SQLite and the page, 250 after commit"] / table.figures["MailDev"]
        table.add("SQLite and the page over MailDev, messages/s", ratio, f"{ratio:.1f}")


def shows(table: Table, folder: Path, kept: int) -> None:
    """Measure a page of many messages, and a search in them."""
    from smtpfix.mail.envelope import Envelope  # noqa: PLC0415 - the load needs none of it
    from smtpfix.mail.message import CapturedMessage  # noqa: PLC0415 - as above
    from smtpfix.rules.reply import Reply  # noqa: PLC0415 - as above
    from smtpfix.store.opening import open_store  # noqa: PLC0415 - as above
    from smtpfix.store.row import entry_of  # noqa: PLC0415 - as above

    source: Any = SimpleNamespace(number=1, session=lambda: None)
    where = str(folder / "many.db")
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    began = time.perf_counter()
    with closing(open_store(where)) as store:
        for first in range(0, kept, 1000):
            entries = []
            for number in range(first, first + 1000):
                content = f"From: Ann <a{number}@example.org>\r\nTo: bob@example.org\r\nSubject: no {number}\r\n\r\n"
                body = f"the quick brown fox {number} jumps over the lazy dog\r\n" * (OCTETS // 52)
                message = CapturedMessage(
                    number=1,
                    envelope=Envelope("ann@example.org", ("bob@example.org",)),
                    content=(content + body).encode(),
                    received=datetime.now(UTC),
                    reply=Reply(250),
                    in_tls=False,
                    user=None,
                    _source=source,
                )
                entries.append(entry_of(message, server="plain", run="run"))
            store.append(entries)
    seconds = time.perf_counter() - began
    table.add(
        f"{kept:,} messages stored", seconds, f"{seconds:,.0f} s, {Path(where).stat().st_size / 1e6:,.0f} MB on disk"
    )
    with started("web", "--store", where, "--listen", "localhost:0", is_page=True) as page:
        table.add("the page alone: memory at start", page.octets, f"{page.octets / 1e6:,.0f} MB")
        fetch(f"{page.url}api/v1/messages")  # counts them, until something changes
        answered(table, "an answer that says nothing", timed(page, "livez", 50))
        answered(table, f"a page of 50 of {kept:,}", timed(page, "api/v1/messages?limit=50", 50), "≤ 5 ms")
        answered(table, "a search without a match", timed(page, "api/v1/search?query=nothingatall", 5), "≤ 300 ms")
        table.add("memory with them", page.octets, f"{page.octets / 1e6:,.0f} MB", "≤ 100 MB")


def starts(table: Table) -> None:
    """Measure how much later a server is ready with a page, and its end."""
    with_page, without, ends = [], [], []
    for _ in range(5):
        with started("serve", "--listen", "plain:0") as running:
            without.append(running.cpu)
        with started("serve", "--listen", "plain:0", "--web", "localhost:0") as running:
            with_page.append(running.cpu)
            began = time.perf_counter()
        ends.append(time.perf_counter() - began)
    more = (statistics.median(with_page) - statistics.median(without)) * 1e3
    table.add("start, CPU more than without a page", more, f"{more:,.0f} ms", "≤ 100 ms")
    end = statistics.median(ends) * 1e3
    table.add("the end", end, f"{end:,.0f} ms")


def replicas(table: Table, url: str, messages: int) -> None:
    """Let two programs share a database, and see that nothing is lost and both tell everything in order."""
    arguments = ("serve", "--listen", "plain:0", "--web", "localhost:0", "--store", url)
    with started(*arguments) as first, started(*arguments) as second:
        both = (first, second)
        since = json.loads(fetch(f"{first.url}api/smtpfix/v1/messages?limit=1"))["seq"]
        followed: list[list[tuple[int, str]]] = [[], []]
        done: list[dict[str, Any]] = [{}, {}]

        def follow(number: int) -> None:
            request = f"{both[number].url}api/smtpfix/v1/events?since={since}"
            with urllib.request.urlopen(request, timeout=PATIENCE) as stream:  # noqa: S310 - our own server
                event: dict[str, str] = {}
                for line in stream:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    event[name] = value
                    if not name:
                        if event.get("event") == "new":
                            followed[number].append((int(event["id"]), json.loads(event["data"])["Subject"]))
                        event = {}
                        if len(followed[number]) == 2 * messages:
                            return

        def send(number: int) -> None:
            done[number] = load(both[number].port, messages, f"replica{number}-")

        threads = [threading.Thread(target=work, args=(n,)) for work in (follow, send) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    acknowledged = {name for one in done for name in one["acknowledged"]}
    for seen in followed:
        if {name for _, name in seen} != acknowledged or [n for n, _ in seen] != sorted({n for n, _ in seen}):
            raise SystemExit(f"{len(acknowledged)} were acknowledged, {len(seen)} told, or not in their order")
    if followed[0] != followed[1]:
        raise SystemExit("the two replicas tell different things")
    rate = len(acknowledged) / max(one["seconds"] for one in done)
    shown = f"{rate:,.0f} messages/s, {len(acknowledged):,} of {2 * messages:,} told by both, in order"
    table.add("two replicas on PostgreSQL together", rate, shown, "≥ 500/s, none lost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kept", type=int, default=KEPT)
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--replica-messages", type=int, default=5_000)
    parser.add_argument("--maildev", type=Path, metavar="FOLDER")
    parser.add_argument("--markdown", type=Path)
    asked = parser.parse_args(arguments)
    table = Table()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        starts(table)
        takes(table, asked, Path(name))
        if asked.postgres:
            replicas(table, asked.postgres, asked.replica_messages)
        shows(table, Path(name), asked.kept)
    print(f"load: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    if asked.markdown:
        asked.markdown.write_text(table.markdown(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
