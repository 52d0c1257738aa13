"""`smtpfix audit`: options, what is printed where, and the exit status."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import shlex
import signal
import smtplib
import socket
import ssl
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from smtpfix.audit.case import Case
from smtpfix.audit.device import Answer
from smtpfix.audit.digest import changes, lines, others
from smtpfix.audit.report import from_json, to_json
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
    Trust,
    Verdict,
)
from smtpfix.audit.target import Target
from smtpfix.cli import main
from smtpfix.cli.audit import exit_status
from smtpfix.cli.audit_guide import TerminalGuide
from smtpfix.cli.audit_reports import ReportFiles
from smtpfix.cli.audit_terminal import AuditTerminal
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.flaw import Severity
from smtpfix.policy.mode import Mode

pytestmark = pytest.mark.slow

CLIENTS = Path(__file__).parents[1] / "audit" / "clients"
FEW = ("--scenario", "good", "--scenario", "untrusted-root", "--scenario", "wrong-host", "--scenario", "strip-ehlo")


def test_a_careful_client_reaches_its_grade(capfd):
    assert main(["audit", "smtplib", *FEW]) == 0
    printed = capfd.readouterr().out.splitlines()
    assert printed[0] == "Auditing smtplib: starttls-required, trust pki"
    few = "It failed in none of 4 scenarios, which are too few to say whether it does what its mode promises"
    unknown = "Grade not known: too little could be run to say what it is worth."
    assert f"{unknown} {few} (starttls-required, trust pki)." in printed


def test_a_careless_client_does_not_and_is_told_what_to_change(capfd):
    assert main(["audit", "smtplib-unverified", *FEW]) == 1
    printed = capfd.readouterr().out
    assert (
        "\n\nChange this:\n"
        "  1. It does not verify the server's certificate: any will do.\n"
        "     Fix: Pass a context that verifies: context=ssl.create_default_context(cafile=...).\n"
        "     An attacker only has to get between client and server. Until then no grade is better than C.\n"
        "     Seen in 2 scenarios (delivered): untrusted-root, wrong-host\n"
        "\n"
        "Grade C, encrypted, unauthenticated: "
    ) in printed


READER = """
import poplib, ssl, sys
host, port, cafile, user, password = sys.argv[1:]
client = poplib.POP3(host, int(port), timeout=4)
client.stls(ssl.create_default_context(cafile=cafile))
client.user(user), client.pass_(password)
for number in range(1, client.stat()[0] + 1):
    client.retr(number)
client.quit()
"""


def test_a_command_that_reads_mail_is_given_where_it_is_and_whom_to_log_in_as(capfd, tmp_path):
    (tmp_path / "fetch.py").write_text(READER, encoding="utf-8")
    told = [sys.executable, str(tmp_path / "fetch.py"), "{host}", "{port}", "{cafile}", "{user}", "{password}"]
    chosen = ["--scenario", "untrusted-root", "--scenario", "pop3-retr-err"]
    assert main(["audit", "--protocol", "pop3", *chosen, "--json", str(tmp_path / "found.json"), "--", *told]) == 0
    assert "POP3, starttls-required, trust pki, logging in as 'ann'" in capfd.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert [one["outcome"] for one in found["findings"]] == ["retrieved", "refused-clean", "refused-clean"]
    assert found["findings"][0]["run"]["retrieved"] == 3


def test_the_grade_asked_for_decides(capfd):
    assert main(["audit", "smtplib-unverified", "--grade", "unauthenticated", *FEW]) == 0
    assert main(["audit", "smtplib-unverified", "--grade", "b", *FEW]) == 1


def test_a_command_is_run_with_its_placeholders(capfd):
    command = ["--", sys.executable, str(CLIENTS / "lying.py"), "{host}", "{port}", "{sender}", "{recipient}"]
    options = ["--mode", "none", "--scenario", "rcpt-550", "-j", "1", "--timeout", "20"]
    assert main(["audit", *options, *command]) == 1
    printed = capfd.readouterr().out
    assert "MISREPORTS" in printed
    assert "rcpt-550  refused-clean, also misreported  RFC 5321 section 4.2.2" in printed


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


def test_ctrl_c_shows_and_writes_what_is_known_and_is_status_130(tmp_path):
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
        "--json",
        "known.json",
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
    known = from_json((tmp_path / "known.json").read_text(encoding="utf-8"))
    assert not known.is_complete
    assert [finding.verdict for finding in known.findings] == ["passed", "not-run", "not-run", "not-run"]


def test_a_client_that_cannot_be_run_is_status_2(capfd):
    assert main(["audit", *FEW, "--", "no-such-program-here"]) == 2
    assert "no-such-program-here" in capfd.readouterr().out
    assert main(["audit", *FEW, "--", sys.executable, str(CLIENTS / "absent.py")]) == 2
    assert "the client never connected" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "CLIENT: there is no client; name a built-in one (smtplib,"),
        (["smtplb"], "there are smtplib, smtplib-unverified, aiosmtplib, curl, msmtp, swaks (did you mean 'smtplib'?)"),
        (["curl", "msmtp"], "write a command after --: smtpfix audit -- curl msmtp; "),
        (["--env", "A=b", "curl"], "--env: it is for a command, and there is the built-in client 'curl'"),
        (["--mode", "tls", "curl"], "one of implicit, starttls-required, opportunistic, none"),
        (
            ["--grade", "good", "curl"],
            "one of A (authenticated), B (gaps), C (unauthenticated), D (opportunistic), E (plaintext)",
        ),
        (["--group", "striping", "curl"], "did you mean 'stripping'"),
        (["--scenario", "expird", "curl"], "Did you mean 'expired'"),
        (["--env", "A", "--", "client"], "NAME=VALUE"),
        (["--template", "no/such/file", "--", "client"], "a readable text file"),
        (["--", "client", "{hots}"], "one of {host}, {port}"),
        (["--jobs", "0", "curl"], "a whole number, 1 or more"),
        (["--timeout", "0", "curl"], "seconds, more than 0"),
        (["--here", "curl"], "--here: it is for a command, and there is the built-in client 'curl'; leave one out"),
        (["--artifact", "send.py", "curl"], "--artifact: it is for --sarif"),
        (["--sarif", "x", "--artifact", "../send.py", "curl"], "--artifact: expected a path with /"),
        (["--stdin", "no-such-file", "--", "true"], "--stdin: expected a file that can be read, got 'no-such-file'"),
        (["r" * 300], "is no built-in client for SMTP"),
        (["--stdin", "r" * 300, "--", "true"], "--stdin: expected a file that can be read, got 'rrr"),
        (["--ports", "smtp", "curl"], "free, conventional, or a number from 1 to 65535"),
        (["--host", "0.0.0.0", "curl"], "--host: it is for clients on other machines; add --wait"),
        (
            ["--scenario", "expird", "curl"],
            "smtpfix: --scenario: no scenario 'expird' in the catalogue. Did you mean 'expi",
        ),
        (["--scenario", "no/such.toml", "curl"], "smtpfix: --scenario: expected a file that can be read (No such file"),
        (["--group", "striping", "curl"], "smtpfix: --group: expected one of certificates, tls, stripping"),
        (["--jobs", "0", "curl"], "smtpfix: --jobs: expected a whole number, 1 or more, got 0"),
        (["--mode", "tls", "curl"], "smtpfix: --mode: expected one of implicit"),
        (["--credentials", "ann", "curl"], "smtpfix: --credentials: expected a user and a password"),
        (["lotus"], "smtpfix: CLIENT: 'lotus' is no built-in client for SMTP; there are smtplib"),
        (["--language", "cobol", "curl"], "--language: expected one of python, curl"),
        (["--language", "go", "curl"], "--language: that of the built-in client 'curl' is known; leave --language out"),
        (["--hostname", "no name", "curl"], "smtpfix: --hostname: expected a domain or address literal"),
        (["--protocol", "nntp", "curl"], "--protocol: expected one of smtp, imap, pop3, got 'nntp'"),
        (
            ["--protocol", "pop3", "smtplib"],
            "CLIENT: 'smtplib' is no built-in client for POP3; it speaks SMTP",
        ),
        (
            ["--protocol", "imap", "--family", "tmail-c/other-port", "imaplib"],
            "--protocol: tmail-c/other-port sends mail, so its protocol is smtp; leave --protocol out",
        ),
        (
            ["--protocol", "pop3", "--family", "niagara/imap-use-ssl", "smtplib"],
            "--protocol: niagara/imap-use-ssl reads mail by imap; leave --protocol out",
        ),
        (["--wait", "curl"], "--wait: the client starts elsewhere; leave 'curl' out"),
        (["--wait", "--", "send", "{host}"], "--wait: the client starts elsewhere; leave 'send' out"),
        (["--wait", "--stdin", "{message}"], "--stdin: it is for a command, and there is --wait; leave one out"),
        (
            ["--wait", "--ports", "free"],
            "--ports: a device is set up once",
        ),
        (["--wait", "--host", "0.0.0.0"], "--hostname: with --host 0.0.0.0 a device has to know this machine's name"),
        (["--wait", "--hostname", "no name"], "smtpfix: --hostname: expected a domain or address literal"),
        (
            ["--family", "tmail-c", "curl"],
            "--family: say which variant of tmail-c: tmail-c/port-465 or tmail-c/other-port",
        ),
        (
            ["--family", "tmail/port-465", "curl"],
            "--family: family: expected one of conzept16, monitor, niagara, tmail-c",
        ),
        (["--family", "tmail-c/465", "curl"], "--family: variant of tmail-c: expected one of port-465, other-port"),
        (["--family", "no/such.toml/x", "curl"], "--family: expected a file that can be read (No such file"),
        (
            ["--family", "tmail-c/port-465", "--mode", "none", "curl"],
            "--mode: tmail-c/port-465 means implicit",
        ),
        (
            ["--family", "tmail-c/port-465", "--trust", "none", "curl"],
            "--trust: tmail-c/port-465 means pki, ",
        ),
        (["--baseline", "no/such.json", "curl"], "--baseline: expected a file that can be read (No such file"),
        (["--baseline", __file__, "curl"], f"--baseline {__file__}: "),
        (
            ["--baseline", __file__, "--grade", "secure", "curl"],
            "--grade: --baseline decides the exit",
        ),
        (["--authority", f"{__file__}/ca", "curl"], "--authority: expected a directory that can be written (Not a"),
        (["--key-type", "RSA", "curl"], "--key-type: expected one of ecdsa, rsa (did you mean 'rsa'?), got 'RSA'"),
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


# Files


REPORTS = ("--json", "--junit", "--html", "--sarif")


def test_every_report_is_written(tmp_path, capfd):
    files = [word for option in REPORTS for word in (option, str(tmp_path / option[2:]))]
    assert main(["audit", "smtplib", *FEW, *files, "--artifact", "src/send.py"]) == 0
    assert "4 scenarios: 4 passed" in capfd.readouterr().out
    texts = {option: (tmp_path / option[2:]).read_text(encoding="utf-8") for option in REPORTS}
    result = from_json(texts["--json"])
    assert (result.client, result.grade, len(result.findings)) == ("smtplib", Grade.UNKNOWN, 4)
    assert 'tests="1"' in texts["--junit"]
    assert texts["--html"].startswith("<!doctype html>")
    assert json.loads(texts["--sarif"])["runs"][0]["tool"]["driver"]["name"] == "smtpfix"


@pytest.mark.usefixtures("no_umask")
def test_a_new_report_is_its_owner_s_and_one_that_is_there_keeps_its_permissions(tmp_path):
    files, told = [tmp_path / option[2:] for option in REPORTS], result()
    ReportFiles(*files).write(told)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    files[0].chmod(0o644)
    files[0].write_text("x" * 100_000, encoding="utf-8")
    ReportFiles(*files).write(told)
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o644, 0o600, 0o600, 0o600]
    assert from_json(files[0].read_text(encoding="utf-8")) == from_json(to_json(told))


@pytest.mark.parametrize(("artifact", "is_there"), [(["--artifact", "src/send.py"], True), ([], False)])
def test_the_artifact_is_where_sarif_shows_its_results(artifact, is_there, tmp_path):
    file = tmp_path / "sarif"
    assert main(["audit", "smtplib-unverified", *FEW, "--sarif", str(file), *artifact]) == 1
    assert ('"uri": "src/send.py"' in file.read_text(encoding="utf-8")) is is_there


@pytest.mark.parametrize("option", REPORTS)
def test_a_report_that_could_not_be_written_is_refused_before_anything_is_run(option, tmp_path, capfd):
    mark = tmp_path / "was-run"
    command = ["--", sys.executable, "-c", f"open({str(mark)!r}, 'w')"]
    folder = tmp_path / "no-such-directory"
    for file, said in (
        (tmp_path, f"expected a file, not a directory, got '{tmp_path}'"),
        (folder / "report", f"there is no directory '{folder}'; make it"),
        (tmp_path / ("r" * 300), "expected a file that can be written (File name too long)"),
    ):
        assert main(["audit", option, str(file), "--mode", "none", "--scenario", "good", *command]) == 2
        assert f"{option}: {said}" in capfd.readouterr().err
    assert not mark.exists()
    assert main(["audit", option, str(tmp_path / "report"), "--mode", "none", "--scenario", "good", *command]) == 2
    assert mark.exists()  # it does not connect
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["report", "was-run"]


def test_two_reports_in_one_file_are_refused(tmp_path, capfd):
    file = tmp_path / "report"
    assert main(["audit", "smtplib", "--json", str(file), "--html", str(tmp_path / "." / "report")]) == 2
    assert "--html: --json writes this file; choose another one" in capfd.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_disk_that_is_full_takes_neither_the_report_nor_the_other_files(tmp_path, capfd):
    file = tmp_path / "audit.xml"
    assert main(["audit", "smtplib", *FEW, "--json", "/dev/full", "--junit", str(file)]) == 2
    printed = capfd.readouterr()
    assert "4 scenarios: 4 passed" in printed.out
    assert "--json: expected a file that can be written (No space left on device)" in printed.err
    assert file.read_text(encoding="utf-8").startswith("<?xml")


# Baselines


@pytest.fixture(scope="module")
def baselines(tmp_path_factory):
    """Return the JSON of a careful and of a careless client's audit."""
    folder = tmp_path_factory.mktemp("baselines")
    for client in ("smtplib", "smtplib-unverified"):
        main(["audit", client, *FEW, "--json", str(folder / client)])
    return folder


@pytest.mark.parametrize(
    ("before", "now", "status", "said"),
    [
        ("smtplib", "smtplib-unverified", 1, "grade: Not known -> Encrypted, unauthenticated\nworse (2):\n"),
        ("smtplib-unverified", "smtplib", 0, "grade: Encrypted, unauthenticated -> Not known\nbetter (2):\n"),
        ("smtplib-unverified", "smtplib-unverified", 0, "grade: Encrypted, unauthenticated, as before\nunchanged: 4\n"),
    ],
)
def test_with_a_baseline_only_what_changed_is_shown_and_counts(before, now, status, said, baselines, capfd):
    assert main(["audit", now, *FEW, "--baseline", str(baselines / before)]) == status
    printed = capfd.readouterr().out
    assert said in printed
    assert "It does what its mode promises" not in printed


def test_nothing_run_beside_a_baseline_is_status_2(baselines, capfd):
    assert main(["audit", *FEW, "--baseline", str(baselines / "smtplib"), "--", "no-such-program-here"]) == 2
    assert "gone (4):" in capfd.readouterr().out


def test_a_baseline_of_another_declaration_is_refused_before_anything_is_run(baselines, capfd):
    file = str(baselines / "smtplib")
    assert main(["audit", "smtplib", "--mode", "implicit", "--baseline", file]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "and this audit mode implicit, trust pki, without a login; compare" in printed.err


def test_the_baseline_can_be_renewed_in_one_go(baselines, tmp_path):
    file = tmp_path / "baseline.json"
    file.write_bytes((baselines / "smtplib").read_bytes())
    options = ["--baseline", str(file), "--json", str(file)]
    assert main(["audit", "smtplib-unverified", *FEW, *options]) == 1
    assert main(["audit", "smtplib-unverified", *FEW, *options]) == 0


# Ports, and devices


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return opened.getsockname()[1]


def test_a_port_of_ones_choice(capfd):
    port = str(free_port())
    code = f"import sys, smtplib; assert sys.argv[1] == '{port}'; "
    code += "smtplib.SMTP('127.0.0.1', int(sys.argv[1])).sendmail('a@x.example', ['b@x.example'], '')"
    command = ["--", sys.executable, "-c", code, "{port}"]
    assert main(["audit", "--ports", port, "--mode", "none", "--scenario", "good", *command]) == 0


def test_a_port_that_is_taken_is_status_2_and_says_so(capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["audit", "--ports", port, "--scenario", "wrong-host", "smtplib"]) == 2
    assert f"cannot listen on localhost port {port}: another program does" in capfd.readouterr().out


class Terminal:
    """A pseudo-terminal with the audit of a device behind it."""

    def __init__(self, *options):
        self._master, slave = os.openpty()
        line = [sys.executable, "-m", "smtpfix", "audit", "--wait", *options]
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200"}
        self.audit = subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)

    def until(self, text):
        """Return what is shown up to a text, or to the end for None."""
        shown = ""
        while text is None or text not in shown:
            assert select.select([self._master], [], [], 30)[0], f"no {text!r} in {shown!r}"
            try:
                octets = os.read(self._master, 4096)
            except OSError:  # the other side is gone
                octets = b""
            if not octets:
                assert text is None, f"no {text!r} in {shown!r}"
                break
            shown += octets.decode()
        return shown.replace("\r\n", "\n")

    def type(self, text):
        os.write(self._master, text.encode())

    def close(self):
        self.audit.kill()
        self.audit.wait()
        os.close(self._master)


@pytest.fixture
def terminal():
    with contextlib.ExitStack() as stack:

        def terminal(*options):
            opened = Terminal(*options)
            stack.callback(opened.close)
            return opened

        yield terminal


def test_a_person_is_led_through_the_audit_of_a_device(terminal, tmp_path):
    port, ca = free_port(), tmp_path / "ca"
    options = ("--ports", str(port), "--credentials", "ann:s3cret-word", "--authority", str(ca))
    screen = terminal(
        *options, "--scenario", "wrong-host", "--scenario", "wildcard-ok", "--json", str(tmp_path / "json")
    )
    shown = screen.until("set up, q to end.\r\n")
    setting = ("server    localhost, port", "security  STARTTLS, required", "login     ann", f"trust     {ca}/ca.pem\n")
    assert all(word in shown for word in setting)
    assert "3 mails" in shown
    context = ssl.create_default_context(cafile=ca / "ca.pem")
    screen.type("\n")
    assert "1 of 3  good: " in screen.until("comes, q to end.\r\n")
    with smtplib.SMTP("localhost", port, "plc.local", timeout=10) as client:
        client.starttls(context=context)
        client.login("ann", "s3cret-word")
        client.sendmail("plc@example.org", ["ann@example.org"], "Subject: Tank empty\r\n\r\n")
    shown = screen.until("comes, q to end.\r\n")
    assert "    passed: delivered.\n    session 1 (starttls): TLSv1.3" in shown
    assert re.search(
        r"2 of 3  wildcard-ok\n    not known: the device would have to connect to mx\.smtpfix\.test", shown
    )
    assert "3 of 3  wrong-host: " in shown
    screen.type("\n")
    shown = screen.until(None)
    assert "    not known: nobody connected\n" in shown
    assert screen.audit.wait(30) == 2  # two of three are not known
    outcomes = [finding.outcome for finding in from_json((tmp_path / "json").read_text()).findings]
    assert outcomes == ["delivered", "not-run", "not-run"]


def test_a_person_is_led_through_the_audit_of_a_device_that_reads_mail(terminal, tmp_path):
    """The device is a process of its own, which reads whenever it is told to, and deletes what it has read."""
    port, ca = free_port(), tmp_path / "ca"
    options = ("--ports", str(port), "--authority", str(ca), "--json", str(tmp_path / "json"))
    ids = ("untrusted-root", "pop3-retr-close")
    wanted = [word for one in ids for word in ("--scenario", one)]
    screen = terminal("--family", "niagara/pop3-use-start-tls", *options, *wanted)
    shown = screen.until("set up, q to end.\r\n")
    (password,) = re.findall(r"    login     ann, password (\S+)\n", shown)
    assert f"server    localhost, port {port}, POP3\n    security  STLS, required\n" in shown
    assert "It is to read all mail in its INBOX 3 times, once for each scenario" in shown
    screen.type("\n")
    program = Path(__file__).parents[1] / "audit" / "clients" / "niagara_incoming.py"
    device = [sys.executable, program, "--store", "pop3", "--use-start-tls", "--host", "localhost", "--port", str(port)]
    device += ["--cafile", ca / "ca.pem", "--user", "ann", "--password", password]
    for number, one in enumerate(("good", *ids), 1):
        shown = screen.until("comes, q to end.\r\n")
        assert f"{number} of 3  {one}: " in shown
        assert f"Let the device read its mail from localhost, port {port}. Enter" in shown
        done = subprocess.run(device, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == (one != "good"), done.stderr
    shown = screen.until(None)
    assert "It behaves as documented for niagara/pop3-use-start-tls." in shown
    assert screen.audit.wait(30) == 0, shown
    findings = from_json((tmp_path / "json").read_text()).findings
    assert [(one.outcome, one.run.retrieved) for one in findings] == [
        ("retrieved", 3),
        ("refused-clean", 0),
        ("refused-clean", 0),
    ]
    assert password not in (tmp_path / "json").read_text()


@pytest.mark.parametrize("way", ["q", "Ctrl-C"])
def test_whoever_ends_it_has_what_is_known(terminal, way):
    screen = terminal("--ports", str(free_port()), "--mode", "none", "--scenario", "rcpt-550")
    shown = screen.until("set up, q to end.\r\n")
    assert "security  no TLS" in shown
    assert "trust " not in shown
    if way == "q":
        screen.type("q\n")
    else:
        screen.audit.send_signal(signal.SIGINT)
    assert "broken off" in screen.until(None)
    assert screen.audit.wait(30) == 130


def test_without_an_authority_of_its_own_the_certificate_goes_with_the_audit(terminal):
    screen = terminal("--ports", str(free_port()), "--scenario", "good")
    shown = screen.until("set up, q to end.\r\n")
    (file,) = re.findall(r"trust     (\S+)  \(gone when the audit ends; --authority DIR keeps one\)", shown)
    assert Path(file).is_file()
    screen.type("q\n")
    screen.until(None)
    assert not Path(file).exists()


def guide(answers, **fields):
    """Return a guide, and what it has printed; answers are read from a pipe."""
    stream = io.StringIO()
    return TerminalGuide(stream, answers, Declaration(DeclaredMode.NONE, **fields), ca_is_kept=False), stream


@pytest.fixture
def pipe():
    """Return both ends of a pipe: what is read, and what is typed into."""
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as answers, os.fdopen(write, "wb", buffering=0) as typed:
        yield answers, typed


CASE = Case(load_scenario("greeting-none"), Mode.PLAIN, "either")
TARGET = Target("localhost", 25, "", "", "", "", "", DeclaredMode.NONE, Trust.PKI, "", "")


def test_what_is_typed_is_heard_line_by_line(pipe):
    answers, typed = pipe
    lead, _ = guide(answers)
    assert lead.answer() is None
    typed.write(b"\n\nQ")
    assert [lead.answer() for _ in range(3)] == [Answer.DONE, Answer.DONE, None]
    typed.write(b"uit \n")
    assert lead.answer() is Answer.STOP


def test_what_was_typed_before_a_run_is_no_answer_to_it_but_q_is(pipe):
    answers, typed = pipe
    lead, stream = guide(answers)
    typed.write(b"\n\n")
    lead.announce(CASE, TARGET)
    assert lead.answer() is None
    typed.write(b"\nq\n\n")
    lead.announce(CASE, TARGET)
    assert lead.answer() is Answer.STOP
    assert "The server lets it wait; Enter once that is long enough." in stream.getvalue()


@pytest.mark.parametrize(
    ("protocol", "mode", "security"),
    [
        ("imap", "implicit", "TLS from the first octet (SSL/TLS, IMAPS)"),
        ("imap", "opportunistic", "STARTTLS where it is offered"),
        ("pop3", "implicit", "TLS from the first octet (SSL/TLS, POP3S)"),
        ("smtp", "implicit", "TLS from the first octet (SSL/TLS, SMTPS)"),
    ],
)
def test_a_device_is_set_up_in_the_words_of_its_protocol(pipe, protocol, mode, security):
    stream = io.StringIO()
    declaration = Declaration(DeclaredMode(mode), user="ann", password="s3cret", protocol=protocol)
    TerminalGuide(stream, pipe[0], declaration, ca_is_kept=True).set_up(TARGET, 1)
    shown = stream.getvalue()
    assert f"    security  {security}\n    login     ann\n" in shown  # whose password is known to whoever declared it
    task = "send one mail, and not to try again" if protocol == "smtp" else "read all mail in its INBOX once, and"
    assert f"It is to {task}" in shown


@pytest.mark.parametrize(("scenario", "is_asked"), [("no-smtputf8", True), ("rcpt-550", False)])
def test_a_scenario_that_turns_on_the_mail_says_what_mail(pipe, scenario, is_asked):
    lead, stream = guide(pipe[0])
    shown = load_scenario(scenario)
    lead.announce(Case(shown, Mode.PLAIN, "refuse"), TARGET)
    said = f", to {shown.asked.recipient}" if is_asked else "port 25."
    assert said in stream.getvalue()


def test_the_end_of_the_input_is_enter_once(pipe):
    answers, typed = pipe
    lead, _ = guide(answers)
    typed.close()
    assert [lead.answer() for _ in range(3)] == [Answer.DONE, None, None]


def test_an_input_that_is_none_is_the_same():
    lead, _ = guide(io.StringIO("q\n"))
    assert [lead.answer() for _ in range(3)] == [Answer.DONE, None, None]


def test_what_a_device_says_reaches_no_terminal_as_it_is(pipe):
    lead, stream = guide(pipe[0], user=f"ann{HOSTILE}")
    lead.set_up(TARGET, 1)
    said = Run(Ending.ELSEWHERE, connections=1, transcripts=(f"session 1: {HOSTILE}\nC: EHLO",))
    lead.conclude(finding("good", Verdict.FAILED, Outcome.HUNG, consequence=f"Bad.{HOSTILE}", run=said))
    shown = stream.getvalue()
    assert not set(shown) & {"\x1b", "\x07", "\u202e"}
    assert "    failed: hung. Bad.\\x1b" in shown
    assert "C: EHLO" not in shown


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
    assert [(block.verdict, len(block.findings), block.fix) for block in others(MIXED)] == [
        (Verdict.FAILED, 2, ""),
        (Verdict.LAX, 1, "Be stricter."),
        (Verdict.NOT_RUN, 1, ""),
    ]
    assert others(MIXED)[0].rows == (
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
    assert text.index("Encrypted, unauthenticated") < text.index("HANGS") < text.index("bad-two")


CAUSE = Cause(
    "issuer", Severity.POSITION, "It looks at no issuer.", "An attacker has to get between.", "Look.", ("x/starttls",)
)


def test_what_to_change_stands_first_then_the_grade_then_the_rest():
    told = result(
        finding("other", Verdict.FAILED, consequence="It fails elsewhere."),
        finding("x", Verdict.FAILED, Outcome.DELIVERED, flaw="issuer"),
        causes=(CAUSE,),
        reasons=("It looks at no issuer: x.", "Nobody knows about strip-ehlo."),
        promise="It does not.",
        notes=("Something else.",),
    )
    text = "\n".join(lines(told))
    order = (
        "Change this",
        "1. It looks at no issuer.",
        "Fix: Look.",
        "An attacker has",
        "Seen in 1 scenario",
        "Grade ",
    )
    order += ("It does not.", "Nobody knows", "HANGS", "Failed: It fails elsewhere.", "Worth knowing", "2 scenarios: ")
    assert sorted(order, key=text.index) == [*order]
    assert text.count("It looks at no issuer") == 1


def test_what_a_cause_explains_is_folded_and_the_ways_are_counted():
    keys = [f"s{number}" for number in range(20)]
    rows = [finding(key, Verdict.FAILED, Outcome.LEAKED_MESSAGE, flaw="issuer") for key in keys[:-1]]
    rows.append(finding("s19", Verdict.FAILED, Outcome.LEAKED_CREDENTIALS, also=(Outcome.LEAKED_MESSAGE,)))
    cause = replace(CAUSE, keys=tuple(f"{key}/starttls" for key in keys))
    (block,) = changes(result(*rows, causes=(cause,)))
    ways = "leaked-message, leaked-credentials in 1"
    assert block.seen == f"Seen in 20 scenarios ({ways}): s0, s1, s2, s3, s4, s5, s6, s7 and 12 more"


def test_what_is_not_installed_is_one_line_with_a_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    missing = [
        finding(name, Verdict.NOT_RUN, Outcome.NOT_RUN, reason=f"scenario {name} needs a package", extra=extra)
        for name, extra in (("ssl30", "legacy-tls"), ("rc4", "legacy-tls"), ("revoked", "stapling"))
    ]
    (block,) = others(result(*missing, finding("good")))
    command = shlex.join([sys.executable, "-m", "pip", "install", "smtpfix[legacy-tls,stapling]"])
    assert block.meaning.endswith(f" (ssl30, rc4, revoked). To install them: {command}")
    text = "\n".join(lines(result(*missing, finding("good"))))
    assert text.count("Not known") == 1
    assert "needs a package" not in text


def test_a_grade_and_its_promise_are_told_in_one_colour(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for grade, keeps, flags, colour in (
        (Grade.AUTHENTICATED, True, (), "32"),
        (Grade.AUTHENTICATED, False, (), "33"),
        (Grade.OPPORTUNISTIC, True, (), "33"),
        (Grade.GAPS, True, (Flag.LEAKS_CREDENTIALS_ACTIVE,), "31"),
        (Grade.PLAINTEXT, False, (), "31"),
    ):
        printed = Tty()
        one = result(finding("good"), grade=grade, worth="X: what.", keeps_its_promise=keeps, flags=flags, promise="Y.")
        AuditTerminal(printed).show(one)
        assert f"\x1b[1;{colour}mGrade X: what. Y." in printed.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_line_of_a_terminal_is_cut_or_wider_than_it(width, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    printed = Tty()
    standard = "RFC 9525 section 2; RFC 7817 section 3; RFC 5280 section 4.2.1.6"
    rows = [
        finding(name, Verdict.FAILED, Outcome.LEAKED_CREDENTIALS, consequence="Bad.", fix=fix, standard=standard)
        for name, fix in (("inject-greeting-ehlo-answered", f"First {'fix ' * 20}"), ("other", "Second."))
    ]
    AuditTerminal(printed).show(result(*rows, flags=()))
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed.getvalue())
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "  inject-greeting-ehlo-answered  leaked-credentials" in text


def test_a_terminal_has_a_bar_that_goes_away_and_a_pipe_has_a_few_lines(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for stream, shown in ((Tty(), "━"), (io.StringIO(), "25 of 100 runs\n50 of 100 runs\n75 of 100 runs\n")):
        with AuditTerminal(stream).progress("client", Declaration(DeclaredMode.NONE)) as advance:
            for done in range(1, 101):
                advance(done, 100, "good")
        assert shown in stream.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("command", ["curl", "python3 send.py --host {host} --port {port} --cafile {cafile}" * 3])
def test_a_bar_its_count_and_the_time_left_are_there_whatever_the_client_is_called(width, command, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Tty()
    with AuditTerminal(stream).progress(command, Declaration(DeclaredMode.NONE)) as advance:
        for done in range(1, 101):
            advance(done, 170, "good")
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()).replace("\r", "\n")
    last = [line for line in shown.splitlines() if line.strip()][-1]
    assert re.search(r"━{10}.* 100/170 (-:--:--|\d:\d\d:\d\d)$", last.rstrip())
    assert last.startswith("Auditing ")
    assert len(last) <= width


def test_the_report_can_show_its_evidence():
    shown = "\n".join(lines(result(finding("x", Verdict.FAILED, evidence=(f"in clear{HOSTILE}",))), with_evidence=True))
    assert "x/starttls: in clear\\x1b" in shown


# The exit status


@pytest.mark.parametrize(
    ("fields", "wanted", "status"),
    [
        ({"grade": Grade.AUTHENTICATED, "keeps_its_promise": True, "flags": ()}, None, 0),
        ({"grade": Grade.AUTHENTICATED, "keeps_its_promise": True}, None, 1),  # a flag
        ({"grade": Grade.AUTHENTICATED, "keeps_its_promise": False, "flags": ()}, None, 1),
        ({"grade": Grade.GAPS, "keeps_its_promise": True, "flags": ()}, None, 1),
        ({"grade": Grade.GAPS, "flags": ()}, Grade.GAPS, 0),
        ({"grade": Grade.UNKNOWN, "flags": ()}, Grade.PLAINTEXT, 2),
        ({"grade": Grade.UNKNOWN}, Grade.PLAINTEXT, 1),  # a flag is known
        ({"grade": Grade.AUTHENTICATED, "flags": (), "is_complete": False}, Grade.AUTHENTICATED, 130),
    ],
)
def test_the_status_says_whether_the_grade_is_reached(fields, wanted, status):
    assert exit_status(result(finding("good"), **fields), wanted) == status


def test_nothing_run_is_nothing_known():
    nothing = result(finding("good", Verdict.NOT_RUN, Outcome.NOT_RUN, run=None), flags=())
    assert exit_status(nothing, Grade.PLAINTEXT) == 2
