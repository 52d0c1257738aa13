"""`smtpfix serve --workers N`: several processes, one server to clients, one inbox, one output."""

import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic
from urllib.request import urlopen

import pytest

from smtpfix.cli.options import read_options
from smtpfix.errors import InvalidValueError
from smtpfix.store.opening import open_store
from smtpfix.wire import listen

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not listen.shares_ports(), reason="this system shares no ports")]

BOUND = 20


@contextmanager
def program(*arguments, output="--json"):
    """Run two workers in processes of their own."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "smtpfix",
        "serve",
        "--workers",
        "2",
        "--timeout",
        str(BOUND),
        output,
    ]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.terminate()


def told_by(process):
    """Return its next event; where it has ended instead, fail with what it complained of."""
    line = process.stdout.readline()
    assert line, f"it ended, with status {process.wait(BOUND)}: {process.stderr.read()}"
    return json.loads(line)


def started(process, *kinds):
    """Return the events of the start: those before that of workers, by their servers' names."""
    listening = {}
    while (event := told_by(process))["event"] != "workers":
        listening[event.get("server", event["event"])] = event
    assert event["workers"] == 2
    return listening


def rest(process):
    """Let it end; return what it has printed since."""
    process.terminate()
    return ended(process)


def ended(process):
    printed, complaints = process.communicate(timeout=BOUND)
    assert (process.returncode, complaints) == (0, "")
    return [json.loads(line) for line in printed.splitlines()]


def send(there, number):
    context = None if there["mode"] == "plain" else ssl.create_default_context(cafile=there["ca_file"])
    with smtplib.SMTP(there["host"], there["port"], "client.example", timeout=BOUND) as client:
        if context is not None:
            client.starttls(context=context)
        client.sendmail("ann@example.org", "bob@example.org", f"Subject: {number}\r\n\r\nx\r\n")


def send_all(there, count):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: send(there, number), range(count)))


def subjects_in(path):
    store = open_store(str(path))
    try:
        return sorted(int(row.subject) for row in store.page(limit=1000).rows)
    finally:
        store.close()


def children_of(process):
    file = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in file.read_text().split()]


def test_both_workers_take_clients_and_everything_is_in_one_store_one_output_and_one_count(tmp_path):
    with program("--listen", "plain:0", "--listen", "starttls:0", "--store", str(tmp_path / "mail.db")) as process:
        servers = started(process)
        send_all(servers["plain"], 40)
        send_all(servers["starttls"], 8)
        *events, stopped = rest(process)
    assert (stopped["reason"], stopped["messages"], stopped["sessions"]) == ("SIGTERM", 48, 48)
    assert {event["worker"] for event in events} == {1, 2}
    told = Counter((event["event"], event["worker"], event["server"], event["session"]) for event in events)
    assert set(told.values()) == {1}
    assert Counter(kind for kind, *_ in told) == {"session-started": 48, "message": 48, "session-ended": 48}
    assert subjects_in(tmp_path / "mail.db") == sorted([*range(40), *range(8)])


def test_events_of_one_session_are_in_their_order_and_no_line_has_two_of_them():
    with program("--listen", "plain:0", "--verbose") as process:
        send_all(started(process)["plain"], 30)
        events = rest(process)
    sessions = {}
    for event in events:
        if "worker" in event:
            sessions.setdefault((event["worker"], event["session"]), []).append(event)
    assert len(sessions) == 30
    for told in sessions.values():
        kinds = [event["event"] for event in told if event["event"] != "said"]
        assert kinds == ["session-started", "message", "session-ended"]
        verbs = [event["lines"][0][:4].upper() for event in told if event.get("by") == "client"]
        assert verbs == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def test_it_ends_after_as_many_messages_as_were_asked_for_whoever_got_them():
    with program("--listen", "plain:0", "--exit-after", "12") as process:
        send_all(started(process)["plain"], 12)
        *_, stopped = ended(process)
    assert (stopped["reason"], stopped["messages"], stopped["sessions"]) == ("exit-after", 12, 12)


def stop(worker):
    """Stop a worker, and wait until it has: until then it may still take a client."""
    os.kill(worker, signal.SIGSTOP)
    deadline = monotonic() + BOUND
    while Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert monotonic() < deadline, "it does not stop"


def test_a_worker_that_dies_is_told_and_replaced_and_what_it_has_accepted_counts(tmp_path):
    with program("--listen", "plain:0", "--store", str(tmp_path / "mail.db")) as process:
        there = started(process)["plain"]
        send_all(there, 20)
        victim = children_of(process)[0]
        stop(victim)
        with ExitStack() as opened:
            place = (there["host"], there["port"])
            waiting = [opened.enter_context(socket.create_connection(place, BOUND)) for _ in range(20)]
            os.kill(victim, signal.SIGKILL)
            for one in waiting:  # those that the system had given to the one that died wait for its successor
                assert one.recv(3) == b"220"
        send_all(there, 20)
        *events, stopped = rest(process)
    (died,) = [event for event in events if event["event"] == "worker-died"]
    assert (died["worker"] in {1, 2}, died["status"], died["successor"]) == (True, "SIGKILL", 3)
    assert {event["worker"] for event in events} == {1, 2, 3}
    assert len(subjects_in(tmp_path / "mail.db")) == 40
    assert stopped["messages"] == 40


def test_workers_end_with_the_process_above_them_however_that_ends():
    with program("--listen", "plain:0") as process:
        started(process)
        workers = children_of(process)
        process.kill()
        process.wait(BOUND)
        pipe_is_closed_by_all = process.stdout.read()
        assert pipe_is_closed_by_all == ""
        assert process.stderr.read() == ""
    assert len(workers) == 2


def test_ctrl_c_in_a_terminal_reaches_all_and_ends_it_once():
    with program("--listen", "plain:0") as process:
        send(started(process)["plain"], 1)
        for number in (*children_of(process), process.pid):
            os.kill(number, signal.SIGINT)
        *_, stopped = ended(process)
    assert (stopped["reason"], stopped["messages"]) == ("SIGINT", 1)


def test_rules_of_a_file_are_read_again_by_all_and_a_rule_is_unused_where_no_worker_has_used_it(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text('rules = ["NOOP: 451"]')
    with program("--listen", "plain:0", "--rules", str(file), "--rule", "VRFY: 452", "--rule", "HELP: 453") as process:
        there = started(process)["plain"]
        assert told_by(process)["event"] == "rules-read"
        file.write_text('rules = ["NOOP: 454"]')
        process.send_signal(signal.SIGHUP)
        assert told_by(process)["event"] == "rules-read"
        replies, workers = set(), set()
        while workers != {1, 2}:
            with smtplib.SMTP(there["host"], there["port"], timeout=BOUND) as client:
                if not workers:
                    assert client.docmd("VRFY", "ann")[0] == 452
                replies.add(client.docmd("NOOP")[0])
            event = told_by(process)
            workers.add(event["worker"])
            assert told_by(process)["event"] == "session-ended"
        *_, stopped = rest(process)
    assert replies == {454}
    assert stopped["unused_rules"] == ["HELP: 453"]


def test_the_web_server_is_one_and_shows_what_both_workers_took():
    with program("--listen", "plain:0", "--web", "localhost:0") as process:
        servers = started(process)
        assert len(children_of(process)) == 3
        send_all(servers["plain"], 12)
        with urlopen(servers["web"]["url"] + "api/v1/messages", timeout=BOUND) as answer:  # noqa: S310 - it is our own
            assert json.load(answer)["total"] == 12
        *events, stopped = rest(process)
    assert {event["worker"] for event in events} == {1, 2}
    assert stopped["messages"] == 12


def test_people_see_which_worker_a_session_was_in_and_programs_get_the_settings():
    with program("--listen", "plain:0", "--emit", "env", "--exit-after", "1", output="--no-json") as process:
        settings = dict(line.removeprefix("export ").strip().split("=") for line in process.stdout)
        assert settings["SMTPFIX_PID"] == str(process.pid)
        send({"host": "localhost", "port": int(settings["SMTP_PORT"]), "mode": "plain"}, 1)
        shown = process.stderr.read()
    assert "Workers: 2; #2.5 is the fifth session of worker 2\n" in shown
    assert "plain #1.1 " in shown or "plain #2.1 " in shown
    assert "Stopped, the messages asked for have come: 1 message in 1 session.\n" in shown


def test_a_port_in_use_is_an_error_also_where_another_one_shares_it():
    with program("--listen", "plain:0") as process:
        port = started(process)["plain"]["port"]
        with program("--listen", f"plain:{port}") as other:
            assert other.wait(BOUND) == 2
            assert f"cannot listen on localhost port {port}: another program does" in other.stderr.read()
        assert rest(process)[-1]["reason"] == "SIGTERM"


def test_workers_that_cannot_start_are_an_error_and_nothing_is_left(tmp_path):
    with program("--listen", "plain:0", "--store", str(tmp_path)) as process:
        assert process.wait(BOUND) == 2
        assert process.stderr.read().startswith(f"smtpfix: cannot use {tmp_path} as a store")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"listen": ["imap:0"]}, "with servers of IMAP: the mail they show is in the memory of one process"),
        ({"listen": ["lmtp+unix:/tmp/x"]}, "processes cannot share a UNIX socket"),
        ({"limit": ["connections=1"]}, "with limits, of --limit or of --like: each process would count for itself"),
        ({"like": "exchange"}, "with limits"),
        ({"greylist": 3.0}, "with --greylist: a client that tries again may reach another process"),
        ({"certificate": "expired"}, "with a certificate's scenario"),
    ],
)
def test_what_processes_cannot_share_is_an_error_that_says_why(options, why):
    with pytest.raises(InvalidValueError, match=f"--workers: expected 1 .*{why}"):
        read_options(workers=2, **options)
    assert read_options(workers=1, **options).workers == 1


@pytest.mark.parametrize("number", [0, -1, 65])
def test_the_number_of_workers_has_bounds(number):
    with pytest.raises(InvalidValueError, match="--workers: expected a number of processes, 1 to 64"):
        read_options(workers=number)


def test_where_the_system_does_not_share_ports_there_are_no_workers(monkeypatch):
    monkeypatch.setattr(listen, "_SHARES", None)
    with pytest.raises(InvalidValueError, match="--workers: expected 1 on this system"):
        read_options(workers=2)
