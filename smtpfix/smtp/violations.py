"""How a client broke the standards in an SMTP session, judged by what it sent alone.

Knows events; what is wrong with a message is `mail`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from smtpfix.mail.violations import MESSAGE_VIOLATIONS
from smtpfix.record.pipelining import Grouping
from smtpfix.record.transcript import CUT, EARLY, UNENDED, Event, Kind
from smtpfix.record.violation import Violation

_ANYWHERE: Final = frozenset({"RSET", "MAIL", "RCPT", "SEND", "SOML", "SAML", "BDAT"})
"""The commands that others may follow in a pipelined group: RFC 2920 section 3.1, and RFC 3030 section 4.2 for BDAT."""
_LONGEST_COMMAND: Final = "RFC 5321 section 4.5.3.1.4"

VIOLATIONS: Final = (
    *MESSAGE_VIOLATIONS,
    *("pipelining-not-offered", "pipelined-too-far", "no-quit", "no-ehlo"),
    *("command-bare-line-feed", "command-too-long", "malformed-command", "malformed-client-name", "malformed-path"),
    *("path-without-brackets", "space-before-path", "extra-space", "trailing-space", "unexpected-argument"),
    *("spoke-before-greeting", "display-name-in-path", "address-too-long", "malformed-parameter"),
)
"""Every `Violation.id` of a message or a session."""


def in_session(events: Sequence[Event], *, left_unsaid: bool) -> Iterator[Violation]:
    """Yield what is wrong with how a client spoke."""
    yield from _against_grammar(events)
    for offered, group in pipelined(events):
        shown = " / ".join(event.lines[0] for event in group)
        if not offered:
            yield Violation(
                "pipelining-not-offered",
                f"before its reply came, more was sent after {group[0].lines[0]!r}: {shown}",
                "RFC 2920 section 3.1",
            )
        for number, event in enumerate(group):
            if event.has_more and not _may_be_followed(event, first=number == 0):
                yield Violation(
                    "pipelined-too-far",
                    f"more was sent after {event.lines[0]!r}, whose reply the client has to wait for: {shown}",
                    "RFC 2920 section 3.1",
                )
                break
    if left_unsaid:
        yield Violation("no-quit", "the client closed the connection without QUIT", "RFC 5321 section 4.1.1.10")


def _against_grammar(events: Sequence[Event]) -> Iterator[Violation]:
    """Yield what is wrong with commands and their order; the same fault only once, by its first command."""
    from .grammar import faults  # noqa: PLC0415 - only who asks for it needs it

    found: dict[str, Violation] = {}
    is_greeted = is_extended = False
    last = ""
    judged: set[bytes] = set()
    for event, following in zip(events, (*events[1:], None), strict=False):
        if event.kind is Kind.SERVER and last == "STARTTLS" and event.data.startswith(b"220"):
            is_greeted = is_extended = False  # as in `pipelined`
        if event.kind is Kind.NOTE and event.data.startswith(UNENDED):
            found.setdefault(
                "malformed-end-of-data", Violation("malformed-end-of-data", event.lines[0], "RFC 5321 section 4.1.1.4")
            )
        if not is_extended and event.verb == "AUTH":
            found.setdefault("no-ehlo", Violation("no-ehlo", "AUTH came without EHLO", "RFC 5321 section 4.1.4"))
        if event.kind is Kind.NOTE and event.data == EARLY:
            explanation = "it did not wait for the server's greeting"
            found.setdefault(
                "spoke-before-greeting", Violation("spoke-before-greeting", explanation, "RFC 5321 section 4.3.1")
            )
        if event.kind is not Kind.CLIENT or event.data.endswith(b"\r\n") or b"\n" in event.data[:-1]:
            continue  # clear text where TLS has to begin is no command
        last = event.verb
        if last in ("EHLO", "HELO", "LHLO"):
            is_greeted, is_extended = True, last != "HELO"
        elif last == "MAIL" and not is_greeted:
            found.setdefault(
                "no-ehlo", Violation("no-ehlo", "MAIL came without EHLO or HELO", "RFC 5321 section 4.1.4")
            )
        if following is not None and following.kind is Kind.NOTE and following.data.startswith(CUT):
            found.setdefault("command-too-long", Violation("command-too-long", following.lines[0], _LONGEST_COMMAND))
            continue
        if event.data in judged:  # most of a session's lines came before, with the same faults
            continue
        judged.add(event.data)
        for fault in faults(event.data):
            explanation = f"{fault.explanation}: {event.lines[0]!r}"
            found.setdefault(fault.id, Violation(fault.id, explanation, fault.standard))
    yield from found.values()


def pipelined(events: Sequence[Event]) -> Iterator[tuple[bool, tuple[Event, ...]]]:
    """Yield the groups of commands that were not said one by one, each with whether PIPELINING was offered then."""
    if not any(event.has_more for event in events):
        return
    grouping = Grouping()
    last = ""
    for event in events:
        if event.kind is Kind.SERVER:
            if last in ("EHLO", "HELO", "LHLO") and event.data.startswith(b"250"):
                grouping.is_offered = b"PIPELINING" in (line[4:].strip().upper() for line in event.data.split(b"\r\n"))
            elif last == "STARTTLS" and event.data.startswith(b"220"):
                grouping.is_offered = False  # RFC 3207 section 4.2: all that was learned before TLS is forgotten
                yield from grouping.end()  # what came after it is in `Session.injected`
            last = ""
        elif event.kind is not Kind.NOTE:
            last = event.verb
            yield from grouping.take_in(event, has_more=event.has_more)
    yield from grouping.end()


def _may_be_followed(event: Event, *, first: bool) -> bool:
    """Return whether a client may go on without this one's reply."""
    if event.kind is Kind.CONTENT:
        return first
    if event.kind is Kind.SECRET:  # AUTH with an initial response is the exception of RFC 4954 section 4
        return event.verb == "AUTH"
    return event.verb in _ANYWHERE
