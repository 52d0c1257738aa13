"""Clients with one flaw each, and careful ones: what grade and flags they get, and what they are told to change."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from pathlib import Path

import pytest

from smtpfix import Flag, Verdict, audit_client
from smtpfix.audit.result import Grade, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.once]  # how audits run is test_auditing's, under every Python

CREDENTIALS = ("ann", "s3cret-word")
IDS = (
    *(
        "untrusted-root",
        "wrong-host",
        "prefix-san",
        "signed-by-leaf",
        "cn-only",
        "cn-match-san-mismatch",
        "sibling-san",
    ),
    *("wildcard-bare", "expired", "eku-client-only", "unknown-critical", "rsa512", "md5-leaf", "pathlen"),
    *("sha1-intermediate", "null-cipher", "anonymous", "tls10-only", "rc4", "strip-ehlo", "inject-late", "auth-535"),
)
"""As few scenarios as there have to be for a grade, and a login that is refused."""
_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for."""


def strict(target):
    context = ssl.create_default_context(cafile=target.ca_file)
    context.hostname_checks_common_name = False
    return context


def usual(target):
    return ssl.create_default_context(cafile=target.ca_file)


def blind(_target):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def nameless(target):
    context = strict(target)
    context.check_hostname = False
    return context


def timeless(target):
    context = strict(target)
    context.verify_flags |= _NO_CHECK_TIME
    return context


def send(target, context, *, before=lambda _client: None, may_be_clear=False, more=b"", name="client.example"):
    """Deliver by smtplib, which verifies as the context does."""
    with smtplib.SMTP(target.host, target.port, name, timeout=target.patience) as client:
        client.ehlo()
        if client.has_extn("starttls") or not may_be_clear:
            client.starttls(context=context)
        before(client)
        client.login(target.user, target.password)
        client.sendmail(target.sender, [target.recipient], more + Path(target.message).read_bytes())


def verifying(make):
    return lambda target: send(target, make(target))


def comparing(agrees):
    """Return a client that verifies the chain, and compares names by a function of its own."""

    def deliver(target):
        def check(client):
            if not agrees(client.sock.getpeercert(), target.host):
                raise ssl.CertificateError("another name")

        send(target, nameless(target), before=check)

    return deliver


def begins(certificate, host):
    return any(name.startswith(host) for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS")


def is_common_name(certificate, host):
    return any(pair == ("commonName", host) for names in certificate["subject"] for pair in names)


def verifying_afterwards(target):
    send(target, blind(target))
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
        client.starttls(context=strict(target))


def blind_at_the_second_try(target):
    try:
        send(target, strict(target))
    except ssl.SSLError:
        send(target, blind(target))


def in_clear_where_it_has_to_be(target):
    send(target, strict(target), may_be_clear=True)


def always_content(target):
    with contextlib.suppress(Exception):
        send(target, strict(target))


def never_content(target):
    with contextlib.suppress(Exception):
        send(target, strict(target))
    raise RuntimeError("as always")


def saying_its_password(target):
    send(target, strict(target), name=target.password)


def writing_its_password_down(target):
    send(target, strict(target), more=b"X-Login: %s\r\n" % target.password.encode())


@pytest.mark.parametrize(
    ("deliver", "grade", "causes", "flags"),
    [
        (verifying(strict), Grade.AUTHENTICATED, [], []),
        (verifying(usual), Grade.GAPS, ["common-name"], []),
        (verifying(blind), Grade.UNAUTHENTICATED, ["anything"], []),
        (verifying(nameless), Grade.UNAUTHENTICATED, ["name"], []),
        (verifying(timeless), Grade.GAPS, ["validity"], []),
        (comparing(begins), Grade.UNAUTHENTICATED, ["part-of-name"], []),
        (comparing(is_common_name), Grade.GAPS, ["common-name"], []),
        (verifying_afterwards, Grade.UNAUTHENTICATED, ["anything"], [Flag.MISREPORTS]),
        (blind_at_the_second_try, Grade.UNAUTHENTICATED, ["anything"], []),
        (in_clear_where_it_has_to_be, Grade.OPPORTUNISTIC, ["downgrade"], [Flag.LEAKS_CREDENTIALS_ACTIVE]),
        (always_content, Grade.AUTHENTICATED, [], [Flag.MISREPORTS]),
        (never_content, Grade.AUTHENTICATED, [], [Flag.MISREPORTS]),
        (saying_its_password, Grade.PLAINTEXT, ["clear"], [Flag.LEAKS_CREDENTIALS_PASSIVE]),
        (writing_its_password_down, Grade.AUTHENTICATED, [], []),
    ],
)
def test_a_client_is_graded_by_its_flaw_and_told_that_one(deliver, grade, causes, flags):
    result = audit_client(deliver, ids=IDS, credentials=CREDENTIALS)
    assert not [one for one in result.findings if one.outcome is Outcome.NOT_RUN]
    assert (result.grade, [one.flaw for one in result.causes], [*result.flags]) == (grade, causes, flags)


def test_a_password_in_the_mail_itself_is_worth_knowing():
    result = audit_client(writing_its_password_down, ids=["good"], credentials=CREDENTIALS)
    assert "The message contains the password, for anyone who gets it." in result.findings[0].evidence


def without_replies(target):
    """Begin TLS where it is offered, and go on whatever EHLO was answered."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
        client.ehlo()
        if client.has_extn("starttls"):
            client.starttls(context=strict(target))
        client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())


def in_clear_after_a_refusal(target):
    try:
        send(target, strict(target))
    except smtplib.SMTPResponseException:
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
            client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())


@pytest.mark.parametrize(
    ("deliver", "mode", "scenario", "verdict", "flaw"),
    [
        (without_replies, "opportunistic", "ehlo-421", Verdict.CAPPED, "downgrade"),
        (without_replies, "starttls-required", "ehlo-421", Verdict.FAILED, "downgrade"),
        (in_clear_after_a_refusal, "opportunistic", "mail-421", Verdict.FAILED, "clear"),
    ],
)
def test_only_a_server_that_had_offered_tls_shows_that_a_client_sends_in_clear(deliver, mode, scenario, verdict, flaw):
    finding = audit_client(deliver, mode=mode, ids=[scenario], credentials=CREDENTIALS).findings[-1]
    assert (finding.verdict, finding.flaw) == (verdict, flaw)
