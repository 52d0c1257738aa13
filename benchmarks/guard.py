"""The regression guard: what a session and a message cost in calls and in octets, on fixed input and without a clock.

``python -m benchmarks.guard`` counts what smtpfix's own side calls while in-memory clients talk to it, compares with
`budget.json`, and exits with 1 where something costs more. ``--renew`` writes what it counted as the new budget of this
Python version. No sockets are used for the sessions, and nothing depends on how fast the machine is.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import concurrent.futures
import contextlib
import gc
import json
import math
import ssl
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from smtpfix import ImapPolicy, Inbox, Policy, Pop3Policy, Server
from smtpfix.conversation import conversation
from smtpfix.imap import speech
from smtpfix.pki.authority import Authority
from smtpfix.store.opening import open_store
from smtpfix.store.row import entry_of
from smtpfix.wire.loop import LOOP_THREAD

BUDGET: Final = Path(__file__).with_name("budget.json")
MARGIN: Final = {"calls": 0.03, "C calls": 0.03, "octets": 0.10}
"""Share by which a count may be over its budget; by kind."""
ROOM: Final = 0.10
"""Share below its budget from which on a count is worth a new budget."""
_PATIENCE: Final = 120.0
_ROUNDS: Final = 12
"""Flights that a TLS handshake may take, at the most."""

Counts: TypeAlias = dict[str, float]
"""By kind: ``calls`` of Python functions, ``C calls``, ``octets``."""

_KIB: Final = 1024
_LINE: Final = b"The quick brown fox jumps over the lazy dog, again and again, and again, ok.\r\n"
_HEAD: Final = b"From: <ann@example.org>\r\nTo: <bob@example.org>\r\nSubject: Measured\r\n\r\n"
_MAIL: Final = b"MAIL FROM:<ann@example.org>\r\n"
_RCPT: Final = b"RCPT TO:<bob@example.org>\r\n"
_END: Final = b".\r\n"


class Tally:
    """Counts calls while it is on; only this thread's."""

    def __init__(self) -> None:
        self.calls = 0
        self.c_calls = 0

    @contextmanager
    def on(self) -> Iterator[None]:
        """Count what happens inside."""
        sys.setprofile(self._seen)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _seen(self, _frame: object, event: str, argument: object) -> None:
        if event == "call":
            self.calls += 1
        elif event == "c_call" and argument is not sys.setprofile:
            self.c_calls += 1


class Wire(asyncio.Transport):
    """The server's end of a connection that only exists in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 25)})
        self.sent = bytearray()
        self._closing = False

    def write(self, data: Any) -> None:
        """Keep what the server sends."""
        self.sent += data

    def is_closing(self) -> bool:
        """Return whether the server has closed."""
        return self._closing

    def close(self) -> None:
        """Close."""
        self._closing = True

    abort = close

    def pause_reading(self) -> None:
        """Do nothing: the client never sends while it waits."""

    resume_reading = pause_reading


class Client:
    """A client in memory; counts what the server does about it, not what it does itself."""

    def __init__(self, server: Server, tally: Tally, *, context: ssl.SSLContext | None = None) -> None:
        self._tally = tally
        self._wire = Wire()
        self._context = context
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        with tally.on():
            self._channel = server._serving.new_channel()  # noqa: SLF001 - what the listener calls for each connection
            self._channel.connection_made(self._wire)
        if server.mode == "implicit-tls":
            self.start_tls()

    def say(self, data: bytes, code: bytes, *, block: int = 65_536) -> None:
        """Send octets in blocks and make sure that the last reply begins with a code."""
        for start in range(0, len(data), block):
            piece = data[start : start + block]
            if self._tls is not None:
                self._tls.write(piece)
                piece = self._outgoing.read()
            self._feed(piece)
        answer = self._answer()
        last = answer.removesuffix(b"\r\n").rpartition(b"\r\n")[2]
        if not last.startswith(code):
            raise RuntimeError(f"expected {code!r} to {data[:60]!r}, got {answer!r}")

    def hello(self) -> None:
        """Send EHLO."""
        self.say(b"EHLO client.example.org\r\n", b"250")

    def message(self, content: bytes, *, recipients: int = 1) -> None:
        """Send a message, waiting for each reply."""
        self.say(_MAIL, b"250")
        for _ in range(recipients):
            self.say(_RCPT, b"250")
        self.say(b"DATA\r\n", b"354")
        self.say(content + _END, b"250")

    def pipelined_message(self, content: bytes) -> None:
        """Send a message in two writes (RFC 2920)."""
        self.say(_MAIL + _RCPT + b"DATA\r\n", b"354")
        self.say(content + _END, b"250")

    def upgrade(self) -> None:
        """Send STARTTLS, shake hands and begin anew."""
        self.hello()
        self.say(b"STARTTLS\r\n", b"220")
        self.start_tls()

    def start_tls(self) -> None:
        """Shake hands."""
        assert self._context is not None  # noqa: S101 - whoever begins TLS was given one
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        for _ in range(_ROUNDS):
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            else:
                self._feed(self._outgoing.read())
                return
            self._feed(self._outgoing.read())
            self._take()
        raise RuntimeError("the TLS handshake does not come to an end")

    def quit(self) -> None:
        """Say QUIT, and lose the connection."""
        self.say(b"QUIT\r\n", b"221")
        self.lose()

    def lose(self) -> None:
        """Lose the connection."""
        with self._tally.on():
            self._channel.connection_lost(None)

    def _feed(self, data: bytes) -> None:
        for start in range(0, len(data), 65_536):
            piece = data[start : start + 65_536]
            with self._tally.on():
                view = self._channel.get_buffer(-1)
                view[: len(piece)] = piece
                self._channel.buffer_updated(len(piece))

    def _take(self) -> bytes:
        sent = bytes(self._wire.sent)
        self._wire.sent.clear()
        if self._tls is not None:
            self._incoming.write(sent)
        return sent

    def _answer(self) -> bytes:
        sent = self._take()
        if self._tls is None:
            return sent
        pieces = []
        for _ in range(_ROUNDS):
            try:
                pieces.append(self._tls.read(65_536))
            except ssl.SSLWantReadError:
                break
        return b"".join(pieces)


def content(size: int) -> bytes:
    """Return a message's content of about so many octets."""
    return _HEAD + _LINE * ((size - len(_HEAD)) // len(_LINE))


class Measured:
    """The servers that are counted, one of each mode."""

    def __init__(self, servers: dict[str, Server], context: ssl.SSLContext) -> None:
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
                client.message(_HEAD)
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

    def peak(self, size: int) -> Counts:
        """Return the octets that one large message needs at the peak beyond its content."""
        server, message = self._servers["plain"], content(size)
        client = Client(server, Tally())
        client.hello()
        client.say(_MAIL + _RCPT + b"DATA\r\n", b"354")
        stuffed = message + _END
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
    "a RETR of a message of 1 KiB": lambda measured: measured.reading(
        "pop3", [(b"USER ann\r\n", b"+OK"), (b"PASS s3cret\r\n", b"+OK")], b"RETR 1\r\n", b"."
    ),
    "a message of 1 KiB that is stored": lambda measured: measured.stored(),
    "memory of a message of 1 KiB beyond its content": lambda measured: measured.kept(_KIB, 1000),
    "peak memory of a message of 4 MiB beyond its content": lambda measured: measured.peak(4 * _KIB * _KIB),
}
"""What is counted, by the name it has in the budget."""


def count() -> dict[str, Counts]:
    """Return every figure. The counting runs in the loop's thread, as the server does."""
    with Authority() as authority:
        users = {"ann": "s3cret"}
        inbox = Inbox()
        servers = {
            "plain": Server(Policy("plain", users=users), authority=authority),
            "starttls": Server(Policy("starttls"), authority=authority),
            "implicit-tls": Server(Policy("implicit-tls"), authority=authority),
            "read": Server(Policy("plain"), inbox=inbox),
            "imap": Server(ImapPolicy("plain", users=users), inbox=inbox),
            "pop3": Server(Pop3Policy("plain", users=users), inbox=inbox),
        }
        loop = LOOP_THREAD.hold()
        try:
            for server in servers.values():
                server.start()
            measured = Measured(servers, authority.client_context())
            done: concurrent.futures.Future[dict[str, Counts]] = concurrent.futures.Future()
            loop.call_soon_threadsafe(_count_here, measured, done)
            return done.result(_PATIENCE)
        finally:
            for server in servers.values():
                server.close()
            LOOP_THREAD.release()


def _count_here(measured: Measured, done: concurrent.futures.Future[dict[str, Counts]]) -> None:
    for module in (conversation, speech):
        vars(module)["_TURN_TIME"] = math.inf  # on a busy machine an answer would be given in several turns
    gc.disable()  # a collection would call finalizers whenever it likes
    try:
        for figure in FIGURES.values():
            figure(measured)  # fills every cache
        done.set_result({name: figure(measured) for name, figure in FIGURES.items()})
    except BaseException as error:  # noqa: BLE001 - whoever waits has to hear of it
        done.set_exception(error)
    finally:
        gc.enable()


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
    for line in over:
        print(f"OVER BUDGET: {line}", file=sys.stderr)
    print(f"Python {version}: {f'{len(over)} over budget' if over else 'within the budget'}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
