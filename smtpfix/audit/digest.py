"""The result of an audit in reading order: what to change, then the grade, then the rest.

Text only: whoever has a terminal draws the same `Block`s. Everything is printable, whatever servers and clients said.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from smtpfix.extras import install
from smtpfix.safe_text import printable

from .case import GOOD
from .grade import bound
from .report.words import DANGER, NOT_DONE, outcomes, without_secret
from .result import AuditResult, Cause, Finding, Grade, Verdict

HEADS: Final = {
    Verdict.FAILED: "Failed",
    Verdict.CAPPED: "As the mode has it, and no better",
    Verdict.LAX: "Lax",
    Verdict.NOT_RUN: "Not known",
}
"""How each verdict is headed, the worst first; what passed is only counted."""
_ROWS: Final = 5
"""Scenarios that have a line each where the same is true of all; more of them are folded into a sentence."""
_LISTED: Final = 8
"""Scenarios that such a sentence names; the other reports have all."""
_LAST: Final = 12
"""Lines of what a client said."""
_WIDTH: Final = 118

CHANGE: Final = "Change this"
"""How what an attacker can use is headed."""
NOTES: Final = "Worth knowing"
"""How what changes no verdict is headed."""


@dataclass(frozen=True, slots=True)
class Block:
    """Findings that the same change in the client makes good, or that mean the same."""

    head: str
    """What to do about it, or how bad it is, in a word or two."""
    verdict: Verdict
    """The worst of the findings'."""
    meaning: str
    """What the client does not do, the consequence, or why it is not known."""
    findings: tuple[Finding, ...]
    fix: str = ""
    """What to change, where it is the same for all; else each finding has its own."""
    needs: str = ""
    """What an attacker needs, and which grade it costs; empty where no attacker gains anything."""
    seen: str = ""
    """The scenarios in one sentence, with what the client did there; empty where each has a row."""
    rows: tuple[tuple[str, ...], ...] = ()
    """Each scenario, and what there is to say of it."""


def changes(result: AuditResult) -> tuple[Block, ...]:
    """Return what an attacker can use: each cause with all that shows it, in the order of what an attacker needs."""
    by_key = {finding.key: finding for finding in result.findings}
    found = []
    for cause in result.causes:
        findings = tuple(by_key[key] for key in cause.keys if key in by_key)
        verdict = next((one for one in HEADS if any(finding.verdict is one for finding in findings)), Verdict.FAILED)
        found.append(
            Block(
                CHANGE,
                verdict,
                printable(cause.what),
                findings,
                fix=printable(cause.fix),
                needs=printable(needs(cause)),
                seen=_seen(findings),
            )
        )
    return tuple(found)


def needs(cause: Cause) -> str:
    """Return what an attacker needs to make use of a cause, and which grade it costs."""
    best = bound(cause)
    costs = "" if best is Grade.AUTHENTICATED else f" Until then no grade is better than {best.letter}."
    return f"{cause.needs}{costs}"


def others(result: AuditResult) -> tuple[Block, ...]:
    """Return what else did not pass, the worst first, and what is not known."""
    explained = {key for cause in result.causes for key in cause.keys}
    rest = [finding for finding in result.findings if finding.key not in explained]
    unknown = [finding for finding in rest if finding.verdict is Verdict.NOT_RUN]
    return (*_less_severe(rest), *_without_extras(unknown), *_not_known(unknown))


def _less_severe(rest: Sequence[Finding]) -> Iterator[Block]:
    """Yield what no attacker gains anything by, together where it means the same."""
    for verdict, head in HEADS.items():
        among = [finding for finding in rest if finding.verdict is verdict is not Verdict.NOT_RUN]
        for meaning, findings in _by(lambda finding: finding.consequence, among).items():
            fixes = {finding.fix for finding in findings}
            fix = fixes.pop() if len(fixes) == 1 else ""
            folds = len(findings) > _ROWS and not fixes
            rows = () if folds else tuple(_row(finding, with_fix=not fix) for finding in findings)
            seen = _seen(findings) if folds else ""
            yield Block(head, verdict, printable(meaning), tuple(findings), printable(fix), seen=seen, rows=rows)


def _without_extras(unknown: Sequence[Finding]) -> Iterator[Block]:
    findings = tuple(finding for finding in unknown if finding.extra)
    if findings:
        yield Block(HEADS[Verdict.NOT_RUN], Verdict.NOT_RUN, missing(findings), findings)


def missing(findings: Iterable[Finding]) -> str:
    """Return one line on all scenarios that need what is not installed, with a command; empty where there are none."""
    without = [finding for finding in findings if finding.extra]
    if not without:
        return ""
    need = f"{_counted(without)} need{'s' if len(without) == 1 else ''} packages that are not installed"
    command = install(*(finding.extra for finding in without))
    return printable(f"{need} ({_named(without)}). To install them: {command}")


def _not_known(unknown: Sequence[Finding]) -> Iterator[Block]:
    """Yield what is not known for other reasons: together where the reason is the same, and the rest in rows."""
    alone: list[Finding] = []
    for reason, findings in _by(lambda finding: finding.reason, [one for one in unknown if not one.extra]).items():
        if len(findings) == 1:
            alone += findings
        else:
            seen = f"{_counted(findings)}: {_named(findings)}"
            yield Block(HEADS[Verdict.NOT_RUN], Verdict.NOT_RUN, printable(reason), tuple(findings), seen=seen)
    if alone:
        rows = tuple((finding.scenario, printable(finding.reason)) for finding in alone)
        yield Block(HEADS[Verdict.NOT_RUN], Verdict.NOT_RUN, "", tuple(alone), rows=rows)


def _by(meaning: Callable[[Finding], str], findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(meaning(finding), []).append(finding)
    return groups


def _row(finding: Finding, *, with_fix: bool) -> tuple[str, ...]:
    fix = (finding.fix,) if with_fix and finding.fix else ()
    return tuple(map(printable, (finding.scenario, outcomes(finding), finding.standard, *fix)))


def _seen(findings: Sequence[Finding]) -> str:
    """Return where something was seen, and what the client did there, in a sentence."""
    did = Counter(outcome for finding in findings for outcome in (finding.outcome, *finding.also))
    ways = ", ".join(way if count == len(findings) else f"{way} in {count}" for way, count in did.most_common())
    return f"Seen in {_counted(findings)} ({ways}): {_named(findings)}"


def _named(findings: Sequence[Finding]) -> str:
    names = list(dict.fromkeys(finding.scenario for finding in findings))
    more = len(names) - _LISTED
    shown = names if more <= 1 else [*names[:_LISTED], f"and {more} more"]
    return printable(", ".join(shown).replace(", and ", " and "))


def _counted(findings: Sequence[Finding]) -> str:
    return f"{len(findings)} scenario{'' if len(findings) == 1 else 's'}"


def statement(result: AuditResult) -> str:
    """Return the grade, what it is worth, and whether the mode's promise is kept, in one statement."""
    is_known = result.grade is not Grade.UNKNOWN
    worth = result.worth if is_known else f"{result.worth[:1].lower()}{result.worth[1:]}"
    return printable(f"Grade {worth} {result.promise}")


def why(result: AuditResult) -> tuple[str, ...]:
    """Return why the grade is not a better one, or not known, beside what is to be changed."""
    shown = tuple(f"{cause.what.rstrip('.')}: " for cause in result.causes)
    return tuple(printable(reason) for reason in result.reasons if not (shown and reason.startswith(shown)))


def counts(result: AuditResult) -> str:
    """Return how many scenarios came to which verdict."""
    verdicts = [finding.verdict for finding in result.findings]
    parts = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
    if result.left_out:
        parts.append(f"{len(result.left_out)} n/a in this mode")
    whole = "" if result.is_complete else ", broken off"
    return f"{_counted(result.findings)}: {', '.join(parts) or 'none was run'}; {result.seconds:.1f} s{whole}"


def heading(result: AuditResult) -> str:
    """Return what was audited, in one line."""
    declaration = result.declaration
    by = f" by {', '.join(declaration.mechanisms)}" if declaration.mechanisms else ""
    login = f", logging in as {declaration.user!r}{by}" if declaration.user is not None else ""
    spoken = f"{declaration.protocol.upper()}, " if declaration.reads_mail else ""
    return printable(f"{result.client}: {spoken}{declaration.mode}, trust {declaration.trust}{login}")


def lines(result: AuditResult, *, with_evidence: bool = False) -> Iterator[str]:
    """Return the whole report as lines of text, without the password."""
    result = without_secret(result)
    yield heading(result)
    if told := broken(result):
        yield ""
        yield from told
    yield from _changes_in_lines(result, with_evidence=with_evidence)
    yield ""
    yield statement(result)
    yield from (f"  {reason}" for reason in why(result))
    yield from (f"  {flag}: {DANGER[flag]}" for flag in result.flags)
    for block in others(result):
        yield ""
        yield f"{block.head}: {block.meaning}".rstrip(": ")
        if block.fix:
            yield f"  Fix: {block.fix}"
        yield from _indented(block.seen, 2)
        yield from (f"  {line}" for line in aligned(block.rows))
        if with_evidence:
            yield from _evidence(block)
    if result.notes:
        yield ""
        yield f"{NOTES}:"
        yield from (f"  {printable(note)}" for note in result.notes)
    if result.family:
        yield ""
        yield from family(result)
    yield ""
    yield counts(result)


def _changes_in_lines(result: AuditResult, *, with_evidence: bool) -> Iterator[str]:
    found = changes(result)
    if found:
        yield ""
        yield f"{CHANGE}:"
    for number, block in enumerate(found, 1):
        yield f"  {number}. {block.meaning}"
        yield f"     Fix: {block.fix}"
        yield from _indented(block.needs, 5)
        yield from _indented(block.seen, 5)
        if with_evidence:
            yield from _evidence(block)


def _indented(text: str, indent: int) -> Iterator[str]:
    return (f"{' ' * indent}{line}" for line in textwrap.wrap(text, _WIDTH - indent, break_on_hyphens=False))


def _evidence(block: Block) -> Iterator[str]:
    for finding in block.findings:
        yield from (f"       {finding.key}: {printable(fact)}" for fact in finding.evidence)


def broken(result: AuditResult) -> tuple[str, ...]:
    """Return what is known where the client did not deliver to the good server; empty where it did.

    Most often it is the command that is wrong, so what the client said of it, and what it did, stand together.
    """
    good = next((finding for finding in result.findings if finding.scenario == GOOD), None)
    if good is None or good.run is None or good.got_through:
        return ()
    missing = f"{NOT_DONE[result.declaration.reads_mail]}: look at the command first."
    told = [f"The good server, which does nothing wrong, {missing}"]
    told += [f"  {printable(fact)}" for fact in good.evidence or (f"{good.reason}.",)]
    said = good.run.said.splitlines()[-_LAST:]
    told += ["The client said:", *(f"  {printable(line)}" for line in said)] if said else ["The client said nothing."]
    return tuple(told)


def family(result: AuditResult) -> Iterator[str]:
    """Return how it compares with the family it was to be compared with; nothing where it was not."""
    if not result.family:
        return
    if not result.differences:
        yield printable(f"It behaves as documented for {result.family}.")
        return
    yield printable(f"It does not behave as documented for {result.family}:")
    yield from (f"  {printable(difference)}" for difference in result.differences)


def aligned(rows: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    """Return rows of text with their columns below each other."""
    widths = [max((len(row[column]) for row in rows if len(row) > column), default=0) for column in range(4)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
