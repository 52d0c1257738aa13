"""What changed between two audits of a client, and whether anything got worse."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from audit_results import EVERYTHING, HOSTILE, SMALL, finding

from smtpfix import InvalidValueError
from smtpfix.audit.baseline import Change, Changes, compare
from smtpfix.audit.report import from_json, to_json
from smtpfix.audit.result import DeclaredMode, Flag, Grade, Outcome, Trust, Verdict

P, L, C, F, N = Verdict.PASSED, Verdict.LAX, Verdict.CAPPED, Verdict.FAILED, Verdict.NOT_RUN
CLEAN, LATE, LEAK = Outcome.REFUSED_CLEAN, Outcome.REFUSED_LATE, Outcome.LEAKED_CREDENTIALS
KINDS = ("worse", "better", "different", "new", "gone")


def audit(*findings, **values):
    return replace(SMALL, findings=findings, **values)


def kinds(changes):
    return {name: [one.key for one in getattr(changes, name)] for name in KINDS if getattr(changes, name)}


def test_the_same_audit_twice_has_no_changes():
    changes = compare(EVERYTHING, EVERYTHING)
    assert kinds(changes) == {}
    assert changes.unchanged == len(EVERYTHING.findings)
    assert not changes.is_worse
    assert str(changes) == f"grade: Opportunistic, as before\nunchanged: {len(EVERYTHING.findings)}"


def test_an_audit_compares_to_one_that_was_written_and_read():
    assert compare(from_json(to_json(EVERYTHING)), EVERYTHING) == compare(EVERYTHING, EVERYTHING)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((CLEAN, P), (Outcome.DELIVERED, L)),
        ((CLEAN, P), (Outcome.DOWNGRADED, C)),
        ((Outcome.DELIVERED, L), (Outcome.DOWNGRADED, C)),
        ((Outcome.DOWNGRADED, C), (LEAK, F)),
        ((LATE, F), (LEAK, F)),
        ((Outcome.DELIVERED, L), (Outcome.HUNG, L)),
    ],
)
def test_a_worse_verdict_or_outcome_is_worse_and_the_other_way_round_better(before, after):
    one, other = (audit(finding("strip-ehlo", *values)) for values in (before, after))
    assert kinds(compare(one, other)) == {"worse": ["strip-ehlo/starttls"]}
    assert compare(one, other).is_worse
    assert kinds(compare(other, one)) == {"better": ["strip-ehlo/starttls"]}
    assert not compare(other, one).is_worse


def test_what_it_did_beside_counts():
    one, other = (audit(finding("strip-ehlo", LEAK, F, also=also)) for also in ((), (Outcome.HUNG,)))
    assert kinds(compare(one, other)) == {"worse": ["strip-ehlo/starttls"]}
    assert kinds(compare(other, one)) == {"better": ["strip-ehlo/starttls"]}


@pytest.mark.parametrize(
    ("before", "after"),
    [((Outcome.DELIVERED, P), (CLEAN, P)), ((Outcome.HUNG, F), (Outcome.MISREPORTED, F))],
)
def test_another_outcome_that_costs_the_same_is_different_and_not_worse(before, after):
    changes = compare(audit(finding("good", *before)), audit(finding("good", *after)))
    assert kinds(changes) == {"different": ["good/starttls"]}
    assert not changes.is_worse


def test_evidence_times_and_texts_are_no_changes():
    after = finding("strip-ehlo", LEAK, evidence=("Something else.",), consequence="", run=None)
    changes = compare(audit(finding("strip-ehlo", LEAK)), audit(after, seconds=99.0, client="other"))
    assert kinds(changes) == {}
    assert changes.unchanged == 1


def test_the_order_of_what_it_did_is_no_change():
    one = finding("a", LEAK, also=(Outcome.HUNG, Outcome.MISREPORTED))
    other = finding("a", LEAK, also=(Outcome.MISREPORTED, Outcome.HUNG))
    assert compare(audit(one), audit(other)).unchanged == 1


@pytest.mark.parametrize(("verdict", "worse"), [(P, False), (L, False), (C, False), (F, True)])
def test_a_new_scenario_is_worse_only_where_it_failed(verdict, worse):
    changes = compare(audit(), audit(finding("strip-ehlo", CLEAN, verdict)))
    assert kinds(changes) == {"new": ["strip-ehlo/starttls"]}
    assert changes.is_worse is worse


def test_a_scenario_that_could_not_be_run_before_is_new():
    before = finding("a", Outcome.NOT_RUN, N)
    assert kinds(compare(audit(before), audit(finding("a", CLEAN, P)))) == {"new": ["a/starttls"]}
    assert compare(audit(before), audit(finding("a", LATE, F))).is_worse


def test_a_scenario_that_was_left_out_is_gone_and_not_worse():
    changes = compare(audit(finding("a", CLEAN, P)), audit())
    assert kinds(changes) == {"gone": ["a/starttls"]}
    assert not changes.is_worse


@pytest.mark.parametrize(("verdict", "worse"), [(P, True), (L, True), (C, True), (F, False)])
def test_a_scenario_that_cannot_be_run_any_more_is_no_better_and_never_counts_as_passed(verdict, worse):
    changes = compare(audit(finding("a", CLEAN, verdict)), audit(finding("a", Outcome.NOT_RUN, N)))
    assert kinds(changes) == {"gone": ["a/starttls"]}
    assert changes.is_worse is worse


def test_not_run_before_and_now_is_unchanged():
    not_run = finding("a", Outcome.NOT_RUN, N)
    assert compare(audit(not_run), audit(replace(not_run, reason="otherwise"))).unchanged == 1
    assert compare(audit(not_run), audit()) == Changes(
        unchanged=1, grade_before=Grade.AUTHENTICATED, grade_after=Grade.AUTHENTICATED
    )


def test_a_scenario_in_another_server_mode_is_another():
    changes = compare(audit(finding("a", CLEAN, P)), audit(finding("a", CLEAN, P, mode="tls-required")))
    assert kinds(changes) == {"new": ["a/tls-required"], "gone": ["a/starttls"]}


def test_flags_that_come_are_worse_and_flags_that_go_are_not():
    flagged = audit(flags=(Flag.HANGS, Flag.INJECTABLE))
    assert compare(audit(flags=(Flag.HANGS,)), flagged).new_flags == (Flag.INJECTABLE,)
    assert compare(audit(flags=(Flag.HANGS,)), flagged).is_worse
    assert compare(flagged, audit(flags=(Flag.HANGS,))).lost_flags == (Flag.INJECTABLE,)
    assert not compare(flagged, audit(flags=(Flag.HANGS,))).is_worse


def test_a_lower_grade_is_worse():
    grades = [one for one in Grade if one is not Grade.UNKNOWN]
    for better, worse in itertools.pairwise(grades):
        assert compare(audit(grade=better), audit(grade=worse)).is_worse
        assert not compare(audit(grade=worse), audit(grade=better)).is_worse
    assert not compare(audit(grade=Grade.PLAINTEXT), audit(grade=Grade.UNKNOWN)).is_worse
    assert not compare(audit(grade=Grade.UNKNOWN), audit(grade=Grade.PLAINTEXT)).is_worse


@pytest.mark.parametrize(
    "other",
    [{"mode": DeclaredMode.IMPLICIT}, {"trust": Trust.PINNED}, {"user": None}],
    ids=["mode", "trust", "login"],
)
def test_another_declaration_is_an_error(other):
    later = replace(SMALL, declaration=replace(SMALL.declaration, **other))
    message = r"baseline: it has mode starttls-required, trust pki, with a login, and this audit mode "
    with pytest.raises(InvalidValueError, match=message):
        compare(SMALL, later)


def test_another_user_and_another_password_are_the_same_declaration():
    later = replace(SMALL, declaration=replace(SMALL.declaration, user="bob", password="other"))
    assert compare(SMALL, later).unchanged == len(SMALL.findings)


def test_changes_read_well():
    before = audit(finding("strip-ehlo", CLEAN, P), finding("expired", LATE, F), finding("good", Outcome.DELIVERED, P))
    after = audit(
        finding("strip-ehlo", LEAK, F, also=(Outcome.HUNG,)),
        finding("expired", CLEAN, P),
        finding("good", Outcome.NOT_RUN, N, reason="port 25 is taken"),
        finding("wrong-host", CLEAN, P),
        flags=(Flag.LEAKS_CREDENTIALS_ACTIVE,),
        grade=Grade.PLAINTEXT,
    )
    assert str(compare(before, after)).splitlines() == [
        "grade: Authenticated -> Plaintext",
        "new flag: LEAKS CREDENTIALS (active)",
        "worse (1):",
        "  strip-ehlo/starttls: refused-clean (passed) -> leaked-credentials, also hung (failed)",
        "    Anyone who can change one reply on the way learns the password.",
        "better (1):",
        "  expired/starttls: refused-late (failed) -> refused-clean (passed)",
        "new (1):",
        "  wrong-host/starttls: not audited -> refused-clean (passed)",
        "gone (1):",
        "  good/starttls: delivered (passed) -> not run (port 25 is taken)",
        "unchanged: 0",
    ]


def test_nothing_in_changes_moves_a_cursor():
    text = str(Change("a", finding("a", CLEAN, P), finding(HOSTILE, LEAK, F, consequence=HOSTILE, reason=HOSTILE)))
    text += str(Change(HOSTILE, None, finding("a", Outcome.NOT_RUN, N, reason=HOSTILE, consequence="")))
    assert re.sub("[\n\ufdd0\ufffe\uffff]", "", text).isprintable()  # what is no character moves nothing
