"""The part every server program shares: say where it listens, then obey lines on standard input.

Runs with the standard library alone, in the environment of any peer.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

MOST_TIMES = 10_000
"""Starts of a server that one command may ask for."""


class Running(Protocol):
    """A server that is up."""

    port: int

    def contents(self) -> Iterable[bytes]:
        """Return what it has kept of each message."""

    def clear(self) -> None:
        """Forget every message."""

    def close(self) -> None:
        """Stop."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What a server is started with."""

    mode: str
    """``plain``, ``starttls`` or ``implicit-tls``."""
    certificate: str
    """PEM file of the certificate chain; unused in mode ``plain``."""
    key: str
    """PEM file of its private key."""
    max_sessions: int
    """Sessions whose record is kept, for servers that keep one."""
    max_messages: int
    """Messages kept, for servers that have such a limit."""


def free_port() -> int:
    """Return a port that nobody listens on, for servers that cannot take port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(
    make: Callable[[Options], Running],
    *,
    packages: Sequence[str],
    keeps: str,
    hold: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
) -> None:
    """Serve until standard input ends.

    `packages` are the distributions whose versions count; `keeps` is ``content`` where `Running.contents` has the exact
    octets, ``body`` where only what follows the header section, its line ends as LF. `hold` is entered around the
    starts that are timed, for servers that share something between them.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="plain")
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    parser.add_argument("--max-sessions", type=int, default=1_000_000)
    parser.add_argument("--max-messages", type=int, default=1_000_000)
    parser.add_argument("--alone", action="store_true", help="share nothing between timed starts")
    parser.add_argument("--idle", action="store_true", help="serve nothing, only obey")
    arguments = parser.parse_args()
    options = Options(
        arguments.mode, arguments.certificate, arguments.key, arguments.max_sessions, arguments.max_messages
    )
    running = None if arguments.idle else make(options)
    _say(
        {
            "port": running.port if running else 0,
            "versions": {name: importlib.metadata.version(name) for name in packages},
            "keeps": keeps,
        }
    )
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "tally" and running:
            _say(_tally(running))
        elif command == "clear" and running:
            running.clear()
            _say({})
        elif command == "times":
            with contextlib.nullcontext() if arguments.alone else hold():
                _say({"seconds": [_start_and_stop(make, options) for _ in range(min(int(argument), MOST_TIMES))]})
        else:
            _say({"error": f"no such command: {line!r}"})
    if running:
        running.close()


def body_of(message: Any) -> bytes:
    """Return the body of a parsed message, its line ends as LF."""
    return str(message.get_payload()).replace("\r\n", "\n").encode("utf-8", "surrogateescape")


def _start_and_stop(make: Callable[[Options], Running], options: Options) -> float:
    began = time.perf_counter()
    make(options).close()
    return time.perf_counter() - began


def _tally(running: Running) -> dict[str, Any]:
    digests = collections.Counter(hashlib.sha256(content).hexdigest() for content in running.contents())
    return {"count": digests.total(), "digests": digests}


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)
