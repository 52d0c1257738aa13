"""What all reports share: words for verdicts and flags, counts, and texts without secrets or hidden characters.

Knows no file format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, Final, TypeVar, cast

from smtpfix.audit.result import (
    AuditResult,
    Declaration,
    DeclaredMode,
    Ending,
    Finding,
    Flag,
    Grade,
    Outcome,
    Run,
    Trust,
    Verdict,
)
from smtpfix.erasing import Eraser
from smtpfix.safe_text import printable

_Value = TypeVar("_Value")

WORST_FIRST: Final = (Verdict.FAILED, Verdict.LAX, Verdict.CAPPED, Verdict.NOT_RUN, Verdict.PASSED)
"""The order in which a reader wants to see findings."""

MEANING: Final = {
    Verdict.FAILED: "not what the declared mode promises",
    Verdict.LAX: "accepted what a strict client refuses",
    Verdict.CAPPED: "what the declared mode allows, which limits its worth",
    Verdict.NOT_RUN: "not known, and never counted as passed",
    Verdict.PASSED: "as a careful client does it",
}
"""What each verdict says, in a few words."""

DANGER: Final = {
    Flag.LEAKS_CREDENTIALS_PASSIVE: "Anyone who listens learns the password, from a server that does nothing wrong.",
    Flag.LEAKS_CREDENTIALS_ACTIVE: "Anyone who can change what the server says learns the password.",
    Flag.LOSES_MAIL: "It deletes mail that it has not read completely, which is then lost.",
    Flag.INJECTABLE: "Replies that an attacker adds in clear count as the server's.",
    Flag.BROKEN: "It does not deliver, or read its mail, even when nothing is wrong.",
    Flag.MISREPORTS: "It reports success where nothing was delivered or read, or failure where the message was "
    "accepted.",
    Flag.HANGS: "It never ends, though the server does not keep it waiting.",
}
"""What each flag means for the user."""

FLAGGED_BY: Final = {
    Outcome.LEAKED_CREDENTIALS: (Flag.LEAKS_CREDENTIALS_PASSIVE, Flag.LEAKS_CREDENTIALS_ACTIVE),
    Outcome.LOST_MAIL: (Flag.LOSES_MAIL,),
    Outcome.ACTED_ON_INJECTION: (Flag.INJECTABLE,),
    Outcome.FALSE_REFUSAL: (Flag.BROKEN,),
    Outcome.MISREPORTED: (Flag.MISREPORTS,),
    Outcome.HUNG: (Flag.HANGS,),
}
"""The flags that an outcome can stand behind."""

EXPECTED: Final = {
    "accept": "delivers",
    "refuse": "refuses",
    "lax": "refuses; many deliver",
    "either": "delivers or refuses: both are right",
}
"""What a careful client does."""

_EXPECTED_OF_READERS: Final = {
    "accept": "reads all mail",
    "refuse": "refuses",
    "lax": "refuses; many read the mail",
    "either": "reads the mail or refuses: both are right",
}
"""The same of one that reads mail."""

NOT_DONE: Final = {False: "did not get the message", True: "was not read whole by the client"}
"""What it is to have failed at the good server: of who sends mail, and of who reads it."""

_MODES: Final = {
    DeclaredMode.IMPLICIT: "from the first octet",
    DeclaredMode.STARTTLS_REQUIRED: "by STARTTLS, or not send",
    DeclaredMode.OPPORTUNISTIC: "by STARTTLS if it is offered",
    DeclaredMode.NONE: "never",
}
_TRUSTS: Final = {
    Trust.PKI: "certificates by a known authority, for the right name",
    Trust.PINNED: "one certificate or key",
    Trust.NONE: "any certificate",
}
_ENDINGS: Final = {
    Ending.SUCCEEDED: "It said that it succeeded",
    Ending.FAILED: "It said that it failed",
    Ending.CRASHED: "It crashed",
    Ending.TIMED_OUT: "It was ended when its time was over",
    Ending.NOT_STARTED: "It could not be started",
    Ending.ELSEWHERE: "It ran elsewhere, where smtpfix cannot see how it ended",
}

_NOT_IN_XML: Final = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
"""Not characters, by XML 1.0 section 2.2 and by Unicode; `printable` leaves them."""


_LONGEST: Final = 20_000
"""Characters of one text that a report for people shows; the JSON report has all."""

_CATALOGUE: Final = frozenset(
    {"scenario", "group", "mode", "summary", "expected", "standard", "user", "mechanisms", "versions"}
)
"""Fields whose text is no run's."""


def tone(result: AuditResult) -> Verdict:
    """Return as what a grade is shown: one verdict for all that is said of it."""
    if result.grade is Grade.PLAINTEXT or {Flag.LEAKS_CREDENTIALS_PASSIVE, Flag.LEAKS_CREDENTIALS_ACTIVE} & {
        *result.flags
    }:
        return Verdict.FAILED
    if result.grade is Grade.UNKNOWN:
        return Verdict.NOT_RUN
    is_good = result.grade in (Grade.AUTHENTICATED, Grade.GAPS) and result.keeps_its_promise and not result.flags
    return Verdict.PASSED if is_good else Verdict.LAX


def declared(declaration: Declaration) -> tuple[tuple[str, str], ...]:
    """Return a declaration as pairs of a word and what was said."""
    by = f" by {', '.join(declaration.mechanisms)}" if declaration.mechanisms else ""
    login = "no" if declaration.user is None else f"as {visible(declaration.user)}{by}"
    spoken = (("read mail by", declaration.protocol.upper()),) if declaration.reads_mail else ()
    mode = _MODES[declaration.mode]
    if declaration.reads_mail:
        mode = mode.replace("not send", "not log in")
    return (*spoken, ("use TLS", mode), ("trust", _TRUSTS[declaration.trust]), ("log in", login))


def expected(finding: Finding, declaration: Declaration) -> str:
    """Return what a careful client does, in words."""
    words = _EXPECTED_OF_READERS if declaration.reads_mail else EXPECTED
    return words.get(finding.expected, finding.expected)


def counted(findings: Iterable[Finding]) -> dict[Verdict, int]:
    """Return how many findings have each verdict, the worst first, also where there are none."""
    counts = dict.fromkeys(WORST_FIRST, 0)
    for finding in findings:
        counts[finding.verdict] += 1
    return counts


def worst_first(result: AuditResult) -> list[Finding]:
    """Return the findings in the order in which people are told of them: those behind each cause, then by verdict."""
    place = {key: number for number, cause in enumerate(result.causes) for key in cause.keys}
    return sorted(
        result.findings, key=lambda one: (place.get(one.key, len(result.causes)), WORST_FIRST.index(one.verdict))
    )


def grouped(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Return the findings by their group, in the order in which they come."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.group, []).append(finding)
    return groups


def visible(text: str) -> str:
    """Return text with everything escaped that is hidden, moves the cursor or is no character; line ends stay."""
    lines = text.replace("\r\n", "\n").split("\n")
    return _NOT_IN_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", "\n".join(map(printable, lines)))


def clipped(text: str) -> str:
    """Return visible text, of a very long one the beginning and how much is missing."""
    missing = len(text) - _LONGEST
    return visible(text) if missing <= 0 else f"{visible(text[:_LONGEST])}\n… {missing} more characters"


def outcomes(finding: Finding) -> str:
    """Return what a client did as one text: ``leaked-credentials, also hung``."""
    also = f", also {', '.join(finding.also)}" if finding.also else ""
    return f"{finding.outcome}{also}"


def account(run: Run) -> str:
    """Return one line on a run: how it ended by its own account, and what the server saw of it."""
    status = "" if run.status is None else f"status {run.status}, "
    came = f"accepted {_counted(run.delivered, 'message')}"
    if run.retrieved is not None:
        came = f"{_counted(run.retrieved, 'message')} retrieved whole"
    seen = f"{_counted(run.connections, 'connection')} and {came}"
    return f"{_ENDINGS[run.ending]} ({status}{run.seconds:.2f} s). The server saw {seen}."


def without_secret(result: AuditResult) -> AuditResult:
    """Return a result with its password struck out wherever a run's text has it, plain or encoded in any usual way."""
    password = result.declaration.password
    if not password:
        return result
    result = replace(result, declaration=replace(result.declaration, password=None))
    return _struck_out(result, Eraser(password))


def _struck_out(value: _Value, eraser: Eraser) -> _Value:
    changed: Any = value
    if isinstance(value, Enum):
        pass
    elif isinstance(value, str):
        changed = eraser.erase(value)
    elif isinstance(value, tuple):
        changed = tuple(_struck_out(one, eraser) for one in value)
    elif is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in fields(value) if one.name not in _CATALOGUE]
        changed = replace(value, **{name: _struck_out(getattr(value, name), eraser) for name in names})
    return cast("_Value", changed)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
