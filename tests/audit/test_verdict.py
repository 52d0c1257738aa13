"""Evidence and expectation become outcome, verdict, sentences, flags and grade."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from smtpfix.audit import fixes
from smtpfix.audit.causes import flaw_shown
from smtpfix.audit.evidence import Evidence
from smtpfix.audit.grade import best_grade, grade, reaches
from smtpfix.audit.plan import plan
from smtpfix.audit.process import Ended
from smtpfix.audit.result import (
    Declaration,
    DeclaredMode,
    Ending,
    Finding,
    Flag,
    Grade,
    Outcome,
    Run,
    Trust,
    Verdict,
)
from smtpfix.audit.sentences import FORBIDDEN, sentences
from smtpfix.audit.verdict import Observed, judge
from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.mode import Mode
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.session import AuthAttempt
from smtpfix.record.violation import Violation
from smtpfix.rules.reply import Reply
from smtpfix.smtp.reading import SMTPReading
from smtpfix.tls.client_hello import ClientHello
from smtpfix.tls.facts import TLSFailure

REQUIRED = Declaration(DeclaredMode.STARTTLS_REQUIRED, Trust.PKI, "ann", "s3cret-word")
OPPORTUNISTIC = replace(REQUIRED, mode=DeclaredMode.OPPORTUNISTIC)
PLAIN = replace(REQUIRED, mode=DeclaredMode.NONE)
NOBODY = replace(REQUIRED, user=None, password=None)

SESSION = Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), 1, ("127.0.0.1", 1), ("127.0.0.1", 2)).session()
CONNECTED = Evidence(sessions=(SESSION,))


def message(*, in_tls=True, user="ann"):
    return CapturedMessage(
        1,
        Envelope("a@example.org", ("b@example.org",)),
        b"Subject: x\r\n\r\nx\r\n",
        datetime(2026, 1, 1, tzinfo=UTC),
        Reply(250, "2.0.0", "OK"),
        in_tls,
        user,
        Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), 1, ("127.0.0.1", 1), ("127.0.0.1", 2)),
    )


DELIVERED = replace(CONNECTED, messages=(message(),))
NO_LOGIN = replace(CONNECTED, messages=(message(user=None),))
IN_CLEAR = replace(
    CONNECTED, messages=(message(in_tls=False),), envelope_in_clear=True, content_in_clear=True, login_in_clear=True
)
LEAKED = replace(IN_CLEAR, leaks=("in clear, AUTH PLAIN with the password",))
LEAKED_BESIDE = replace(LEAKED, leaks_beside_auth=True)
WENT_ON = replace(CONNECTED, spoke_in_tls=("AUTH", "MAIL"))

SUCCEEDED, FAILED = Ended(Ending.SUCCEEDED, 0), Ended(Ending.FAILED, 1)
CRASHED, BROKEN_PIPE = Ended(Ending.CRASHED, -11), Ended(Ending.CRASHED, -13)
GOOD_RUN = Observed(SUCCEEDED, DELIVERED)
TIMED_OUT = Ended(Ending.TIMED_OUT, None, 10.0)


def case(scenario, declaration):
    return next(one for one in plan(declaration, ids=[scenario]).cases if one.scenario.id == scenario)


def judged(scenario, ended, evidence, declaration=REQUIRED, *, control=None, delivers=True):
    return judge(case(scenario, declaration), declaration, Observed(ended, evidence), control, delivers=delivers)


@pytest.mark.parametrize(
    ("scenario", "ended", "evidence", "declaration", "outcome", "verdict", "also"),
    [
        ("good", SUCCEEDED, DELIVERED, REQUIRED, "delivered", "passed", []),
        ("good", FAILED, DELIVERED, REQUIRED, "delivered", "failed", ["misreported"]),
        ("good", SUCCEEDED, CONNECTED, REQUIRED, "false-refusal", "failed", ["misreported"]),
        ("good", FAILED, CONNECTED, REQUIRED, "false-refusal", "failed", []),
        ("good", SUCCEEDED, NO_LOGIN, REQUIRED, "unauthenticated-send", "failed", []),
        ("good", SUCCEEDED, NO_LOGIN, NOBODY, "delivered", "passed", []),
        ("auth-none-in-tls", SUCCEEDED, NO_LOGIN, REQUIRED, "unauthenticated-send", "passed", []),
        ("good", TIMED_OUT, DELIVERED, REQUIRED, "delivered", "failed", ["hung"]),
        ("good", TIMED_OUT, CONNECTED, REQUIRED, "hung", "failed", []),
        ("mail-stall", TIMED_OUT, CONNECTED, REQUIRED, "hung", "lax", []),
        ("quit-hang", TIMED_OUT, DELIVERED, REQUIRED, "delivered", "lax", ["hung"]),
        ("reply-endless", TIMED_OUT, CONNECTED, REQUIRED, "hung", "lax", []),
        ("slow-drip-octet", FAILED, CONNECTED, REQUIRED, "false-refusal", "lax", []),
        ("slow-drip", FAILED, CONNECTED, REQUIRED, "false-refusal", "failed", []),
        ("expired", FAILED, CONNECTED, REQUIRED, "refused-clean", "passed", []),
        ("expired", SUCCEEDED, CONNECTED, REQUIRED, "refused-clean", "failed", ["misreported"]),
        ("expired", CRASHED, CONNECTED, REQUIRED, "refused-clean", "failed", []),
        ("expired", BROKEN_PIPE, CONNECTED, REQUIRED, "refused-clean", "passed", []),
        ("expired", SUCCEEDED, DELIVERED, REQUIRED, "delivered", "failed", []),
        ("cn-only", SUCCEEDED, DELIVERED, REQUIRED, "delivered", "lax", []),
        ("tls10-only", SUCCEEDED, DELIVERED, REQUIRED, "delivered", "lax", []),
        ("dh1024", SUCCEEDED, DELIVERED, REQUIRED, "delivered", "failed", []),
        ("self-signed", SUCCEEDED, DELIVERED, replace(REQUIRED, trust=Trust.NONE), "delivered", "passed", []),
        ("strip-ehlo", FAILED, CONNECTED, REQUIRED, "refused-clean", "passed", []),
        ("strip-ehlo", SUCCEEDED, IN_CLEAR, REQUIRED, "leaked-message", "failed", ["delivered"]),
        ("strip-ehlo", SUCCEEDED, IN_CLEAR, OPPORTUNISTIC, "downgraded", "capped", ["delivered"]),
        (
            "strip-ehlo",
            SUCCEEDED,
            LEAKED,
            OPPORTUNISTIC,
            "leaked-credentials",
            "failed",
            ["downgraded", "delivered"],
        ),
        (
            "strip-ehlo",
            FAILED,
            replace(CONNECTED, login_in_clear=True),
            REQUIRED,
            "downgraded",
            "failed",
            [],
        ),
        ("good", SUCCEEDED, IN_CLEAR, OPPORTUNISTIC, "downgraded", "failed", ["delivered"]),
        ("bad-cert-then-plain", SUCCEEDED, IN_CLEAR, OPPORTUNISTIC, "downgraded", "failed", ["delivered"]),
        ("good", SUCCEEDED, LEAKED, PLAIN, "leaked-credentials", "capped", ["delivered"]),
        ("good", SUCCEEDED, LEAKED_BESIDE, PLAIN, "leaked-credentials", "failed", ["delivered"]),
        ("good", SUCCEEDED, IN_CLEAR, PLAIN, "delivered", "passed", []),
        ("final-dot-close", FAILED, CONNECTED, REQUIRED, "refused-clean", "passed", []),
        ("final-dot-close", SUCCEEDED, CONNECTED, REQUIRED, "refused-clean", "failed", ["misreported"]),
        ("truncated-after-reply", FAILED, DELIVERED, REQUIRED, "delivered", "passed", []),
        ("quit-421", FAILED, DELIVERED, REQUIRED, "delivered", "failed", ["misreported"]),
    ],
)
def test_what_a_run_means(scenario, ended, evidence, declaration, outcome, verdict, also):
    judgement = judged(scenario, ended, evidence, declaration)
    assert (judgement.outcome, judgement.verdict, [*judgement.also]) == (outcome, verdict, also)
    consequence, fix = sentences(case(scenario, declaration), declaration, Observed(ended, evidence), judgement)
    assert bool(consequence) is bool(fix) is (verdict != "passed")
    for sentence in filter(None, (consequence, fix)):
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("scenario", "evidence", "language", "fix"),
    [
        ("cn-only", DELIVERED, "python", "Set context.hostname_checks_common_name = False."),
        ("expired", DELIVERED, "go", "Compare the certificate's notBefore and notAfter with the time."),  # none for Go
        ("strip-ehlo", IN_CLEAR, "curl", "Say --ssl-reqd instead of --ssl, or smtps:// instead of smtp://."),
    ],
)
def test_a_finding_is_fixed_as_its_cause_is_in_the_client_s_language(scenario, evidence, language, fix):
    judgement = judged(scenario, SUCCEEDED, evidence)
    found = sentences(case(scenario, REQUIRED), REQUIRED, Observed(SUCCEEDED, evidence), judgement, language)
    assert found[1] == fix == fixes.fix(flaw_shown(case(scenario, REQUIRED), judgement), language)


def test_only_what_a_server_differs_in_is_told_to_be_accepted():
    fixed = [
        sentences(case(scenario, REQUIRED), REQUIRED, Observed(FAILED, CONNECTED), judged(scenario, FAILED, CONNECTED))
        for scenario in ("wildcard-ok", "good")
    ]
    assert [fix.partition(":")[0] for _, fix in fixed] == [
        "Accept this",
        "Find the cause in what the client said and in the transcript",
    ]


def test_whoever_gives_the_login_away_before_refusing_was_late():
    recorder = Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), 1, ("127.0.0.1", 1), ("127.0.0.1", 2))
    recorder.auth.append(AuthAttempt("PLAIN", "ann", "s3cret-word", False, False))
    late = replace(CONNECTED, sessions=(recorder.session(),))
    assert judged("untrusted-root", FAILED, late).outcome is Outcome.REFUSED_LATE
    assert judged("untrusted-root", FAILED, late).verdict is Verdict.FAILED
    assert judged("auth-535", FAILED, late).outcome is Outcome.REFUSED_CLEAN  # a server to be trusted


@pytest.mark.parametrize(
    ("scenario", "reason", "verdict"),
    [
        ("md5-leaf", "NO_SUITABLE_SIGNATURE_ALGORITHM", "passed"),
        ("sha1-intermediate", "NO_SUITABLE_SIGNATURE_ALGORITHM", "passed"),
        ("md5-leaf", "NO_SHARED_CIPHER", "not-run"),
        ("expired", "NO_SUITABLE_SIGNATURE_ALGORITHM", "not-run"),
    ],
)
def test_whoever_offers_no_such_signature_has_refused_it_and_nothing_else(scenario, reason, verdict):
    failure = TLSFailure("the server had nothing to offer", "handshake_failure", "server", reason)
    judgement = judged(scenario, FAILED, replace(CONNECTED, sessions=(replace(SESSION, tls_failure=failure),)))
    assert (judgement.outcome, judgement.verdict) == (Outcome.REFUSED_CLEAN, verdict)


def test_a_client_that_an_injected_reply_leaves_one_behind_does_not_misreport_but_the_attacker_does():
    assert Outcome.MISREPORTED not in judged("inject-greeting-ehlo-answered", FAILED, IN_CLEAR, control=GOOD_RUN).also
    assert Outcome.MISREPORTED in judged("strip-ehlo", FAILED, IN_CLEAR).also


def test_whoever_never_connects_was_not_run():
    judgement = judged("expired", Ended(Ending.FAILED, 75, said="first\nqueued"), Evidence())
    assert (judgement.outcome, judgement.verdict) == (Outcome.NOT_RUN, Verdict.NOT_RUN)
    assert judgement.reason == "the client never connected and ended with status 75; it said: queued"
    assert judged("expired", TIMED_OUT, Evidence()).outcome is Outcome.HUNG


@pytest.mark.parametrize(
    ("scenario", "alert", "offered", "verdict"),
    [
        ("tls10-only", "handshake_failure", ("TLSv1.2", "TLSv1.1", "TLSv1"), "not-run"),
        ("tls10-only", "handshake_failure", ("TLSv1.3", "TLSv1.2"), "passed"),  # so it was the version after all
        ("tls10-only", "protocol_version", ("TLSv1.2", "TLSv1.1", "TLSv1"), "passed"),
        ("ssl30", "handshake_failure", ("TLSv1.2", "TLSv1.1", "TLSv1", "SSLv3"), "not-run"),
        ("expired", "handshake_failure", ("TLSv1.2",), "not-run"),  # it has not seen the certificate
        ("expired", "certificate_expired", ("TLSv1.2",), "passed"),
        ("rc4", "handshake_failure", ("TLSv1.2",), "passed"),  # to know none of its suites is to refuse it
        ("handshake-alert", "handshake_failure", ("TLSv1.2",), "passed"),
    ],
)
def test_a_handshake_that_failed_for_want_of_a_suite_in_common_says_nothing_of_another_fault(
    scenario, alert, offered, verdict
):
    recorder = Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), 1, ("127.0.0.1", 1), ("127.0.0.1", 2))
    recorder.tls_failure = TLSFailure("refused", alert, "server", None)
    recorder.client_hello = ClientHello(None, offered, (), ())
    assert judged(scenario, FAILED, Evidence(sessions=(recorder.session(),))).verdict == verdict


@pytest.mark.parametrize(
    ("scenario", "evidence", "outcome", "verdict"),
    [
        ("expired", CONNECTED, "refused-clean", "passed"),
        ("expired", DELIVERED, "delivered", "failed"),
        ("reply-no-text", CONNECTED, "false-refusal", "not-run"),
        ("good", CONNECTED, "false-refusal", "failed"),
        ("good", DELIVERED, "delivered", "failed"),
        ("mail-stall", CONNECTED, "refused-clean", "passed"),
    ],
)
def test_whoever_is_connected_to_nothing_and_has_delivered_nothing_waits_on_its_own(
    scenario, evidence, outcome, verdict
):
    judgement = judged(scenario, TIMED_OUT, replace(evidence, is_connected=False))
    assert (judgement.outcome, judgement.verdict) == (outcome, verdict)
    assert (Outcome.HUNG in judgement.also) is (evidence is DELIVERED)


def test_a_refusal_says_nothing_of_who_delivers_to_nobody_but_a_leak_does():
    assert judged("expired", FAILED, CONNECTED, delivers=False).verdict is Verdict.NOT_RUN
    assert judged("strip-ehlo", FAILED, LEAKED, delivers=False).verdict is Verdict.FAILED
    for ended in (FAILED, SUCCEEDED):  # it is not the wildcard that such a client does not accept
        assert judged("wildcard-ok", ended, CONNECTED, delivers=False).verdict is Verdict.NOT_RUN
        assert judged("good", ended, CONNECTED, delivers=False).verdict is Verdict.FAILED
    assert judged("wildcard-ok", FAILED, CONNECTED).verdict is Verdict.FAILED
    assert judged("wildcard-ok", CRASHED, CONNECTED, delivers=False).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("scenario", "evidence", "without", "is_caught"),
    [
        ("inject-ignored-ehlo", WENT_ON, CONNECTED, True),
        ("inject-ignored-ehlo", WENT_ON, WENT_ON, False),
        ("inject-ignored-ehlo", CONNECTED, CONNECTED, False),
        ("inject-extra-220", WENT_ON, DELIVERED, True),  # one reply behind
        ("inject-extra-220", replace(DELIVERED, spoke_in_tls=("MAIL",)), DELIVERED, False),
    ],
)
def test_the_control_run_decides_about_injection(scenario, evidence, without, is_caught):
    judgement = judged(scenario, FAILED, evidence, control=Observed(FAILED, without))
    assert (judgement.outcome is Outcome.ACTED_ON_INJECTION) is is_caught


def test_whoever_delivers_without_the_injection_too_is_not_blamed_for_it():
    anyway = Observed(SUCCEEDED, DELIVERED)
    assert judged("inject-ignored-ehlo", SUCCEEDED, DELIVERED, control=anyway).verdict is Verdict.PASSED
    refused = Observed(FAILED, CONNECTED)
    assert judged("inject-ignored-ehlo", SUCCEEDED, DELIVERED, control=refused).verdict is Verdict.FAILED
    good = judged("inject-late", SUCCEEDED, DELIVERED, control=anyway)  # whose control is the good scenario
    assert good.verdict is Verdict.FAILED


def test_what_a_scenario_forbids_counts_whatever_came_of_it_and_is_lax_where_the_client_was_fed_it():
    violation = Violation("smuggled-end-of-data", "the content has LF.CRLF", "RFC 5321 section 4.1.1.4")
    for ended, evidence in ((SUCCEEDED, DELIVERED), (FAILED, CONNECTED)):
        seen = replace(evidence, forbidden=(violation,))
        judgement = judged("end-of-data", ended, seen)
        assert judgement.verdict is Verdict.LAX
        assert judged("crlf-in-address", ended, seen).verdict is Verdict.FAILED
        consequence, fix = sentences(case("end-of-data", REQUIRED), REQUIRED, Observed(ended, seen), judgement)
        assert consequence.startswith("Some servers take part of the message for its end")
        assert fix.startswith("Turn each bare CR and LF in the content into CRLF")
        assert judged("end-of-data", ended, evidence).verdict is Verdict.PASSED


def test_every_violation_that_a_scenario_forbids_has_sentences_of_its_own():
    forbidden = {one for scenario in scenario_ids() for one in load_scenario(scenario).forbids}
    assert forbidden <= set(FORBIDDEN)


def test_what_a_client_never_came_to_or_wrote_otherwise_is_not_known():
    never = judged("content-close", SUCCEEDED, replace(DELIVERED, never_met=("CONTENT after 1000 octets",)))
    assert (never.verdict, "CONTENT after 1000 octets" in never.reason) == (Verdict.NOT_RUN, True)
    assert judged("content-close", SUCCEEDED, DELIVERED).verdict is Verdict.FAILED
    refused = judged("content-close", FAILED, replace(CONNECTED, never_met=("CONTENT after 1000 octets",)))
    assert refused.verdict is Verdict.PASSED
    other = judged("no-smtputf8", SUCCEEDED, replace(DELIVERED, beside_asked="it wrote to somebody else"))
    assert (other.verdict, other.reason) == (Verdict.NOT_RUN, "it wrote to somebody else")
    assert judged("content-close", SUCCEEDED, replace(LEAKED, never_met=("CONTENT",))).verdict is Verdict.FAILED
    without_tls = replace(IN_CLEAR, never_met=("HANDSHAKE",))
    assert judged("handshake-close", SUCCEEDED, without_tls).outcome is Outcome.LEAKED_MESSAGE


def test_without_its_control_run_injection_is_not_known():
    judgement = judged("inject-ignored-ehlo", FAILED, WENT_ON)
    assert judgement.verdict is Verdict.NOT_RUN
    assert "control-ignored-ehlo" in judgement.reason


# Grades


def found(
    scenario, outcome="refused-clean", verdict="passed", *, group="certificates", expected="refuse", also=(), flaw=""
):
    return Finding(
        scenario=scenario,
        group=group,
        mode="starttls",
        summary="s",
        expected=expected,
        standard="RFC",
        outcome=Outcome(outcome),
        verdict=Verdict(verdict),
        also=tuple(map(Outcome, also)),
        flaw=flaw,
        run=Run(Ending.SUCCEEDED, delivered=int(outcome == "delivered" or "delivered" in also)),
    )


GOOD = found("good", "delivered", expected="accept")
CHECKS = ("untrusted-root", "wrong-host", "prefix-san", "signed-by-leaf", "cn-only", "sibling-san", "wildcard-bare")
CHECKS += ("expired", "eku-client-only", "unknown-critical", "rsa512", "md5-leaf", "rsa1024-root", "pathlen")
OF_TLS = tuple(found(one, group="tls") for one in ("null-cipher", "anonymous", "tls10-only", "rc4"))
OF_STARTTLS = (found("strip-ehlo", group="stripping"), found("inject-late", group="injection"))
ENOUGH = (GOOD, *map(found, CHECKS), *OF_TLS, *OF_STARTTLS)
"""One scenario for each thing that has to be known before a client counts as authenticated."""
UNTRUSTED = found("untrusted-root", "delivered", "failed", flaw="issuer")


def but(*others):
    """Return what is enough, with other findings where they are about the same scenario."""
    ids = {one.scenario for one in others}
    return [*(one for one in ENOUGH if one.scenario not in ids), *others]


@pytest.mark.parametrize(
    ("declaration", "findings", "reached", "flags", "keeps"),
    [
        (REQUIRED, ENOUGH, Grade.AUTHENTICATED, [], True),
        (REQUIRED, but(found("cn-only", "delivered", "lax", expected="lax", flaw="common-name")), Grade.GAPS, [], True),
        (REQUIRED, but(found("expired-root", "delivered", "lax", flaw="hygiene")), Grade.AUTHENTICATED, [], True),
        (REQUIRED, but(UNTRUSTED), Grade.UNAUTHENTICATED, [], False),
        (REQUIRED, [GOOD, UNTRUSTED, OF_STARTTLS[0]], Grade.UNAUTHENTICATED, [], False),  # what is bad is known
        (REQUIRED, [GOOD, UNTRUSTED], Grade.UNKNOWN, [], False),  # it may go on in clear as well
        (REQUIRED, but(found("wrong-host", "delivered", "failed", flaw="name")), Grade.UNAUTHENTICATED, [], False),
        (REQUIRED, but(found("expired", "delivered", "failed", flaw="validity")), Grade.GAPS, [], False),
        (REQUIRED, but(found("pathlen", "delivered", "failed", flaw="authority-limits")), Grade.GAPS, [], False),
        (
            REQUIRED,
            but(found("null-cipher", "delivered", "failed", group="tls", flaw="null-cipher")),
            Grade.PLAINTEXT,
            [],
            False,
        ),
        (REQUIRED, [GOOD], Grade.UNKNOWN, [], False),
        (REQUIRED, but(found("prefix-san", "not-run", "not-run")), Grade.UNKNOWN, [], False),
        (REQUIRED, ENOUGH[:-2], Grade.UNKNOWN, [], False),  # nothing about stripping
        (replace(REQUIRED, mode=DeclaredMode.IMPLICIT), ENOUGH[:-2], Grade.AUTHENTICATED, [], True),
        (replace(REQUIRED, trust=Trust.PINNED), ENOUGH, Grade.UNKNOWN, [], False),
        (replace(REQUIRED, trust=Trust.PINNED), [*ENOUGH, found("pin-other-key")], Grade.AUTHENTICATED, [], True),
        (replace(REQUIRED, trust=Trust.NONE), ENOUGH, Grade.UNAUTHENTICATED, [], True),
        (OPPORTUNISTIC, ENOUGH, Grade.OPPORTUNISTIC, [], True),
        (OPPORTUNISTIC, [GOOD, UNTRUSTED], Grade.OPPORTUNISTIC, [], False),
        (PLAIN, [GOOD], Grade.PLAINTEXT, [], True),
        (
            REQUIRED,
            [*ENOUGH, found("strip-502", "leaked-message", "failed", group="stripping", flaw="downgrade")],
            Grade.OPPORTUNISTIC,
            [],
            False,
        ),
        (
            REQUIRED,
            [*ENOUGH, found("strip-502", "leaked-credentials", "failed", group="stripping", flaw="downgrade")],
            Grade.OPPORTUNISTIC,
            [Flag.LEAKS_CREDENTIALS_ACTIVE],
            False,
        ),
        (
            REQUIRED,
            but(found("good", "leaked-credentials", "failed", expected="accept", also=["delivered"], flaw="clear")),
            Grade.PLAINTEXT,
            [Flag.LEAKS_CREDENTIALS_PASSIVE],
            False,
        ),
        (
            REQUIRED,
            [*ENOUGH, found("inject-fragment", "acted-on-injection", "failed", group="injection", flaw="injection")],
            Grade.GAPS,
            [Flag.INJECTABLE],
            False,
        ),
        (REQUIRED, [found("good", "false-refusal", "failed", expected="accept")], Grade.UNKNOWN, [Flag.BROKEN], False),
        (
            REQUIRED,
            [*ENOUGH, found("rcpt-550", "refused-clean", "failed", group="delivery", also=["misreported"])],
            Grade.AUTHENTICATED,
            [Flag.MISREPORTS],
            False,
        ),
        (
            REQUIRED,
            [*ENOUGH, found("rcpt-550", "hung", "failed", group="delivery")],
            Grade.AUTHENTICATED,
            [Flag.HANGS],
            False,
        ),
        (REQUIRED, [*ENOUGH, found("mail-stall", "hung", "lax", group="timing")], Grade.AUTHENTICATED, [], True),
        (
            REQUIRED,
            [*ENOUGH, found("p521", "false-refusal", "failed", expected="accept")],
            Grade.AUTHENTICATED,
            [],
            False,
        ),
    ],
)
def test_what_findings_add_up_to(declaration, findings, reached, flags, keeps):
    grading = grade(declaration, findings)
    assert (grading.grade, [*grading.flags], grading.keeps_its_promise) == (reached, flags, keeps)
    assert grading.worth.startswith(reached.heading)
    assert bool(grading.reasons) is (reached is not Grade.AUTHENTICATED)
    assert [key for cause in grading.causes for key in cause.keys] == [one.key for one in findings if one.flaw]


def test_a_client_that_lies_about_how_it_ended_is_graded_as_one_that_does_not():
    accepts = found("cn-only", "delivered", "lax", expected="lax", flaw="common-name")
    lying = replace(accepts, verdict=Verdict.FAILED, also=(Outcome.MISREPORTED,))
    assert grade(REQUIRED, but(lying)).grade is grade(REQUIRED, but(accepts)).grade is Grade.GAPS


def test_where_nothing_is_verified_one_cause_stands_for_all_rows_and_the_fix_is_in_the_client_s_language():
    accepted = [
        found(one, "delivered", "failed", flaw=load_scenario(one).its_flaw) for one in CHECKS if one != "strip-ehlo"
    ]
    (cause,) = grade(REQUIRED, but(*accepted), "go").causes
    assert (cause.flaw, len(cause.keys)) == ("anything", len(accepted))
    assert "InsecureSkipVerify" in cause.fix
    few = [one for one in accepted if one.flaw in ("name", "name-form", "validity")]
    assert [one.flaw for one in grade(REQUIRED, but(*few)).causes] == ["name", "validity"]


@pytest.mark.parametrize(
    ("mode", "trust", "best"),
    [
        ("implicit", "pki", Grade.AUTHENTICATED),
        ("starttls-required", "pinned", Grade.AUTHENTICATED),
        ("starttls-required", "none", Grade.UNAUTHENTICATED),
        ("opportunistic", "pki", Grade.OPPORTUNISTIC),
        ("opportunistic", "none", Grade.OPPORTUNISTIC),
        ("none", "none", Grade.PLAINTEXT),
    ],
)
def test_the_best_that_can_be_reached_depends_on_the_declaration(mode, trust, best):
    assert best_grade(Declaration(DeclaredMode(mode), Trust(trust))) is best


def test_what_is_not_known_reaches_nothing():
    assert reaches(Grade.AUTHENTICATED, Grade.GAPS)
    assert not reaches(Grade.GAPS, Grade.AUTHENTICATED)
    assert not reaches(Grade.UNKNOWN, Grade.PLAINTEXT)


def test_every_scenario_that_has_to_be_refused_for_its_certificate_or_its_tls_names_a_flaw_or_cannot_be_delivered_to():
    """What a client is blamed for by its grade is said in the catalogue, so that no scenario is left out of it."""
    faults = ("handshake-", "fake220-", "strip-", "control-", "inject-")
    plain = {"mtls-wrong-ca", "no-shared-cipher", "plain-on-tls-port", "sni-unrecognised", "tls-on-plain-port"}
    plain |= {"plain-auth-530"}
    without = set()
    for group in ("certificates", "tls", "stripping", "injection"):
        for one in map(load_scenario, scenario_ids(group)):
            if one.expected in ("refuse", "lax") and not one.its_flaw and not one.id.startswith(faults):
                without.add(one.id)
    assert without == plain


def test_more_scenarios_than_the_default_set_can_show_no_other_flaw():
    usual = {one.scenario.id for one in plan(REQUIRED).cases}
    everything = plan(REQUIRED, groups=["everything"]).cases
    assert not {one.scenario.id for one in everything if one.scenario.its_flaw} - usual
