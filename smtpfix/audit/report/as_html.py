"""The result of an audit as one self-contained HTML page: without scripts, requests or fonts.

Every text goes through `_text`, so that markup in it stays text. The looks are in ``page.css`` beside this module, the
picture in `matrix`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from html import escape
from importlib.resources import files
from typing import Final

from smtpfix.audit.digest import CHANGE, NOTES, broken, counts, missing, needs, why
from smtpfix.audit.result import AuditResult, Declaration, Finding, Grade, Run, Verdict

from .matrix import NAMES, legend, matrix, shape, symbols
from .words import (
    DANGER,
    MEANING,
    NOT_DONE,
    WORST_FIRST,
    account,
    clipped,
    declared,
    expected,
    grouped,
    outcomes,
    tone,
    without_secret,
)

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Content Security Policy: whatever stands in the page, nothing is run and nothing is fetched."""
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_LADDER: Final = tuple(grade for grade in Grade if grade is not Grade.UNKNOWN)


def to_html(result: AuditResult) -> str:
    """Return a result as one self-contained HTML page, to be written as UTF-8; the password is struck out.

    It has no script, and its Content-Security-Policy lets no request leave it. Each cell of the matrix leads to its
    finding, which opens by itself; printed, all that did not pass is open. Texts longer than 20,000 characters are cut.
    """
    return "\n".join(_page(without_secret(result))) + "\n"


def _page(result: AuditResult) -> Iterator[str]:
    # A value may stand in a result twice; here each is a place of its own.
    result = replace(result, findings=tuple(map(replace, result.findings)))
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">'
    yield f'<link rel="icon" href="data:,">\n<title>{result.grade.heading}: {_text(result.client)}</title>'
    yield f"<style>\n{style}</style>\n</head>\n<body>"
    yield symbols()
    anchors = _anchors(result.findings)
    yield '<header class="top">'
    yield from _head(result, anchors)
    yield "</header>\n<main>"
    yield '<section aria-labelledby="matrix"><h2 id="matrix">Every scenario at a glance</h2>'
    yield from legend(result.findings, MEANING)
    yield from matrix(result.findings, anchors) if result.findings else ['<p class="notice">No scenario was run.</p>']
    yield "</section>"
    yield from _rest(result, _places(result, anchors))
    for verdict in WORST_FIRST:
        members = [finding for finding in result.findings if finding.verdict is verdict]
        if members:
            yield from _section(verdict, members, anchors, result.declaration)
    yield "</main>\n<footer>"
    yield from _foot(result)
    yield "</footer>\n</body>\n</html>"


def _head(result: AuditResult, anchors: dict[int, str]) -> Iterator[str]:
    yield '<p class="eyebrow">smtpfix <span>audit of a mail client</span></p>'
    words = " ".join(f"<span>{escape(word)}</span>" for word in clipped(result.client).split())
    yield f"<h1><bdi>{words}</bdi></h1>"
    yield f'<div class="worth {tone(result)}"><b class="letter" aria-hidden="true">{result.grade.letter}</b>'
    yield f"<p><strong>{result.grade.heading}</strong><span>{_text(_worth(result))}</span></p>"
    if result.flags:
        yield '<ul aria-label="Flags, which override every grade">'
        yield from (f'<li><a href="#grade">{flag}</a></li>' for flag in result.flags)
        yield "</ul>"
    yield "</div>"
    if not result.is_complete:
        yield '<p class="notice"><strong>Broken off.</strong> Scenarios are missing; this is what was known then.</p>'
    if told := broken(result):
        yield f'<section class="broken"><h2>The good server {NOT_DONE[result.declaration.reads_mail]}</h2>'
        yield f"{_pre(chr(10).join(told))}</section>"
    if result.causes:
        yield from _causes(result, anchors)
    yield from _grade(result, _places(result, anchors))


def _causes(result: AuditResult, anchors: dict[int, str]) -> Iterator[str]:
    """Return what to change, the most severe first, each with links to the findings that it makes good."""
    places = {finding.key: (anchors[id(finding)], finding.scenario) for finding in result.findings}
    yield f'<section class="causes" aria-labelledby="causes"><h2 id="causes">{CHANGE}</h2><ol>'
    for number, cause in enumerate(result.causes, 1):
        yield f'<li id="change-{number}"><strong>{_text(cause.what)}</strong> '
        yield f'<span class="fix">{_text(cause.fix)}</span>'
        rows = [places[key] for key in cause.keys if key in places]
        links = ", ".join(f'<a href="#{anchor}"><bdi>{_text(scenario)}</bdi></a>' for anchor, scenario in rows)
        plural = "" if len(rows) == 1 else "s"
        yield f'<span class="needs">{_text(needs(cause))}</span>'
        yield f"<details><summary>Seen in {len(rows)} scenario{plural}</summary><p>{links}</p></details></li>"
    yield "</ol></section>"


def _grade(result: AuditResult, places: dict[str, str]) -> Iterator[str]:
    """Return how the grade came about, each reason with links to its findings."""
    yield '<section class="graded" aria-labelledby="grade"><h2 id="grade">The grade</h2>'
    yield f"<p>{_text(result.promise)}</p>"
    yield from _ladder(result.grade)
    if result.flags:
        yield '<ul class="flags">'
        yield from (f"<li><strong>{flag}</strong> <span>{_text(DANGER[flag])}</span></li>" for flag in result.flags)
        yield "</ul>"
    if reasons := why(result):
        yield f'<div class="reasons"><h3>Why it is not a better one</h3>{_linked(reasons, places)}</div>'
    yield f'<p class="counts">{_text(counts(result))}</p>'
    if told := missing(result.findings):
        yield f'<p class="missing">Not known: {_text(told)}</p>'
    yield '<dl class="facts">'
    yield from (f"<div><dt>{name}</dt><dd><bdi>{_text(text)}</bdi></dd></div>" for name, text in _facts(result))
    yield "</dl></section>"


def _rest(result: AuditResult, places: dict[str, str]) -> Iterator[str]:
    """Return what changes no verdict."""
    if result.notes:
        yield f'<section class="reasons"><h2>{NOTES}</h2>{_linked(result.notes, places)}</section>'
    if result.family:
        behaves = "It does not behave" if result.differences else "It behaves"
        yield f'<section class="reasons"><h2>{behaves} as documented for <bdi>{_text(result.family)}</bdi></h2>'
        yield f"{_linked(result.differences, places) if result.differences else ''}</section>"


def _places(result: AuditResult, anchors: dict[int, str]) -> dict[str, str]:
    """Return where each scenario's finding stands, of several the first."""
    return {finding.scenario: anchors[id(finding)] for finding in reversed(result.findings)}


def _worth(result: AuditResult) -> str:
    """Return what the grade is worth, without the grade: that stands above it."""
    worth = result.worth.removeprefix(f"{result.grade.heading}: ")
    return f"{worth[:1].upper()}{worth[1:]}"


def _facts(result: AuditResult) -> Iterator[tuple[str, str]]:
    yield from ((f"meant to {name}", text) for name, text in declared(result.declaration))
    took = f"{result.seconds:.1f} s"
    if result.started is not None:
        moment = result.started.astimezone(UTC) if result.started.tzinfo else result.started
        took = f"{moment:%Y-%m-%d %H:%M} UTC, {took}"
    yield "audited", took


def _ladder(grade: Grade) -> Iterator[str]:
    yield '<ol class="ladder" aria-label="The grades, the best first">'
    for one in _LADDER:
        current = ' aria-current="true"' if one is grade else ""
        yield f"<li{current}><b>{one.letter}</b> {one}</li>"
    yield "</ol>"


def _section(
    verdict: Verdict, members: list[Finding], anchors: dict[int, str], declaration: Declaration
) -> Iterator[str]:
    yield f'<section class="findings" aria-labelledby="{verdict}">'
    yield f'<h2 id="{verdict}">{shape(verdict)}{NAMES[verdict]} <span class="count">{len(members)}</span></h2>'
    yield f'<p class="meaning">{MEANING[verdict][0].upper()}{MEANING[verdict][1:]}.</p>'
    for group, findings in grouped(members).items():
        yield f'<h3 class="group-name"><bdi>{_text(group)}</bdi></h3>'
        for finding in findings:
            yield from _finding(finding, anchors[id(finding)], declaration)
    yield "</section>"


def _finding(finding: Finding, anchor: str, declaration: Declaration) -> Iterator[str]:
    did = "not run" if finding.verdict is Verdict.NOT_RUN else outcomes(finding)
    yield f'<details class="finding {finding.verdict}"><summary>{shape(finding.verdict)}<span class="told">'
    yield f'<span class="title"><b><bdi>{_text(finding.scenario)}</bdi></b> <i><bdi>{_text(finding.mode)}</bdi></i>'
    yield f'<em>{_text(did)}</em></span><span class="shown">{_text(finding.summary)}</span>'
    for kind, label, text in (
        ("consequence", "Consequence", finding.consequence),
        ("fix", "Fix", finding.fix),
        ("reason", "Why", finding.reason),
        ("standard", "Standard", finding.standard if finding.verdict is not Verdict.PASSED else ""),
    ):
        if text:
            yield f'<span class="{kind}"><b>{label}</b> <span>{_text(text)}</span></span>'
    yield f'</span></summary>\n<div class="body"><span class="anchor" id="{anchor}"></span><dl>'
    yield f"<div><dt>A careful client</dt><dd>{_text(expected(finding, declaration))}</dd></div>"
    if finding.verdict is Verdict.PASSED:
        yield f"<div><dt>Standard</dt><dd>{_text(finding.standard)}</dd></div>"
    if finding.evidence:
        yield f"<div><dt>What the server saw</dt><dd>{_list(finding.evidence)}</dd></div>"
    yield "</dl>"
    for title, run in (("The run", finding.run), ("The control run, which decided it", finding.control)):
        if run is not None:
            yield from _run(title, run)
    yield '<p class="back"><a href="#matrix">Back to all scenarios</a></p></div></details>'


def _run(title: str, run: Run) -> Iterator[str]:
    yield f"<h4>{title}</h4><p>{_text(account(run))}</p>"
    if run.said:
        yield f'<p class="caption">What it said</p>{_pre(run.said)}'
    for number, transcript in enumerate(run.transcripts, 1):
        caption = "Transcript" if len(run.transcripts) == 1 else f"Transcript {number} of {len(run.transcripts)}"
        yield f'<p class="caption">{caption}</p>{_pre(transcript)}'


def _foot(result: AuditResult) -> Iterator[str]:
    parts = (f"<bdi>{_text(name)} {_text(version)}</bdi>" for name, version in result.versions)
    yield f"<p>{' · '.join(parts) or 'smtpfix'}</p>"
    yield "<p>Verdicts follow from what the server saw; what the client says of itself is only compared.</p>"


def _anchors(findings: Iterable[Finding]) -> dict[int, str]:
    """Return an id in the page for each finding, by its `id()`: the same for the same key, and each only once."""
    anchors: dict[int, str] = {}
    taken: set[str] = set()
    for finding in findings:
        name = wanted = f"f-{_OTHER.sub('-', finding.key.lower()).strip('-')[:80]}"
        number = 1
        while name in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(name)
        anchors[id(finding)] = name
    return anchors


def _text(text: str) -> str:
    return escape(clipped(text))


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(sentence)}</li>' for sentence in sentences)}</ul>"


def _linked(sentences: Iterable[str], places: Mapping[str, str]) -> str:
    """Return a list of sentences, in which each scenario leads to its finding."""
    return f"<ul>{''.join(f'<li>{_with_links(sentence, places)}</li>' for sentence in sentences)}</ul>"


def _with_links(sentence: str, places: Mapping[str, str]) -> str:
    words = []
    for word in clipped(sentence).split(" "):
        name = word.rstrip(".,:;")
        end = escape(word[len(name) :])
        words.append(f'<a href="#{places[name]}">{escape(name)}</a>{end}' if name in places else escape(word))
    return " ".join(words)


def _pre(text: str) -> str:
    return f'<pre dir="ltr">\n{_text(text)}</pre>'
