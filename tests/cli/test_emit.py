"""What `smtpfix serve --emit` prints is read by what it is for, and is whole before anybody can read it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys

import pytest

from smtpfix import InvalidValueError, Policy, Server, SMTPFixError
from smtpfix.cli.emit import Emission
from smtpfix.cli.options import read_options
from smtpfix.cli.serve import serve

ODD = "p'a\\s \"s$(x)`é#{y}\U0001f600="


@pytest.fixture
def server(start_smtp_server):
    return start_smtp_server("starttls", users={"ann": ODD})


def emitted(style, server):
    return Emission.parse(style).text(server)


def test_a_shell_reads_variables_whatever_is_in_them(server):
    script = emitted("env", server) + 'printf "%s\\n" "$SMTP_PASSWORD" "$SMTP_PORT" "$SSL_CERT_FILE" "$SMTPFIX_PID"'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [ODD, str(server.port), str(server.ca_file), str(os.getpid())]


def test_an_env_file_has_values_as_they_are(server):
    assert f"SMTP_PASSWORD={ODD}\n" in emitted("docker", server)
    assert emitted("docker:symfony", server).startswith(f"MAILER_DSN={server.url('symfony')}\n")


def test_a_python_module_has_settings(server):
    text = emitted("django", server)
    found: dict[str, object] = {}
    exec(text, found)  # noqa: S102 - it is what a settings module does
    assert {name: value for name, value in found.items() if name.isupper()} == server.environ("django")
    assert text.endswith(f"# In the environment: SSL_CERT_FILE={server.ca_file}\n")


def test_an_object_of_options_is_json(server):
    assert json.loads(emitted("node", server)) == server.environ("nodemailer")


def test_a_hash_of_options_is_ruby(server):
    lines = emitted("rails", server).splitlines()
    assert lines[1] == "Rails.application.config.action_mailer.smtp_settings = {"
    assert "  password: 'p\\'a\\\\s \"s$(x)`é#{y}\U0001f600='," in lines
    assert "  enable_starttls: true," in lines


@pytest.mark.skipif(shutil.which("ruby") is None, reason="ruby is not installed")
def test_ruby_reads_the_password(server):
    hashes = emitted("rails", server).partition("smtp_settings = ")[2]
    done = subprocess.run(
        ["ruby", "-e", f"print ({hashes})[:password]"], capture_output=True, check=True, timeout=60, encoding="utf-8"
    )
    assert done.stdout == ODD


def test_properties_are_escaped_as_java_reads_them():
    with Server(Policy(users={"ann": " a\\b\u00e9\U0001f600\n"})) as server:
        assert r"spring.mail.password=\ a\\b\u00e9\ud83d\ude00\n" in emitted("spring", server).splitlines()


def test_what_an_env_file_cannot_hold_is_an_error_that_does_not_show_it():
    with Server(Policy(users={"ann": "s3cret\nx"})) as server:
        with pytest.raises(InvalidValueError, match="values of one line for docker") as raised:
            emitted("docker", server)
        assert "s3cret" not in str(raised.value)
        assert "s3cret" in emitted("env", server)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pyramid", "one of env, smtp, "),
        ("docker:pyramid", "one of env, smtp, "),
        ("docker:django", "'django' is no style of environment variables, which docker takes; those are env, "),
    ],
)
def test_an_unknown_style_is_an_error_that_lists_them(text, expected):
    with pytest.raises(InvalidValueError, match=f"--emit: .*{expected}"):
        read_options(emit=text)


def test_a_unix_socket_has_no_settings():
    with pytest.raises(
        InvalidValueError, match=r"--emit: the first server listens on a UNIX socket, .*; put one with a port first"
    ):
        read_options(listen=["lmtp+unix:/run/lmtp"], emit="env")


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ({"host": "0.0.0.0", "hostname": "host.docker.internal"}, "host.docker.internal"),
        ({"host": "0.0.0.0"}, "127.0.0.1"),
        ({"hostname": "host.docker.internal"}, "localhost"),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_by_the_name_it_was_given(start_smtp_server, fields, host):
    assert json.loads(emitted("node", start_smtp_server(**fields)))["host"] == host


def test_settings_are_on_one_stream_and_what_happens_on_the_other():
    shown, settings = io.StringIO(), io.StringIO()
    assert serve(read_options(listen=["plain:0"], emit="node", timeout=0.1), shown, settings) == 0
    assert json.loads(settings.getvalue())["secure"] is False
    assert shown.getvalue().startswith("MODE ")


SCRIPT = """
eval "$($PYTHON -m smtpfix serve --emit env --listen starttls:0 --user ann:s3cret --exit-after 1 --timeout 60 2>log &)"
$PYTHON application.py
until grep -q Stopped log; do sleep 0.1; done
"""
APPLICATION = """
import os, smtplib, ssl
client = smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"]), timeout=30)
client.starttls(context=ssl.create_default_context())
client.login(os.environ["SMTP_USERNAME"], os.environ["SMTP_PASSWORD"])
client.sendmail("app@example.org", "ann@example.org", "Subject: ready\\r\\n\\r\\nx")
client.quit()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="this system has no shell")
def test_a_shell_starts_it_in_the_background_and_goes_on_with_its_settings(tmp_path):
    (tmp_path / "application.py").write_text(APPLICATION)
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
    subprocess.run(["/bin/sh", "-ec", SCRIPT], cwd=tmp_path, env=environment, check=True, timeout=120)
    log = (tmp_path / "log").read_text()
    assert "AUTH PLAIN as 'ann'" in log
    assert 'subject "ready"' in log


def test_settings_that_cannot_be_written_are_blamed_on_nothing_else():
    class Full(io.StringIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    options = read_options(listen=("plain:0",), emit="env", timeout=60.0)
    with pytest.raises(SMTPFixError, match="cannot write the settings to standard output: No space left on device"):
        serve(options, io.StringIO(), Full())
