"""`smtpfix audit`: options, what is printed where, and the exit status."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smtpfix.audit.digest import blocks, lines
from smtpfix.audit.result import (
    AuditResult,
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
from smtpfix.cli import main
from smtpfix.cli.audit import exit_status
from smtpfix.cli.audit_terminal import AuditTerminal

CLIENTS = Path(__file__).parent / "clients"
FEW = ("--scenario", "good", "--scenario", "untrusted-root", "--scenario", "wrong-host", "--scenario", "strip-ehlo")


def test_a_careful_client_reaches_its_grade(capfd):
    assert main(["audit", "smtplib", *FEW]) == 0
    printed = capfd.readouterr().out.splitlines()
    assert printed[0] == "Auditing smtplib: starttls-required, trust pki"
    assert printed[-2] == "It does what its mode promises (starttls-required, trust pki), in 4 scenarios."
    assert printed[-1].startswith("Secure: ")


def test_a_careless_client_does_not_and_is_told_what_to_change(capfd):
    assert main(["audit", "smtplib-unverified", *FEW]) == 1
    printed = capfd.readouterr().out
    assert re.search(r"FAILED: Whoever can get such a certificate .*\n  untrusted-root  delivered  RFC 5280", printed)
    assert "Verify the server: accept only chains that end at an authority you trust." in printed
    assert printed.splitlines()[-2].startswith("Encrypted, unauthenticated: ")


def test_the_grade_asked_for_decides(capfd):
    assert main(["audit", "smtplib-unverified", "--grade", "unauthenticated", *FEW]) == 0
    assert main(["audit", "smtplib-unverified", "--grade", "secure-lax", *FEW]) == 1


def test_a_command_is_run_with_its_placeholders(capfd):
    command = ["--", sys.executable, str(CLIENTS / "lying.py"), "{host}", "{port}", "{sender}", "{recipient}"]
    options = ["--mode", "none", "--scenario", "rcpt-550", "-j", "1", "--timeout", "20"]
    assert main(["audit", *options, *command]) == 1
    printed = capfd.readouterr().out
    assert "MISREPORTS" in printed
    assert "rcpt-550  refused-clean · misreported  RFC 5321 section 4.2.2" in printed


def test_template_environment_and_input_reach_the_command(tmp_path, capfd):
    template = tmp_path / "client.conf"
    template.write_text("{host}\n{port}\n")
    code = (
        "import os, smtplib, sys; host, port = open(sys.argv[1]).read().split(); "
        "smtplib.SMTP(host, int(port)).sendmail(os.environ['FROM'], sys.argv[2], sys.stdin.read())"
    )
    options = ["--mode", "none", "--scenario", "good", "--template", str(template), "--here"]
    options += ["--env", "FROM={sender}", "--stdin", "{message}"]
    assert main(["audit", *options, "--", sys.executable, "-c", code, "{template}", "{recipient}"]) == 0


SLOW = """
import smtplib, sys, threading
try:
    smtplib.SMTP(sys.argv[1], int(sys.argv[2])).sendmail("a@example.org", ["b@example.org"], "Subject: x")
except smtplib.SMTPException:
    threading.Event().wait()
"""


def test_ctrl_c_shows_what_is_known_and_is_status_130(tmp_path):
    wanted = [word for one in ("rcpt-550", "rcpt-551", "mail-421") for word in ("--scenario", one)]
    command = [sys.executable, "-c", SLOW, "{host}", "{port}"]
    line = [
        sys.executable,
        "-m",
        "smtpfix",
        "audit",
        "--mode",
        "none",
        "--timeout",
        "60",
        "-j",
        "1",
        *wanted,
        "--",
        *command,
    ]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as audit:
        printed = [audit.stdout.readline(), audit.stdout.readline()]
        assert printed[1] == "1 of 4 runs\n"
        audit.send_signal(signal.SIGINT)
        rest = audit.stdout.read()
    assert audit.returncode == 130
    assert "4 scenarios: 1 passed, 3 not-run" in rest
    assert "broken off" in rest


def test_a_client_that_cannot_be_run_is_status_2(capfd):
    assert main(["audit", *FEW, "--", "no-such-program-here"]) == 2
    assert "no-such-program-here" in capfd.readouterr().out
    assert main(["audit", *FEW, "--", sys.executable, str(CLIENTS / "absent.py")]) == 2
    assert "the client never connected" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "a built-in client, or -- and a command"),
        (["smtplb"], "one of smtplib, smtplib-unverified, aiosmtplib, curl, msmtp, swaks"),
        (["curl", "msmtp"], "one built-in client"),
        (["--env", "A=b", "curl"], "nothing beside a built-in client"),
        (["--mode", "tls", "curl"], "one of implicit, starttls-required, opportunistic, none"),
        (["--grade", "good", "curl"], "one of secure, secure-lax, opportunistic, unauthenticated, plaintext"),
        (["--group", "striping", "curl"], "did you mean 'stripping'"),
        (["--scenario", "expird", "curl"], "Did you mean 'expired'?"),
        (["--env", "A", "--", "client"], "NAME=VALUE"),
        (["--template", "no/such/file", "--", "client"], "a readable text file"),
        (["--", "client", "{hots}"], "one of {host}, {port}"),
        (["--jobs", "0", "curl"], "a whole number, 1 or more"),
    ],
)
def test_nonsense_is_status_2_and_one_line(arguments, said, capfd):
    assert main(["audit", *arguments]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


def test_help_names_clients_placeholders_and_statuses(capfd):
    assert main(["audit", "--help"]) == 0
    printed = capfd.readouterr().out
    for word in ("smtplib-unverified", "{cafile}", "{template}", "starttls-required", "Exit status"):
        assert word in printed


# What is shown


def finding(scenario, verdict=Verdict.PASSED, outcome=Outcome.REFUSED_CLEAN, **fields):
    given = {
        "group": "certificates",
        "mode": "starttls",
        "summary": "s",
        "expected": "refuse",
        "standard": "RFC 5280 section 6.1",
        "run": Run(Ending.SUCCEEDED, delivered=1),
    }
    return Finding(scenario=scenario, outcome=outcome, verdict=verdict, **{**given, **fields})


HOSTILE = "\x1b]0;owned\x07[bold]<b>\u202e"


def result(*findings, **fields):
    given = {
        "keeps_its_promise": False,
        "promise": f"It does not.{HOSTILE}",
        "grade": Grade.UNAUTHENTICATED,
        "worth": "Encrypted, unauthenticated: little.",
        "flags": (Flag.HANGS,),
        "reasons": (f"A reason.{HOSTILE}",),
    }
    declaration = Declaration(DeclaredMode.STARTTLS_REQUIRED, user=f"ann{HOSTILE}", password="s3cret")
    return AuditResult(client=f"client{HOSTILE}", declaration=declaration, findings=findings, **{**given, **fields})


MIXED = result(
    finding("good", outcome=Outcome.DELIVERED),
    finding("lax-one", Verdict.LAX, Outcome.DELIVERED, consequence="Less strict.", fix="Be stricter."),
    finding("bad-one", Verdict.FAILED, Outcome.DELIVERED, consequence=f"Bad.{HOSTILE}", fix="First fix."),
    finding("bad-two", Verdict.FAILED, Outcome.DELIVERED, consequence=f"Bad.{HOSTILE}", fix="Second fix."),
    finding("unknown", Verdict.NOT_RUN, Outcome.NOT_RUN, reason=f"An extra is missing.{HOSTILE}"),
)


def test_what_went_wrong_is_grouped_by_what_it_means_the_worst_first():
    assert [(block.verdict, len(block.findings), block.fix) for block in blocks(MIXED)] == [
        (Verdict.FAILED, 2, ""),
        (Verdict.LAX, 1, "Be stricter."),
        (Verdict.NOT_RUN, 1, ""),
    ]
    assert blocks(MIXED)[0].rows == (
        ("bad-one", "delivered", "RFC 5280 section 6.1", "First fix."),
        ("bad-two", "delivered", "RFC 5280 section 6.1", "Second fix."),
    )


class Tty(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Tty])
def test_hostile_text_reaches_neither_pipe_nor_terminal(stream, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    printed = stream()
    AuditTerminal(printed).show(MIXED)
    text = printed.getvalue()
    assert "\x1b]" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "\\x1b]0;owned" in text
    assert "[bold]<b>" in text
    for scenario in ("bad-one", "bad-two", "lax-one", "unknown"):
        assert scenario in text
    assert text.index("bad-two") < text.index("HANGS") < text.index("Encrypted, unauthenticated")


def test_a_terminal_has_a_bar_that_goes_away_and_a_pipe_has_a_few_lines(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for stream, shown in ((Tty(), "━"), (io.StringIO(), "25 of 100 runs\n50 of 100 runs\n75 of 100 runs\n")):
        with AuditTerminal(stream).progress("client", Declaration(DeclaredMode.NONE)) as advance:
            for done in range(1, 101):
                advance(done, 100, "good")
        assert shown in stream.getvalue()


def test_the_report_can_show_its_evidence():
    shown = "\n".join(lines(result(finding("x", Verdict.FAILED, evidence=(f"in clear{HOSTILE}",))), with_evidence=True))
    assert "x/starttls: in clear\\x1b" in shown


# The exit status


@pytest.mark.parametrize(
    ("fields", "wanted", "status"),
    [
        ({"grade": Grade.SECURE, "keeps_its_promise": True, "flags": ()}, None, 0),
        ({"grade": Grade.SECURE, "keeps_its_promise": True}, None, 1),  # a flag
        ({"grade": Grade.SECURE, "keeps_its_promise": False, "flags": ()}, None, 1),
        ({"grade": Grade.SECURE_LAX, "keeps_its_promise": True, "flags": ()}, None, 1),
        ({"grade": Grade.SECURE_LAX, "flags": ()}, Grade.SECURE_LAX, 0),
        ({"grade": Grade.UNKNOWN, "flags": ()}, Grade.PLAINTEXT, 1),
        ({"grade": Grade.SECURE, "flags": (), "is_complete": False}, Grade.SECURE, 130),
    ],
)
def test_the_status_says_whether_the_grade_is_reached(fields, wanted, status):
    assert exit_status(result(finding("good"), **fields), wanted) == status


def test_nothing_run_is_nothing_known():
    nothing = result(finding("good", Verdict.NOT_RUN, Outcome.NOT_RUN, run=None), flags=())
    assert exit_status(nothing, Grade.PLAINTEXT) == 2
