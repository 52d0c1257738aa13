"""The result of an audit as JUnit XML, which CI systems show as tests: one suite per group.

There is no standard for this format; what is written is what Jenkins, GitLab and the GitHub actions for it read alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from smtpfix.audit.digest import missing
from smtpfix.audit.result import AuditResult, Cause, Declaration, Finding, Verdict

from .words import (
    MEANING,
    account,
    clipped,
    declared,
    expected,
    grouped,
    outcomes,
    visible,
    without_secret,
    worst_first,
)

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


def to_junit(result: AuditResult) -> str:
    r"""Return a result as JUnit XML, to be written as UTF-8, its last line ended; the password is struck out.

    What shows something to change stands first, in each suite and among the suites, and the first properties say what.
    A finding that failed is a failure with consequence, fix, standard, evidence and transcripts; one that was not run
    is skipped with its reason; one that is lax or capped passes and says so in its output. What is illegal in XML 1.0
    is escaped: ``\x1b``.
    """
    result = without_secret(result)
    root = Element("testsuites", _totals(result.findings), name=visible(f"smtpfix audit of {result.client}"))
    root.set("time", f"{result.seconds:.3f}")
    behind = {key: cause for cause in result.causes for key in cause.keys}
    for group, findings in grouped(worst_first(result)).items():
        suite = SubElement(root, "testsuite", _totals(findings), name=visible(f"smtpfix.{group}"))
        suite.set("time", f"{sum(map(_seconds, findings)):.3f}")
        if result.started is not None:
            suite.set("timestamp", _timestamp(result.started))
        properties = SubElement(suite, "properties")
        for name, value in _properties(result):
            SubElement(properties, "property", name=visible(name), value=visible(value))
        for finding in findings:
            _add(suite, finding, result.declaration, behind.get(finding.key))
    indent(root)
    return f"{_DECLARATION}{tostring(root, encoding='unicode')}\n"


def _add(suite: Element, finding: Finding, declaration: Declaration, cause: Cause | None) -> None:
    case = SubElement(suite, "testcase", classname=visible(f"smtpfix.{finding.group}"), name=visible(finding.key))
    case.set("time", f"{_seconds(finding):.3f}")
    if finding.verdict is Verdict.FAILED:
        message = f"{outcomes(finding)}: {finding.consequence or finding.summary}"
        failure = SubElement(case, "failure", type=str(finding.outcome), message=visible(message))
        failure.text = "\n".join(_explained(finding, declaration, cause))
    elif finding.verdict is Verdict.NOT_RUN:
        SubElement(case, "skipped", message=visible(finding.reason or "not run"))
        if finding.run is not None and finding.run.said:
            SubElement(case, "system-out").text = clipped(f"It said: {finding.run.said}")
    elif finding.verdict is not Verdict.PASSED:
        line = f"{finding.verdict} ({MEANING[finding.verdict]}): {outcomes(finding)}"
        more = "".join(f"\n{part}" for part in (finding.consequence, finding.fix) if part)
        SubElement(case, "system-out").text = visible(line + more)


def _explained(finding: Finding, declaration: Declaration, cause: Cause | None) -> Iterator[str]:
    for name, text in (
        ("Change this", f"{cause.what} {cause.fix}" if cause else ""),
        ("To make use of it", cause.needs if cause else ""),
        ("The server", finding.summary),
        ("A careful client", expected(finding, declaration)),
        ("Consequence", finding.consequence),
        ("Fix", finding.fix),
        ("Standard", finding.standard),
        *(("Evidence", sentence) for sentence in finding.evidence),
    ):
        if text:
            yield visible(f"{name}: {text}")
    for name, run in (("Run", finding.run), ("Control run", finding.control)):
        if run is not None:
            yield f"{name}: {account(run)}"
            if run.said:
                yield clipped(f"It said: {run.said}")
            yield from map(clipped, run.transcripts)


def _properties(result: AuditResult) -> Iterator[tuple[str, str]]:
    for number, cause in enumerate(result.causes, 1):
        yield f"change this, {number}", f"{cause.what} {cause.fix}"
    yield from (("grade", result.grade), ("worth", result.worth), ("promise", result.promise))
    yield "flags", ", ".join(result.flags) or "none"
    yield "keeps its promise", "yes" if result.keeps_its_promise else "no"
    yield "complete", "yes" if result.is_complete else "no"
    yield from ((f"meant to {name}", value) for name, value in declared(result.declaration))
    if told := missing(result.findings):
        yield "not installed", told
    yield from ((f"version of {name}", version) for name, version in result.versions)


def _totals(findings: Sequence[Finding]) -> dict[str, str]:
    failures = sum(finding.verdict is Verdict.FAILED for finding in findings)
    skipped = sum(finding.verdict is Verdict.NOT_RUN for finding in findings)
    return {"tests": str(len(findings)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}


def _seconds(finding: Finding) -> float:
    return sum(run.seconds for run in (finding.run, finding.control) if run is not None)


def _timestamp(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
