"""Clients of Debian's get the grade that docs/audited-clients.md has for them, by the program that made its table."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.once]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "audited-clients.md").read_text(encoding="utf-8")
CHECKS = ("untrusted-root", "wrong-host", "prefix-san", "signed-by-leaf", "cn-only", "sibling-san", "wildcard-bare")
CHECKS += ("expired", "eku-client-only", "unknown-critical", "rsa512", "md5-leaf", "rsa1024-root", "pathlen")
CHECKS += ("null-cipher", "anonymous", "tls10-only", "rc4")
"""One scenario for each thing that has to be known before a client counts as authenticated."""


def cells(line):
    return [cell.strip() for cell in line.strip("|\n").split("|")]


@pytest.mark.parametrize(
    ("client", "command"),
    [
        ("Perl Net::SMTP", ["perl", "-MIO::Socket::SSL", "-e", "1"]),
        ("s-nail", ["s-nail", "--version"]),
        ("swaks", ["swaks", "--version"]),
    ],
)
def test_a_client_gets_the_grade_that_the_table_has(client, command, tmp_path):
    if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"{client} is not installed")
    options = ["--only", client, "--mode", "implicit", "--login", "without", "--cache", tmp_path]
    for scenario in CHECKS:
        options += ["--scenario", scenario]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.audits", *options], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = cells(done.stdout.splitlines()[-1])
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {client} |")]
    assert found[0] == client
    assert found[3][:2] == f"{cells(line)[2]},", done.stdout + done.stderr
    causes = re.findall(r"[a-z-]+(?= \()", found[4])
    assert causes
    assert {*causes} <= {*cells(line)[5].split(", ")}
