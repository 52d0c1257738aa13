"""A missing extra is answered with a command for the environment that smtpfix runs in."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from smtpfix import extras


def test_the_command_names_the_interpreter_as_short_as_can_be(monkeypatch):
    monkeypatch.chdir(Path(sys.executable).parents[1])
    assert (
        extras.install("web", "scram", "web") == f"bin/{Path(sys.executable).name} -m pip install 'smtpfix[scram,web]'"
    )
    monkeypatch.setattr(sys, "executable", "/my venv/bin/python")
    assert extras.install("web") == "'/my venv/bin/python' -m pip install 'smtpfix[web]'"


def test_the_command_is_for_the_shell_of_windows_there():
    shown = extras._command(r"C:\my venv\python.exe", ["web"], is_windows=True)
    assert shown == r'"C:\my venv\python.exe" -m pip install "smtpfix[web]"'


@pytest.mark.once
def test_pip_takes_extras_from_the_smtpfix_that_is_installed():
    command = [*shlex.split(extras.install("scram")), "--dry-run", "--no-deps", "--no-index", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
