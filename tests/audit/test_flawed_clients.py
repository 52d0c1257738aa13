"""Each flaw of a client is found by the row that is about it, and a careful client beside it passes that row.

The clients are functions; what they share is here, so that each one shows its flaw and nothing else.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import select
import signal
import smtplib
import socket
import ssl
import threading
import warnings
from pathlib import Path

import pytest

from smtpfix import Verdict, audit_client
from smtpfix.audit.result import Flag, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.once]  # how audits run is test_auditing's, under every Python

DELIVERED = multiprocessing.get_context("fork").Value("b", 0)
"""Whether the first run of an audit has come to its end; the runs' processes share it."""


def until_it_is_in_vain():
    """Return the seconds to wait for a server that may say nothing, which the first one of an audit does not do."""
    return 0.4 if DELIVERED.value else 10


def results(deliver, ids, **declared):
    """Return the findings by scenario, the good one among them."""
    DELIVERED.value = 0
    result = audit_client(deliver, ids=ids, **{"mode": "starttls-required", **declared})
    return {finding.scenario: finding for finding in result.findings}


def verdicts(deliver, ids, **declared):
    """Return what became of each scenario."""
    return {one: finding.verdict for one, finding in results(deliver, ids, **declared).items()}


def failed(deliver, ids, **declared):
    """Return which rows a client fails; the good one it passes."""
    found = verdicts(deliver, ids, **declared)
    assert found.pop("good") is Verdict.PASSED
    return {one for one, verdict in found.items() if verdict is Verdict.FAILED}


def send(client, target):
    """Log in where that is declared, and send the message."""
    if target.user is not None:
        client.login(target.user, target.password)
    client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())
    DELIVERED.value = 1


# Names


def comparing(agrees):
    """Return a client that verifies the chain, and compares names of its own accord."""

    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        context.check_hostname = False
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
            client.starttls(context=context)
            names = [name for kind, name in client.sock.getpeercert().get("subjectAltName", ()) if kind == "DNS"]
            if not any(agrees(name, target.host) for name in names):
                raise ssl.SSLError("another host's certificate")
            send(client, target)

    return deliver


NAMES = ("case-insensitive", "prefix-san", "suffix-san", "parent-san", "cn-only", "prefix-cn", "suffix-cn")


def test_a_client_that_compares_only_beginnings_fails_where_the_name_begins_like_the_host():
    assert failed(comparing(lambda name, host: name.lower().startswith(host)), NAMES) == {"prefix-san"}


def test_a_client_that_compares_only_ends_fails_where_the_name_ends_like_the_host():
    assert failed(comparing(lambda name, host: name.lower().endswith(host)), NAMES) == {"suffix-san"}


def test_a_client_that_minds_the_case_refuses_a_good_certificate():
    assert failed(comparing(lambda name, host: name == host), NAMES) == {"case-insensitive"}


def test_a_client_that_compares_whole_names_passes():
    assert failed(comparing(lambda name, host: name.lower() == host), NAMES) == set()


# What the certificates are


def at_level(level):
    """Return a client that verifies the server, by OpenSSL's security level."""

    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        context.set_ciphers(f"DEFAULT:@SECLEVEL={level}")
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
            client.starttls(context=context)
            send(client, target)

    return deliver


@pytest.mark.parametrize(("level", "found"), [(0, ["weak-authority"]), (2, [])])
def test_an_authoritys_weak_keys_and_signatures_are_told_from_its_limits_since_another_change_helps(level, found):
    ids = ["rsa1024-root", "sha1-intermediate", "pathlen"]
    causes = audit_client(at_level(level), mode="starttls-required", ids=ids).causes
    assert [cause.flaw for cause in causes] == found
    assert all("SECLEVEL=2" in cause.fix and len(cause.keys) == 2 for cause in causes)


# In clear, where TLS could not be had


LOGIN = {"credentials": "ann:s3cret-word"}


def in_clear_after_a_failed_handshake(target):
    """Begin TLS, and where that fails go on without it, on the same connection."""
    context = ssl.create_default_context(cafile=target.ca_file)
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
        client.ehlo()
        client.docmd("STARTTLS")
        again = socket.socket(fileno=os.dup(client.sock.fileno()))
        again.settimeout(until_it_is_in_vain())
        inside = context.wrap_socket(again, server_hostname=target.host, do_handshake_on_connect=False)
        try:
            inside.do_handshake()
        except (OSError, ssl.SSLError):
            inside.detach()
            client.putcmd("ehlo", "client.example")
            while not client.file.readline().startswith(b"250 "):  # what was left of an answer to the ClientHello
                pass
        else:
            client.sock, client.file = inside, None
            client.ehlo()
        client.esmtp_features["auth"] = "PLAIN LOGIN"
        send(client, target)


def required(target):
    """Begin TLS, or stop."""
    context = ssl.create_default_context(cafile=target.ca_file)
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=until_it_is_in_vain()) as client:
        client.starttls(context=context)
        client.ehlo()
        send(client, target)


CONTINUING = ("fake220-plain-continue", "fake220-alert-continue", "fake220-silent-continue")


def test_a_client_that_goes_on_in_clear_where_the_handshake_failed_is_heard_out():
    found = results(in_clear_after_a_failed_handshake, CONTINUING, **LOGIN)
    assert found.pop("good").verdict is Verdict.PASSED
    assert {one: finding.outcome for one, finding in found.items()} == dict.fromkeys(
        CONTINUING, Outcome.LEAKED_CREDENTIALS
    )
    assert all(Outcome.DELIVERED in finding.also for finding in found.values())


def test_a_client_that_requires_tls_says_nothing_there():
    assert failed(required, [*CONTINUING, "strip-silent", "strip-helo-only"], **LOGIN) == set()


def logging_in_unasked(target):
    """Log in without TLS, whether AUTH is offered or not, unless STARTTLS is."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
        client.ehlo_or_helo_if_needed()
        if client.has_extn("starttls"):
            client.starttls(context=ssl.create_default_context(cafile=target.ca_file))
            client.ehlo()
        client.esmtp_features["auth"] = "PLAIN LOGIN"
        client.does_esmtp = True
        send(client, target)


def test_a_client_that_logs_in_unasked_gives_its_password_to_a_server_that_knows_helo_only():
    finding = results(logging_in_unasked, ["strip-helo-only"], **LOGIN)["strip-helo-only"]
    assert finding.outcome is Outcome.LEAKED_CREDENTIALS
    assert Outcome.DELIVERED in finding.also


def in_tls_or_not_at_all(target):
    """Begin TLS whether STARTTLS is offered or not, and verify the server."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
        client.ehlo_or_helo_if_needed()
        if client.docmd("STARTTLS")[0] != 220:
            raise smtplib.SMTPNotSupportedError
        context = ssl.create_default_context(cafile=target.ca_file)
        client.sock, client.file = context.wrap_socket(client.sock, server_hostname=target.host), None
        client.ehlo()
        send(client, target)


@pytest.mark.parametrize("mode", ["starttls-required", "opportunistic"])
def test_a_client_that_begins_tls_all_the_same_and_delivers_inside_it_passes(mode):
    found = results(in_tls_or_not_at_all, ["strip-helo-only", "strip-ehlo"], mode=mode, **LOGIN)
    assert {one: (finding.outcome, finding.verdict) for one, finding in found.items()} == {
        "good": (Outcome.DELIVERED, Verdict.PASSED),
        "strip-ehlo": (Outcome.REFUSED_CLEAN, Verdict.PASSED),
        "strip-helo-only": (Outcome.DELIVERED, Verdict.PASSED),
    }


def patient(target):
    """Wait for the reply to STARTTLS, and go on in clear where it does not come."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
        client.ehlo()
        client.putcmd("STARTTLS")
        if select.select([client.sock], [], [], until_it_is_in_vain())[0]:
            client.getreply()
            context = ssl.create_default_context(cafile=target.ca_file)
            client.sock, client.file = context.wrap_socket(client.sock, server_hostname=target.host), None
            client.ehlo()
        send(client, target)


def test_a_client_that_goes_on_without_a_reply_to_starttls_is_caught():
    assert failed(patient, ["strip-silent"], **LOGIN) == {"strip-silent"}


def by_helo(target):
    """Say HELO where EHLO is not answered in time, and log in; where it is, begin TLS."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=10) as client:
        client.putcmd("ehlo", client.local_hostname)
        client.sock.settimeout(until_it_is_in_vain())
        try:
            client.sock.recv(65_536)
        except TimeoutError:
            client.sock.settimeout(10)
            client.file = client.sock.makefile("rb")
            client.helo()
            client.esmtp_features = {"auth": "PLAIN"}
        else:
            client.docmd("STARTTLS")
            context = ssl.create_default_context(cafile=target.ca_file)
            client.sock, client.file = context.wrap_socket(client.sock, server_hostname=target.host), None
            client.ehlo()
        send(client, target)


@pytest.mark.parametrize(("deliver", "is_caught"), [(by_helo, True), (required, False)])
def test_a_client_that_goes_on_in_clear_without_a_reply_to_ehlo_is_caught(deliver, is_caught):
    assert failed(deliver, ["strip-ehlo-silent"], **LOGIN) == ({"strip-ehlo-silent"} if is_caught else set())


# Injection


class Glued:
    """Lines that begin with what was kept."""

    def __init__(self, kept, lines):
        self._kept, self._lines = io.BytesIO(kept), lines

    def readline(self, limit=-1):
        line = self._kept.readline(limit)
        return line if line.endswith(b"\n") else line + self._lines.readline(limit)

    def close(self):
        self._lines.close()


def keeping(keeps, *, may_be_silent):
    """Return a client that keeps what stands behind the reply to STARTTLS, as `keeps` says, for TLS's replies."""

    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=10) as client:
            client.ehlo()
            client.docmd("STARTTLS")
            client.sock.settimeout(0)  # so that nothing is waited for
            kept = keeps(client.file.peek())
            client.sock.settimeout(until_it_is_in_vain() if may_be_silent else 10)
            client.sock = context.wrap_socket(client.sock, server_hostname=target.host)
            client.file = Glued(kept, client.sock.makefile("rb"))
            client.putcmd("ehlo", client.local_hostname)
            offers = client.getreply()[1].decode()
            client.esmtp_features = {"auth": "PLAIN" if "PLAIN" in offers or "CRAM" not in offers else "CRAM-MD5"}
            send(client, target)

    return deliver


ANSWERED = ("inject-differential", "inject-fragment")
UNANSWERED = ("inject-extra-220-ignored-ehlo",)


def injectable(keeps):
    """Return which rows say that a client acts on what was injected."""
    found = results(keeping(keeps, may_be_silent=False), ANSWERED, **LOGIN)
    assert found.pop("good").verdict is Verdict.PASSED
    found |= results(keeping(keeps, may_be_silent=True), UNANSWERED, **LOGIN)
    return {one for one, finding in found.items() if finding.outcome is Outcome.ACTED_ON_INJECTION}


def test_the_evidence_names_the_mechanism_where_the_client_logs_in_without_the_injection_too():
    """By CRAM-MD5, so that to go on with AUTH and MAIL is nothing that it does not do otherwise."""
    found = results(keeping(lambda octets: octets, may_be_silent=False), ["inject-differential"], **LOGIN)
    said = "It logged in by PLAIN, which only what was injected offers; without the injection (control-cram-only) it "
    assert found["inject-differential"].evidence[-1] == f"{said}does not do so."
    assert "AUTH CRAM-MD5" in found["inject-differential"].control.transcripts[0]


def test_a_client_that_glues_a_fragment_to_the_next_reply_is_caught():
    assert injectable(lambda octets: octets[octets.rfind(b"\n") + 1 :]) == {"inject-fragment"}


def test_a_client_that_reads_all_that_was_injected_is_caught_by_each():
    assert injectable(lambda octets: octets) == {*ANSWERED, *UNANSWERED}


def test_a_client_that_throws_away_what_came_in_clear_is_not():
    assert injectable(lambda _: b"") == set()


def falling_back(keeps):
    """Return a client that says HELO where EHLO is not answered, and may keep what came in clear."""

    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=5) as client:
            client.ehlo()
            client.docmd("STARTTLS")
            client.sock.settimeout(0)
            kept = keeps(client.file.peek())
            client.sock.settimeout(5)
            client.sock = context.wrap_socket(client.sock, server_hostname=target.host)
            client.file = client.sock.makefile("rb")
            client.putcmd("ehlo", client.local_hostname)
            client.sock.settimeout(until_it_is_in_vain())
            try:
                assert kept or client.sock.recv(65_536)
            except TimeoutError:
                client.sock.settimeout(5)
                client.helo()
            client.esmtp_features = {"auth": "PLAIN"}
            send(client, target)

    return deliver


@pytest.mark.parametrize(("keeps", "is_caught"), [(lambda octets: octets, True), (lambda _: b"", False)])
def test_a_client_that_goes_on_without_the_injection_only_after_helo_is_caught(keeps, is_caught):
    """It goes on in both runs, by the same verbs; what it said before tells why."""
    finding = results(falling_back(keeps), ["inject-ignored-ehlo"], **LOGIN)["inject-ignored-ehlo"]
    assert (finding.outcome is Outcome.ACTED_ON_INJECTION) is is_caught
    assert (finding.verdict is Verdict.PASSED) is not is_caught
    did = "does so otherwise, by ehlo client.example, helo client.example, AUTH PLAIN" if is_caught else "does so too"
    assert finding.evidence[-1].endswith(f"without the injection (control-ignored-ehlo) it {did}.")


def where_offered(*, is_careful):
    """Return a client that begins TLS where it is offered; the careful one leaves where more than a greeting comes."""

    def deliver(target):
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
            client.sock.settimeout(0)
            if is_careful and client.file and client.file.peek():
                raise smtplib.SMTPException("something stands behind the greeting")
            client.sock.settimeout(target.patience)
            send_in_tls_if_offered(client, target)

    return deliver


def send_in_tls_if_offered(client, target):
    client.ehlo()
    if client.has_extn("starttls"):
        client.starttls(context=ssl.create_default_context(cafile=target.ca_file))
        client.ehlo()
    send(client, target)


class InUpperCase(smtplib.SMTP):
    """Knows keywords in upper case only."""

    def has_extn(self, opt):
        return opt.upper() in self.ehlo_resp.decode().split()


def looking_for_starttls(kind):
    def deliver(target):
        with kind(target.host, target.port, "client.example", timeout=target.patience) as client:
            send_in_tls_if_offered(client, target)

    return deliver


@pytest.mark.parametrize(("kind", "flaws"), [(InUpperCase, ["downgrade"]), (smtplib.SMTP, [])])
def test_who_overlooks_starttls_in_lower_case_goes_on_in_clear_as_where_it_is_taken_away(kind, flaws):
    result = audit_client(looking_for_starttls(kind), ids=["ehlo-lowercase"], mode="opportunistic")
    assert [cause.flaw for cause in result.causes] == flaws
    assert result.findings[-1].verdict is (Verdict.FAILED if flaws else Verdict.PASSED)


@pytest.mark.parametrize("is_careful", [False, True])
def test_a_client_that_takes_what_stands_behind_the_greeting_for_the_reply_to_ehlo_gives_its_password_away(is_careful):
    finding = results(
        where_offered(is_careful=is_careful), ["inject-greeting-ehlo-answered"], mode="opportunistic", **LOGIN
    )["inject-greeting-ehlo-answered"]
    assert finding.outcome is (Outcome.REFUSED_CLEAN if is_careful else Outcome.LEAKED_CREDENTIALS)
    assert (finding.verdict is Verdict.PASSED) is is_careful


def passing_over(target):
    """Pass over what comes in clear before the first TLS record."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
        client.ehlo()
        client.docmd("STARTTLS")
        ours, theirs = socket.socketpair()
        ours.settimeout(target.patience)
        threading.Thread(target=pump, args=(theirs, client.sock, bytes), daemon=True).start()
        threading.Thread(target=pump, args=(client.sock, theirs, from_first_record), daemon=True).start()
        context = ssl.create_default_context(cafile=target.ca_file)
        client.sock, client.file = context.wrap_socket(ours, server_hostname=target.host), None
        client.ehlo()
        send(client, target)


def from_first_record(octets):
    return octets if octets[0] < 0x20 else octets[octets.find(b"\x16\x03") :] if b"\x16\x03" in octets else b""


def pump(source, sink, change):
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            sink.sendall(change(octets))


def test_a_client_that_passes_over_what_is_injected_into_the_handshake_is_caught():
    assert failed(passing_over, ["inject-late"], **LOGIN) == {"inject-late"}


def test_a_client_whose_handshake_fails_there_passes():
    assert failed(required, ["inject-late"], **LOGIN) == set()


# Old TLS


def of_its_time(suites):
    """Return a client that takes TLS 1.0, in these cipher suites; otherwise it is careful."""

    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        context.set_ciphers(f"{suites}:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
            client.starttls(context=context)
            send(client, target)

    return deliver


OLD = ("tls10-only", "tls11-only")


@pytest.mark.parametrize(
    ("suites", "verdict"),
    [
        ("AES128-SHA", Verdict.LAX),  # RSA
        ("ECDHE-RSA-AES128-SHA", Verdict.LAX),
        (
            "ECDHE-ECDSA-AES128-SHA",
            Verdict.NOT_RUN,
        ),  # a key that the server does not have: nothing is seen of the version
    ],
)
def test_an_old_version_is_found_in_whatever_suites_the_client_has(suites, verdict):
    found = results(of_its_time(suites), OLD)
    assert {found[one].verdict for one in OLD} == {verdict}
    assert [found[one].reason for one in OLD if verdict is Verdict.NOT_RUN] == [
        "client and server have no cipher suite in common, so it never reached what it could refuse"
    ] * (2 if verdict is Verdict.NOT_RUN else 0)


def test_a_client_that_offers_no_old_version_passes():
    found = verdicts(required, [*OLD, "null-cipher", "dh1024"])
    assert set(found.values()) == {Verdict.PASSED}


# Replies that can be read in two ways


class ByFirstLine(smtplib.SMTP):
    """Goes by the code of a reply's first line."""

    def getreply(self):
        first = self.file.peek()[:3] if self.file else b""
        code, text = super().getreply()
        return (int(first) if first.isdigit() else code), text


def going_by(kind):
    def deliver(target):
        with kind(target.host, target.port, "client.example", timeout=target.patience) as client:
            send(client, target)

    return deliver


MIXED = ("mixed-codes", "mixed-codes-reversed")


@pytest.mark.parametrize(
    ("kind", "code"),
    [(smtplib.SMTP, {MIXED[0]: "550", MIXED[1]: "250"}), (ByFirstLine, {MIXED[0]: "250", MIXED[1]: "550"})],
)
def test_the_evidence_says_which_of_two_codes_the_client_acted_on(kind, code):
    found = results(going_by(kind), MIXED, mode="none")
    for one in MIXED:
        assert f"Of the codes 250 and 550 in one reply it acted on {code[one]}." in found[one].evidence
        assert found[one].outcome is (Outcome.DELIVERED if code[one] == "250" else Outcome.REFUSED_CLEAN)
        assert found[one].verdict is Verdict.PASSED


class UntilTheCodeComesAgain(smtplib.SMTP):
    """Reads on until a last line has the first line's code, as Go does."""

    def getreply(self):
        code, text = super().getreply()
        while code // 100 == 5 and self.last_command == "mail":
            code, text = super().getreply()
        return code, text

    def putcmd(self, cmd, args=""):
        self.last_command = cmd
        super().putcmd(cmd, args)


def without_limit(target):
    with UntilTheCodeComesAgain(target.host, target.port, "client.example") as client:
        send(client, target)


def test_a_client_that_waits_for_the_rest_of_a_reply_of_two_codes_waits_for_the_server_and_acted_on_neither():
    DELIVERED.value = 0
    result = audit_client(without_limit, ids=MIXED[:1], mode="none", timeout=5)
    finding = result.findings[-1]
    assert (finding.outcome, finding.verdict, result.flags) == (Outcome.HUNG, Verdict.LAX, ())
    assert "It said nothing more after a reply with the codes 250 and 550." in finding.evidence


def test_a_client_that_reads_three_digits_of_four_is_told_from_one_that_does_not():
    ids = ["reply-4-digits", "reply-999"]
    found = results(going_by(smtplib.SMTP), ids, mode="none")
    assert [found[one].outcome for one in ids] == [Outcome.DELIVERED, Outcome.REFUSED_CLEAN]
    assert "It went on after the reply '2500 2.1.0 ok'." in found["reply-4-digits"].evidence
    assert "It stopped at the reply '999 what'." in found["reply-999"].evidence


def by_offer(is_lenient):
    """Return a client that logs in where it finds a mechanism that it knows, and else goes on without."""

    def deliver(target):
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=target.patience) as client:
            client.starttls(context=ssl.create_default_context(cafile=target.ca_file))
            client.ehlo()
            offers = client.esmtp_features.get("auth", "")
            if "PLAIN" in (offers.upper() if is_lenient else offers):
                client.esmtp_features["auth"] = "PLAIN"
                client.login(target.user, target.password)
            client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())

    return deliver


@pytest.mark.parametrize(("is_lenient", "outcome"), [(True, Outcome.DELIVERED), (False, Outcome.UNAUTHENTICATED_SEND)])
def test_mechanisms_in_lower_case_show_who_goes_on_without_a_login(is_lenient, outcome):
    found = results(by_offer(is_lenient), ["ehlo-lowercase-mechanisms"], **LOGIN)
    assert found["ehlo-lowercase-mechanisms"].outcome is outcome


# That do not come to an end


def by_the_book(target):
    """Deliver, and wait for the server as long as it takes."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=60) as client:
        client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())


def resting(target):
    """Try, and try again after a pause that is longer than the audit."""
    try:
        by_the_book(target)
    except (OSError, smtplib.SMTPException):
        threading.Event().wait()


def lingering(target):
    """Stay and say nothing more once the server has said no; try later where a reply has no text."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=60) as client:
        client.ehlo()
        has_text = client.mail(target.sender)[1]
        if has_text and client.rcpt(target.recipient)[0] != 250:
            threading.Event().wait()
        if has_text:
            client.data(Path(target.message).read_bytes())
    if not has_text:
        threading.Event().wait()


ENOUGH = 5
"""Seconds after which a run is over here."""


@pytest.mark.parametrize(
    ("deliver", "judged", "flags"),
    [
        (
            resting,
            {
                "rcpt-550": (Outcome.REFUSED_CLEAN, Verdict.PASSED),
                "greylisting": (Outcome.REFUSED_CLEAN, Verdict.PASSED),
                "reply-bare-cr": (Outcome.HUNG, Verdict.LAX),
            },
            (),
        ),
        (
            lingering,
            {"rcpt-550": (Outcome.HUNG, Verdict.FAILED), "reply-no-text": (Outcome.FALSE_REFUSAL, Verdict.NOT_RUN)},
            (Flag.HANGS,),
        ),
    ],
)
def test_waiting_for_the_server_waiting_on_its_own_and_hanging_are_told_apart(deliver, judged, flags):
    result = audit_client(deliver, mode="none", ids=[*judged], timeout=ENOUGH, jobs=3)
    found = {finding.scenario: finding for finding in result.findings}
    assert found.pop("good").verdict is Verdict.PASSED
    assert {one: (finding.outcome, finding.verdict) for one, finding in found.items()} == judged
    assert result.flags == flags


# Refusing what it is asked to write


def refusing(how):
    """Return a client that looks at what it is to write before it connects."""

    def deliver(target):
        if any(one in f"{target.sender}{target.recipient}{target.client_name}" for one in "\r\n"):
            how()
            return
        by_the_book(target)

    return deliver


def fail():
    raise ValueError("a line end in an address")


def crash():
    os.kill(os.getpid(), signal.SIGKILL)


HOSTILE = ("crlf-in-address", "crlf-in-name")


def test_a_client_that_refuses_before_it_connects_has_passed():
    found = results(refusing(fail), HOSTILE, mode="none")
    assert {(found[one].outcome, found[one].verdict) for one in HOSTILE} == {(Outcome.REFUSED_CLEAN, Verdict.PASSED)}
    assert any(fact.startswith("It refused before it connected") for fact in found["crlf-in-name"].evidence)


@pytest.mark.parametrize("how", [crash, lambda: None])
def test_a_client_that_does_not_say_that_it_refused_is_not_known(how):
    assert {verdict for one, verdict in verdicts(refusing(how), HOSTILE, mode="none").items() if one != "good"} == {
        Verdict.NOT_RUN
    }


def test_a_client_that_delivers_nothing_at_all_has_not_refused():
    def broken(_target):
        raise OSError("no route")

    assert set(verdicts(broken, HOSTILE, mode="none").values()) == {Verdict.NOT_RUN}
