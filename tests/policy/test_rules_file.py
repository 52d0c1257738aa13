"""A file of rules: what can be written in it, and what is said of what cannot."""

import os

import pytest

from smtpfix import InvalidValueError, Reply
from smtpfix.policy.rules_file import RulesFile


@pytest.fixture
def file(tmp_path):
    """Write a file of rules and return its path."""

    def write(text):
        path = tmp_path / "rules.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_server_is_asked_the_rules_of_its_mode_before_those_of_every_server(file):
    read = RulesFile.read(file('rules = ["RCPT: 450", "DATA: 451"]\n[starttls]\nrules = ["MAIL: 452"]\n[plain]\n'))
    assert [rule.stage for rule in read.for_server("smtp", "starttls")] == ["MAIL", "RCPT", "DATA"]
    assert [rule.stage for rule in read.for_server("smtp", "plain")] == ["RCPT", "DATA"]
    assert [rule.stage for rule in read.for_server("smtp", "implicit-tls")] == ["RCPT", "DATA"]
    assert read.count == 3


def test_rules_are_written_as_on_the_command_line(file):
    (rule,) = RulesFile.read(file('rules = ["RCPT *@slow.example: 450 4.2.1 Greylisted x1"]')).rules
    assert (rule.stage, rule.argument, rule.times) == ("RCPT", "*@slow.example", 1)
    assert rule.actions == (Reply(450, "4.2.1", "Greylisted"),)


def test_an_empty_file_has_no_rules(file):
    assert RulesFile.read(file("")).count == 0


def test_the_rules_of_another_protocol_stand_in_a_table_of_its_own(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text('rules = ["RCPT: 450 no"]\n[pop3]\nrules = ["RETR 1: -ERR [SYS/TEMP] later"]\n')
    read = RulesFile.read(path)
    assert [rule.stage for rule in read.for_server("pop3", "plain")] == ["RETR"]
    assert [rule.stage for rule in read.for_server("smtp", "plain")] == ["RCPT"]
    assert read.count == 2
    path.write_text('[pop3]\nrules = ["RCPT: 450 no"]\n')
    with pytest.raises(InvalidValueError, match=r"\[pop3\]: rules, number 1 \(line 2\): rule: expected a stage first"):
        RulesFile.read(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules = [", r": expected TOML, got '.*\(at .*\)'"),
        ("rules = [\nNOOP]", r": expected TOML, got 'Invalid value \(at line 2, column 1\)'"),
        (b"rules = ['\xff']", ": expected UTF-8, got .*position 10"),
        (
            "rule = []",
            ": there is no key 'rule' .*; there are rules, and the tables plain, starttls, .*",
        ),
        ("rules = 'NOOP: 250'", ": rules: expected a list of rules, each a line of text, got 'NOOP: 250'"),
        ("rules = ['NOOP: 250', 7]", ": rules, number 2: expected a rule, a line of text, got 7"),
        ("starttls = 'NOOP: 250'", r": starttls: expected a table, \[starttls\], got 'NOOP: 250'"),
        ("[starttls]\nrule = []", r", \[starttls\]: there is no key 'rule' .*; the only key is rules"),
        ("[plain]\nrules = 7", r", \[plain\]: rules: expected a list of rules"),
        (
            "rules = [\n  'NOOP: 250',\n  'RCPT: maybe',\n]",
            r": rules, number 2 \(line 3\): rule 'RCPT: maybe', action: expected a reply such as .*, got 'maybe'",
        ),
        (
            '[starttls]\nrules = ["NOOP 250"]',
            r", \[starttls\]: rules, number 1 \(line 2\): rule: 'NOOP 250' has no colon; write 'NOOP: 250'",
        ),
        ("rules = ['RCPT: 999']", r": rules, number 1 \(line 1\): Reply\.code: expected "),
        ('rules = ["NOOP:\\t"]', ": rules, number 1: rule .*: expected a reply such as"),
        ("rules = ['NOOP: x',\n'NOOP: x']", ": rules, number 1: rule 'NOOP: x', action: expected a reply such as"),
    ],
)
def test_what_makes_no_sense_is_an_error_that_names_file_key_and_number(file, text, expected):
    path = file(text)
    with pytest.raises(InvalidValueError, match=f"^.*rules[.]toml{expected}") as error:
        RulesFile.read(path)
    assert str(error.value).startswith(str(path))


def test_a_file_that_is_not_there_is_an_error_that_says_why(tmp_path):
    with pytest.raises(InvalidValueError, match=r"none\.toml: expected a TOML file that can be read, got 'No such"):
        RulesFile.read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "octets",
    [
        b"rules = " + b"[" * 3000 + b"]" * 3000,
        b"rules = " + b"9" * 5000,
        b'rules = ["\xff"]',
        b'rules = ["\\xff"]',
        b"\0",
    ],
    ids=["nesting", "digits", "not-utf-8", "escape", "nul"],
)
def test_no_content_is_worse_than_an_error_that_names_the_file(tmp_path, octets):
    file = tmp_path / "rules.toml"
    file.write_bytes(octets)
    with pytest.raises(InvalidValueError, match=r"rules\.toml"):
        RulesFile.read(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_pipe_does_not_hold_the_reader_up(tmp_path):
    file = tmp_path / "rules.toml"
    os.mkfifo(file)
    with pytest.raises(InvalidValueError, match="a regular file"):
        RulesFile.read(file)


def test_a_file_that_never_ends_is_not_read_to_its_end(tmp_path):
    file = tmp_path / "rules.toml"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(InvalidValueError, match="1,000,000 octets at the most"):
        RulesFile.read(file)
