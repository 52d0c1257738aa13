"""`Audits`: the audits that were started from the page, each in a process of its own.

The audit's servers, its loop and its many short processes are no part of the web server's process, a device that holds
an audit up for an hour holds up nothing else, and to end one is to end a process. Talks to `audit_child` by pipes.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from smtpfix.errors import SMTPFixError

from .audit_asked import AskedAudit

MOST_RUNNING: Final = 2
"""At once."""
MOST_KEPT: Final = 20
"""The oldest that has ended gives way to a new one."""
END_SECONDS: Final = 5.0
"""That a process has to end in by itself."""
LONGEST_LINE: Final = 16 * 1_048_576
_OWN_NAMES: Final = ("MP_", "MH_", "SMTPFIX_")
"""How names of the environment begin that are the server's, such as those with its passwords."""


class TooManyError(SMTPFixError):
    """As many audits run as may."""


class PageAudit:
    """One audit, running or ended; `changed` is called in a thread whenever there is something new."""

    def __init__(self, asked: AskedAudit, folder: Path, changed: Callable[[str], None]) -> None:
        self.id = secrets.token_hex(8)
        self.asked = asked
        self.folder = folder
        """Where its reports are, and whatever it needs for a while."""
        self._changed = changed
        self._lock = threading.Lock()
        self._findings: dict[str, dict[str, Any]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self.ca = ""
        """What a device has to trust, PEM."""
        self._state: dict[str, Any] = {
            "id": self.id,
            "device": asked.is_device,
            "client": asked.client or asked.name,
            **{key: getattr(asked, key) for key in ("protocol", "mode", "trust")},
            "state": "starting",
            "began": _now(),
            "ended": None,
            "done": 0,
            "total": 0,
            "setup": None,
            "step": None,
            "problem": None,
            "result": None,
        }

    def start(self) -> None:
        """Start the process. Raises `OSError`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_NAMES)}
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(self.folder)}
        self._process = subprocess.Popen(  # the words are always the same
            (sys.executable, "-P", "-m", "smtpfix.web.audit_child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # a Ctrl-C is for the server, which ends it
        )
        self._write(json.dumps({**self.asked.as_json(), "folder": str(self.folder)}))
        self._reader = threading.Thread(target=self._read, args=(self._process,), name="smtpfix audit", daemon=True)
        self._reader.start()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, with a result or without."""
        return self._state["ended"] is not None

    def as_json(self, *, whole: bool = True) -> dict[str, Any]:
        """Return how it stands; whole, with its findings and its result."""
        with self._lock:
            state = dict(self._state)
            if not whole:
                return {key: state[key] for key in _SUMMARY} | {"letter": (state["result"] or {}).get("letter")}
            return {**state, "findings": list(self._findings.values())}

    def answer(self, word: str) -> None:
        """Say what somebody has answered."""
        self._write(word)

    def stop(self) -> None:
        """Have it end, and what it has started."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def wait(self, seconds: float = END_SECONDS) -> None:
        """Wait until the process is gone; after so many seconds, kill it."""
        if self._process is None or self._reader is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(seconds)

    def _write(self, line: str) -> None:
        stream = self._process.stdin if self._process is not None else None
        with suppress(OSError, ValueError):  # it has ended, which its reader says
            if stream is not None:
                stream.write(line.encode() + b"\n")
                stream.flush()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for above
        with process.stdout:
            self._take_all(process.stdout)
        process.wait()
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        if not self.is_over:
            self._take({"kind": "failed", "error": f"the audit's process ended with status {process.returncode}"})

    def _take_all(self, stream: IO[bytes]) -> None:
        while line := stream.readline(LONGEST_LINE):
            with suppress(ValueError):
                self._take(json.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        """Take in what the process has said."""
        kind = said.pop("kind")
        with self._lock:
            state = self._state
            match kind:
                case "set_up":
                    self.ca = said.pop("ca") or ""
                    state |= {"state": "set-up", "setup": {**said, "trusts": bool(self.ca)}, "total": said["total"]}
                case "announce":
                    state |= {"state": "waiting", "step": {**said, "seen": []}}
                case "seen":
                    state["step"] = {**(state["step"] or {}), "seen": said["sessions"]}
                case "progress":
                    state |= {"state": "running", "done": said["done"], "total": said["total"]}
                case "finding":
                    self._findings[said["key"]] = said
                case "ended":
                    self._findings = {one["key"]: one for one in said.pop("findings")}
                    state |= {"state": "ended", "result": said, "step": None, "ended": _now()}
                case _:
                    state |= {"state": "failed", "problem": said.get("error"), "step": None, "ended": _now()}
        self._changed(self.id)


_SUMMARY: Final = ("id", "device", "client", "protocol", "mode", "trust", "state", "began", "ended", "done", "total")


class Audits:
    """All that this process has started; `tell` hears the id of each that has changed, in a thread of its own."""

    def __init__(self) -> None:
        self.tell: Callable[[str], None] = lambda _: None
        self._all: dict[str, PageAudit] = {}
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._is_closed = False

    def start(self, asked: AskedAudit) -> PageAudit:
        """Start one. Raises `TooManyError`, and `OSError`."""
        with self._lock:
            if self._is_closed:
                raise TooManyError("the server is about to end")
            if sum(not one.is_over for one in self._all.values()) >= MOST_RUNNING:
                raise TooManyError(f"{MOST_RUNNING} audits run, and no more may at once: end one, or wait")
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="smtpfix-audits-")
            audit = PageAudit(asked, Path(tempfile.mkdtemp(dir=self._folder.name)), self.tell)
            while len(self._all) >= MOST_KEPT:
                self._forget(next(one for one in self._all.values() if one.is_over))
            audit.start()
            self._all[audit.id] = audit
        return audit

    def get(self, id: str) -> PageAudit | None:  # noqa: A002 - what it is
        """Return the audit with this id."""
        return self._all.get(id)

    def newest_first(self) -> list[PageAudit]:
        """Return all that there are."""
        return list(self._all.values())[::-1]

    def remove(self, audit: PageAudit) -> None:
        """End one and forget it."""
        audit.stop()
        audit.wait()
        with self._lock:
            if audit.id in self._all:
                self._forget(audit)

    def close(self) -> None:
        """End all, and remove what they have written."""
        with self._lock:
            self._is_closed, there = True, list(self._all.values())
        for one in there:
            one.stop()
        for one in there:
            one.wait()
        if self._folder is not None:
            self._folder.cleanup()

    def _forget(self, audit: PageAudit) -> None:
        import shutil  # noqa: PLC0415

        del self._all[audit.id]
        shutil.rmtree(audit.folder, ignore_errors=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
