"""The event loop that `smtpfix serve` runs on: whichever it is, clients see the same server."""

import json
import smtplib
import ssl
import subprocess
import sys
from contextlib import contextmanager

import pytest

from smtpfix.cli.event_loop import event_loop
from smtpfix.cli.options import read_options
from smtpfix.errors import ExtraMissing, InvalidValueError
from smtpfix.wire.loop import LOOP_THREAD

pytestmark = pytest.mark.slow

pytest.importorskip("uvloop", reason="there is no uvloop for Windows")

BOUND = 20
MODES = ("plain", "starttls", "tls-required", "implicit-tls")


@contextmanager
def serving(*arguments):
    """Serve in a process of its own, in every mode; give its events, and those that say what was started."""
    command = [sys.executable, "-W", "error", "-m", "smtpfix", "serve", "--json", "--timeout", str(BOUND), *arguments]
    for mode in MODES:
        command += ["--listen", f"{mode}:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield (json.loads(line) for line in process.stdout)
        finally:
            process.terminate()
            process.stdout.read()


def until(events, kind):
    return next(event for event in events if event["event"] == kind)


def connect(there, ca_file):
    address, context = (there["host"], there["port"], "client.example"), ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    if there["mode"] == "implicit-tls":
        return smtplib.SMTP_SSL(*address, timeout=BOUND, context=context)
    client = smtplib.SMTP(*address, timeout=BOUND)
    if there["mode"] != "plain":
        client.starttls(context=context)
    return client


@pytest.mark.parametrize(("asked", "runs_on"), [("auto", "uvloop"), ("uvloop", "uvloop"), ("asyncio", "asyncio")])
def test_messages_come_in_every_mode_and_a_refused_handshake_is_told_with_its_alert(asked, runs_on):
    with serving("--loop", asked, "--verbose") as events:
        listening = [next(events) for _ in MODES]
        assert until(events, "loop")["loop"] == runs_on
        for there in listening:
            if there["mode"] != "plain":
                with pytest.raises(ssl.SSLCertVerificationError):
                    connect(there, None)
                ended = until(events, "session-ended")
                assert ended["tls_failure"]["alert"] == "unknown_ca"
                assert ended["client_hello"]["ciphers"]
            with connect(there, there["ca_file"]) as client:
                client.sendmail("ann@example.org", "bob@example.org", "Subject: x\r\n\r\n" + "x" * 300_000)
            message = until(events, "message")
            assert (message["in_tls"], message["size"] > 300_000) == (there["mode"] != "plain", True)
            assert until(events, "session-ended")["end"] == "quit"


def test_without_uvloop_it_runs_on_asyncio_and_is_not_silent_where_uvloop_was_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with event_loop("auto") as name:
        assert name == "asyncio"
    with (
        pytest.raises(ExtraMissing, match=r"--loop uvloop needs uvloop: pip install 'smtpfix\[fast\]'"),
        event_loop("uvloop"),
    ):
        pass


def test_servers_of_the_fixtures_run_on_asyncio_s_own_loop_afterwards():
    before = LOOP_THREAD._new_loop
    with event_loop("uvloop"):
        assert LOOP_THREAD._new_loop is not before
    assert LOOP_THREAD._new_loop is before


def test_another_name_is_an_error_that_says_which_there_are():
    with pytest.raises(InvalidValueError, match="--loop: expected one of auto, uvloop, asyncio, got 'trio'"):
        read_options(loop="trio")
