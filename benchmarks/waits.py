"""Measure how long others wait beside the heaviest inputs: ``python -m benchmarks.waits --markdown waits.md``.

Beside each load, one client says NOOP by SMTP, and another asks for ``/livez``, over and over. The longest wait of each
is shown, the least of some rounds: what another program of the machine made longer is in one round, what the server
itself makes longer is in all.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import math
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote, urlsplit

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import NO_SESSION, CapturedMessage
from smtpfix.rules.reply import Reply
from smtpfix.store.opening import open_store
from smtpfix.store.row import entry_of

from . import pages
from .processes import LOAD_CORES, PATIENCE, cpu_seconds, environment, on_cores

MESSAGES: Final = 100_000
ROUNDS: Final = 3
AT_ONCE: Final = 1_000
PAUSE: Final = 0.002
"""Seconds between two questions of one client."""
_MEGA: Final = 1_000_000
_API: Final = "/api/v1/"
_OWN: Final = "/api/smtpfix/v1/"

HEAVY: Final[Mapping[str, Callable[[], bytes]]] = {
    "a mail of 32 MB, text": lambda: b"Subject: text\r\n\r\n" + b"words and more words\r\n" * 1_400_000,
    "a mail of 32 MB, an attachment": lambda: (
        b'Content-Type: application/octet-stream; name="x"\r\nContent-Transfer-Encoding: base64\r\n'
        b"Content-Disposition: attachment\r\n\r\n" + base64.encodebytes(bytes(23 * _MEGA)).replace(b"\n", b"\r\n")
    ),
    "one line of 32 MB, HTML": lambda: b"Content-Type: text/html\r\n\r\n" + b"x" * 32 * _MEGA,
    "HTML of 10 MB, all of it tags": lambda: b"Content-Type: text/html\r\n\r\n" + b"<a href=cid:x>" * 700_000,
    "HTML of 10 MB, all of it <!--": lambda: b"Content-Type: text/html\r\n\r\n" + b"<!--" * 2_500_000,
    "1,400,000 parts": lambda: b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 1_400_000,
    "20,000 levels": lambda: b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(20_000)
    ),
    "1 MB of encoded words": lambda: b"Subject: " + b"=?utf-8?q?=41?= " * 65_536 + b"\r\n\r\nx",
    "100,000 addresses": lambda: b"To: " + b"a@example.org,\r\n " * 100_000 + b"b@example.org\r\n\r\nx",
}
"""Messages, each as large as a server takes it by default, or as it costs most."""
FORMS: Final = (
    *(f"{_API}message/{{}}{rest}" for rest in ("", "/headers", "/raw", "/part/1", "/html-check")),
    *(f"{_OWN}messages/{{}}{rest}" for rest in ("", "/raw", "/test")),
    *("/view/{}.html", "/view/{}.txt", "/api/v1/messages/{}"),
)
"""Paths of all that is made of a message."""


@dataclass
class Running:
    """A server, and where it is."""

    pid: int
    smtp: int
    web: int

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        """Return an answer's body."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.web, timeout=PATIENCE)) as connection:
            connection.request(method, path, body)
            return connection.getresponse().read()

    def send(self, content: bytes) -> str:
        """Send a message; return its id."""
        with closing(socket.create_connection(("127.0.0.1", self.smtp), timeout=PATIENCE)) as connection:
            said = connection.makefile("rb")
            said.readline()
            for command in (b"HELO there", b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>", b"DATA"):
                connection.sendall(command + b"\r\n")
                said.readline()
            connection.sendall(content.removesuffix(b"\r\n") + b"\r\n.\r\n")
            reply = said.readline()
            assert reply.startswith(b"250"), reply  # noqa: S101 - a load that is refused is none
            return reply.split()[-1].decode()


@contextmanager
def started(store: Path) -> Iterator[Running]:
    """Run `smtpfix serve --web` on a store until the end of the block."""
    arguments = ("serve", "--listen", "plain:0", "--web", "0", "--store", store)
    with pages.serving(sys.executable, *arguments) as server:
        yield Running(server.process.pid, server.port, urlsplit(server.url).port or 0)


# Watching, in a process of its own: a load in the same one would be what it waits for


def watch(smtp: int, web: int) -> None:
    """Ask until standard input ends; print the longest wait of each client since every line that comes in."""
    longest = {"NOOP": 0.0, "/livez": 0.0}
    lock = threading.Lock()

    def over_and_over(name: str, ask: Callable[[], object]) -> None:
        while True:
            began = time.perf_counter()
            ask()
            took = time.perf_counter() - began
            with lock:
                longest[name] = max(longest[name], took)
            time.sleep(PAUSE)

    connection = socket.create_connection(("127.0.0.1", smtp), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.recv(1000)
    page = http.client.HTTPConnection("127.0.0.1", web, timeout=PATIENCE)

    def noop() -> None:
        connection.sendall(b"NOOP\r\n")
        connection.recv(1000)

    def alive() -> None:
        page.request("GET", "/livez")
        page.getresponse().read()

    for name, ask in (("NOOP", noop), ("/livez", alive)):
        threading.Thread(target=over_and_over, args=(name, ask), daemon=True).start()
    for _ in sys.stdin:
        time.sleep(20 * PAUSE)  # an answer that is waited for now belongs to what comes before
        with lock:
            print(json.dumps(longest), flush=True)
            longest.update(dict.fromkeys(longest, 0.0))


class Watcher:
    """The process that watches."""

    def __init__(self, running: Running) -> None:
        command = (sys.executable, "-m", "benchmarks.waits", "--watch", f"{running.smtp}", f"{running.web}")
        with on_cores(LOAD_CORES):
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
            )

    def longest(self) -> dict[str, float]:
        """Return the longest waits since the last time, in seconds."""
        assert self._process.stdin is not None  # noqa: S101 - they are pipes
        assert self._process.stdout is not None  # noqa: S101 - as above
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        waits: dict[str, float] = json.loads(self._process.stdout.readline())
        return waits

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=PATIENCE)


# Loads

Load: TypeAlias = Callable[[], object]


def fill(path: Path, messages: int) -> None:
    """Put messages into a store: the same one, at other times and with other ids."""
    content = (
        b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: message\r\n\r\n"
        + b"the fox and the dog\r\n" * 95
    )
    message = CapturedMessage(
        number=1,
        envelope=Envelope("ann@example.org", ("bob@example.org",)),
        content=content,
        received=datetime.now(UTC),
        reply=Reply(250),
        in_tls=False,
        user=None,
        _source=NO_SESSION,
    )
    entry = entry_of(message, server="plain", run="run")
    with closing(open_store(str(path))) as store:
        for first in range(0, messages, AT_ONCE):
            ids = range(first, min(first + AT_ONCE, messages))
            store.append([replace(entry, row=replace(entry.row, id=f"{number:022}")) for number in ids])


def loads(running: Running, names: Sequence[str]) -> Iterator[tuple[str, Load]]:
    """Yield what is done, and what it is called."""
    yield "nothing", lambda: time.sleep(1)
    for name, make in HEAVY.items():
        if names and not any(one in name for one in names):
            continue
        content = make()
        sent: list[str] = []
        yield f"{name}: comes by SMTP", lambda content=content, sent=sent: sent.append(running.send(content))
        for form in FORMS:
            yield f"{name}: {form.format('ID')}", lambda form=form, sent=sent: running.ask(form.format(sent[-1]))
    body = json.dumps(
        {
            "From": {"Email": "a@example.org"},
            "To": [{"Email": "b@example.org"}],
            "Attachments": [{"Filename": "x", "Content": base64.b64encode(bytes(36 * _MEGA)).decode()}],
        }
    ).encode()
    yield "48 MB to /api/v1/send", lambda: running.ask(f"{_API}send", "POST", body)
    ids = json.dumps({"IDs": ["x"] * 1_000_000}).encode()
    yield "a million ids to mark", lambda: running.ask(f"{_API}messages", "PUT", ids)
    deep = b"[" * 5_000_000
    yield "JSON of 5,000,000 levels", lambda: running.ask(f"{_API}messages", "PUT", deep)
    for path in (
        *("messages", "messages?limit=10000", "messages?start=99000", "search?query=nowhere"),
        *("search?query=message&limit=10000", f"search?query={quote(' '.join(['-x'] * 90))}", "tags"),
    ):
        yield f"the list: {_API}{path[:40]}", lambda path=path: running.ask(f"{_API}{path}")
    for path in ("messages?limit=200", "messages?query=nowhere", "sessions?limit=200"):
        yield f"the list: {_OWN}{path}", lambda path=path: running.ask(f"{_OWN}{path}")
    yield "all marked as read", lambda: running.ask(f"{_API}messages", "PUT", b'{"Read": true}')
    yield "all deleted", lambda: running.ask(f"{_API}messages", "DELETE")


def waited(pid: int) -> float:
    """Return the seconds for which a process was ready to run and something else ran; 0 where the system has none."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(thread.read_text(encoding="ascii").split()[1])
    return total / 1e9


@dataclass
class Waits:
    """What one load made others wait, in the round where it was least."""

    noop: float = math.inf
    alive: float = math.inf
    took: float = math.inf
    cpu: float = math.inf

    def take(self, longest: Mapping[str, float], took: float, cpu: float) -> None:
        """Take one round into account."""
        self.noop, self.alive = min(self.noop, longest["NOOP"]), min(self.alive, longest["/livez"])
        self.took, self.cpu = min(self.took, took), min(self.cpu, cpu)


def measured(store: Path, rounds: int, names: Sequence[str]) -> dict[str, Waits]:
    """Return what each load made others wait."""
    found: dict[str, Waits] = {}
    with started(store) as running, closing(Watcher(running)) as watcher:
        for name, load in loads(running, names):
            waits = found.setdefault(name, Waits())
            for _ in range(rounds):
                watcher.longest()
                cpu, began = cpu_seconds(running.pid) or 0.0, time.perf_counter()
                load()
                took = time.perf_counter() - began
                waits.take(watcher.longest(), took, (cpu_seconds(running.pid) or 0.0) - cpu)
            print(_line(name, waits), file=sys.stderr, flush=True)
    return found


def _line(name: str, waits: Waits) -> str:
    longest = f"{waits.noop * 1e3:,.0f} ms | {waits.alive * 1e3:,.0f} ms"
    return f"| {name} | {longest} | {waits.took:.2f} s | {waits.cpu:.2f} s |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES, help="messages in the store")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--markdown", type=Path, help="write the table into a file")
    parser.add_argument("--only", nargs="*", default=(), metavar="WORDS", help="messages whose name has any of these")
    parser.add_argument("--watch", nargs=2, type=int, metavar="PORT", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.watch:
        watch(*asked.watch)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "mail.db"
        fill(store, asked.messages)
        found = measured(store, asked.rounds, asked.only)
    head = "| load | longest NOOP | longest /livez | it took | CPU of the server |\n|---|---|---|---|---|"
    table = "\n".join([head, *(_line(name, waits) for name, waits in found.items())])
    if asked.markdown:
        asked.markdown.write_text(table + "\n", encoding="utf-8")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
