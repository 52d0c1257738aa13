"""A result as people read it: what went wrong, together with what it means, then flags and the two lines.

Text only: whoever has a terminal draws the same `Block`s. Everything is printable, whatever servers and clients said.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from smtpfix.safe_text import printable

from .plan import GOOD
from .report.words import NOT_DONE, without_secret
from .result import AuditResult, Finding, Verdict

HEADS: Final = {
    Verdict.FAILED: "FAILED",
    Verdict.CAPPED: "As the mode has it, and no better",
    Verdict.LAX: "Lax",
    Verdict.NOT_RUN: "Not known",
}
"""How each verdict is headed, the worst first; what passed is only counted."""
_SHOWN: Final = 4
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
    """What the client does not do and what an attacker needs, the consequence, or why it is not known."""
    fix: str
    """What to change, where it is the same for all; else each finding has its own."""
    findings: tuple[Finding, ...]

    @property
    def folded(self) -> tuple[str, ...]:
        """The scenarios beyond the first few, which tell nothing new where one cause is behind all of them."""
        if len(self.findings) <= _SHOWN + 1 or not (self.head == CHANGE or self.verdict is Verdict.NOT_RUN):
            return ()
        return tuple(finding.scenario for finding in self.findings[_SHOWN:])

    @property
    def more(self) -> str:
        """What is folded, in words; empty where nothing is."""
        return printable(f"and {len(self.folded)} more: {', '.join(self.folded)}") if self.folded else ""

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The scenario, what the client did, where the standard speaks of it, and the fix where it differs."""
        shown = self.findings[:_SHOWN] if self.folded else self.findings
        return tuple(
            (
                finding.scenario,
                " · ".join((finding.outcome, *finding.also)),
                finding.standard,
                *([] if self.fix or not finding.fix else [finding.fix]),
            )
            for finding in shown
        )


def blocks(result: AuditResult) -> tuple[Block, ...]:
    """Return what did not pass: first what an attacker can use, the most severe first, then the rest."""
    return (*_causes(result), *_others(result))


def _causes(result: AuditResult) -> Iterator[Block]:
    by_key = {finding.key: finding for finding in result.findings}
    for cause in result.causes:
        findings = tuple(by_key[key] for key in cause.keys if key in by_key)
        verdict = next((one for one in HEADS if any(finding.verdict is one for finding in findings)), Verdict.FAILED)
        yield Block(CHANGE, verdict, printable(f"{cause.what} {cause.needs}"), printable(cause.fix), findings)


def _others(result: AuditResult) -> Iterator[Block]:
    explained = {key for cause in result.causes for key in cause.keys}
    for verdict, head in HEADS.items():
        meanings: dict[str, list[Finding]] = {}
        for finding in result.findings:
            if finding.verdict is verdict and finding.key not in explained:
                meaning = finding.reason if verdict is Verdict.NOT_RUN else finding.consequence
                meanings.setdefault(meaning, []).append(finding)
        for meaning, findings in meanings.items():
            fixes = {finding.fix for finding in findings}
            fix = fixes.pop() if len(fixes) == 1 else ""
            yield Block(head, verdict, printable(meaning), printable(fix), tuple(findings))


def counts(result: AuditResult) -> str:
    """Return how many scenarios came to which verdict."""
    verdicts = [finding.verdict for finding in result.findings]
    parts = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
    if result.left_out:
        parts.append(f"{len(result.left_out)} n/a in this mode")
    whole = "" if result.is_complete else ", broken off"
    return f"{len(verdicts)} scenarios: {', '.join(parts)}; {result.seconds:.1f} s{whole}"


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
    for block in blocks(result):
        yield ""
        yield f"{block.head}: {block.meaning}".rstrip(": ")
        if block.fix:
            yield f"  Fix: {block.fix}"
        yield from (f"  {line}" for line in aligned(block.rows))
        yield from (f"  {line}" for line in textwrap.wrap(block.more, _WIDTH - 2, break_on_hyphens=False))
        if with_evidence:
            for finding in block.findings:
                yield from (f"    {finding.key}: {printable(fact)}" for fact in finding.evidence)
    if result.notes:
        yield ""
        yield f"{NOTES}:"
        yield from (f"  {printable(note)}" for note in result.notes)
    yield ""
    yield counts(result)
    yield from broken(result)
    yield from (f"{flag}" for flag in result.flags)
    yield printable(result.promise)
    yield printable(result.worth)
    yield from (f"  {printable(reason)}" for reason in result.reasons)
    yield from family(result)


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
