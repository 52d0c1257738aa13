"""What a `Server` in a program of one's own promises: every mail once and unmixed, an end in time, nothing left."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import random
import threading
import time
from pathlib import Path

from benchmarks.processes import memory
from smtpfix import CloseTimeoutError, Inbox, Mode, Policy, Server
from smtpfix.pki.authority import Authority

from .clients import Load, Target, content_of, key_in
from .promises import Promise, Promises

_MIB = 1024 * 1024
_MOST = 16.0
"""MiB by which memory may grow from the end of the warm-up on: the record of one client that
never reads has several."""
_WARM_UP = 2
"""Rounds after which memory is expected to stay as it is."""
_BOUND = 5.0
"""Seconds that close() may take; it is a second that is promised, and the machine may be busy."""


class Inside:
    """Rounds with servers in this process."""

    def __init__(self, promises: Promises, chance: random.Random, seconds: float, authority: Authority) -> None:
        self._promises = promises
        self._chance = chance
        self._seconds = seconds
        self._authority = authority
        self._rounds = 0
        self._before = 0.0
        """MiB at the end of the warm-up."""

    def serve(self) -> None:
        """Serve all modes to clients of every kind, and close in the middle of it."""
        before = _open_now()
        inbox = Inbox()
        servers = [Server(Policy(mode), authority=self._authority, inbox=inbox).start() for mode in Mode]
        targets = [
            Target(str(one.mode), one.host, one.port, one.ssl_context() if one.policy.uses_tls else None)
            for one in servers
        ]
        with Load(targets, self._chance.getrandbits(32)) as load:
            load.wait(self._seconds)
            for server in servers:
                self._close(server)
        self._check_inbox(inbox, load.acknowledged)
        del servers, inbox, load, server
        self._check_left(before)
        self._check_memory()

    def _close(self, server: Server) -> None:
        began, why = time.monotonic(), ""
        try:
            server.close()
        except CloseTimeoutError as error:
            why = str(error)
        seconds = time.monotonic() - began
        self._promises.check(Promise.CLOSED, not why and seconds < _BOUND, why or f"{seconds:.2f} s", measure=seconds)

    def _check_inbox(self, inbox: Inbox, acknowledged: list[str]) -> None:
        found: dict[str, int] = {}
        for message in inbox:
            key = key_in(message.content)
            found[key] = found.get(key, 0) + 1
            says = (message.reverse_path, message.to, message.session.client_name)
            wanted = (f"{key}@a.example", (f"{key}@b.example",), key.partition("-")[2])
            is_own = message.content == content_of(key) and says == wanted
            self._promises.check(Promise.APART, is_own, f"{says} and {message.content[:60]!r}")
        for key in acknowledged:
            self._promises.check(Promise.KEPT, found.get(key) == 1, f"{key} is there {found.get(key, 0)} times")

    def _check_left(self, before: tuple[int | None, frozenset[str], int]) -> None:
        gc.collect()
        deadline = time.monotonic() + _BOUND
        while (now := _open_now()) != before and time.monotonic() < deadline:
            time.sleep(0.02)  # the clients' own sockets are closed by their threads
        self._promises.check(Promise.LEFT, now == before, f"{before}, and then {now}")

    def _check_memory(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # what was freed is to be the system's again; glibc has it
            ctypes.CDLL(None).malloc_trim(0)
        measured = memory(os.getpid())
        if measured is None:
            return
        now = measured[0] / _MIB
        self._rounds += 1
        if self._rounds <= _WARM_UP:
            self._before = now
            return
        grown = now - self._before
        self._promises.check(Promise.MEMORY, grown < _MOST, f"{grown:.1f} MiB in {self._rounds} rounds", measure=grown)


def _open_now() -> tuple[int | None, frozenset[str], int]:
    """Return how many descriptors are open, which threads run, and how many children there are."""
    try:
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
    except OSError:
        descriptors = None
    threads = frozenset(thread.name for thread in threading.enumerate())
    return descriptors, threads, len(multiprocessing.active_children())
