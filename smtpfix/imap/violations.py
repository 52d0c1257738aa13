"""How a client broke the standards in an IMAP session, judged by what it sent alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from smtpfix.record.pipelining import Grouping
from smtpfix.record.transcript import Event, Kind
from smtpfix.record.violation import Violation

from .capabilities import NEEDS
from .credentials import is_command, secret_at, verb_of
from .cursor import LITERAL

VIOLATIONS: Final = (
    *("login-though-disabled", "command-after-starttls", "initial-response-unoffered", "literal-not-awaited"),
    *("literal-unoffered", "command-unoffered", "ambiguous-pipelining", "idle-not-renewed", "capability-not-renewed"),
    *("tag-reused", "no-logout"),
)
"""Every `Violation.id` of a session."""

_OFFERED: Final = re.compile(rb"(?:\* CAPABILITY ([^\r\n]*+)|[^ \r\n]++ (?:OK|PREAUTH) \[CAPABILITY ([^\]\r\n]*+)\])")
_LONGEST_IDLE: Final = 29 * 60
"""Seconds after which a client that idles has to begin anew."""
_BY_NUMBER: Final = frozenset((b"FETCH", b"STORE", b"COPY", b"MOVE", b"SEARCH", b"SORT"))
"""The commands whose arguments are sequence numbers, which another command may change."""
_KEEPS_NUMBERS: Final = frozenset((b"FETCH", b"STORE", b"SEARCH", b"SORT"))
"""The commands that change none."""
_UNORDERED: Final = frozenset((b"LOGIN", b"AUTHENTICATE"))


def in_session(events: Sequence[Event], *, left_unsaid: bool) -> Iterator[Violation]:
    """Yield what is wrong with how a client spoke; the same fault only once, by its first command."""
    found: dict[str, Violation] = {}
    for violation in _Listener().faults(events):
        found.setdefault(violation.id, violation)
    yield from found.values()
    if left_unsaid:
        yield Violation("no-logout", "the client closed the connection without LOGOUT", "RFC 9051 section 6.1.3")


class _Listener:
    """Goes through a session, and knows what the client could know at each point."""

    def __init__(self) -> None:
        self._offered: frozenset[bytes] | None = None
        """What the server has last said it has; None where it has not."""
        self._tags: set[bytes] = set()
        self._is_stale = False
        """Whether TLS has begun, and what the server has there was not asked for."""
        self._last = b""
        self._before: Event | None = None
        """The command before, where the client did not wait for its answer."""
        self._current: Event | None = None
        """The command that is being said."""
        self._idles_since: float | None = None
        self._is_continued = False
        """Whether the next line is more of the command before it."""

    def faults(self, events: Sequence[Event]) -> Iterator[Violation]:
        for event in events:
            if event.kind is Kind.SERVER:
                self._heard(event.data)
            elif event.kind is Kind.NOTE:
                if event.data.startswith((b"discarded what came after STARTTLS", b"kept what came after STARTTLS")):
                    yield Violation("command-after-starttls", event.lines[0], "RFC 9051 section 6.2.1")
            elif event.kind is not Kind.CONTENT:
                if self._idles_since is not None:
                    yield from self._idled(event)
                elif self._is_continued or is_command(event.data):
                    yield from self._line(event)

    def _heard(self, answer: bytes) -> None:
        if self._last == b"STARTTLS" and answer.partition(b" ")[2].startswith(b"OK"):
            self._offered, self._is_stale = None, True
            self._last = b""
            return
        for line in answer.split(b"\r\n"):
            if (match := _OFFERED.match(line)) is not None:
                self._offered = frozenset((match[1] or match[2] or b"").upper().split())
                self._is_stale = False

    def _idled(self, event: Event) -> Iterator[Violation]:
        since, self._idles_since = self._idles_since or 0.0, None
        if event.at - since > _LONGEST_IDLE:
            minutes = (event.at - since) / 60
            yield Violation("idle-not-renewed", f"IDLE lasted {minutes:.0f} minutes", "RFC 9051 section 6.3.13")

    def _line(self, event: Event) -> Iterator[Violation]:
        line, shown = event.data, event.lines[0]
        if not self._is_continued:
            yield from self._command(line, shown)
            self._current = event
            if self._last == b"IDLE":
                self._idles_since = event.at
        begins = line.rfind(b"{") if line.endswith(b"}") else -1
        literal = LITERAL.match(line, begins) if begins >= 0 else None
        self._is_continued = literal is not None
        if literal is None:  # what follows this line is another command
            self._before = self._current if event.has_more else None
        if literal is not None and not literal[3] and event.has_more:
            yield Violation(
                "literal-not-awaited", f"the client did not wait for permission after {shown!r}", "RFC 9051 section 4.3"
            )
        if literal is not None and literal[3] and not self._offers(b"LITERAL+", b"LITERAL-", b"IMAP4REV2"):
            yield Violation("literal-unoffered", f"LITERAL+ is not offered: {shown!r}", "RFC 7888 section 4")

    def _command(self, line: bytes, shown: str) -> Iterator[Violation]:
        tag, verb = line.split(b" ", 1)[0], verb_of(line)
        if tag in self._tags:
            yield Violation("tag-reused", f"the tag has been used before: {shown!r}", "RFC 9051 section 2.2.1")
        self._tags.add(tag)
        if verb == b"LOGIN" and self._offered is not None and b"LOGINDISABLED" in self._offered:
            yield Violation("login-though-disabled", "LOGIN came in spite of LOGINDISABLED", "RFC 9051 section 6.2.3")
        if verb in _UNORDERED and self._is_stale:
            explanation = f"after STARTTLS, {verb.decode()} came without CAPABILITY"
            yield Violation("capability-not-renewed", explanation, "RFC 9051 section 6.2.1")
        if verb == b"AUTHENTICATE" and secret_at(line) and not self._offers(b"SASL-IR", b"IMAP4REV2"):
            explanation = f"SASL-IR is not offered: {shown!r}"
            yield Violation("initial-response-unoffered", explanation, "RFC 4959 section 3")
        needed = NEEDS.get(_name(line).decode("ascii", "replace"), "").encode()
        if needed and not self._offers(needed) and not (self._offers(b"IMAP4REV2") and needed in _OF_REV2):
            yield Violation(
                "command-unoffered", f"{needed.decode()} is not offered: {shown!r}", "RFC 9051 section 7.2.2"
            )
        before = self._before
        if before is not None and verb in _BY_NUMBER and verb_of(before.data) not in _KEEPS_NUMBERS:
            explanation = f"{shown!r} came before the answer to {before.lines[0]!r}, which may change the numbers"
            yield Violation("ambiguous-pipelining", explanation, "RFC 9051 section 5.5")
        self._last = verb

    def _offers(self, *names: bytes) -> bool:
        """Return whether the server has one of these, as far as the client was told; who was told nothing may hope."""
        return self._offered is None or not self._offered.isdisjoint(names)


_OF_REV2: Final = frozenset(
    (b"ENABLE", b"IDLE", b"NAMESPACE", b"UNSELECT", b"MOVE", b"UIDPLUS"),
)
"""What IMAP4rev2 has without naming it (RFC 9051 appendix E)."""


def _name(line: bytes) -> bytes:
    """Return a command's name; with UID before it, both words."""
    words = line.split(maxsplit=3)[1:3]
    return b" ".join(words).upper() if words[:1] and words[0].upper() == b"UID" else verb_of(line)


def pipelined(events: Sequence[Event]) -> Iterator[tuple[bool, tuple[Event, ...]]]:
    """Yield the groups of commands that were not said one by one, which everybody may (RFC 9051 section 5.5).

    What follows the announcement of a literal belongs to the same command.
    """
    grouping = Grouping()
    grouping.is_offered = True
    for event in events:
        if event.kind in (Kind.CLIENT, Kind.SECRET):
            yield from grouping.take_in(event, has_more=event.has_more and not event.data.endswith(b"}"))
    yield from grouping.end()
