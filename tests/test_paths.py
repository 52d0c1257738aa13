"""Paths that somebody wrote, of which some cannot even be looked up."""

from __future__ import annotations

import pytest

from smtpfix import InvalidValueError, Policy
from smtpfix.cli import main
from smtpfix.paths import is_directory, is_file, is_there

LONG = "r" * 300


def test_a_path_that_cannot_be_looked_up_leads_to_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    kinds = [(is_file(one), is_directory(one), is_there(one)) for one in (tmp_path / "file", tmp_path, tmp_path / "no")]
    assert kinds == [(True, False, True), (False, True, True), (False, False, False)]
    for path in (LONG, "nul\0", tmp_path / "file" / "inside"):
        assert not any(leads(path) for leads in (is_file, is_directory, is_there))


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--certificate-file", LONG, "--key-file", LONG],
        ["serve", "--certificate", f"{LONG}.toml"],
        ["certs", "ca", "--out", LONG],
    ],
)
def test_a_path_too_long_for_the_system_is_an_error_and_no_traceback(arguments, capfd):
    assert main(arguments) == 2
    said = capfd.readouterr().err
    assert LONG in said
    assert said.startswith("smtpfix: ")


def test_a_policy_takes_no_file_that_cannot_be_looked_up(tmp_path):
    with pytest.raises(InvalidValueError, match=r"Policy\.scenario: there is no file"):
        Policy(scenario=tmp_path / f"{LONG}.toml")
