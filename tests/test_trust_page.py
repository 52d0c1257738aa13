"""The programs of docs/trust.md, in six languages, trust the root as the page says, and no other root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from smtpfix import Authority, Policy, Server

PAGE = Path(__file__).parents[1] / "docs" / "trust.md"
PROGRAM = re.compile(r"^```(?:py|js|go|java|php|ruby)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```console\n\$ (.*(?:1587|ca\.pem|ca\.p12).*)\n```$", re.MULTILINE)
NAME = re.compile(r"\A(?:<\?php )?(?:#|//) (\w+\.\w+)\n")
PORTS = {"1587": "starttls", "1465": "implicit-tls"}


def examples() -> dict[str, tuple[str, str]]:
    """Each file or client that the page shows, with its program (none for a client like curl) and its command."""
    page = PAGE.read_text(encoding="utf-8")
    programs = {NAME.match(program)[1]: program for program in PROGRAM.findall(page)}
    commands = {}
    for command in COMMAND.findall(page):
        words = command.split()
        name = words[-1] if words[-1] in programs else words[0]
        commands[name] = (programs.get(name, ""), command)
    assert set(programs) <= set(commands), "each program needs the command that runs it"
    return commands


EXAMPLES = examples()


def needed(command: str) -> str:
    """Name the program that a command starts, behind the variables that it sets."""
    return next(word for word in command.split() if "=" not in word)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where the authority is kept."""
    return tmp_path_factory.mktemp("authority")


@pytest.fixture(scope="module")
def authority(home):
    with Authority(home) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory, home, authority):
    """Where the commands run, with the files that the page names."""
    made = tmp_path_factory.mktemp("programs")
    for name in ("ca.pem", "ca.p12"):
        shutil.copy(home / name, made)
    (made / "mail.txt").write_bytes(b"Subject: Hello\r\n\r\nHello\r\n")
    return made


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_program_trusts_the_root_of_the_page_and_no_other(name, folder, authority):
    program, command = EXAMPLES[name]
    tool = needed(command)
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing: whether its example on docs/trust.md works is not known")
    if name == "send.mjs":
        run("npm install --silent --no-audit --no-fund nodemailer", folder)
    (port,) = {number for number in PORTS if number in program + command}
    for own, trusted in ((authority, True), (None, False)):
        with Server(Policy(PORTS[port]), authority=own) as server:
            if program:
                (folder / name).write_text(program.replace(port, str(server.port)), encoding="utf-8")
            done = run(command.replace(port, str(server.port)), folder)
        assert (done.returncode == 0) is trusted, (done.stdout + done.stderr, server.sessions)
        assert (server.sessions[-1].tls is not None) is trusted
        if name != "openssl":
            assert len(server.inbox) == trusted


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell would, with a home of its own and no variable that says what to trust."""
    environment = {name: value for name, value in os.environ.items() if "CERT" not in name and "CA_BUNDLE" not in name}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        input="QUIT\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
