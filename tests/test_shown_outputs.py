"""What a page shows as a command's output is what the command prints; only times, ports and the like may differ.

Pages leave lines out where a line is ``...`` or ``…``.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import poplib
import re
import shlex
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from smtpfix import ImapPolicy, NoMessage, Policy, Server
from smtpfix.cli import listening, main

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("nothing_logged")]

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}

CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)

MASKED = (
    (r"^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d ", "TIME "),
    (r"\S*/smtpfix-ca\b", "AUTHORITY"),
    (r"(localhost|127\.0\.0\.1):\d+", r"\1:PORT"),
    (r"\S*/smtpfix-\w+/", "DIRECTORY/"),
    (r"\d+ octets", "N octets"),
    (r"\d+\.\d+ ms", "N ms"),
    (r"=\d+\.\d+s", "=Ns"),
    (r"\d+\.\d+ s\b", "N s"),
    (r"^ +\d\.\d{4} ", "SINCE "),
    (r"\bC: [\w ]+", lambda match: match[0].lower()),  # smtplib's commands are in upper case since Python 3.13
    (r"(no server name|server name [\w.]+), \d+ cipher suites", "what it offers"),
    (r" +", " "),
)
"""What differs from one run to the next, and how far columns stand apart where it does."""


def shown(page: str) -> dict[str, str]:
    """Return the commands of a page that have an output, and it."""
    commands = {}
    for block in CONSOLE.findall(PAGES[page]):
        _, *parts = COMMAND.split(block)
        commands |= {
            command.replace("\\\n", ""): output for command, output in zip(parts[::2], parts[1::2], strict=True)
        }
    return {command: output for command, output in commands.items() if output}


def masked(text: str) -> list[str]:
    for pattern, instead in MASKED:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text.splitlines()


def assert_shown(page: str, printed: str) -> None:
    """Compare what a page shows with what was printed, but for the lines that it leaves out."""
    wanted, got = masked(page), masked(printed)
    position, may_skip = 0, False
    for is_gap, run in groupby(wanted, key=lambda line: line.strip() in {"...", "…"}):
        lines = list(run)
        if is_gap:
            may_skip = True
            continue
        places = range(position, len(got) - len(lines) + 1) if may_skip else [position]
        place = next((one for one in places if got[one : one + len(lines)] == lines), None)
        if place is None:
            assert "\n".join(got[position:]) == "\n".join(lines)
        position, may_skip = place + len(lines), False
    assert may_skip or got[position:] == []


@pytest.fixture
def free_ports(monkeypatch):
    """Have servers listen on free ports where they would on the usual ones."""
    monkeypatch.setattr(listening, "DEFAULT_PORTS", dict.fromkeys(listening.DEFAULT_PORTS, 0))


ALONE = [
    (page, command)
    for page in PAGES
    for command in shown(page)
    if command.startswith(("smtpfix certs", "smtpfix scenarios", "smtpfix providers", "smtpfix serve --certificate"))
]
"""Commands that end by themselves, or can be told to, and need nobody else."""
TOGETHER = {
    "smtpfix serve --any-user",
    "smtpfix probe mail.example.org:587",
    "smtpfix probe imaps://mail.example.org",
    "kill -HUP $!",
    "smtpfix audit --wait",
}
"""How the others begin; each has its own test."""


def test_every_output_is_compared():
    others = {command for page in PAGES for command in shown(page) if (page, command) not in ALONE}
    assert [one for one in others if not any(one.startswith(start) for start in TOGETHER)] == []


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize(("page", "command"), ALONE)
def test_a_command_prints_what_is_shown(page, command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(re.sub(r"(--listen \S+):\d+", r"\1:0", command))[1:]
    if arguments[0] == "serve":
        arguments += ["--timeout", "0.1"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    if arguments[0] == "serve":
        assert printed.endswith("Stopped, the time is up: 0 messages in 0 sessions.\n")
        printed = printed[: printed.rindex("Stopped")]
    assert_shown(shown(page)[command], printed)


@contextlib.contextmanager
def serving(*arguments: str, folder: Path):
    """Run ``smtpfix serve`` as a program of its own, on free ports where none are named."""
    program = (
        "import sys; from smtpfix.cli import listening, main;"
        "listening.DEFAULT_PORTS = dict.fromkeys(listening.DEFAULT_PORTS, 0);"
        "sys.exit(main(['serve', '--timeout', '60', *sys.argv[1:]]))"
    )
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.stdout.read()


def lines_until(process, end: str) -> str:
    """Return what a program prints, up to the line that has a text in it."""
    lines = []
    while not lines or end not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    return "".join(lines)


def test_serve_shows_what_its_clients_do(tmp_path):
    with serving("--any-user", folder=tmp_path) as server:
        printed = lines_until(server, "Ctrl-C ends it.")
        port = {mode: int(number) for mode, number in re.findall(r"^(\S+) +localhost:(\d+)", printed, re.MULTILINE)}
        client = smtplib.SMTP("127.0.0.1", port["starttls"], "plc.local")
        client.ehlo()
        client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0plc\0s3cret").decode())
        client.close()
        printed += lines_until(server, " ended")
        with pytest.raises(ssl.SSLError):
            smtplib.SMTP_SSL("127.0.0.1", port["implicit-tls"], "plc.local", context=ssl.create_default_context())
        printed += lines_until(server, " ended")
        with smtplib.SMTP("127.0.0.1", port["plain"], "plc.local") as client:
            headers = "From: plc@example.org\r\nDate: Mon, 07 Jan 2030 09:30:11 +0000\r\nSubject: Tank empty\r\n\r\n"
            client.sendmail("plc@example.org", "ann@example.org", f"{headers}Tank 3")
        printed += lines_until(server, " ended")
    assert_shown(shown("serve.md")["smtpfix serve --any-user"], printed)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_serve_says_that_it_has_read_its_rules_again(tmp_path):
    (example,) = re.findall(r"^```toml\n(rules = .*?)^```$", PAGES["serve.md"], re.MULTILINE | re.DOTALL)
    rules = tmp_path / "rules.toml"
    good = example.partition("\n\n")[0]
    rules.write_text(good, encoding="utf-8")
    with serving("--listen", "plain:0", "--rules", "rules.toml", folder=tmp_path) as server:
        lines_until(server, " rules read from ")
        server.send_signal(signal.SIGHUP)
        printed = lines_until(server, " rules ")
        rules.write_text(good.replace('"DATA session 2: delay 2; 451 4.3.0 Later"', '"DATA: maybe"'), encoding="utf-8")
        server.send_signal(signal.SIGHUP)
        printed += lines_until(server, " rules ")
    (block,) = (one for one in CONSOLE.findall(PAGES["serve.md"]) if "kill -HUP" in one)
    wanted = COMMAND.sub("", block)
    pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", "\n".join(masked(wanted))))
    assert re.fullmatch(pattern, "\n".join(masked(printed)))


@pytest.mark.parametrize("command", [one for one in shown("probe.md") if one.startswith("smtpfix probe")])
def test_probe_prints_what_is_shown(command, capsys, tmp_path):
    """The names, the dates and what the software is are another server's; which lines there are is the same."""
    (tmp_path / "password").write_text("s3cret\n", encoding="utf-8")
    users = {"ann": "s3cret"}
    is_read = "imaps://" in command
    words = (
        ImapPolicy("implicit-tls", users=users)
        if is_read
        else Policy("starttls", users=users, greeting="mail.example.org ESMTP Postfix")
    )
    arguments = [str(tmp_path / "password") if one == "password" else one for one in shlex.split(command)[2:]]
    with Server(words) as server:
        arguments[0] = f"{'imaps://' if is_read else ''}{server.host}:{server.port}"
        main(["probe", *arguments, "--ca-file", str(server.ca_file)])
    printed = capsys.readouterr().out
    if "--nagios" in arguments:
        assert re.sub(r"[\d.]+", "N", printed) == re.sub(r"[\d.]+", "N", shown("probe.md")[command])
        return
    label = functools.partial(re.findall, r"^ +[\w ]+: +", flags=re.MULTILINE)
    assert label(printed) == label(shown("probe.md")[command])
    said = functools.partial(re.findall, "(Reply code|Greeting|Software|TLS version): +(.*)")
    assert is_read or said(printed) == said(shown("probe.md")[command])


def send_as_plc(context, port):
    with contextlib.closing(smtplib.SMTP("127.0.0.1", port, "plc.local")) as client:
        client.starttls(context=context)
        client.login("plc", "s3cret-word")
        client.sendmail("plc@example.org", "ann@example.org", "Subject: Tank empty\r\n\r\n")


def read_as_station(context, port):
    with contextlib.closing(poplib.POP3("127.0.0.1", port)) as client:
        client.stls(context)
        client.user("station")
        client.pass_("s3cret-word")
        for number in range(1, client.stat()[0] + 1):
            client.retr(number)
        client.quit()


@pytest.mark.parametrize(("family", "use"), [("tmail-c", send_as_plc), ("niagara", read_as_station)])
def test_the_audit_of_a_device_leads_through_it_as_shown(tmp_path, family, use):
    (command,) = (one for one in shown("audit.md") if one.startswith("smtpfix audit --wait") and family in one)
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
    instead = {"0.0.0.0": "127.0.0.1", "192.168.0.5": "127.0.0.1", "~/smtpfix-ca": "smtpfix-ca"}
    arguments = [instead.get(one, one) for one in shlex.split(command)[1:]]
    program = [sys.executable, "-m", "smtpfix", *arguments, "--ports", str(port)]
    with subprocess.Popen(
        program, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as audit:
        printed = lines_until(audit, "Enter when it is set up") + "\n"  # which a terminal shows
        audit.stdin.write("\n")
        audit.stdin.flush()
        printed += lines_until(audit, "Let the device")
        context = ssl.create_default_context(cafile=tmp_path / "smtpfix-ca" / "ca.pem")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        use(context, port)
        printed += lines_until(audit, "session 1")
        audit.communicate("q\n")
    wanted = shown("audit.md")[command]
    for theirs, ours in (
        ("192.168.0.5, port 587", f"127.0.0.1, port {port}"),
        ("192.168.0.5, port 110", f"127.0.0.1, port {port}"),
        ("/home/ann/smtpfix-ca", str(tmp_path / "smtpfix-ca")),
    ):
        wanted = wanted.replace(theirs, ours)
    assert_shown(wanted, re.sub(r"(AUTH \w+ as '\w+', )[^;]*", r"\1…", printed))


def text_with(page: str, part: str) -> str:
    (text,) = (one for one in TEXT.findall(PAGES[page]) if part in one)
    return text


def test_a_failed_search_reads_as_shown():
    with Server() as server, server.client() as client:
        for name in ("ann", "bob"):
            text = f"From: shop@example.org\r\nTo: {name}@example.org\r\nSubject: Invoice for {name}\r\n\r\n"
            client.sendmail("shop@example.org", f"{name}@example.org", text)
        client.quit()
        with pytest.raises(NoMessage) as failure:
            server.inbox.one(to="eve@example.org", subject=re.compile("Invoice"))
    assert_shown(text_with("asserting.md", "NoMessage"), f"smtpfix.errors.NoMessage: {failure.value}\n")


@pytest.fixture
def report(pytester):
    """Return what pytest prints of a failing test."""

    def report(test):
        pytester.makepyfile(test)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").stdout.str()

    return report


def test_the_readmes_failing_test_fails_as_shown(report, pytester):
    (mailer,) = re.findall(r"^```python\n# mailer\.py\n(.*?)^```$", PAGES["README.md"], re.MULTILINE | re.DOTALL)
    (failing,) = re.findall(r"^```py\n(.*?)^```$", PAGES["README.md"], re.MULTILINE | re.DOTALL)
    pytester.syspathinsert()
    pytester.makepyfile(mailer=mailer)
    printed = report(failing)
    printed = printed[printed.index("E   ") :]
    error, rest = printed.split("\n", 1)
    assert_shown(text_with("README.md", "530"), f"{error}\n{rest[rest.index('- smtp session') :]}")


def test_a_failed_test_reports_a_session_as_shown(report):
    printed = report("""
        import smtplib
        from smtpfix import Reply

        def test_it(smtp_server):
            smtp_server.on("RCPT", Reply(450, "4.2.1", "Greylisted"))
            with smtplib.SMTP("127.0.0.1", smtp_server.port, "shop.example") as client:
                client.sendmail("shop@example.org", "ann@example.org", "")
    """)
    wanted = text_with("fixture.md", "smtp session 1")
    begins = printed.index(wanted.splitlines()[0].strip("-"))
    assert_shown(wanted, "-" + printed[begins : printed.index("\n===", begins)] + "\n")


def test_the_tutorial_s_test_fails_as_shown(report, pytester):
    program, test = re.findall(r"^```python\n(.*?)^```$", PAGES["tutorial.md"], re.MULTILINE | re.DOTALL)[:2]
    pytester.makepyfile(shop=program)
    printed = report(test.replace("inbox.one()", 'inbox.one(to="bob@example.org")'))
    wanted = text_with("tutorial.md", "NoMessage")
    assert_shown(wanted, printed[printed.index(wanted.splitlines()[0][:20]) :])
