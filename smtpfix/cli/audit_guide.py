"""Leads a person through ``smtpfix audit --wait``: what to do on the device, and what came of it."""

from __future__ import annotations

import select
from typing import Final, TextIO

from smtpfix.audit.device import Answer
from smtpfix.audit.plan import Case
from smtpfix.audit.result import Declaration, DeclaredMode
from smtpfix.audit.target import Target
from smtpfix.session import Session
from smtpfix.transcript import printable

_SETTINGS: Final = {
    DeclaredMode.IMPLICIT: "TLS from the first octet (SSL/TLS)",
    DeclaredMode.STARTTLS_REQUIRED: "STARTTLS",
    DeclaredMode.OPPORTUNISTIC: "STARTTLS where it is offered",
    DeclaredMode.NONE: "no TLS",
}


class TerminalGuide:
    """Prints to one stream, and takes lines from another: Enter for done, ``q`` to end."""

    def __init__(self, stream: TextIO, answers: TextIO, declaration: Declaration, total: int) -> None:
        self._stream = stream
        self._answers: TextIO | None = answers
        self._declaration = declaration
        self._total = total
        self._number = 0

    def announce(self, case: Case, target: Target) -> None:
        """Say what the server shows, and what to do on the device."""
        self._number += 1
        if self._number == 1:
            self._set_up(target)
        self._say(f"{self._number} of {self._total}  {case.scenario.id}: {case.scenario.summary}")
        self._say(
            f"    Let the device send one mail to {target.host}, port {target.port}. "
            "Enter when it is done and nothing came, q to end."
        )

    def _set_up(self, target: Target) -> None:
        declaration = self._declaration
        setting = _SETTINGS[declaration.mode]
        login = f"; login: {declaration.user}" if declaration.user is not None else "; no login"
        self._say(f"Set the device up once: server {target.host}, port {target.port}, {setting}{login}")
        if target.ca_file:
            self._say(f"    and import the certificate to trust: {target.ca_file}")

    def answer(self) -> Answer | None:
        """Return what was typed since."""
        if self._answers is None:
            return None
        try:
            if not select.select([self._answers], [], [], 0)[0]:
                return None
        except (OSError, ValueError):  # no terminal, no pipe: nobody will say anything
            self._answers = None
            return None
        line = self._answers.readline()
        if not line:
            self._answers = None
            return None
        return Answer.STOP if line.strip().lower() in ("q", "quit") else Answer.DONE

    def conclude(self, sessions: tuple[Session, ...]) -> None:
        """Say what came."""
        for session in sessions:
            self._say(f"    {printable(str(session))}")
        if not sessions:
            self._say("    nobody connected")

    def _say(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()
