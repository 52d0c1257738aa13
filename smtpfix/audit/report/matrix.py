"""The matrix of an audit as a picture: one block per group, one cell per scenario, coloured by verdict.

Every cell is an inline SVG of its own, so that they wrap on a narrow screen and keep their size. What did not pass has
its name beside it where nothing hovers, as on a phone; the style sheet decides that. Knows nothing of the
page around it but the anchors it leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Final

from smtpfix.audit.result import Finding, Verdict

from .words import WORST_FIRST, counted, grouped, outcomes, visible

NAMES: Final = {
    Verdict.FAILED: "Failed",
    Verdict.LAX: "Lax",
    Verdict.CAPPED: "Capped",
    Verdict.NOT_RUN: "Not run",
    Verdict.PASSED: "Passed",
}
"""Verdicts as headings."""

_SHAPES: Final = {
    Verdict.FAILED: '<rect x="1" y="1" width="22" height="22" rx="3" class="solid"/>'
    '<path d="M7 7l10 10M17 7L7 17" class="mark"/>',
    Verdict.LAX: '<path d="M12 2.2L23 21.5H1z" class="solid round"/><path d="M12 9v5.5M12 17.7v.6" class="mark"/>',
    Verdict.CAPPED: '<path d="M12 1l11 11-11 11L1 12z" class="solid round"/><path d="M7.5 12h9" class="mark"/>',
    Verdict.NOT_RUN: '<circle cx="12" cy="12" r="10" class="dashed"/>'
    '<path d="M9.2 9.4a2.9 2.9 0 1 1 4.2 2.6c-.9.5-1.4 1-1.4 2M12 17.2v.4" class="line"/>',
    Verdict.PASSED: '<rect x="1.5" y="1.5" width="21" height="21" rx="6" class="faint"/>'
    '<path d="M7 12.5l3.5 3.5L17 8.5" class="line"/>',
}
"""A shape for each verdict, drawn without letters, so that no font matters: told apart without colour, too."""


def symbols() -> str:
    """Return the shapes, to stand once in the page before they are used."""
    drawn = (f'<symbol id="shape-{verdict}" viewBox="0 0 24 24">{_SHAPES[verdict]}</symbol>' for verdict in WORST_FIRST)
    return f'<svg class="symbols" width="0" height="0" aria-hidden="true">{"".join(drawn)}</svg>'


def shape(verdict: Verdict) -> str:
    """Return a verdict's shape as a picture without a name; the name stands beside it, or on what is around it."""
    return f'<svg class="shape {verdict}" viewBox="0 0 24 24" aria-hidden="true"><use href="#shape-{verdict}"/></svg>'


def legend(findings: Iterable[Finding], meaning: Mapping[Verdict, str]) -> Iterator[str]:
    """Yield the list that says what each shape means and how many there are; it leads to the findings."""
    yield '<ul class="legend">'
    for verdict, count in counted(findings).items():
        inside = f'{shape(verdict)}<b>{count}</b> <span class="name">{NAMES[verdict].lower()}</span>'
        inside += f'<span class="meaning">{escape(meaning[verdict])}</span>'
        yield f'<li><a href="#{verdict}">{inside}</a></li>' if count else f'<li class="none"><span>{inside}</span></li>'
    yield "</ul>"


def matrix(findings: Iterable[Finding], anchors: Mapping[int, str]) -> Iterator[str]:
    """Yield the blocks of the matrix; ``anchors`` has the id to lead to for each finding's `id()`."""
    yield '<div class="matrix">'
    for group, members in grouped(findings).items():
        passed = counted(members)[Verdict.PASSED]
        yield f'<div class="group"><h3><bdi>{escape(visible(group))}</bdi> '
        yield f'<span class="share">{passed} of {len(members)} passed</span></h3><ul class="cells">'
        yield from (f'<li class="{one.verdict}">{_cell(one, anchors[id(one)])}</li>' for one in members)
        yield "</ul></div>"
    yield "</div>"


def _cell(finding: Finding, anchor: str) -> str:
    name = f"{finding.scenario}, {finding.mode}: {NAMES[finding.verdict].lower()}"
    if finding.verdict is not Verdict.NOT_RUN:
        name += f", {outcomes(finding)}"
    name = escape(visible(name))
    told = f"{name}&#10;{escape(visible(finding.summary))}"
    inside = f'{shape(finding.verdict)}<span class="id">{escape(visible(finding.scenario))}</span>'
    return f'<a class="cell" href="#{anchor}" title="{told}" aria-label="{name}">{inside}</a>'
