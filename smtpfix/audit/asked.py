"""How a client handled what a scenario asks it to write, such as a certain recipient.

What it made of it may differ: a line end taken out, the text encoded. So only what has to be left of it is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpfix.mail.message import CapturedMessage
from smtpfix.policy.scenario import Asked
from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind
from smtpfix.safe_text import printable

_ADDRESS_ENDS: Final = re.compile(r"[>\r\n]")
_SUBJECT: Final = re.compile(r"(?im)^Subject:[ \t]*(.*?)[ \t]*\r?$")


def not_asked(asked: Asked, sessions: Iterable[Session], messages: Iterable[CapturedMessage]) -> str:
    """Return what a client wrote that was asked for something else, one sentence.

    Empty where it wrote what was asked, and where it wrote nothing of the kind: to refuse is an answer too.
    """
    sessions = tuple(sessions)
    for what, wanted, verbs in (
        ("the client name", asked.client_name, ("EHLO", "HELO")),
        ("the sender", asked.sender, ("MAIL",)),
        ("the recipient", asked.recipient, ("RCPT",)),
    ):
        said = [*_said(sessions, verbs)] if wanted is not None else []
        if wanted is not None and said and not any(_is_in(wanted, line) for line in said):
            return f"it was asked to use {what} {printable(wanted)!r}, and wrote {printable(said[0])!r}"
    subjects = [message.subject for message in messages] if asked.message is not None else []
    if asked.message is not None and subjects:
        match = _SUBJECT.search(asked.message)
        if match is not None and match[1] not in subjects:
            sent = printable(repr(subjects[0]))
            return f"it was asked to send a certain message, {match[1]!r}, and sent another one, {sent}"
    return ""


def smuggled(asked: Asked, sessions: Iterable[Session]) -> Iterator[str]:
    """Return each command whose address followed a line end in what was asked, each one sentence.

    Where the line end was taken out, what stands before it is in the command too.
    """
    sessions = tuple(sessions)
    for wanted in filter(None, (asked.client_name, asked.sender, asked.recipient)):
        beginning, *others = wanted.splitlines()
        addresses = [one.rpartition("<")[2].partition(">")[0] for one in others]
        for line in _said(sessions, ("MAIL", "RCPT")):
            if any("@" in one and _is_in(one, line) for one in addresses) and not _is_in(beginning, line):
                yield f"it said {printable(line)!r}: the address came after a line end in what it was asked to write"


def without_asked(asked: Asked, octets: bytes) -> bytes:
    """Return octets without the lines that the asked client name has after its first: those are not the client's."""
    for line in (asked.client_name or "").splitlines()[1:]:
        octets = octets.replace(line.encode(), b"")
    return octets


def _said(sessions: Iterable[Session], verbs: tuple[str, ...]) -> Iterator[bytes]:
    for session in sessions:
        for event in session.transcript.events:
            if event.kind is Kind.CLIENT and event.verb in verbs:
                yield event.data


def _is_in(wanted: str, line: bytes) -> bool:
    """Return whether the beginning of a name or an address, up to what may have been taken out, stands in a command."""
    beginning = _ADDRESS_ENDS.split(wanted, maxsplit=1)[0].lower()
    return any(beginning.encode(charset, "replace") in line.lower() for charset in ("utf-8", "latin-1"))
