"""The guide of a device's audit on the page: it writes JSON objects, and reads words."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from smtpfix.audit.case import Case
from smtpfix.audit.device import Answer, Device
from smtpfix.audit.process import Ended
from smtpfix.audit.protocols import READER
from smtpfix.audit.report.words import clipped, outcomes
from smtpfix.audit.result import Declaration, DeclaredMode, Finding, Trust
from smtpfix.audit.target import Target
from smtpfix.audit.wire import WireServer
from smtpfix.record.session import Session

SEEN: Final = 20
"""Sessions of a run that are told, the newest."""
ANSWERS: Final = {"done": Answer.DONE, "again": Answer.AGAIN, "stop": Answer.STOP}
"""What may be answered."""
Say = Callable[..., None]
"""Says what has happened, ``say("finding", …)``, with values that are JSON."""


class PageGuide:
    """Says what is to be done by `say`, and hears `words`."""

    def __init__(self, say: Say, words: queue.SimpleQueue[str], declaration: Declaration) -> None:
        self._say = say
        self._words = words
        self._declaration = declaration
        self.server: WireServer | None = None
        """The server that waits for the device."""
        self._seen: list[dict[str, Any]] = []

    def set_up(self, target: Target, total: int) -> None:
        """Say what to set, and what to import."""
        declaration, user = self._declaration, self._declaration.user
        trusts = bool(target.ca_file) and declaration.trust is not Trust.NONE
        self._say(
            "set_up",
            total=total,
            host=target.host,
            port=target.port,
            user=user,
            password=READER[1] if (user, declaration.password) == READER else None,
            encrypted=declaration.mode is not DeclaredMode.NONE,
            ca=Path(target.ca_file).read_text(encoding="ascii") if trusts else None,
        )

    def announce(self, case: Case, target: Target) -> None:
        """Say that a server stands. What was answered before is no answer to that, unless it ends the audit."""
        while (word := self._word()) is not None:
            if word == "stop":
                self._words.put(word)
                break
        self._seen = []
        scenario = case.scenario
        self._say(
            "announce",
            scenario=scenario.id,
            summary=scenario.summary,
            host=target.host,
            port=target.port,
            stalls=case.stalls,
        )

    def answer(self) -> Answer | None:
        """Return what was answered since, and say what was seen since."""
        if self.server is not None:
            seen = [_seen(session) for session in tuple(self.server.sessions)[-SEEN:]]
            if seen != self._seen:
                self._seen = seen
                self._say("seen", sessions=seen)
        word = self._word()
        return None if word is None else ANSWERS[word]

    def conclude(self, finding: Finding) -> None:
        """Leave it to the audit to say what came of a run: it says it of every client."""

    def _word(self) -> str | None:
        try:
            return self._words.get_nowait()
        except queue.Empty:
            return None


@dataclass(slots=True)
class WatchedDevice(Device):
    """A device whose guide sees what the server sees."""

    def watch(self, server: WireServer, case: Case, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Watch it, as every device."""
        if isinstance(self.guide, PageGuide):
            self.guide.server = server
        try:
            return Device.watch(self, server, case, target, timeout=timeout, stop=stop)
        finally:
            if isinstance(self.guide, PageGuide):
                self.guide.server = None


def _seen(session: Session) -> dict[str, Any]:
    failure = session.tls_failure
    return {
        "tls": session.tls.version if session.tls is not None else None,
        "failure": clipped(failure.reason) if failure is not None else None,
        "messages": session.message_count,
        "read": len(session.retrievals),
        "is_over": session.is_over,
    }


def as_row(finding: Finding) -> dict[str, Any]:
    """Return what the page shows of a finding."""
    return {
        "key": finding.key,
        "scenario": finding.scenario,
        "group": finding.group,
        "mode": finding.mode,
        "summary": finding.summary,
        "verdict": str(finding.verdict),
        "did": "" if finding.reason else outcomes(finding),
        "consequence": clipped(finding.consequence),
        "fix": clipped(finding.fix),
        "reason": clipped(finding.reason),
    }
