"""Clients that send at the same time, and others beside them that do everything wrong; who got which 250 is known."""

from __future__ import annotations

import contextlib
import itertools
import random
import smtplib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

PATIENCE: Final = 10.0
"""Seconds that a client waits for anything."""
_KEYS: Final = itertools.count(1)
_HELD: Final = 20
"""Connections that a client which does everything wrong holds open at the same time."""
_LINES: Final = (b"", b".", b"..", b". .", b"\xc3\xa9\xff", b"From ", b"QUIT", b"250 OK", b"x" * 70, b"y" * 900)


@dataclass(frozen=True)
class Target:
    """A server that listens."""

    mode: str
    host: str
    port: int
    context: ssl.SSLContext | None
    """For clients; None in mode plain."""

    def connect(self, name: str) -> smtplib.SMTP:
        """Return a client that calls itself so, in TLS where there is TLS."""
        if self.mode == "implicit-tls":
            return smtplib.SMTP_SSL(self.host, self.port, name, timeout=PATIENCE, context=self.context)
        client = smtplib.SMTP(self.host, self.port, name, timeout=PATIENCE)
        if self.context is not None:
            try:
                client.starttls(context=self.context)
            except BaseException:
                client.close()
                raise
        return client


def content_of(key: str) -> bytes:
    """Return the content of the mail that has this key: always the same, and different from all others."""
    chance = random.Random(key)  # noqa: S311 - it has to repeat
    lines = [chance.choice(_LINES) for _ in range(chance.choice((0, 1, 10, 10, 100)))]
    return b"".join(line + b"\r\n" for line in (b"Subject: " + key.encode(), b"", *lines, key.encode()))


def key_in(content: bytes) -> str:
    """Return the key of a mail; the empty text where it has none."""
    first = content.partition(b"\r\n")[0].decode("ascii", "replace")
    return first.removeprefix("Subject: ") if first.startswith("Subject: ") else ""


class Load:
    """Threads that send mails and that do everything wrong, from `start` on until `stop`."""

    def __init__(self, targets: Sequence[Target], seed: int, *, senders: int = 6, faulty: int = 2) -> None:
        self._targets = targets
        self._ends = threading.Event()
        self.acknowledged: list[str] = []
        """The keys of the mails that got their 250; a list's append is atomic."""
        self._threads = [
            threading.Thread(target=run, args=(random.Random(f"{seed} {number}"),), daemon=True)  # noqa: S311
            for number, run in enumerate([self._send] * senders + [self._disturb] * faulty)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self, seconds: float) -> None:
        """Let it go on for a while."""
        self._ends.wait(seconds)

    def stop(self) -> None:
        """Let every client finish what it is at, or fail."""
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _send(self, chance: random.Random) -> None:
        while not self._ends.is_set():
            name = f"c{next(_KEYS)}.example"
            try:
                with contextlib.closing(chance.choice(self._targets).connect(name)) as client:
                    for _ in range(chance.randint(1, 5)):
                        key = f"m{next(_KEYS)}-{name}"
                        client.sendmail(f"{key}@a.example", [f"{key}@b.example"], content_of(key))
                        self.acknowledged.append(key)
                    if chance.random() < 0.8:  # noqa: PLR2004 - some leave without a word
                        client.quit()
            except (OSError, smtplib.SMTPException):
                self._ends.wait(0.01)

    def _disturb(self, chance: random.Random) -> None:
        held: list[socket.socket] = []
        while not self._ends.is_set():
            target = chance.choice(self._targets)
            with contextlib.suppress(OSError):
                opened = socket.create_connection((target.host, target.port), PATIENCE)
                opened.settimeout(0.2)
                held.append(opened)
                with contextlib.suppress(TimeoutError):
                    chance.choice(FAULTS)(opened, chance)
            if len(held) > _HELD:
                held.pop(chance.randrange(len(held))).close()
            self._ends.wait(0.005)
        for opened in held:
            opened.close()


# What is done wrong


def _reset(opened: socket.socket, _: random.Random) -> None:
    opened.sendall(b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: never\r\n\r\nhalf a ma")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    opened.close()


def _garbage(opened: socket.socket, chance: random.Random) -> None:
    opened.sendall(chance.randbytes(chance.choice((1, 100, 10_000))))


def _broken_hello(opened: socket.socket, chance: random.Random) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    hello = outgoing.read()
    opened.sendall(hello[: chance.randrange(len(hello))])


def _unfinished_tls(opened: socket.socket, _: random.Random) -> None:
    opened.sendall(b"EHLO a\r\nSTARTTLS\r\nNOOP\r\n\x16\x03\x01")


def _never_reads(opened: socket.socket, _: random.Random) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.sendall(b"HELP\r\n" * 200_000)


def _endless_line(opened: socket.socket, _: random.Random) -> None:
    opened.sendall(b"EHLO " + b"x" * 200_000)


def _many(opened: socket.socket, chance: random.Random) -> None:
    """Connect many times at once, from one address, and leave at once."""
    connected = []
    try:
        for _ in range(chance.randint(5, 40)):
            connected.append(socket.create_connection(opened.getpeername()[:2], PATIENCE))  # noqa: PERF401 - each counts
    finally:
        for one in connected:
            one.close()


def _leaves(opened: socket.socket, _: random.Random) -> None:
    opened.close()


def _idle(_opened: socket.socket, _: random.Random) -> None:
    """Say nothing."""


FAULTS: Final[tuple[Callable[[Any, random.Random], None], ...]] = (
    *(_reset, _garbage, _broken_hello, _unfinished_tls, _never_reads, _endless_line, _many, _leaves, _idle),
)
