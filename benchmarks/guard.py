"""The regression guard: what a session and a message cost in calls and in octets, on fixed input and without a clock.

``python -m benchmarks.guard`` counts what smtpfix's own side calls while in-memory clients talk to it, compares with
`budget.json`, and exits with 1 where something costs more. ``--renew`` writes what it counted as the new budget of this
Python version. It also counts what twice as much of everything costs: `guard_growth`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gc
import json
import ssl
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from smtpfix import Server
from smtpfix.store.opening import open_store
from smtpfix.store.row import entry_of

from .counting import END, HEAD, MAIL, RCPT, Client, Tally, content, in_loop
from .guard_growth import broken, steps

BUDGET: Final = Path(__file__).with_name("budget.json")
MARGIN: Final = {"calls": 0.03, "C calls": 0.03, "octets": 0.10}
"""Share by which a count may be over its budget; by kind."""
ROOM: Final = 0.10
"""Share below its budget from which on a count is worth a new budget."""

Counts: TypeAlias = dict[str, float]
"""By kind: ``calls`` of Python functions, ``C calls``, ``octets``."""

_KIB: Final = 1024


class Measured:
    """The servers that are counted, one of each mode."""

    def __init__(self, servers: dict[str, Server[Any]], context: ssl.SSLContext) -> None:
        self._servers = servers
        self._context = context

    def session(self, mode: str, act: Callable[[Client], None] | None = None) -> Tally:
        """Run a session that greets, does something and quits; return what it cost the server."""
        tally = Tally()
        client = Client(self._servers[mode], tally, context=self._context)
        if mode == "starttls":
            client.upgrade()
        client.hello()
        if act is not None:
            act(client)
        client.quit()
        self._servers[mode].inbox.clear()
        return tally

    def each(self, mode: str, act: Callable[[Client, int], None], times: int = 10) -> Counts:
        """Return what doing something once more costs."""
        few = self.session(mode, lambda client: act(client, 1))
        many = self.session(mode, lambda client: act(client, 1 + times))
        return {
            "calls": round((many.calls - few.calls) / times, 1),
            "C calls": round((many.c_calls - few.c_calls) / times, 1),
        }

    def whole(self, mode: str, act: Callable[[Client], None] | None = None) -> Counts:
        """Return what a whole session costs."""
        tally = self.session(mode, act)
        return {"calls": tally.calls, "C calls": tally.c_calls}

    def reading(self, mode: str, begin: list[tuple[bytes, bytes]], command: bytes, code: bytes) -> Counts:
        """Return what it costs to ask an IMAP or POP3 server for one message more, once that was read before."""
        writer = Client(self._servers["read"], Tally())
        writer.hello()
        writer.message(_SMALL)
        writer.quit()
        tally = Tally()
        client = Client(self._servers[mode], tally)
        for line, answer in begin:
            client.say(line, answer)
        counted = []
        for times in (1, 1, 11):
            before = tally.calls, tally.c_calls
            for _ in range(times):
                client.say(command, code)
            counted.append((tally.calls - before[0], tally.c_calls - before[1]))
        client.lose()
        self._servers["read"].inbox.clear()
        _, few, many = counted
        return {"calls": (many[0] - few[0]) / 10, "C calls": (many[1] - few[1]) / 10}

    def stored(self) -> Counts:
        """Return what one message more costs that the store takes in with others."""
        server = self._servers["plain"]
        client = Client(server, Tally())
        client.hello()
        for _ in range(11):
            client.message(_SMALL)
        client.quit()
        tallies = []
        with tempfile.TemporaryDirectory() as folder, contextlib.closing(open_store(f"{folder}/store")) as store:
            for count in (1, 1, 11):
                tally = Tally()
                with tally.on():
                    store.append([entry_of(message, server="smtp", run="run") for message in server.inbox[:count]])
                tallies.append(tally)
        server.inbox.clear()
        _, few, many = tallies
        return {"calls": (many.calls - few.calls) / 10, "C calls": (many.c_calls - few.c_calls) / 10}

    def search(self) -> Counts:
        """Return what one more message in the inbox costs `Inbox.one`."""
        server = self._servers["plain"]
        client = Client(server, Tally())
        client.hello()
        tallies = []
        for _ in range(2):
            for _ in range(100):
                client.message(HEAD)
            tally = Tally()
            with tally.on():
                server.inbox.find(to="nobody@example.org")
            tallies.append(tally)
        client.quit()
        server.inbox.clear()
        few, many = tallies
        return {"calls": (many.calls - few.calls) / 100, "C calls": (many.c_calls - few.c_calls) / 100}

    def kept(self, size: int, times: int) -> Counts:
        """Return the octets that stay in memory for each message beyond its content."""
        server, message = self._servers["plain"], content(size)
        client = Client(server, Tally())
        client.hello()
        client.message(message)
        gc.collect()  # empties the free lists too, which are not traced
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            client.message(message)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        client.quit()
        server.inbox.clear()
        return {"octets": _rounded((after - before) / times - len(message))}

    def held(self, times: int) -> Counts:
        """Return the octets that stay in memory for each message in a mailbox beyond its content."""
        server = self._servers["imap"]
        server.put(_SMALL, to="ann")
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            server.put(_SMALL, to="ann")  # all have the same octets, which are not counted
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        server.inbox.clear()
        return {"octets": _rounded((after - before) / times)}

    def peak(self, size: int) -> Counts:
        """Return the octets that one large message needs at the peak beyond its content."""
        server, message = self._servers["plain"], content(size)
        client = Client(server, Tally())
        client.hello()
        client.say(MAIL + RCPT + b"DATA\r\n", b"354")
        stuffed = message + END
        gc.collect()
        tracemalloc.start()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        client.say(stuffed, b"250")
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        client.quit()
        server.inbox.clear()
        return {"octets": _rounded(peak - len(message))}


def _rounded(octets: float) -> int:
    """Return octets to the nearest 100: Python's own caches keep now one object more, now one less."""
    return round(octets / 100) * 100


def _repeated(act: Callable[[Client], None]) -> Callable[[Client, int], None]:
    def times(client: Client, count: int) -> None:
        for _ in range(count):
            act(client)

    return times


def _log_in(client: Client) -> None:
    client.say(b"AUTH PLAIN " + base64.b64encode(b"\0ann\0s3cret") + b"\r\n", b"235")


_SMALL: Final = content(_KIB)

FIGURES: Final[dict[str, Callable[[Measured], Counts]]] = {
    "a session in clear": lambda measured: measured.whole("plain"),
    "a session with STARTTLS": lambda measured: measured.whole("starttls"),
    "a session in implicit TLS": lambda measured: measured.whole("implicit-tls"),
    "a session with a login": lambda measured: measured.whole("plain", _log_in),
    "a message of 1 KiB": lambda measured: measured.each("plain", _repeated(lambda client: client.message(_SMALL))),
    "a message of 1 KiB, pipelined": lambda measured: measured.each(
        "plain", _repeated(lambda client: client.pipelined_message(_SMALL))
    ),
    "a message of 1 KiB in TLS": lambda measured: measured.each(
        "implicit-tls", _repeated(lambda client: client.message(_SMALL))
    ),
    "a message of 1 MiB": lambda measured: measured.each(
        "plain", _repeated(lambda client: client.message(content(_KIB * _KIB))), times=2
    ),
    "a recipient more": lambda measured: measured.each(
        "plain", lambda client, count: client.message(_SMALL, recipients=count)
    ),
    "a message that a search looks at": lambda measured: measured.search(),
    "a FETCH of a message of 1 KiB": lambda measured: measured.reading(
        "imap",
        [(b"a LOGIN ann s3cret\r\n", b"a OK"), (b"b SELECT INBOX\r\n", b"b OK")],
        b"c FETCH 1 BODY[]\r\n",
        b"c OK",
    ),
    "an APPEND of a message of 1 KiB": lambda measured: measured.reading(
        "imap",
        [(b"a LOGIN ann s3cret\r\n", b"a OK")],
        b"c APPEND INBOX {%d+}\r\n%b\r\n" % (len(_SMALL), _SMALL),
        b"c OK",
    ),
    "a RETR of a message of 1 KiB": lambda measured: measured.reading(
        "pop3", [(b"USER ann\r\n", b"+OK"), (b"PASS s3cret\r\n", b"+OK")], b"RETR 1\r\n", b"."
    ),
    "a message of 1 KiB that is stored": lambda measured: measured.stored(),
    "memory of a message of 1 KiB beyond its content": lambda measured: measured.kept(_KIB, 1000),
    "memory of a message in a mailbox beyond its content": lambda measured: measured.held(1000),
    "peak memory of a message of 4 MiB beyond its content": lambda measured: measured.peak(4 * _KIB * _KIB),
}
"""What is counted, by the name it has in the budget."""


def count() -> dict[str, Counts]:
    """Return every figure."""

    def act(servers: dict[str, Server[Any]], context: ssl.SSLContext) -> dict[str, Counts]:
        measured = Measured(servers, context)
        for figure in FIGURES.values():
            figure(measured)  # fills every cache
        return {name: figure(measured) for name, figure in FIGURES.items()}

    return in_loop(act)


def compare(counted: dict[str, Counts], budget: dict[str, Counts]) -> tuple[list[str], list[str]]:
    """Return lines on what is over its budget, and on what is so far below that the budget should be renewed."""
    over, below = [], []
    for name, counts in counted.items():
        for kind, value in counts.items():
            allowed = budget.get(name, {}).get(kind)
            if allowed is None:
                over.append(f"{name}: {value:,.10g} {kind}, and no budget; write one with --renew")
            elif value > allowed * (1 + MARGIN[kind]):
                over.append(f"{name}: {value:,.10g} {kind}, the budget is {allowed:,.10g} ({value / allowed - 1:+.1%})")
            elif value < allowed * (1 - ROOM):
                below.append(
                    f"{name}: {value:,.10g} {kind}, the budget is {allowed:,.10g} ({value / allowed - 1:+.1%})"
                )
    return over, below


def main() -> int:
    """Count, and compare or renew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--renew", action="store_true", help="write what was counted as this Python version's budget")
    arguments = parser.parse_args()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    budgets: dict[str, dict[str, Counts]] = json.loads(BUDGET.read_text(encoding="utf-8")) if BUDGET.exists() else {}
    counted = count()
    if arguments.renew:
        budgets[version] = counted
        BUDGET.write_text(json.dumps(dict(sorted(budgets.items())), indent=2) + "\n", encoding="utf-8")
    for name, counts in counted.items():
        print(f"{name}: {', '.join(f'{value:,.10g} {kind}' for kind, value in counts.items())}")
    over, below = compare(counted, budgets.get(version, {}))
    for line in below:
        print(f"cheaper than its budget, renew it: {line}")
    grown = steps()
    for name, (first, second) in grown.items():
        print(f"twice the {name}: {second / first if first > 0 else 0:.2f} times the calls")
    faster = broken(grown)
    for line in over:
        print(f"OVER BUDGET: {line}", file=sys.stderr)
    for line in faster:
        print(f"GROWS FASTER: {line}", file=sys.stderr)
    print(f"Python {version}: {f'{len(over)} over budget' if over else 'within the budget'}")
    print(f"{len(faster)} promises of growth broken" if faster else "nothing grows faster than what there is of it")
    return 1 if over or faster else 0


if __name__ == "__main__":
    sys.exit(main())
