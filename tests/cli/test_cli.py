"""The command line itself: help, and one line on stderr for whatever is wrong."""

import subprocess
import sys

import pytest

from smtpfix import cli
from smtpfix.cli import main


def test_help_lists_every_option_of_serve(capsys):
    assert main(["serve", "--help"]) == 0
    text = capsys.readouterr().out
    for option in (
        "--listen",
        "--conventional-ports",
        "--host ",
        "--hostname",
        "--user",
        "--users",
        "--config",
        "--auth-in-clear",
        "--any-user",
        "--require-auth",
        "--size-limit",
        "--like",
        "--limit",
        "--greylist",
        "--offer",
        "--syntax",
        "--authority",
        "--client-certificate",
        "--key-type",
        "--save ",
        "--save-as",
        "--certificate ",
        "--certificate-file",
        "--key-file",
        "--scenario ",
        "--tls-min",
        "--tls-max",
        "--max-memory",
        "--json",
        "--show",
        "--verbose",
        "--exit-after",
        "--timeout",
    ):
        assert option in text


def test_without_a_command_the_help_names_those_there_are(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert "serve" in text
    assert "certs" in text
    assert "providers" in text


def test_help_is_80_columns_wide_at_the_most(capsys):
    def walk(command, *words):
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, *words, name)

    for words in walk(cli.commands):
        assert main([*words, "--help"]) == 0
        assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == [], words


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["sevre"], "smtpfix: there is no command 'sevre' (did you mean 'serve'?)"),
        (["serve", "--timeout", "soon"], "--timeout: expected a number, got 'soon'"),
        (["serve", "--listen"], "'--listen' requires an argument; see 'smtpfix serve --help'"),
        (["audit", "--json"], "requires an argument; see 'smtpfix audit --help'"),
        (["serve", "--nothing"], "there is no option --nothing"),
        (["serve", "--listen", "smtp:25"], "--listen: expected MODE[@HOST]:PORT"),
        (["serve", "--timeout", "0"], "--timeout: expected seconds, more than 0, got 0.0"),
        (["serve", "--certificate", "expird"], "--certificate: no scenario 'expird' in the catalogue. Did you mean"),
        (["certs", "lst"], "there is no command 'lst' (did you mean 'list'?)"),
    ],
)
def test_a_wrong_command_line_is_one_line_on_stderr_and_status_2(arguments, expected, capsys):
    assert main(arguments) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert expected in written.err
    assert written.err.startswith("smtpfix: ")
    assert written.err.count("\n") == 1


def test_a_right_command_line_writes_nothing_on_stderr_and_its_status_is_that_of_the_run(capsys):
    arguments = ["serve", "--listen", "plain:0", "--timeout", "0.01"]
    assert main(arguments) == 0
    assert main([*arguments, "--exit-after", "1"]) == 1
    assert capsys.readouterr().err == ""


def test_what_only_the_run_finds_out_is_one_line_and_status_2_too(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    assert main(["serve", "--listen", "plain:0", "--save", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"smtpfix: cannot save in {file}: File exists; choose a directory that can be written\n"
    )


def test_an_interrupt_outside_the_run_is_status_130(monkeypatch):
    def interrupted(*_args, **_options):
        raise cli.click.Abort

    monkeypatch.setattr(cli.commands, "main", interrupted)
    assert main([]) == 130


def test_the_package_can_be_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "smtpfix", "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "version" in done.stdout
