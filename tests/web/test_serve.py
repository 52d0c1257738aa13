"""`smtpfix serve --web`: from the command line and from other programs' environment names to an answer."""

import json
import os
import re
import signal
import smtplib
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from smtpfix.cli import main
from smtpfix.cli.environment import with_environment, without_effect
from smtpfix.cli.options import read_options
from smtpfix.errors import InvalidValueError
from smtpfix.web.settings import WebSettings

pytestmark = pytest.mark.slow

BOUND = 20
"""Seconds after which a program hangs."""
NOTHING = dict.fromkeys(("store", "keep", "keep_for", "hostname"))


@contextmanager
def served(*arguments, **environment):
    """Run the program; yield what it says until all listen, and the URL of its page."""
    names = {name: value for name, value in os.environ.items() if not name.startswith(("MP_", "MH_"))}
    command = [sys.executable, "-m", "smtpfix", "serve", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**names, **environment}) as program:
        lines = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(program.stdout.readline())
            assert lines[-1], "".join(lines)
        said = "".join(lines)
        try:
            yield said, re.search(r"^\[http\] accessible via (http://localhost:[0-9]+/)$", said, re.MULTILINE)[1]
        finally:
            program.send_signal(signal.SIGTERM)
            program.communicate(timeout=BOUND)
    assert program.returncode == 0


def fetch(url):
    with urllib.request.urlopen(url, timeout=BOUND) as answer:  # noqa: S310 - the program's own
        return json.load(answer)


def test_what_smtplib_sends_is_in_the_api_with_its_session(tmp_path):
    """The log line is the one that people's scripts wait for; a second run has the mail of the first."""
    store = str(tmp_path / "mail.db")
    with served("--listen", "plain:0", "--user", "ann:tops3cret", "--web", "localhost:0", "--store", store) as (
        said,
        url,
    ):
        port = int(re.search(r"localhost:([0-9]+)", said)[1])
        with smtplib.SMTP("localhost", port, timeout=BOUND) as client:
            client.ehlo()
            client.login("ann", "tops3cret")
            client.sendmail("ann@example.org", ["bob@example.org"], b"Subject: hello\r\n\r\nhello\r\n")
            client.mail("ann@example.org")
            client.rcpt("bob@example.org")
            code, said_then = client.data(b"Subject: hello\r\n\r\nagain\r\n")
        assert (code, said_then[:23]) == (250, b"2.0.0 Ok: queued as " + said_then[20:23])
        assert fetch(f"{url}api/v1/message/{said_then[20:].decode()}")["Text"] == "again\r\n"
        message = fetch(f"{url}api/v1/messages")["messages"][0]
        assert (message["Subject"], message["Username"]) == ("hello", "ann")
        session = fetch(f"{url}api/smtpfix/v1/messages/latest")["smtp"]["session"]
        with urllib.request.urlopen(f"{url}api/smtpfix/v1/events?since=0", timeout=BOUND) as events:  # noqa: S310 - as above
            assert b"event: session\n" in events
        found = fetch(f"{url}api/smtpfix/v1/sessions/{session}")
        assert (found["has_mail"], found["facts"]["auth"][0]["in_clear"]) == (True, True)
        shown = json.dumps(found)
        assert "MAIL FROM" in shown.upper()
        assert "tops3cret" not in shown
        assert "AGFubgB0b3BzM2NyZXQ" not in shown
    with served("--listen", "plain:0", "--web", "localhost:0", "--store", store) as (_, url):
        assert fetch(f"{url}api/v1/messages")["total"] == 2


def test_other_programs_names_are_enough():
    with served("--web", MP_UI_BIND_ADDR="localhost:0", MP_SMTP_BIND_ADDR="localhost:0", MP_LABEL="ours") as (
        said,
        url,
    ):
        assert re.search("^plain", said, re.MULTILINE)
        assert "starttls" not in said
        assert fetch(f"{url}api/v1/webui")["Label"] == "ours"


def test_environment_names_are_options_that_the_command_line_overrides(tmp_path):
    said = {
        "MP_SMTP_BIND_ADDR": "[::]:2025",
        "MP_SMTP_AUTH": "ann:a bob:b",
        "MP_MAX_MESSAGES": "500",
        "MP_MAX_AGE": "3d",
        "MP_DATABASE": str(tmp_path),
        "MH_HOSTNAME": "mail.example",
    }
    found = with_environment(NOTHING, said)
    assert (found["listen"], found["user"]) == (("plain@[::]:2025",), ("ann:a", "bob:b"))
    assert (found["keep"], found["keep_for"], found["hostname"]) == (500, "3d", "mail.example")
    assert found["store"] == str(tmp_path / "smtpfix.db")
    given = {"listen": ("plain:1",), "user": ("x:y",), "keep": 3, "keep_for": "1h", "store": "a.db", "hostname": "h"}
    assert with_environment(given, said) == given
    assert with_environment(NOTHING, {"MP_SMTP_AUTH_ACCEPT_ANY": "true"})["any_user"] is True
    assert with_environment(NOTHING, {"MP_MAX_MESSAGES": "0"})["keep"] is None
    for name, value in (("MP_SMTP_BIND_ADDR", "1025"), ("MP_MAX_MESSAGES", "many"), ("MP_SMTP_AUTH_FILE", "/none")):
        with pytest.raises(InvalidValueError, match=name):
            with_environment(NOTHING, {name: value})
    assert without_effect({"MP_UI_AUTH": "x", "MP_POP3_AUTH": "x", "MH_INVITE_JIM": "1", "PATH": ""}) == (
        "MH_INVITE_JIM",
        "MP_POP3_AUTH",
    )


def test_names_about_tls_say_how_the_one_server_is_reached():
    for said, listen in (
        ({"MP_SMTP_REQUIRE_STARTTLS": "1"}, "tls-required@localhost:1025"),
        ({"MP_SMTP_REQUIRE_TLS": "true", "MP_SMTP_BIND_ADDR": "[::]:465"}, "implicit-tls@[::]:465"),
        ({"MP_SMTP_TLS_CERT": "sans:mail,mail.example"}, "starttls@localhost:1025"),
        ({"MP_SMTP_TLS_CERT": "a.pem", "MP_SMTP_TLS_KEY": "a.key"}, "starttls@localhost:1025"),
    ):
        found = with_environment(NOTHING, said)
        assert found["listen"] == (listen,)
        assert without_effect(said) == ()
    assert (found["certificate_file"], found["key_file"]) == (Path("a.pem"), Path("a.key"))
    assert with_environment(NOTHING, {"MP_SMTP_TLS_CERT": "sans:a,b"})["hostname"] == ("a", "b")
    assert with_environment({**NOTHING, "listen": ("plain:1",)}, said)["listen"] == ("plain:1",)
    with pytest.raises(InvalidValueError, match="MP_SMTP_TLS_KEY with it"):
        with_environment(NOTHING, {"MP_SMTP_TLS_CERT": "a.pem"})


@pytest.mark.parametrize(
    "text", ["Sender", "Sender:451", "Sender::5", "Sender:99:5", "Sender:451:101", "Other:451:5", "Sender:451:5:5"]
)
def test_chaos_that_makes_no_sense_is_refused(text):
    with pytest.raises(InvalidValueError, match="MP_CHAOS_TRIGGERS"):
        WebSettings.read("", {"MP_CHAOS_TRIGGERS": text})


@pytest.mark.parametrize(
    ("text", "where"),
    [("", ("localhost", 8025)), ("9000", ("localhost", 9000)), ("[::]:8025", ("::", 8025)), (":80", ("::", 80))],
)
def test_where_the_page_is(text, where):
    settings = WebSettings.read(text, {})
    assert (settings.host, settings.port) == where


def test_what_cannot_be_is_told_before_anything_starts(capsys, monkeypatch):
    monkeypatch.delenv("MP_UI_BIND_ADDR", raising=False)
    for arguments, words in (
        (["--web", "localhost:x"], "--web"),
        (["--web-host", "a.example"], "--web-host"),
        (["--web", "1:2:3"], "ADDRESS:PORT"),
    ):
        assert main(["serve", *arguments]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(InvalidValueError, match="MP_UI_BIND_ADDR"):
        WebSettings.read("", {"MP_UI_BIND_ADDR": "nowhere"})
    with pytest.raises(InvalidValueError, match=r"\{SHA\}"):
        WebSettings.read("", {"MP_UI_AUTH": "ann:$2y$05$abc"})
    assert read_options(listen=["plain:0"], web="localhost:0", keep=5).keep == 5


def test_without_web_nothing_of_it_is_imported():
    """Neither by the package, nor by the plugin, nor by a run of the program."""
    code = "import sys, smtpfix, smtpfix.conftest_plugin; from smtpfix.cli import main; "
    code += "main(['serve', '--listen', 'plain:0', '--timeout', '0.1']); "
    code += "print([name for name in sys.modules if name.split('.')[0] in "
    code += (
        "('starlette', 'uvicorn', 'wsproto', 'h11', 'sqlite3') or name.startswith(('smtpfix.web', 'smtpfix.store'))])"
    )
    names = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=names)
    assert done.stdout.splitlines()[-1] == "[]"
