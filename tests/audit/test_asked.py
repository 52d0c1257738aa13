"""Scenarios that turn on what the client is asked to write, and those that it may never come to."""

from __future__ import annotations

import base64
import smtplib
import socket
from pathlib import Path

import pytest

from smtpfix import Flag, Target, Verdict, audit_client
from smtpfix.audit.asked import not_asked, smuggled, without_asked
from smtpfix.audit.result import Outcome
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import Asked
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.transcript import Kind
from smtpfix.smtp.reading import SMTPReading

pytestmark = pytest.mark.usefixtures("nothing_logged")


def audited(deliver, scenario, **options):
    """Return the finding of one scenario."""
    result = audit_client(deliver, ids=[scenario], **{"mode": "none", **options})
    return result.findings[-1]


def connect(target):
    return smtplib.SMTP(target.host, target.port, "client.example", timeout=10)


def as_it_is(target: Target) -> None:
    with connect(target) as client:
        client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())


def encoded(target: Target) -> None:
    content = Path(target.message).read_bytes()
    body = base64.encodebytes(content.partition(b"\r\n\r\n")[2]).replace(b"\n", b"\r\n")
    subject = next(line for line in content.split(b"\r\n") if line.startswith(b"Subject:"))
    with connect(target) as client:
        client.sendmail(
            target.sender, [target.recipient], subject + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body
        )


def its_own(target: Target) -> None:
    with connect(target) as client:
        client.sendmail("shop@example.org", ["ann@example.org"], "Subject: Welcome\r\n\r\nHello\r\n")


def careless(target: Target) -> None:
    """Write what it is given into the commands, as it is given."""
    with socket.create_connection((target.host, target.port), timeout=10) as connection:
        for line in (
            "",
            f"EHLO {target.client_name}",
            f"MAIL FROM:<{target.sender}>",
            f"RCPT TO:<{target.recipient}>",
            "DATA",
            "Subject: x\r\n\r\nx\r\n.",
            "QUIT",
        ):
            connection.sendall(f"{line}\r\n".encode() if line else b"")
            connection.recv(4096)


def making(recipients):
    """Return a client that makes recipients of the one it is given, and writes each when the reply before has come."""

    def deliver(target: Target) -> None:
        with connect(target) as client:
            client.ehlo()
            client.mail(target.sender)
            for recipient in recipients(target.recipient):
                client.docmd(f"RCPT TO:<{recipient}>")
            client.data("Subject: x\r\n\r\nx\r\n")

    return deliver


def display_name_and_address(text):
    return [text.rpartition("<")[2]]


def addresses(text):
    return [line.rpartition("<")[2].partition(">")[0] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("scenario", "deliver", "verdict"),
    [
        ("end-of-data", as_it_is, Verdict.LAX),
        ("end-of-data", encoded, Verdict.PASSED),
        ("end-of-data", its_own, Verdict.NOT_RUN),
        ("no-8bitmime", as_it_is, Verdict.LAX),
        ("no-8bitmime", encoded, Verdict.PASSED),
        ("no-8bitmime", its_own, Verdict.NOT_RUN),
        ("no-smtputf8", as_it_is, Verdict.PASSED),
        ("no-smtputf8", careless, Verdict.FAILED),
        ("no-smtputf8", its_own, Verdict.NOT_RUN),
        ("crlf-in-address", as_it_is, Verdict.PASSED),
        ("crlf-in-address", careless, Verdict.FAILED),
        ("crlf-in-address", its_own, Verdict.NOT_RUN),
        ("crlf-in-address", making(display_name_and_address), Verdict.LAX),
        ("crlf-in-address", making(addresses), Verdict.LAX),
        ("crlf-in-address", making(lambda text: addresses(text)[:1]), Verdict.PASSED),
        ("crlf-in-address", making(lambda text: ["".join(text.splitlines())]), Verdict.PASSED),
    ],
)
def test_what_a_client_makes_of_what_it_is_asked_to_write_is_judged(scenario, deliver, verdict):
    finding = audited(deliver, scenario)
    assert (finding.verdict, bool(finding.consequence), bool(finding.fix)) == (
        verdict,
        *[verdict in ("failed", "lax")] * 2,
    )
    assert (finding.outcome is Outcome.NOT_RUN) is (verdict is Verdict.NOT_RUN)
    assert finding.reason.startswith("it was asked to" if verdict is Verdict.NOT_RUN else "")


def test_a_line_end_that_becomes_a_command_is_told_with_its_consequence():
    finding = audited(careless, "crlf-in-address")
    assert any(fact.startswith("Pipelining-not-offered: ") and "eve@example.net" in fact for fact in finding.evidence)
    assert finding.consequence == "Anyone who chooses its input, such as an address, can write commands to the server."


def test_an_address_that_a_line_end_brought_in_is_told_with_its_consequence():
    finding = audited(making(display_name_and_address), "crlf-in-address")
    command = "It said 'RCPT TO:<eve@example.net>': the address came after a line end in what it was asked to write."
    assert command in finding.evidence
    assert finding.consequence.startswith("Anyone who chooses an address can send the message to another one")
    assert finding.fix == "Refuse CR and LF in everything that becomes part of a command."


def greeting_only(target: Target) -> None:
    with socket.create_connection((target.host, target.port), timeout=10) as connection:
        connection.recv(4096)
        connection.sendall(f"EHLO {target.client_name}\r\n".encode())
        connection.recv(4096)
    raise OSError("no TLS")


def test_a_command_inside_the_asked_name_is_not_taken_for_a_message_in_clear():
    finding = audited(greeting_only, "crlf-in-name", mode="starttls-required")
    assert "In clear, the envelope." not in finding.evidence
    assert finding.outcome is Outcome.REFUSED_CLEAN


def test_a_message_that_ends_before_the_server_acts_says_nothing():
    finding = audited(its_own, "content-close")
    assert (finding.outcome, finding.verdict) == (Outcome.NOT_RUN, Verdict.NOT_RUN)
    assert finding.reason.endswith("CONTENT after 1000 octets")
    assert audited(as_it_is, "rcpt-partial").reason.endswith("RCPT after the first 1")
    finding = audited(as_it_is, "content-close")
    assert (finding.outcome, finding.verdict) == (Outcome.REFUSED_CLEAN, Verdict.PASSED)


def test_a_message_within_the_bounds_of_a_server_says_nothing_of_them():
    finding = audited(its_own, "size-too-small")
    assert (finding.verdict, finding.reason.endswith("size_limit 100")) == (Verdict.NOT_RUN, True)
    assert audited(as_it_is, "too-many-recipients").reason.endswith("max_recipients 1")
    for scenario in ("size-too-small", "too-many-recipients"):
        finding = audited("smtplib", scenario)
        assert finding.verdict is Verdict.PASSED, scenario


def test_a_leak_counts_though_the_client_never_came_to_what_the_server_does():
    def deliver(target):
        with connect(target) as client:
            client.login(target.user, target.password)
            client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\nx\r\n")

    result = audit_client(deliver, mode="none", ids=["content-close"], credentials="ann:s3cret-word")
    assert result.findings[-1].outcome is Outcome.LEAKED_CREDENTIALS
    assert result.flags == (Flag.LEAKS_CREDENTIALS_PASSIVE,)


@pytest.mark.slow
def test_a_client_without_patience_for_a_slow_server_is_lax_and_one_with_it_delivers():
    def impatient(target):
        """Give up where a reply does not come at once: whatever the machine is doing, that is no matter of time."""
        with socket.create_connection((target.host, target.port), timeout=10) as connection:
            for line in ("", "EHLO client.example", f"MAIL FROM:<{target.sender}>", f"RCPT TO:<{target.recipient}>"):
                connection.sendall(f"{line}\r\n".encode() if line else b"")
                assert connection.recv(4096).endswith(b"\r\n")
            connection.sendall(b"DATA\r\n")
            assert connection.recv(4096).startswith(b"354")
            connection.sendall(b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
            assert connection.recv(4096).startswith(b"250")

    finding = audited(impatient, "slow-drip-octet")
    assert (finding.outcome, finding.verdict) == (Outcome.FALSE_REFUSAL, Verdict.LAX)
    assert audited("smtplib", "slow-drip-octet").outcome is Outcome.DELIVERED


@pytest.mark.slow
def test_a_reply_without_end_holds_a_client_and_is_no_fault_that_is_flagged():
    result = audit_client("smtplib", mode="none", ids=["reply-endless"], timeout=5)
    assert (result.findings[-1].outcome, result.findings[-1].verdict) == (Outcome.HUNG, Verdict.LAX)
    assert "size of a reply" in result.findings[-1].fix
    assert result.flags == ()


def session(*lines):
    recorder = Recorder(RecordedServer(Mode.PLAIN, SMTPReading()), 1, ("127.0.0.1", 1), ("127.0.0.1", 2))
    for line in lines:
        recorder.add(Kind.CLIENT, line)
    return recorder.session()


@pytest.mark.parametrize(
    ("asked", "lines", "is_asked"),
    [
        (Asked(sender="bob@example.org"), [b"MAIL FROM:<bob@example.org> SIZE=9"], True),
        (Asked(sender="bob@example.org"), [b"MAIL FROM:<ann@example.org>"], False),
        (Asked(sender="bob@example.org"), [b"EHLO client.example"], True),  # nothing of the kind: refused
        (Asked(client_name="a.example\r\nNOOP"), [b"HELO a.example"], True),
        (Asked(client_name="a.example\r\nNOOP"), [b"EHLO localhost"], False),
        (Asked(recipient="b\u00f8b@example.org"), [b"RCPT TO:<b\xf8b@example.org>"], True),
        (Asked(recipient="b\u00f8b@example.org"), [b"RCPT TO:<bob@example.org>"], False),
        (Asked(), [b"RCPT TO:<bob@example.org>"], True),
    ],
)
def test_whether_a_client_wrote_what_it_was_asked_to_is_seen_in_its_commands(asked, lines, is_asked):
    assert (not_asked(asked, [session(*lines)], []) == "") is is_asked


RCPT_EVE, MAIL_EVE = b"RCPT TO:<eve@example.net>", b"MAIL FROM:<eve@example.net>"


@pytest.mark.parametrize(
    ("asked", "lines", "found"),
    [
        (Asked(recipient="bob@example.org>\r\nRCPT TO:<eve@example.net"), [RCPT_EVE], ["RCPT TO:<eve@example.net>"]),
        (Asked(recipient="bob@example.org\neve@example.net"), [RCPT_EVE], ["RCPT TO:<eve@example.net>"]),
        (Asked(client_name="a.example\r\nMAIL FROM:<eve@example.net>"), [MAIL_EVE], ["MAIL FROM:<eve@example.net>"]),
        (Asked(recipient="bob@example.org>\r\nRCPT TO:<eve@example.net"), [b"RCPT TO:<bob@example.org>"], []),
        (Asked(recipient="bob@example.org>\r\nDATA"), [b"RCPT TO:<data@example.org>"], []),
        (Asked(recipient="eve@example.net"), [RCPT_EVE], []),  # no line end
    ],
)
def test_an_address_behind_a_line_end_is_seen_in_a_command_of_its_own(asked, lines, found):
    assert [one.split("'")[1] for one in smuggled(asked, [session(*lines)])] == found


def test_what_was_asked_for_is_not_taken_for_what_a_client_says():
    asked = Asked(client_name="a.example\r\nMAIL FROM:<eve@example.net>")
    octets = b"EHLO a.example\r\nMAIL FROM:<eve@example.net>\r\nMAIL FROM:<ann@example.org>\r\n"
    assert without_asked(asked, octets) == b"EHLO a.example\r\n\r\nMAIL FROM:<ann@example.org>\r\n"
    assert without_asked(Asked(), octets) == octets
