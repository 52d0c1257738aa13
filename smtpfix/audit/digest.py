"""A result as people read it: what went wrong, together with what it means, then flags and the two lines.

Text only: whoever has a terminal draws the same `Block`s. Everything is printable, whatever servers and clients said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from smtpfix.safe_text import printable

from .report.words import without_secret
from .result import AuditResult, Finding, Verdict

HEADS: Final = {
    Verdict.FAILED: "FAILED",
    Verdict.CAPPED: "As the mode has it, and no better",
    Verdict.LAX: "Lax",
    Verdict.NOT_RUN: "Not known",
}
"""How each verdict is headed, the worst first; what passed is only counted."""


@dataclass(frozen=True, slots=True)
class Block:
    """Findings with the same verdict and the same meaning."""

    verdict: Verdict
    meaning: str
    """The consequence, or why it is not known."""
    fix: str
    """What to change, where it is the same for all; else each finding has its own."""
    findings: tuple[Finding, ...]

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The scenario, what the client did, where the standard speaks of it, and the fix where it differs."""
        return tuple(
            (
                finding.scenario,
                " · ".join((finding.outcome, *finding.also)),
                finding.standard,
                *([] if self.fix or not finding.fix else [finding.fix]),
            )
            for finding in self.findings
        )


def blocks(result: AuditResult) -> tuple[Block, ...]:
    """Return what did not pass, the worst first."""
    found = []
    for verdict in HEADS:
        meanings: dict[str, list[Finding]] = {}
        for finding in result.findings:
            if finding.verdict is verdict:
                meanings.setdefault(finding.reason if verdict is Verdict.NOT_RUN else finding.consequence, []).append(
                    finding
                )
        for meaning, findings in meanings.items():
            fixes = {finding.fix for finding in findings}
            fix = fixes.pop() if len(fixes) == 1 else ""
            found.append(Block(verdict, printable(meaning), printable(fix), tuple(findings)))
    return tuple(found)


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
    login = f", logging in as {declaration.user!r}" if declaration.user is not None else ""
    return printable(f"{result.client}: {declaration.mode}, trust {declaration.trust}{login}")


def lines(result: AuditResult, *, with_evidence: bool = False) -> Iterator[str]:
    """Return the whole report as lines of text, without the password."""
    result = without_secret(result)
    yield heading(result)
    for block in blocks(result):
        yield ""
        yield f"{HEADS[block.verdict]}: {block.meaning}".rstrip(": ")
        if block.fix:
            yield f"  Fix: {block.fix}"
        yield from (f"  {line}" for line in aligned(block.rows))
        if with_evidence:
            for finding in block.findings:
                yield from (f"    {finding.key}: {printable(fact)}" for fact in finding.evidence)
    yield ""
    yield counts(result)
    yield from (f"{flag}" for flag in result.flags)
    yield printable(result.promise)
    yield printable(result.worth)
    yield from (f"  {printable(reason)}" for reason in result.reasons)
    yield from family(result)


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
