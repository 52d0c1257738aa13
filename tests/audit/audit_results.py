"""Results of audits as they come, made by hand: every outcome, every verdict, and texts that mean harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from smtpfix.audit.result import (
    AuditResult,
    Cause,
    Declaration,
    DeclaredMode,
    Ending,
    Finding,
    Flag,
    Grade,
    Outcome,
    Run,
    Verdict,
)
from smtpfix.policy.flaw import Severity

PASSWORD = "corr3ct-horse"

HOSTILE = (
    "<script>document.title='run'</script></pre></details>]]>&amp;&<!-- \x00\x07\x1b[2J\x1b]0;title\x07 "
    "\x85\u202eevil\u2066\ufffe\uffff\ufdd0\udc80\U000e0041"
    "\u034f\u115f\u3164\uffa0\ufe0f\U000e0100 \"'`{0} [click](javascript:alert(1)) % ä漢 שלום"
)
"""Markup, ends of markup, control characters, ANSI escapes, changes of direction, what is no character."""

TRANSCRIPT = """\
session 1: STARTTLS not offered, 1 message accepted, ended by QUIT
   0.0002 S: 220 mx.smtpfix.test ESMTP smtpfix
   0.0011 C: EHLO client.example
   0.0012 S: 250-mx.smtpfix.test greets you, client.example, with a line that is much longer than a telephone is wide
   0.0012 S: 250-PIPELINING
   0.0012 S: 250 AUTH PLAIN LOGIN
   0.0020 C: AUTH PLAIN …(28 octets)
   0.0021 S: 235 2.7.0 Authenticated
   0.0030 C: MAIL FROM:<ann@example.org>
   0.0031 S: 250 2.1.0 OK
   0.0035 C: QUIT
   0.0035 S: 221 2.0.0 Bye"""


def run(ending: Ending = Ending.SUCCEEDED, status: int | None = 0, **values) -> Run:
    """Return a run with one session."""
    return Run(ending, status, **{"seconds": 0.125, "connections": 1, "transcripts": (TRANSCRIPT,)} | values)


def finding(scenario: str, outcome: Outcome, verdict: Verdict = Verdict.FAILED, **values) -> Finding:
    """Return a finding, by default one that failed."""
    defaults = {
        "group": "stripping",
        "mode": "starttls",
        "summary": "The server offers AUTH and no STARTTLS, which it refuses",
        "expected": "refuse",
        "standard": "RFC 3207 section 6; RFC 8314 section 5.2",
        "run": run(),
    }
    if verdict is Verdict.FAILED:
        defaults |= {
            "evidence": ("In clear, AUTH PLAIN as 'ann' with the secret.", "1 message accepted, without TLS."),
            "consequence": "Anyone who can change one reply on the way learns the password.",
            "fix": "End the session when the EHLO reply does not offer STARTTLS.",
        }
    return Finding(scenario=scenario, outcome=outcome, verdict=verdict, **defaults | values)


def _passed(scenario: str, group: str, outcome: Outcome = Outcome.REFUSED_CLEAN, **values) -> Finding:
    expected = "accept" if outcome is Outcome.DELIVERED else "refuse"
    summary = f"The server shows what {scenario} stands for"
    values = {"group": group, "expected": expected, "summary": summary} | values
    return finding(scenario, outcome, Verdict.PASSED, **values)


SMALL = AuditResult(
    client="smtplib",
    declaration=Declaration(DeclaredMode.STARTTLS_REQUIRED, user="ann", password=PASSWORD),
    findings=(_passed("good", "certificates", Outcome.DELIVERED), _passed("expired", "certificates")),
    keeps_its_promise=True,
    promise="It does what STARTTLS required promises.",
    grade=Grade.AUTHENTICATED,
    worth="Nobody on the way reads or changes the mail.",
    started=datetime(2030, 1, 31, 12, 0, tzinfo=UTC),
    seconds=1.5,
    versions=(("smtpfix", "0.1.0"), ("Python", "3.12.1"), ("OpenSSL", "OpenSSL 3.0.15 3 Sep 2024")),
)
"""A client without faults."""

_CERTIFICATES = (
    "good good-intermediate expired not-yet-valid wrong-host cn-only self-signed "
    "self-signed-ca-leaf untrusted-root missing-intermediate expired-intermediate expired-root "
    "bad-signature wildcard wildcard-deep ip-san ip-mismatch eku-client-only eku-none "
    "ku-certsign-only leaf-is-ca pathlen nc-ok nc-excluded-violated revoked-crl sha1-leaf "
    "md5-leaf rsa1024 rsa2048 rsa4096 p256 p384 p521 ed25519 dsa idn-alabel nul-san nul-cn "
    "email-san-only empty-san "
)
_REPLIES = "reply-4-digits reply-600 reply-lf-only reply-nul greeting-554 greeting-421 data-354-250 mail-452"

EVERYTHING = replace(
    SMALL,
    client="python send.py --host {host} --port {port} --cafile {cafile} --user {user}",
    findings=(
        *(
            _passed(
                name,
                "certificates",
                Outcome.DELIVERED if name.startswith(("good", "p", "rsa")) else Outcome.REFUSED_CLEAN,
            )
            for name in _CERTIFICATES.split()
        ),
        finding(
            "sha1-intermediate",
            Outcome.DELIVERED,
            Verdict.LAX,
            group="certificates",
            summary="The intermediate's signature is made with SHA-1",
            expected="lax",
            standard="RFC 9325 section 4.1",
            consequence="A forged intermediate is conceivable.",
            fix="Ask for signatures with SHA-256 at least.",
        ),
        finding(
            "revoked-ocsp-staple",
            Outcome.NOT_RUN,
            Verdict.NOT_RUN,
            group="certificates",
            summary="The server staples an OCSP response that says revoked",
            reason="pyOpenSSL is missing: pip install 'smtpfix[stapling]'",
            run=None,
        ),
        _passed("tls12-only", "tls", Outcome.DELIVERED),
        _passed("tls10-only", "tls"),
        finding(
            "handshake-stall",
            Outcome.HUNG,
            group="tls",
            summary="The server stops in the middle of the handshake",
            evidence=("It had not ended after 10 s.",),
            consequence="The program stands still until somebody ends it.",
            fix="Give the connection a time limit.",
            run=run(Ending.TIMED_OUT, -15, seconds=10.0),
        ),
        finding("strip-ehlo", Outcome.LEAKED_CREDENTIALS, also=(Outcome.LEAKED_MESSAGE, Outcome.MISREPORTED)),
        finding("strip-ehlo", Outcome.REFUSED_LATE, mode="tls-required"),
        finding("strip-454", Outcome.DOWNGRADED, Verdict.CAPPED, summary="STARTTLS is offered and answered 454"),
        finding("strip-auth", Outcome.UNAUTHENTICATED_SEND),
        _passed("strip-all", "stripping"),
        finding(
            "inject-extra-220",
            Outcome.ACTED_ON_INJECTION,
            group="injection",
            summary="A second 220 follows the first in clear",
            control=run(transcripts=("session 1: the same without the second 220",)),
        ),
        finding("auth-none-in-tls", Outcome.FALSE_REFUSAL, group="auth", expected="accept"),
        *(_passed(name, "replies", Outcome.DELIVERED, expected="either") for name in _REPLIES.split()),
        finding("final-dot-550", Outcome.MISREPORTED, group="delivery", run=run(Ending.CRASHED, -11)),
        finding(
            "rcpt-550", Outcome.LEAKED_MESSAGE, group="delivery", run=run(Ending.NOT_STARTED, None, transcripts=())
        ),
    ),
    keeps_its_promise=False,
    promise="It does not do what STARTTLS required promises: it goes on in clear when STARTTLS is stripped.",
    grade=Grade.OPPORTUNISTIC,
    worth="Mail is protected from those who read along, not from those who change what the server says.",
    flags=tuple(Flag),
    reasons=(
        "It sends the password in clear when STARTTLS is not offered (strip-ehlo).",
        "It takes an injected reply for the server's (inject-extra-220).",
    ),
    family="A made-up family",
    differences=("It logs in with PLAIN where LOGIN is documented (good).",),
    seconds=41.25,
)
"""A client with every fault: every outcome, every verdict, every flag."""

WITH_CAUSES = replace(
    EVERYTHING,
    causes=(
        Cause(
            "downgrade",
            Severity.POSITION,
            "It goes on in clear.",
            "An attacker has to.",
            "Stop <there>.",
            ("strip-ehlo/starttls", "strip-ehlo/tls-required"),
        ),
    ),
    reasons=("It goes on in clear: strip-ehlo.", "Not known of old versions: tls10-only, nothing-such."),
    notes=("It accepts what is revoked: revoked-ocsp-staple.",),
)
"""The same, and what to change."""

ATTACKED = replace(
    SMALL,
    client=HOSTILE,
    declaration=Declaration(DeclaredMode.OPPORTUNISTIC, user=HOSTILE, password=PASSWORD),
    findings=(
        finding(
            f"host-{HOSTILE}",
            Outcome.LEAKED_MESSAGE,
            group=HOSTILE,
            mode=HOSTILE,
            summary=HOSTILE,
            standard=HOSTILE,
            evidence=(HOSTILE,),
            consequence=HOSTILE,
            fix=HOSTILE,
            run=run(said=HOSTILE, transcripts=(f"{HOSTILE}\n  0.0 S: 250 {HOSTILE}\r\n  0.1 C: Subject: {HOSTILE}",)),
            control=run(said=HOSTILE, transcripts=(HOSTILE,)),
        ),
        finding(HOSTILE, Outcome.NOT_RUN, Verdict.NOT_RUN, reason=HOSTILE, run=None),
        finding(HOSTILE, Outcome.DELIVERED, Verdict.LAX, group="lax", consequence=HOSTILE, fix=HOSTILE),
        finding("good", Outcome.DELIVERED, Verdict.CAPPED, group="capped"),
        finding(HOSTILE, Outcome.DELIVERED, Verdict.PASSED, group="passed"),
    ),
    promise=HOSTILE,
    worth=HOSTILE,
    reasons=(HOSTILE,),
    notes=(HOSTILE,),
    family=HOSTILE,
    differences=(HOSTILE,),
    versions=(("smtpfix", "0.1.0"), (HOSTILE, HOSTILE)),
)
"""Somebody hostile wrote every text."""

NOTHING = replace(
    SMALL,
    declaration=Declaration(DeclaredMode.NONE),
    findings=(),
    keeps_its_promise=False,
    promise="Nothing could be run.",
    grade=Grade.UNKNOWN,
    worth="Not known.",
    started=None,
    seconds=0.0,
    is_complete=False,
    versions=(),
)
"""An audit that was broken off at once."""

SAMPLES = {"small": SMALL, "everything": EVERYTHING, "attacked": ATTACKED, "nothing": NOTHING}
