"""`compare`: the changes between two audits of a client. `Changes` says whether anything got worse.

Knows results and no report; an earlier result comes from `smtpfix.audit.report.from_json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.safe_text import printable

from .result import AuditResult, Declaration, Finding, Flag, Grade, Outcome, Verdict

_BADNESS: Final = {Verdict.PASSED: 0, Verdict.LAX: 1, Verdict.CAPPED: 2, Verdict.FAILED: 3}
"""Verdicts from the best to the worst; one that was not run is not known, and neither."""

_HARM: Final = {
    Outcome.DELIVERED: 0,
    Outcome.RETRIEVED: 0,
    Outcome.REFUSED_CLEAN: 0,
    Outcome.NOT_RUN: 0,
    Outcome.FALSE_REFUSAL: 1,
    Outcome.MISREPORTED: 1,
    Outcome.HUNG: 1,
    Outcome.UNAUTHENTICATED_SEND: 2,
    Outcome.DOWNGRADED: 3,
    Outcome.REFUSED_LATE: 4,
    Outcome.LEAKED_MESSAGE: 5,
    Outcome.LOST_MAIL: 6,
    Outcome.ACTED_ON_INJECTION: 7,
    Outcome.LEAKED_CREDENTIALS: 8,
}
"""Outcomes by what they cost the user; it decides where the verdict stays the same."""


@dataclass(frozen=True, slots=True)
class Change:
    """One scenario in one server mode, before and now."""

    key: str
    """`Finding.key`."""
    before: Finding | None
    """The finding of the earlier audit; None if it has none."""
    after: Finding | None
    """The finding of the later audit; None if it has none."""

    def __str__(self) -> str:
        sides = [_told(finding) for finding in (self.before, self.after)]
        line = printable(f"{self.key}: {sides[0]} -> {sides[1]}")
        more = self.after.consequence if self.after is not None else ""
        return line + (f"\n    {printable(more)}" if more else "")


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed between two audits under the same declaration."""

    worse: tuple[Change, ...] = ()
    """Findings with a worse verdict, or with the same verdict and a costlier outcome."""
    better: tuple[Change, ...] = ()
    """Findings with a better verdict, or with the same verdict and a less costly outcome."""
    different: tuple[Change, ...] = ()
    """Findings with another outcome that is neither worse nor better: the client delivers where it refused, and both
    are right."""
    new: tuple[Change, ...] = ()
    """Findings that are known now and were not before: a new scenario, or one that did not run."""
    gone: tuple[Change, ...] = ()
    """Findings that were known before and are not now."""
    unchanged: int = 0
    """How many findings have not changed."""
    new_flags: tuple[Flag, ...] = ()
    lost_flags: tuple[Flag, ...] = ()
    grade_before: Grade = Grade.UNKNOWN
    grade_after: Grade = Grade.UNKNOWN

    @property
    def grade_is_worse(self) -> bool:
        """Whether the grade is lower. An unknown grade never is: `gone` has what is no longer known."""
        if Grade.UNKNOWN in (self.grade_before, self.grade_after):
            return False
        grades = list(Grade)
        return grades.index(self.grade_after) > grades.index(self.grade_before)

    @property
    def is_worse(self) -> bool:
        """Whether anything is worse than before; the exit status follows from this.

        This means a worse finding, a new one that failed, one that could not run now and had not failed, a new flag, or
        a lower grade. A scenario that was left out this time does not count.
        """
        failed = any(one.after is not None and one.after.verdict is Verdict.FAILED for one in self.new)
        lost = any(one.after is not None and one.before is not None and _was_good(one.before) for one in self.gone)
        return bool(self.worse or self.new_flags) or failed or lost or self.grade_is_worse

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.grade_before is self.grade_after:
            yield f"grade: {self.grade_after}, as before"
        else:
            yield f"grade: {self.grade_before} -> {self.grade_after}"
        yield from (f"new flag: {flag}" for flag in self.new_flags)
        yield from (f"lost flag: {flag}" for flag in self.lost_flags)
        for name in ("worse", "better", "different", "new", "gone"):
            changes: tuple[Change, ...] = getattr(self, name)
            if changes:
                yield f"{name} ({len(changes)}):"
                yield from (f"  {change}" for change in changes)
        yield f"unchanged: {self.unchanged}"


def compare(old: AuditResult, new: AuditResult) -> Changes:
    """Return the changes from an earlier audit to a later one.

    Raises `InvalidValueError` as `check_comparable` does.
    """
    check_comparable(old.declaration, new.declaration)
    before = {finding.key: finding for finding in old.findings}
    after = {finding.key: finding for finding in new.findings}
    found: dict[str, list[Change]] = {}
    for key in (*after, *(key for key in before if key not in after)):
        change = Change(key, before.get(key), after.get(key))
        found.setdefault(_kind(change), []).append(change)
    return Changes(
        **{kind: tuple(found.get(kind, ())) for kind in ("worse", "better", "different", "new", "gone")},
        unchanged=len(found.get("unchanged", ())),
        new_flags=tuple(flag for flag in new.flags if flag not in old.flags),
        lost_flags=tuple(flag for flag in old.flags if flag not in new.flags),
        grade_before=old.grade,
        grade_after=new.grade,
    )


def check_comparable(old: Declaration, new: Declaration) -> None:
    """Raise `InvalidValueError` if two audits differ in their declaration: mode, trust, or whether there is a login."""
    if _measure(old) != _measure(new):
        sentence = f"it has {_measure(old)}, and this audit {_measure(new)}; compare audits of one declaration"
        raise InvalidValueError.saying("baseline", _measure(old), sentence)


def _kind(change: Change) -> str:
    before, after = (one if _is_known(one) else None for one in (change.before, change.after))
    if before is None or after is None:
        return "unchanged" if before is after else "gone" if after is None else "new"
    was, is_ = _rank(before), _rank(after)
    if was != is_:
        return "worse" if is_ > was else "better"
    same = {before.outcome, *before.also} == {after.outcome, *after.also}
    return "unchanged" if same else "different"


def _rank(finding: Finding) -> tuple[int, list[int]]:
    harms = sorted((_HARM[outcome] for outcome in {finding.outcome, *finding.also}), reverse=True)
    return (_BADNESS[finding.verdict], [harm for harm in harms if harm])


def _is_known(finding: Finding | None) -> bool:
    return finding is not None and finding.verdict is not Verdict.NOT_RUN


def _was_good(finding: Finding) -> bool:
    return finding.verdict is not Verdict.FAILED


def _told(finding: Finding | None) -> str:
    if finding is None:
        return "not audited"
    if finding.verdict is Verdict.NOT_RUN:
        return f"not run ({finding.reason or 'no reason is known'})"
    also = f", also {', '.join(finding.also)}" if finding.also else ""
    return f"{finding.outcome}{also} ({finding.verdict})"


def _measure(declaration: Declaration) -> str:
    login = "without a login" if declaration.user is None else "with a login"
    spoken = f"{declaration.protocol.upper()}, " if declaration.reads_mail else ""
    return f"{spoken}mode {declaration.mode}, trust {declaration.trust}, {login}"
