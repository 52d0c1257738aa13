"""The fixture ``smtp_audit``: it fails a test whose client is worth less than it should be, and says why."""

from __future__ import annotations

import imaplib
import importlib
import smtplib
import ssl

import pytest

from smtpfix.audit.result import Grade, Verdict

pytestmark = pytest.mark.slow

# A child session in this process forgets what it imported, and cryptography cannot be imported twice: so it is here.
for name in ("smtpfix.pki.authority", "smtpfix.conftest_plugin.auditing"):
    importlib.import_module(name)

IDS = ("good", "untrusted-root", "wrong-host", "strip-ehlo")


def deliver(target):
    """Deliver as smtplib does it when it is told to verify."""
    context = ssl.create_default_context(cafile=target.ca_file)
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=10) as client:
        client.starttls(context=context)
        client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\nx\r\n")


def deliver_to_anybody(target):
    """Deliver without a look at the certificate."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=10) as client:
        client.starttls()
        client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\nx\r\n")


def test_a_client_that_is_good_enough_passes_and_its_result_is_at_hand(smtp_audit):
    result = smtp_audit(deliver, ids=IDS)
    assert {one.verdict for one in result.findings} == {Verdict.PASSED}
    assert result.grade is Grade.UNKNOWN  # four scenarios are too few


def test_a_client_that_is_not_fails_with_the_report(smtp_audit):
    with pytest.raises(pytest.fail.Exception) as failed:
        smtp_audit(deliver_to_anybody, ids=IDS, grade="A")
    text = str(failed.value)
    assert text.startswith("the client was to be graded 'A, authenticated', and is 'C, encrypted, unauthenticated'")
    assert "Seen in 2 scenarios (delivered): untrusted-root, wrong-host" in text
    assert "untrusted-root/starttls: " in text
    assert "ssl.create_default_context" in text


def test_every_scenario_that_was_chosen_has_to_pass_where_nothing_is_said(smtp_audit):
    with pytest.raises(pytest.fail.Exception, match="was to pass every scenario"):
        smtp_audit(deliver_to_anybody, ids=IDS)


def test_deviations_that_are_declared_are_no_failure_and_others_are(smtp_audit):
    declared = ("untrusted-root/starttls", "wrong-host/starttls")
    result = smtp_audit(deliver_to_anybody, ids=IDS, deviations=declared)
    assert [one.key for one in result.findings if one.verdict is Verdict.FAILED] == [*declared]
    with pytest.raises(pytest.fail.Exception, match="not declared in deviations: wrong-host/starttls"):
        smtp_audit(deliver_to_anybody, ids=IDS, deviations=declared[:1])
    with pytest.raises(pytest.fail.Exception, match="strip-ehlo/starttls; take it out"):
        smtp_audit(deliver_to_anybody, ids=IDS, deviations=(*declared, "strip-ehlo/starttls"))


def test_a_grade_can_be_asked_for_beside_deviations(smtp_audit):
    declared = ("untrusted-root/starttls", "wrong-host/starttls")
    smtp_audit(deliver_to_anybody, ids=IDS, deviations=declared, grade="Encrypted, unauthenticated")
    with pytest.raises(pytest.fail.Exception, match="to be graded 'A, authenticated'"):
        smtp_audit(deliver_to_anybody, ids=IDS, deviations=declared, grade="Authenticated")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"grade": "Safe"}, r"grade: expected one of A \(authenticated\), B \(gaps\)"),
        ({"deviations": "expired/starttls"}, "deviations: expected keys of findings"),
    ],
)
def test_nonsense_is_an_error(smtp_audit, options, said):
    with pytest.raises(ValueError, match=said):
        smtp_audit(deliver, ids=IDS, **options)


def read_from_anybody(target):
    """Read all mail by IMAP without a look at the certificate."""
    with imaplib.IMAP4_SSL(target.host, target.port, timeout=10) as client:
        client.login(target.user, target.password)
        client.select(readonly=True)
        client.fetch("1:*", "(BODY.PEEK[])")


def test_clients_that_read_mail_are_audited_by_the_fixtures_of_their_protocols(imap_audit, pop3_audit):
    assert imap_audit("imaplib", mode="implicit", ids=["untrusted-root"]).declaration.protocol == "imap"
    assert pop3_audit("poplib", mode="implicit", ids=["untrusted-root"]).declaration.protocol == "pop3"
    with pytest.raises(pytest.fail.Exception, match="the client was to pass every scenario") as failure:
        imap_audit(read_from_anybody, mode="implicit", ids=["untrusted-root"])
    assert "Seen in 1 scenario (retrieved): untrusted-root" in str(failure.value)


def test_it_works_in_a_session_of_its_own(pytester):
    pytester.makepyfile("""
        def test_nobody_connects(smtp_audit):
            smtp_audit(lambda target: None, mode="none", ids=["good"])
    """)
    run = pytester.runpytest("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*was to pass every scenario*", "*never connected and reported success*"])
