"""The fixture ``smtp_audit``: a client audited within a test, which fails where it is worth less than it should be.

Imported only where a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from smtpfix.audit.auditing import audit_client
from smtpfix.audit.digest import lines
from smtpfix.audit.grade import best_grade, is_good_enough
from smtpfix.audit.result import AuditResult, Grade, Verdict
from smtpfix.errors import InvalidValueError


def audit(
    deliver: Any, *, grade: Grade | str | None = None, deviations: Collection[str] | None = None, **options: Any
) -> AuditResult:
    """Audit a client as `smtpfix.audit_client` does, with its options; fail the test where it falls short.

    With `grade`, such as ``"Secure"``, it has to have that one, and no flag. With `deviations`, keys of findings such
    as ``"cn-only/starttls"``, these scenarios and no others may come to anything but passed. With neither of them it
    has to be as good as its declared mode can be.
    """
    __tracebackhide__ = True
    if isinstance(deviations, str):
        raise InvalidValueError("deviations", deviations, 'keys of findings, such as {"cn-only/starttls"}')
    wanted = _grade(grade)
    result = audit_client(deliver, **options)
    complaints = list(_complaints(result, wanted, deviations))
    if complaints:
        pytest.fail("\n".join([*complaints, "", *lines(result, with_evidence=True)]), pytrace=False)
    return result


def _complaints(result: AuditResult, wanted: Grade | None, deviations: Collection[str] | None) -> list[str]:
    complaints = []
    if (wanted is not None or deviations is None) and not is_good_enough(result, wanted):
        best = wanted or best_grade(result.declaration)
        flags = f", flagged {', '.join(result.flags)}" if result.flags else ""
        complaints.append(f"the client was to be graded {str(best)!r}, and is {str(result.grade)!r}{flags}")
    if deviations is not None:
        deviating = {finding.key for finding in result.findings if finding.verdict is not Verdict.PASSED}
        if new := [finding.key for finding in result.findings if finding.key in deviating - {*deviations}]:
            complaints.append(f"not declared in deviations: {', '.join(new)}")
        if gone := sorted({*deviations} - deviating):
            complaints.append(f"declared in deviations, and passed or not run: {', '.join(gone)}; take it out")
    return complaints


def _grade(grade: Grade | str | None) -> Grade | None:
    if grade is None:
        return None
    try:
        return Grade(grade)
    except ValueError:
        known = ", ".join(repr(str(one)) for one in Grade if one is not Grade.UNKNOWN)
        raise InvalidValueError("grade", grade, f"one of {known}") from None
