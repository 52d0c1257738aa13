"""Options of `smtpfix serve` that stand in a file or in the environment, and which of them counts."""

import pytest

from smtpfix import Token
from smtpfix.cli import main
from smtpfix.cli import serve as serve_module


@pytest.fixture
def options(monkeypatch, tmp_path):
    """Return a function that gives the options which a command line, an environment and a file come to."""

    def read(*arguments, file=None, **environment):
        found = []
        monkeypatch.setattr(serve_module, "serve", lambda options, _: found.append(options) or 0)
        if file is not None:
            (tmp_path / "serve.toml").write_text(file, encoding="utf-8")
            arguments = ("--config", str(tmp_path / "serve.toml"), *arguments)
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(f"SMTPFIX_SERVE_{name}", value)
            status = main(["serve", *arguments])
        return found[0] if status == 0 else status

    return read


def test_a_file_has_options_by_their_names(options):
    found = options(
        file='listen = ["plain:2525", "starttls:0"]\nuser = "ann:s3 cret"\nrequire-auth = true\nmax-memory = 7\n'
        'rule = ["NOOP: 451 4.3.0 Later"]\ntimeout = 2.5\njson = true\nhostname = ["mx.example", "mx2.example"]\n'
    )
    assert [policy.port for policy in found.policies] == [2525, 0]
    assert found.policies[0].users == {"ann": "s3 cret"}
    assert found.policies[0].require_auth
    assert (found.policies[0].hostname, found.policies[0].other_names) == ("mx.example", ("mx2.example",))
    assert (found.max_memory, found.timeout, found.as_json) == (7 * 1_048_576, 2.5, True)
    assert [rule.written for rule in found.rules] == ["NOOP: 451 4.3.0 Later"]


def test_a_number_in_a_file_is_read_as_it_stands(options):
    assert options(file="save = 2030\n").save.name == "2030"
    assert options(file="tls-max = 1.2\nmax-memory = 7\n").policies[0].tls_max == "TLSv1.2"


def test_every_option_can_stand_in_the_environment(options):
    found = options(
        LISTEN="plain:2525 starttls:0",
        USER="ann:s3 cret\nbob:b\n",
        TOKEN="eve:abc",
        RULE="NOOP: 451 4.3.0 Later\n RSET: 451 4.3.0 Later",
        ANY_USER="0",
        AUTH_IN_CLEAR="true",
        TIMEOUT="2.5",
    )
    assert [policy.port for policy in found.policies] == [2525, 0]
    assert found.policies[0].users == {"ann": "s3 cret", "bob": "b", "eve": Token("abc")}
    assert {policy.auth_in_clear for policy in found.policies} == {True}
    assert [rule.stage for rule in found.rules] == ["NOOP", "RSET"]
    assert found.timeout == 2.5


def test_the_command_line_overrules_the_environment_and_both_the_file(options):
    file = 'host = "127.0.0.1"\nsize-limit = 1\nsyntax = "strict"\nany-user = true\nlisten = ["plain:1"]\n'
    found = options("--size-limit", "3", "--no-any-user", file=file, SIZE_LIMIT="2", SYNTAX="lenient", LISTEN="plain:0")
    (policy,) = found.policies
    assert (policy.host, policy.port, policy.size_limit, policy.syntax) == ("127.0.0.1", 0, 3, "lenient")
    assert policy.users is None


def test_a_variable_that_is_no_option_is_told_and_does_no_harm(options, capfd):
    assert options(LISTN="plain:0", SERVICE_XYZ="1", TIMEOUT="3").timeout == 3
    assert capfd.readouterr().err.splitlines() == [
        "smtpfix: SMTPFIX_SERVE_LISTN in the environment is no option; is SMTPFIX_SERVE_LISTEN meant?",
        "smtpfix: SMTPFIX_SERVE_SERVICE_XYZ in the environment is no option",
    ]


def test_the_environment_can_name_the_file(options, tmp_path):
    (tmp_path / "other.toml").write_text("size-limit = 5\n", encoding="utf-8")
    assert options(CONFIG=str(tmp_path / "other.toml")).policies[0].size_limit == 5


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("lisen = []", "there is no option 'lisen' (did you mean 'listen'"),
        ("any_user = true", "write 'any-user' for 'any_user'"),
        ("--host = 1", "write 'host' for '--host'"),
        ("qqq = 1", "there is no option 'qqq'; there are any-user, auth-in-clear, authority"),
        ('config = "x"', "there is no option 'config'"),
        ('any-user = "yes"', "serve.toml, any-user: expected true or false, got 'str'"),
        ("host = true", "serve.toml, host: expected text or a number, got 'bool'"),
        ('user = [["s3cret"]]', "serve.toml, user: expected a list of texts, got 'list'"),
        ('user = {ann = "s3cret"}', "serve.toml, user: expected a list of texts, got 'dict'"),
        ("host = ", "serve.toml: expected TOML"),
        ('size-limit = "some"', "--size-limit (from --config): expected a whole number, got 'some'"),
        ('hostname = "a b"', "--hostname (from --config): expected a domain"),
    ],
)
def test_what_makes_no_sense_in_a_file_is_an_error_that_says_what_would(options, capsys, file, message):
    assert options(file=file) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "s3cret" not in error


def test_a_file_that_is_not_there_is_an_error(options, tmp_path, capsys):
    assert options("--config", str(tmp_path / "none.toml")) == 2
    assert f"--config: {tmp_path / 'none.toml'}: expected a TOML file that can be read" in capsys.readouterr().err
