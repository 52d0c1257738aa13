"""Commands: placeholders, templates, environment, working directory, output, time, and the names they look up."""

from __future__ import annotations

import os
import select
import sys
import threading
from dataclasses import replace

import pytest

from smtpfix.audit import hosts
from smtpfix.audit.command import Command
from smtpfix.audit.fixes import language_of
from smtpfix.audit.process import KEPT
from smtpfix.audit.result import DeclaredMode, Ending, Trust
from smtpfix.audit.target import PLACEHOLDERS, Target
from smtpfix.errors import InvalidValueError


@pytest.fixture
def target(tmp_path):
    return Target(
        host="mx.smtpfix.test",
        port=2525,
        address="127.0.0.1",
        ca_file="/ca.pem",
        sender="ann@example.org",
        recipient="bob@example.org",
        subject="a-word",
        mode=DeclaredMode.IMPLICIT,
        trust=Trust.PKI,
        workdir=str(tmp_path),
        message=str(tmp_path / "message.eml"),
        user="ann",
        password="s3cret {word}",
    )


@pytest.fixture
def run(target):
    """Run Python code as a client, its name looked up by nobody; return how it ended."""

    def run(code, *arguments, timeout=20, **fields):
        code = code.replace("{", "{{").replace("}", "}}")
        command = Command((sys.executable, "-S", "-c", code, *arguments), finds_names=True, **fields)
        return command.run(target, timeout=timeout, stop=threading.Event())

    return run


SHOW = "import sys; sys.stdout.write(repr(sys.argv[1:]))"


def test_every_placeholder_is_filled_in(run, target):
    ended = run(SHOW, *(f"--{name}={{{name}}}" for name in PLACEHOLDERS))
    assert ended.ending is Ending.SUCCEEDED
    assert ended.said == repr([f"--{name}={target.placeholders[name]}" for name in PLACEHOLDERS])
    assert "--password=s3cret {word}" in ended.said  # what is filled in is not looked at again


def test_doubled_braces_are_braces(run):
    assert run(SHOW, "{{host}}", '{{"port": {port}}}').said == repr(["{host}", '{"port": 2525}'])


@pytest.mark.parametrize(
    "text", ["{hots}", "{}", "{0}", "{host!r}", "{port:5}", "{host.upper}", "{", "}", "{template}"]
)
def test_an_unknown_placeholder_is_an_error_that_lists_those_there_are(text):
    with pytest.raises(InvalidValueError, match=r"\{host\}, \{port\}, \{address\}, \{cafile\}"):
        Command(("client", text))
    with pytest.raises(InvalidValueError, match="environment, HOST"):
        Command(("client",), environment=(("HOST", text),))


def test_there_has_to_be_a_program():
    with pytest.raises(InvalidValueError, match="a program and its arguments"):
        Command(())


def test_the_environment_is_inherited_and_added_to(run, monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    code = "import os, sys; sys.stdout.write(os.environ['INHERITED'] + os.environ['SERVER'])"
    assert run(code, environment=(("SERVER", " {host}:{port}"),)).said == "yes mx.smtpfix.test:2525"
    assert "SERVER" not in os.environ


def test_only_an_isolated_client_finds_no_configuration_in_the_environment(run, monkeypatch):
    names = {"ALL_PROXY", "http_proxy", "SWAKS_OPT_server", "CURL_HOME", "XDG_CONFIG_HOME"}
    for name in names:
        monkeypatch.setenv(name, "mine")
    code = "import os; print(*sorted(name for name in os.environ if os.environ[name] == 'mine'))"
    assert run(code, is_isolated=True).said == ""
    assert {*run(code).said.split()} == names


def test_a_template_is_filled_in_for_the_owner_only(run, tmp_path):
    code = "import os, sys; sys.stdout.write(f'{os.stat(sys.argv[1]).st_mode & 0o777:o} ' + open(sys.argv[1]).read())"
    ended = run(code, "{template}", template="host {host}\npassword {password}\nset {{}}\n")
    assert ended.said == "600 host mx.smtpfix.test\npassword s3cret {word}\nset {}"


def test_it_runs_in_a_directory_of_its_own_or_here_when_told(run, tmp_path, monkeypatch):
    code = "import os, sys; sys.stdout.write(os.getcwd())"
    assert run(code).said == str(tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert run(code, runs_here=True).said == str(here)


def test_a_file_that_is_here_is_found_from_there(run, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    (here / "send.py").write_text("")
    monkeypatch.chdir(here)
    assert run(SHOW, "send.py", "gone.py", "x").said == repr([str(here / "send.py"), "gone.py", "x"])


def test_nothing_is_typed_in_unless_it_is_told_what(run, tmp_path):
    code = "import sys; sys.stdout.write(repr(sys.stdin.read()))"
    assert run(code).said == "''"
    (tmp_path / "message.eml").write_text("Subject: x")
    assert run(code, stdin="{message}").said == "'Subject: x'"


def test_no_shell_reads_the_arguments(run):
    assert run(SHOW, "$(id); `id` | cat > /dev/null; *").said == repr(["$(id); `id` | cat > /dev/null; *"])


@pytest.mark.parametrize(
    ("code", "ending", "status"),
    [
        ("pass", Ending.SUCCEEDED, 0),
        ("raise SystemExit(7)", Ending.FAILED, 7),
        ("import os; os.kill(os.getpid(), 9)", Ending.CRASHED, -9),
    ],
)
def test_how_it_ended_is_told(run, code, ending, status):
    ended = run(code)
    assert (ended.ending, ended.status) == (ending, status)


def test_a_program_that_is_not_there_was_not_started(target):
    ended = Command(("no-such-program-here",), finds_names=True).run(target, timeout=1, stop=threading.Event())
    assert ended.ending is Ending.NOT_STARTED
    assert "no-such-program-here" in ended.said


def test_output_is_kept_to_a_bound_and_cannot_reach_a_terminal(run):
    ended = run(r"import sys; sys.stdout.write('x' * 10_000_000 + '\n\x1b[2Jend'); sys.stderr.write('\x07')")
    assert ended.ending is Ending.SUCCEEDED
    assert len(ended.said) < KEPT + 100
    assert ended.said.startswith("…\n")
    assert ended.said.isprintable() or "\x1b" not in ended.said
    assert "\\x1b[2Jend" in ended.said


STARTS = """
import subprocess, sys
child = "import threading; held = open('pipe', 'wb'); print(flush=True); threading.Event().wait()"
subprocess.Popen([sys.executable, "-S", "-c", child], stdout=subprocess.PIPE).stdout.read(1)
"""


def test_what_it_has_started_ends_with_it(run, tmp_path):
    """A child of its own holds a named pipe open for writing; its end can be read once that child is gone."""
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(STARTS).ending is Ending.SUCCEEDED
        assert select.select([reading], [], [], 10)[0]
        assert os.read(reading, 1) == b""
    finally:
        os.close(reading)


def test_it_is_ended_when_the_audit_is_stopped(run, target):
    stop = threading.Event()
    stop.set()
    command = Command((sys.executable, "-c", "import threading; threading.Event().wait()"), finds_names=True)
    assert command.run(target, timeout=60, stop=stop).ending is Ending.TIMED_OUT


# Names


LOOK_UP = "import socket, sys; sys.stdout.write(socket.gethostbyname(sys.argv[1]))"


def test_a_name_leads_a_command_to_the_server_where_the_system_allows_it(target):
    if hosts.why_not(target.host, target.address) is not None:
        pytest.skip(hosts.why_not(target.host, target.address))
    before = hosts._HOSTS.read_bytes()
    command = Command((sys.executable, "-c", LOOK_UP, "{host}"))
    assert command.cannot_reach(target) is None
    ended = command.run(target, timeout=20, stop=threading.Event())
    assert (ended.ending, ended.said) == (Ending.SUCCEEDED, "127.0.0.1")
    assert hosts._HOSTS.read_bytes() == before


def test_where_it_does_not_the_reason_and_what_to_do_are_told(target, monkeypatch):
    monkeypatch.setattr(hosts, "_way", lambda: None)
    assert "put '127.0.0.1 mx.smtpfix.test' into /etc/hosts" in Command(("client",)).cannot_reach(target)
    assert "or name a host that leads to 127.0.0.1 with --hostname" in Command(("client",)).cannot_reach(target)
    assert Command(("client",), finds_names=True).cannot_reach(target) is None


def test_a_name_that_leads_to_the_server_anyway_needs_no_way(target, monkeypatch):
    leads = {"mail.example.org": "127.0.0.1", "elsewhere.example.org": "192.0.2.1"}
    monkeypatch.setattr(hosts, "_way", lambda: None)
    monkeypatch.setattr(hosts.socket, "getaddrinfo", lambda host, _port: [(2, 1, 6, "", (leads[host], 0))])
    assert Command(("client",)).cannot_reach(replace(target, host="mail.example.org")) is None
    assert Command(("client",)).cannot_reach(replace(target, host="elsewhere.example.org")) is not None


def test_a_system_without_namespaces_has_no_way(monkeypatch):
    hosts._way.cache_clear()
    monkeypatch.setattr(hosts.shutil, "which", lambda _name: None)
    try:
        assert hosts._way() is None
    finally:
        hosts._way.cache_clear()


@pytest.mark.parametrize(("host", "needed"), [("localhost", False), ("127.0.0.1", False), ("mx.smtpfix.test", True)])
def test_names_that_everybody_knows_need_nothing(host, needed):
    assert hosts.is_needed(host) is needed


@pytest.mark.parametrize(
    ("program", "language"),
    [
        ("python3", "python"),
        ("/usr/bin/python3.11", "python"),
        (r"C:\Python\python.exe", "python"),
        ("pypy3", "python"),
        ("nodejs", "node"),
        ("curl", "curl"),
        ("./send.py", ""),
        ("pythonista", ""),
        ("c", ""),
    ],
)
def test_what_a_program_is_written_in_is_known_where_its_interpreter_is_named(program, language):
    assert language_of(program) == language
