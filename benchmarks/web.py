"""What the store, the page and the APIs cost, beside MailDev, which keeps its mail in memory."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from .pages import MAILDEV, Running, answered, fetch, maildev, postgres, started
from .peers import SUBJECT, Ring
from .processes import HERE, LOAD_CORES, PATIENCE, StepFailedError, cpu_seconds, run
from .results import Figure, Results, Sample, take_turns

OCTETS: Final = 2_000
CONNECTIONS: Final = 10
MESSAGES: Final = 3_000
"""In one turn."""
REPLICA_MESSAGES: Final = 5_000
KEPT: Final = 100_000
"""Messages in the store whose page and search are timed."""
IN_MEMORY: Final = "in memory, no page"
SQLITE: Final = "SQLite and the page"
POSTGRES: Final = "PostgreSQL and the page"
_PLAIN: Final = ("serve", "--listen", "plain:0")
_WITH_PAGE: Final = (*_PLAIN, "--web", "localhost:0")
_SHOWN: Final = {SUBJECT: "api/v1/messages?limit=50", MAILDEV: "api/email"}
"""What a page asks for first."""


def load(port: int, messages: int, prefix: str) -> dict[str, Any]:
    """Send messages from a process of its own. Raises `StepFailedError`."""
    command = [sys.executable, HERE / "clients" / "load.py", port, CONNECTIONS, messages, OCTETS, prefix]
    found: dict[str, Any] = json.loads(run(command, cores=LOAD_CORES))
    if len(found["acknowledged"]) != messages // CONNECTIONS * CONNECTIONS:
        raise StepFailedError(f"{len(found['acknowledged'])} of {messages} messages were acknowledged")
    return found


def intake_turn(running: Running, messages: int) -> tuple[Sample]:
    """Send messages; return how many a second were taken, and the CPU seconds of each."""
    before = cpu_seconds(running.process.pid)
    seconds = load(running.port, messages, "m")["seconds"]
    after = cpu_seconds(running.process.pid)
    return (Sample(messages / seconds, None if before is None or after is None else (after - before) / messages),)


def takes(ring: Ring, results: Results, database: str | None, messages: int, rounds: int) -> None:
    """Measure intake, with and without a page; then the pages of what has come."""
    figure = Figure(f"intake/{OCTETS:,} octets, {CONNECTIONS} connections kept", "messages/s")
    programs = {
        IN_MEMORY: partial(started, ring, *_PLAIN),
        SQLITE: partial(started, ring, *_WITH_PAGE, "--store", ring.scratch / "intake.db"),
        MAILDEV: partial(maildev, ring),
    }
    if database is not None:
        programs[POSTGRES] = partial(started, ring, *_WITH_PAGE, "--store", database)
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for name, start in programs.items():
            try:
                running[name] = stack.enter_context(start())
            except StepFailedError as error:
                figure.missing[name] = str(error)
        take_turns([figure], {who: partial(intake_turn, one, messages) for who, one in running.items()}, rounds)
        results.add(figure)
        pages = {who: running[name] for who, name in ((SUBJECT, SQLITE), (MAILDEV, MAILDEV)) if name in figure.samples}
        if SUBJECT in pages:
            count = json.loads(fetch(f"{pages[SUBJECT].url}api/v1/messages?limit=1"))["total"]
            if count != (wanted := messages * (rounds + 1)):
                raise StepFailedError(f"the API has {count} messages of {wanted}")
        shown = Figure("web/the list of the messages of the intake", "ms", more_is_better=False)
        octets = Figure("web/memory with the messages of the intake", "MB", more_is_better=False)
        take_turns([shown, octets], {who: partial(_list_turn, one, _SHOWN[who]) for who, one in pages.items()}, rounds)
        results.add(shown, octets)


def _list_turn(running: Running, path: str) -> tuple[Sample, Sample]:
    return answered(running, path, 3), Sample(running.octets / 1e6)


def shows(ring: Ring, results: Results, kept: int, rounds: int) -> None:
    """Measure a page of many messages, and a search in them."""
    where = ring.scratch / "many.db"
    found = json.loads(run([ring.complete(), HERE / "probes" / "store.py", where, kept, 0, OCTETS], timeout=600))
    stored = Figure(f"web/{KEPT:,} messages stored", "s", more_is_better=False)
    disk = Figure(f"web/{KEPT:,} messages stored, on disk", "MB", more_is_better=False)
    stored.samples[SUBJECT] = [Sample(found["seconds"])]
    disk.samples[SUBJECT] = [Sample(where.stat().st_size / 1e6)]
    results.add(stored, disk)
    paths = {
        "an answer that says nothing": ("livez", 50),
        f"a page of 50 of {KEPT:,}": ("api/v1/messages?limit=50", 50),
        f"a search in {KEPT:,} without a match": ("api/v1/search?query=nothingatall", 5),
    }
    with started(ring, "web", "--store", where, "--listen", "localhost:0", is_page=True) as page:
        octets = Figure("web/memory of smtpfix web at its start", "MB", more_is_better=False)
        octets.samples[SUBJECT] = [Sample(page.octets / 1e6)]
        figures = [Figure(f"web/{name}", "ms", more_is_better=False) for name in paths]
        take_turns(
            figures,
            {SUBJECT: lambda: [answered(page, path, times) for path, times in paths.values()]},
            rounds,
        )
        after = Figure(f"web/memory of smtpfix web with {KEPT:,}", "MB", more_is_better=False)
        after.samples[SUBJECT] = [Sample(page.octets / 1e6)]
        results.add(*figures, octets, after)


def _start_turn(ring: Ring) -> tuple[Sample, Sample]:
    with started(ring, *_PLAIN) as plain:
        without = plain.cpu
    with started(ring, *_WITH_PAGE) as page:
        more = page.cpu - without
        began = time.perf_counter()
    return Sample(more * 1e3), Sample((time.perf_counter() - began) * 1e3)


def starts(ring: Ring, results: Results, rounds: int) -> None:
    """Measure how much CPU more a start takes with a page, and its end."""
    more = Figure("web/start, CPU more than without a page", "ms", more_is_better=False)
    end = Figure("web/the end", "ms", more_is_better=False)
    take_turns([more, end], {SUBJECT: partial(_start_turn, ring)}, rounds)
    results.add(more, end)


def replicas(ring: Ring, results: Results, database: str | None, messages: int) -> None:
    """Let two programs share a database; one turn, in which everything has to be told by both, in order."""
    if database is None:
        return
    figure = Figure("web/two replicas on PostgreSQL together", "messages/s")
    take_turns([figure], {SUBJECT: partial(_replica_turn, ring, database, messages)}, 1, warm_up=0)
    results.add(figure)


def _replica_turn(ring: Ring, database: str, messages: int) -> tuple[Sample]:
    arguments = (*_WITH_PAGE, "--store", database)
    with started(ring, *arguments) as first, started(ring, *arguments) as second:
        both = (first, second)
        since = json.loads(fetch(f"{first.url}api/smtpfix/v1/messages?limit=1"))["seq"]
        told: list[list[tuple[int, str]]] = [[], []]
        done: list[dict[str, Any]] = [{}, {}]

        def send(number: int) -> None:
            done[number] = load(both[number].port, messages, f"replica{number}-")

        def follow(number: int) -> None:
            told[number] = _events(f"{both[number].url}api/smtpfix/v1/events?since={since}", 2 * messages)

        threads = [threading.Thread(target=work, args=(n,)) for work in (follow, send) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    acknowledged = {name for one in done for name in one.get("acknowledged", ())}
    if len(acknowledged) != 2 * messages // CONNECTIONS * CONNECTIONS:
        raise StepFailedError(f"{len(acknowledged)} of {2 * messages} messages were acknowledged")
    for seen in told:
        if {name for _, name in seen} != acknowledged or [n for n, _ in seen] != sorted({n for n, _ in seen}):
            raise StepFailedError(f"{len(acknowledged)} were acknowledged, {len(seen)} told, or not in their order")
    if told[0] != told[1]:
        raise StepFailedError("the two replicas tell different things")
    return (Sample(len(acknowledged) / max(one["seconds"] for one in done)),)


def _events(url: str, count: int) -> list[tuple[int, str]]:
    """Return the numbers and subjects of so many new messages, as they are told."""
    told: list[tuple[int, str]] = []
    with urllib.request.urlopen(url, timeout=PATIENCE) as stream:  # noqa: S310 - our own server
        event: dict[str, str] = {}
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            event[name] = value
            if not name:
                if event.get("event") == "new":
                    told.append((int(event["id"]), json.loads(event["data"])["Subject"]))
                event = {}
                if len(told) == count:
                    break
    return told


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure everything; what a missing tool is needed for is left out."""
    if SUBJECT not in ring.peers:
        results.note("web figures: smtpfix takes no part")
        return
    share = partial(_share, factor)
    with ExitStack() as stack:
        try:
            database = stack.enter_context(postgres(ring))
        except StepFailedError as error:
            database = None
            results.note(f"web figures with PostgreSQL: not available, {error}")
        steps: Mapping[str, Callable[[], None]] = {
            "starts": lambda: starts(ring, results, rounds),
            "intake": lambda: takes(ring, results, database, share(MESSAGES), rounds),
            "replicas": lambda: replicas(ring, results, database, share(REPLICA_MESSAGES)),
            "pages": lambda: shows(ring, results, share(KEPT), rounds),
        }
        for name, step in steps.items():
            try:
                step()
            except StepFailedError as error:
                results.note(f"web figures, {name}: not available, {error}")


def _share(factor: float, count: int) -> int:
    return max(CONNECTIONS, round(count * factor / CONNECTIONS) * CONNECTIONS)
