"""The guide of ``smtpfix audit --wait``: how to set the device up, when to let it act, and what it did."""

from __future__ import annotations

import os
import select
from typing import Final, TextIO

from smtpfix.audit.case import Case
from smtpfix.audit.device import Answer
from smtpfix.audit.protocols import READER
from smtpfix.audit.result import Declaration, DeclaredMode, Finding, Trust, Verdict
from smtpfix.audit.target import Target
from smtpfix.safe_text import printable

_SETTINGS: Final = {
    DeclaredMode.IMPLICIT: "TLS from the first octet (SSL/TLS, {0}S)",
    DeclaredMode.STARTTLS_REQUIRED: "{1}, required",
    DeclaredMode.OPPORTUNISTIC: "{1} where it is offered",
    DeclaredMode.NONE: "no TLS",
}
"""What to set, with the protocol's name, and what it calls STARTTLS."""
_END: Final = ("q", "quit")
_MOST: Final = 4_096
"""Octets that are read at a time of what is typed."""


class TerminalGuide:
    """Prints to one stream, and takes lines from another: Enter for done, ``q`` to end."""

    def __init__(self, stream: TextIO, answers: TextIO, declaration: Declaration, *, ca_is_kept: bool) -> None:
        self._stream = stream
        self._answers: TextIO | None = answers
        self._typed = b""
        self._declaration = declaration
        self._ca_is_kept = ca_is_kept
        self._total = 0
        self._done = 0

    def set_up(self, target: Target, total: int) -> None:
        """Say what to set, and which certificate to import."""
        self._total = total
        declaration = self._declaration
        spoken = declaration.protocol.upper()
        security = _SETTINGS[declaration.mode].format(spoken, "STLS" if declaration.protocol == "pop3" else "STARTTLS")
        self._say("Set the device up:")
        self._say(f"    server    {target.host}, port {target.port}{f', {spoken}' if declaration.reads_mail else ''}")
        self._say(f"    security  {security}")
        self._say(f"    login     {self._login}")
        if target.ca_file and declaration.trust is not Trust.NONE:
            kept = "" if self._ca_is_kept else "  (gone when the audit ends; --authority DIR keeps one)"
            self._say(f"    trust     {target.ca_file}{kept}")
        if declaration.reads_mail:
            times = "once" if total == 1 else f"{total} times, once for each scenario"
            task = f"read all mail in its INBOX {times}, and to close the connection then"
        else:
            mails = "one mail" if total == 1 else f"{total} mails, one for each scenario"
            task = f"send {mails}, and not to try again on its own"
        self._say(f"It is to {task}. Enter when it is set up, q to end.")

    def announce(self, case: Case, target: Target) -> None:
        """Say what the server shows, and what to do on the device. What was typed before is no answer to that."""
        while self._answers is not None and (line := self._line()) is not None:
            if _is_end(line):
                self._typed = line + b"\n"
                break
        self._say(f"{self._counted}{case.scenario.id}: {case.scenario.summary}")
        waits = " The server lets it wait; Enter once that is long enough." if case.stalls else ""
        task = "read its mail from" if self._declaration.reads_mail else "send one mail to"
        self._say(
            f"    Let the device {task} {target.host}, port {target.port}{_asked(case, target)}.{waits} "
            "Enter where nothing comes, q to end."
        )

    def answer(self) -> Answer | None:
        """Return what was typed since. The end of the input is Enter once, and then nobody is there any more."""
        line = self._line()
        if line is None:
            return None
        return Answer.STOP if _is_end(line) else Answer.DONE

    def conclude(self, finding: Finding) -> None:
        """Say what the device did, what came, and what that means."""
        if finding.verdict is Verdict.NOT_RUN:
            skipped = f"{self._counted}{finding.scenario}\n" if finding.run is None else ""
            self._say(f"{skipped}    not known: {finding.reason}")
        else:
            did = " · ".join((finding.outcome, *finding.also))
            self._say(f"    {finding.verdict}: {did}. {finding.consequence}".rstrip())
        for transcript in finding.run.transcripts if finding.run is not None else ():
            self._say(f"    {transcript.partition(chr(10))[0]}")
        self._done += 1

    @property
    def _login(self) -> str:
        """Who to log in as; with what is known to whoever has declared it, and told where nobody has."""
        user, password = self._declaration.user, self._declaration.password
        if user is None:
            return "none"
        return f"{user}, password {password}" if (user, password) == READER else user

    @property
    def _counted(self) -> str:
        return f"{self._done + 1} of {self._total}  "

    def _line(self) -> bytes | None:
        """Return the next line that was typed; None if there is none. Does not wait."""
        if b"\n" not in self._typed and self._answers is not None:
            self._typed += self._read(self._answers)
        line, newline, rest = self._typed.partition(b"\n")
        if not newline:
            return None
        self._typed = rest
        return line

    def _read(self, answers: TextIO) -> bytes:
        try:
            descriptor = answers.fileno()
            if not select.select([descriptor], [], [], 0)[0]:
                return b""
            octets = os.read(descriptor, _MOST)
        except (OSError, ValueError):  # no terminal, no pipe: nobody says anything
            octets = b""
        if not octets:
            self._answers = None
            return b"\n"
        return octets

    def _say(self, text: str) -> None:
        lines = (printable(line) for line in text.split("\n"))
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()


def _asked(case: Case, target: Target) -> str:
    """Return what the mail has to be, where the scenario turns on it."""
    asked = case.scenario.asked
    named = (("calling itself", asked.client_name), ("from", asked.sender), ("to", asked.recipient))
    found = [f"{word} {value}" for word, value in named if value is not None]
    if asked.message is not None:
        found.append(f"with the content of {target.message}")
    return f", {', '.join(found)}" if found else ""


def _is_end(line: bytes) -> bool:
    return line.strip().lower().decode("ascii", "replace") in _END
