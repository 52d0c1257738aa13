"""What `smtpfix serve` promises: mails on disk, whatever ends it; an end, whatever it is at; rules that change."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
import smtplib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .clients import PATIENCE, Load, Target, content_of, key_in
from .program import BOUND, Program, Programs, directory, kill_at_start
from .promises import Promise, Promises

_LARGE: Final = 65_536
"""Octets that a file may have where the disk is to be full."""
_BROKEN_OFF: Final = "ended by a signal, before everything was shown and every transcript saved"
"""What the program says where a second is too short for all that it still has to write."""
_FEW: Final = 3
"""Lines that may be on standard error where there is something to be said."""
_DESCRIPTORS: Final = 64
"""Descriptors that the program may have where they are to be used up."""


class Saved:
    """A directory that one run after the other saves in: which mails are there, each looked at once."""

    def __init__(self, path: Path, promises: Promises) -> None:
        self.path = path
        self._promises = promises
        self._seen: set[str] = set()
        self._keys: set[str] = set()

    def check(self, promise: Promise, acknowledged: list[str]) -> None:
        """Look at the files that are new, and for the mails that got their 250."""
        for file in self.path.glob("*.eml"):
            if file.name in self._seen:
                continue
            self._seen.add(file.name)
            octets = file.read_bytes()
            key = key_in(octets)
            is_whole = bool(key) and octets == content_of(key) and key not in self._keys
            self._promises.check(Promise.WHOLE, is_whole, f"{file.name}: {octets[:60]!r}, {len(octets)} octets")
            self._keys.add(key)
        for key in acknowledged:
            self._promises.check(promise, key in self._keys, f"{key} is not there")


class Outside:
    """The rounds with programs; each starts one or more, and none outlives it."""

    def __init__(self, promises: Promises, chance: random.Random, seconds: float, folder: Path) -> None:
        self._promises = promises
        self._chance = chance
        self._seconds = seconds
        """How long clients send in one round."""
        self._folder = folder
        self._authority = ("--authority", folder / "authority")
        self._saved = Saved(folder / "saved", promises)

    @property
    def rounds(self) -> tuple[Callable[[], None], ...]:
        """Every round, in turn."""
        return (self.killed, self.ended, self.unread, self.rules, self.full_disk, self.lost_disk, self.crowded)

    def _load(self, program: Program, **options: int) -> Load:
        return Load(program.targets, self._chance.getrandbits(32), **options)

    def _silent(self, program: Program, allowed: str = "") -> None:
        """See that a program has said nothing on standard error but, a few times, what is allowed."""
        said = program.complaint
        lines = said.splitlines()
        is_right = all(allowed and allowed in line for line in lines) and len(lines) <= _FEW
        self._promises.check(Promise.SILENT, is_right, said[-300:], measure=len(said))

    def killed(self) -> None:
        """SIGKILL at the start, and under load: one program, and then two on the same directories."""
        with directory() as path:
            arguments = ("--save", path / "saved", "--authority", path / "authority")
            kill_at_start(self._chance.uniform(0.2, 0.8), *arguments)
            self._start(1, *arguments).close()
        for count in (1, 2):
            with self._start(count, "--save", self._saved.path, *self._authority) as started:
                programs = started.programs
                targets = [target for program in programs for target in program.targets]
                with Load(targets, self._chance.getrandbits(32)) as load:
                    load.wait(self._seconds * self._chance.uniform(0.5, 1))
                    for program in programs:
                        program.kill()
            self._saved.check(Promise.KILLED, load.acknowledged)

    def _start(self, count: int, *arguments: object) -> Programs:
        """Start programs on directories that one used which was killed; fewer where they do not start."""
        programs = Programs()
        for _ in range(count):
            try:
                programs.start(*arguments)
                self._promises.check(Promise.AGAIN, kept=True)
            except RuntimeError as error:
                self._promises.check(Promise.AGAIN, kept=False, why=str(error))
        stale = list(Path(str(arguments[1])).glob(".*.part"))
        self._promises.check(Promise.STALE, not stale, f"{len(stale)} files")
        return programs

    def ended(self) -> None:
        """SIGTERM or SIGINT under load."""
        number = self._chance.choice((signal.SIGTERM, signal.SIGINT))
        with Program("--save", self._saved.path, *self._authority) as program:
            before = program.open_now
            with self._load(program) as load:
                load.wait(self._seconds)
            self._left(program, before)
            with self._load(program) as more:
                more.wait(self._seconds / 2)
                seconds = program.seconds_to_end(number)
            self._check_end(Promise.SIGNAL, program, seconds)
        self._saved.check(Promise.ENDED, load.acknowledged + more.acknowledged)

    def _left(self, program: Program, before: tuple[int, int] | None) -> None:
        """See that a program has soon no more open than before its clients came."""
        deadline = time.monotonic() + BOUND
        while not (kept := _has_no_more(now := program.open_now, before)) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._promises.check(Promise.LEFT_THERE, kept, f"descriptors and threads {before}, and then {now}")

    def _check_end(self, promise: Promise, program: Program, seconds: float) -> None:
        """See that a signal has ended a program: in order, or broken off where there was too much left to write."""
        said = program.complaint
        is_right = program.status == 0 or (program.status == 2 and _BROKEN_OFF in said)  # noqa: PLR2004 - the status
        self._promises.check(promise, is_right, f"{seconds:.2f} s, status {program.status}: {said}", measure=seconds)
        self._silent(program, _BROKEN_OFF if program.status else "events were not shown")

    def unread(self) -> None:
        """Nobody reads the output, and SIGTERM comes."""
        with Program("--save", self._saved.path, *self._authority, reads=False) as program:
            with self._load(program, senders=8) as load:
                load.wait(self._seconds)
                seconds = program.seconds_to_end(signal.SIGTERM)
            self._check_end(Promise.STALLED, program, seconds)
        self._saved.check(Promise.UNREAD, load.acknowledged)

    def rules(self) -> None:
        """Rules change under load, to good ones and to bad ones."""
        file = self._folder / "rules.toml"
        file.write_text("rules = ['NOOP: 250 generation 0']\n", encoding="utf-8")
        with Program("--rules", file, *self._authority, modes=("plain",)) as program, self._load(program) as load:
            current = "generation 0"
            for number in range(1, 9):
                bad = number % 2 == 0
                text = self._chance.choice(_BAD) if bad else f"rules = ['NOOP: 250 generation {number}']\n"
                file.write_text(text, encoding="utf-8", errors="surrogateescape")
                behind = program.event_count
                program.signal(signal.SIGHUP)
                wanted = "rules-rejected" if bad else "rules-read"
                said = program.wait_for(wanted, behind=behind)
                current = current if bad else f"generation {number}"
                found = _noop(program.targets[0])
                why = f"{text[:50]!r}: expected {wanted}: {said}; {current!r}, got {found!r}; status {program.status}"
                self._promises.check(Promise.RULES, said and found == current, why)
                load.wait(self._seconds / 16)
            load.stop()
            self._silent(program)

    def full_disk(self) -> None:
        """No file may grow beyond a limit, as on a disk that is full; Python ignores SIGXFSZ."""
        limits = {resource.RLIMIT_FSIZE: _LARGE}
        with directory() as path, Program("--save", path, modes=("plain",), limits=limits) as program:
            with self._load(program, faulty=0) as load:
                load.wait(self._seconds / 4)
                answer = _send(program.targets[0], b"Subject: large\r\n\r\n" + b"x" * 2 * _LARGE)
                self._promises.check(Promise.REFUSED, answer != 250, f"answered {answer}")  # noqa: PLR2004
                self._ends_with_2(program)
            saved = Saved(path, self._promises)
            saved.check(Promise.FULL, load.acknowledged)

    def lost_disk(self) -> None:
        """Remove the directory while it runs."""
        with directory() as path, Program("--save", path / "saved", modes=("plain",)) as program:
            shutil.rmtree(path / "saved")
            answer = _send(program.targets[0], b"Subject: lost\r\n\r\n")
            self._promises.check(Promise.REFUSED, answer != 250, f"answered {answer}")  # noqa: PLR2004
            self._ends_with_2(program)

    def _ends_with_2(self, program: Program) -> None:
        seconds = program.seconds_to_end()
        why = f"{seconds:.2f} s, status {program.status}: {program.complaint[-200:]}"
        self._promises.check(Promise.TOLD, program.status == 2, why, measure=seconds)  # noqa: PLR2004 - the status
        self._silent(program, "cannot go on saving")

    def crowded(self) -> None:
        """Idle connections use up the descriptors; when they leave, mail comes as before."""
        limits = {resource.RLIMIT_NOFILE: _DESCRIPTORS}
        with directory() as path, Program("--save", path, modes=("plain",), limits=limits) as program:
            target, saved = program.targets[0], Saved(path, self._promises)
            with contextlib.ExitStack() as crowd:
                for _ in range(2 * _DESCRIPTORS):
                    with contextlib.suppress(OSError):
                        crowd.enter_context(socket.create_connection((target.host, target.port), PATIENCE))
                with Load([target], self._chance.getrandbits(32), senders=1, faulty=0) as load:
                    load.wait(self._seconds / 4)
                    crowd.close()
                    load.wait(self._seconds / 2)
            answer = _send(target, content_of("after"))
            self._promises.check(Promise.CROWD, answer == 250, f"answered {answer}: {program.complaint[-200:]}")  # noqa: PLR2004
            saved.check(Promise.CROWD, [*load.acknowledged, "after"])
            self._silent(program, "turned a client away")


_BAD: Final = (
    "rules = [",
    "rules = ['NOOP: maybe']",
    "a = " + "[" * 3000,
    "rules = " + "9" * 5000,
    "rules = ['EHLO: advertise \"\\xff\"']",
    "\udcff",
    "[plain]\nrules = 7",
)


def _has_no_more(now: tuple[int, int] | None, before: tuple[int, int] | None) -> bool:
    """Return whether a program has as many threads and descriptors as before its clients came.

    With its first connection, libuv, which is below uvloop, opens one descriptor that it keeps.
    """
    if now is None or before is None:
        return now == before
    return now[1] == before[1] and before[0] <= now[0] <= before[0] + 1


def _noop(target: Target) -> str:
    """Return what a server says to NOOP; what went wrong where it says nothing."""
    try:
        with contextlib.closing(target.connect("noop.example")) as client:
            return client.noop()[1].decode()
    except (OSError, smtplib.SMTPException) as error:
        return repr(error)


def _send(target: Target, content: bytes) -> int | str:
    """Return the code that a mail is answered with; what went wrong where it is answered with none."""
    try:
        with contextlib.closing(target.connect("one.example")) as client:
            client.ehlo()
            client.mail("ann@example.org")
            client.rcpt("bob@example.org")
            return client.data(content)[0]
    except (OSError, smtplib.SMTPException) as error:
        return repr(error)
