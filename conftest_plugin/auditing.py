"""The fixture ``smtp_audit``: it audits a client within a test, and fails the test if the grade is too low.

Imported only when a test requests the fixture.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from smtpfix.audit.auditing import audit_client
from smtpfix.audit.digest import lines
from smtpfix.audit.grade import best_grade, is_good_enough, named
from smtpfix.audit.result import AuditResult, Grade, Verdict
from smtpfix.errors import InvalidValueError


def audit(
    deliver: Any, *, grade: Grade | str | None = None, deviations: Collection[str] | None = None, **options: Any
) -> AuditResult:
    """Audit a client as `smtpfix.audit_client` does, with its options, and fail the test if the client falls short.

    With `grade`, such as ``"A"`` or ``"Authenticated"``, the client must reach at least this grade, without any flag.
    With `deviations`, keys of findings such as ``"cn-only/starttls"``, every other scenario must pass, and each of
    these must not. With neither, the client must be as good as its declared mode can be; if you choose scenarios by
    `ids` or `groups`, it must pass them all.
    """
    __tracebackhide__ = True
    if isinstance(deviations, str):
        raise InvalidValueError("deviations", deviations, 'keys of findings, such as {"cn-only/starttls"}')
    wanted = _grade(grade)
    result = audit_client(deliver, **options)
    is_choice = bool(options.get("ids") or options.get("groups"))
    complaints = list(_complaints(result, wanted, deviations, is_choice=is_choice))
    if complaints:
        pytest.fail("\n".join([*complaints, "", *lines(result, with_evidence=True)]), pytrace=False)
    return result


def _complaints(
    result: AuditResult, wanted: Grade | None, deviations: Collection[str] | None, *, is_choice: bool
) -> list[str]:
    complaints = []
    if (wanted is not None or deviations is None) and not is_good_enough(result, wanted, is_choice=is_choice):
        best = wanted or best_grade(result.declaration)
        flags = f", flagged {', '.join(result.flags)}" if result.flags else ""
        if wanted is None and is_choice:
            complaints.append(f"the client was to pass every scenario{flags}")
        else:
            complaints.append(f"the client was to be graded {best.heading!r}, and is {result.grade.heading!r}{flags}")
    if deviations is not None:
        deviating = {finding.key for finding in result.findings if finding.verdict is not Verdict.PASSED}
        if new := [finding.key for finding in result.findings if finding.key in deviating - {*deviations}]:
            complaints.append(f"not declared in deviations: {', '.join(new)}")
        if gone := sorted({*deviations} - deviating):
            complaints.append(f"declared in deviations, and passed or not run: {', '.join(gone)}; take it out")
    return complaints


def _grade(grade: Grade | str | None) -> Grade | None:
    return grade if grade is None else named(str(grade), "grade")
