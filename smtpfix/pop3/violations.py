"""How a client broke the standards in a POP3 session, judged by what it sent alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from smtpfix.record.pipelining import Grouping
from smtpfix.record.transcript import CUT, EARLY, Event, Kind
from smtpfix.record.violation import Violation

_LONGEST_LINE: Final = 255
"""Octets of a command with its CRLF, RFC 2449 section 4."""
_CRLF: Final = 2

VIOLATIONS: Final = (
    *("pass-after-refused-user", "command-after-stls", "pipelined-unoffered", "line-over-255", "no-quit"),
    *("command-bare-line-feed", "spoke-before-greeting"),
)
"""Every `Violation.id` of a session."""


def in_session(events: Sequence[Event], *, left_unsaid: bool) -> Iterator[Violation]:
    """Yield what is wrong with how a client spoke; the same fault only once, by its first command."""
    found: dict[str, Violation] = {}
    for name, explanation, standard in _faults(events):
        found.setdefault(name, Violation(name, explanation, standard))
    yield from found.values()
    for offered, group in pipelined(events):
        if not offered:
            shown = " / ".join(event.lines[0] for event in group)
            explanation = f"more was sent before the reply to {group[0].lines[0]!r} had come: {shown}"
            yield Violation("pipelined-unoffered", explanation, "RFC 2449 section 6.6")
            break
    if left_unsaid:
        yield Violation("no-quit", "the client closed the connection without QUIT", "RFC 1939 section 6")


def _faults(events: Sequence[Event]) -> Iterator[tuple[str, str, str]]:
    last = refused = ""
    for event, following in zip(events, (*events[1:], None), strict=False):
        if event.kind is Kind.NOTE and event.data == EARLY:
            yield "spoke-before-greeting", "it did not wait for the server's greeting", "RFC 1939 section 3"
        elif event.kind is Kind.SERVER:
            if last == "USER" and event.data.startswith(b"-ERR"):
                refused = last
            last = ""
        elif event.kind in (Kind.CLIENT, Kind.SECRET):
            last = event.verb
            shown = repr(event.lines[0])
            if last == "USER":
                refused = ""
            elif last == "PASS" and refused:
                yield "pass-after-refused-user", f"{shown} though USER was refused", "RFC 1939 section 7"
            if last == "STLS" and event.has_more:
                yield "command-after-stls", f"more was sent after {shown} in clear", "RFC 2595 section 4"
            is_cut = following is not None and following.kind is Kind.NOTE and following.data.startswith(CUT)
            is_answer = event.kind is Kind.SECRET and not event.secret_at
            if is_cut or (not is_answer and len(event.data) + _CRLF > _LONGEST_LINE):
                yield "line-over-255", f"{event.lines[0][:80]!r} is longer", "RFC 2449 section 4"
            if event.data.endswith(b"\n") and not is_cut:
                yield "command-bare-line-feed", f"{shown} ends without CRLF", "RFC 1939 section 3"


def pipelined(events: Iterable[Event]) -> Iterator[tuple[bool, tuple[Event, ...]]]:
    """Yield the groups of commands that were not said one by one, each with whether PIPELINING was offered then."""
    grouping = Grouping()
    last = ""
    for event in events:
        if event.kind is Kind.SERVER:
            if last == "CAPA" and event.data.startswith(b"+OK"):
                grouping.is_offered = b"\nPIPELINING\r\n" in event.data.upper()
            elif last == "STLS" and event.data.startswith(b"+OK"):
                grouping.is_offered = False  # RFC 2595 section 4: all that was learned before TLS is forgotten
                grouping.end()  # what came after it is in `Session.injected`
            last = ""
        elif event.kind in (Kind.CLIENT, Kind.SECRET):
            last = event.verb
            yield from grouping.take_in(event, has_more=event.has_more)
    yield from grouping.end()
