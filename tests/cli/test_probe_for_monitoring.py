"""`smtpfix probe` for programs that watch servers: Nagios's plugins, Prometheus's text format."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from smtpfix import InvalidValueError, Policy, Raw, Server
from smtpfix.cli import main
from smtpfix.cli.probe_nagios import State, report
from smtpfix.cli.probe_prometheus import exposition
from smtpfix.probe.measurement import Certificate, Connection, Probe, ProbeResult
from smtpfix.probe.thresholds import Range

pytestmark = pytest.mark.usefixtures("nothing_logged")

LOGIN = ("--user", "ann", "--password", "s3cret")
NOW = datetime(2030, 1, 1, tzinfo=UTC)
ANSWERED = "answered, 0.155 s in all, certificate valid for 30 days"
WELL = ProbeResult(
    Probe("mail.example.org", 465, Connection.IMPLICIT_TLS),
    NOW,
    *(0, "", "", 31.25, 44.5),
    total_ms=155.0,
    tls_version="TLSv1.3",
    cipher="X",
    certificate=Certificate(0, "", expires=NOW + timedelta(days=30, hours=5)),
)
FAILED = replace(WELL, reply_code=535, stage="login", error="535 No | never")


@pytest.fixture
def run(capsys):
    """Run the probe and return its exit status and what it printed; nothing is said on stderr."""

    def run(where, *options):
        if isinstance(where, Server):
            trust = ("--ca-file", str(where.ca_file)) if where.policy.uses_tls else ()
            options = (*trust, *options)
            where = f"{where.host}:{where.port}"
        status = main(["probe", where, *options])
        written = capsys.readouterr()
        assert written.err == ""
        return status, written.out

    return run


# Ranges


@pytest.mark.parametrize(
    ("text", "well", "not_well", "words"),
    [
        ("10", (0, 10), (-1, 10.1), "at most 10"),  # the examples of the guidelines
        ("10:", (10, 1e9), (9.9, -math.inf), "at least 10"),
        ("~:10", (-1e9, 10), (10.1,), "at most 10"),
        ("10:20", (10, 20), (9.9, 20.1), "from 10 to 20"),
        ("@10:20", (9.9, 20.1), (10, 20), "not from 10 to 20"),
        (":0.5", (0, 0.5), (0.51,), "at most 0.5"),
    ],
)
def test_a_range_is_read_as_the_guidelines_write_it(text, well, not_well, words):
    found = Range.read(text, "--warn")
    assert [found.has(value) for value in (*well, *not_well)] == [True] * len(well) + [False] * len(not_well)
    assert (str(found), found.text) == (words, text)


@pytest.mark.parametrize("text", ["", "x", "20:10", "1:2:3", "nan", "inf", "1:inf", "~", "@"])
def test_what_is_no_range_is_an_error(text):
    with pytest.raises(
        InvalidValueError, match="--warn: expected a range: END, START:, START:END, ~:END or @START:END"
    ):
        Range.read(text, "--warn")


# Nagios


@pytest.mark.parametrize(
    ("warn", "critical", "state", "text"),
    [
        ({}, {}, State.OK, ANSWERED),
        (
            {"total": "1", "days": "30:"},
            {"days": "7:"},
            State.OK,
            "answered, 0.155 s in all, certificate valid for 30 days",
        ),
        ({"days": "31:"}, {"days": "7:"}, State.WARNING, "certificate days left: 30, expected at least 31"),
        ({"total": "0.1"}, {}, State.WARNING, "total: 0.155 s, expected at most 0.1"),
        ({"days": "60:"}, {"days": "31:"}, State.CRITICAL, "certificate days left: 30, expected at least 31"),
        ({"tls": "0.01"}, {"connection": "0.01"}, State.CRITICAL, "connection: 0.031 s, expected at most 0.01"),
    ],
)
def test_thresholds_decide_the_state_and_the_worst_counts(warn, critical, state, text):
    ranges = [{name: Range.read(one, "") for name, one in given.items()} for given in (warn, critical)]
    found, line = report(WELL, *ranges)
    assert (found, line.partition(" | ")[0]) == (state, f"SMTP {state.name} - {text}")


def test_performance_data_has_units_and_thresholds_as_they_were_written():
    warn, critical = {"total": Range.read("2", ""), "days": Range.read("21:", "")}, {"days": Range.read("7:", "")}
    assert report(WELL, warn, critical)[1].partition(" | ")[2] == (
        "connection=0.031250s;;;0 tls=0.044500s;;;0 total=0.155000s;2;;0 days=30;21:;7:"
    )


def test_a_failure_is_critical_and_a_bar_in_it_begins_no_performance_data():
    state, line = report(FAILED, {}, {})
    assert (state, line.count("|")) == (State.CRITICAL, 1)
    assert line.startswith("SMTP CRITICAL - at login: 535 No / never | connection=")


def test_what_was_not_reached_is_undetermined_in_performance_data():
    failed = replace(FAILED, certificate=None, tls_ms=None)
    assert report(failed, {"tls": Range.read("1", "")}, {})[1].endswith(" tls=U;1;;0")


def test_days_that_nobody_knows_are_unknown():
    state, line = report(replace(WELL, certificate=Certificate(0, "")), {}, {"days": Range.read("7:", "")})
    assert state is State.UNKNOWN
    assert line.startswith("SMTP UNKNOWN - days is not known: the certificate does not say until when it is valid | ")


def test_a_plugin_s_line_of_a_server(run):
    with Server(Policy("starttls", users={"ann": "s3cret"})) as server:
        options = ("--nagios", "--connection", "starttls", *LOGIN, "--warn", "total=60", "--critical", "days=3:")
        status, out = run(server, *options)
        assert status == 0
        number = r"[0-9]+\.[0-9]{6}s"
        assert re.fullmatch(
            r"SMTP OK - logged in, [0-9.]+ s in all, certificate valid for [0-9]+ days \| "
            rf"connection={number};;;0 tls={number};;;0 login={number};;;0 total={number};60;;0 days=[0-9]+;;3:\n",
            out,
        )
        status, out = run(server, *options, "--warn", "days=100000:")
        assert (status, out.startswith("SMTP WARNING - certificate days left: ")) == (1, True)


@pytest.mark.parametrize("certificate", ["expired", "wrong-host"])
def test_a_certificate_that_is_not_to_be_trusted_is_critical(run, certificate):
    with Server(Policy("implicit-tls", certificate=certificate)) as server:
        status, out = run(server, "--nagios", "--connection", "implicit-tls", "--warn", "days=21:")
        assert (status, out.startswith("SMTP CRITICAL - at tls: the certificate is not trusted: ")) == (2, True)
        assert ("days=-" in out) is (certificate == "expired")
        status, out = run(server, "--nagios", "--connection", "implicit-tls", "--no-verify")
        assert (status, " days, not verified: " in out) == (0, True)


def test_a_plugin_s_line_has_no_secret_that_the_server_says_again(run):
    with Server(Policy(users={"ann": "another"})) as server:
        server.on("AUTH", Raw(b"535 5.7.8 s3cret is wrong\r\n"))
        status, out = run(server, "--nagios", *LOGIN)
    assert (status, "s3cret" in out) == (2, False)
    assert out.startswith("SMTP CRITICAL - at login: 535 5.7.8 …(6 characters) is wrong | ")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--warn", "days=7:"), "--warn: expected NAME=RANGE, of what this probe measures: connection, total"),
        (("--critical", "total"), "--critical: expected NAME=RANGE, of what this probe measures: connection, total"),
        (("--critical", "total=x"), "--critical: expected a range: END, START:,"),
        (("--warn", "total=1", "--warn", "total=2"), "--warn: total has a range already; give it one"),
        (
            ("--connection", "starttls", "--warn", "days=7"),
            "--warn: 'days=7' warns of more days; to be warned of fewer, write 'days=7:' with a colon",
        ),
        (("--json",), "--json: choose one of --json, --nagios and --prometheus"),
        (("--user", "ann"), "--user: to log in takes both: there is user 'ann', and no password or token"),
        (("--what",), "there is no option --what"),
    ],
)
def test_wrong_options_are_unknown_to_a_plugin_and_said_on_stdout(run, options, error):
    status, out = run("localhost", "--nagios", *options)
    assert status == 3
    assert out.startswith(f"SMTP UNKNOWN - {error}")
    assert out.count("\n") == 1


@pytest.mark.parametrize(
    ("where", "service"),
    [("imaps://localhost", "IMAP"), ("POP3://localhost:110", "POP3"), ("smtps://localhost", "SMTP")],
)
@pytest.mark.parametrize("wrong", [("--what",), ("--timeout", "soon"), ("--connection", "tls"), ("another",)])
def test_a_plugin_s_line_begins_with_the_service_that_was_asked_for(capsys, where, service, wrong):
    """However the rest of the command line is wrong."""
    assert main(["probe", where, "--nagios", *wrong]) == 3
    assert capsys.readouterr().out.startswith(f"{service} UNKNOWN - ")


def test_thresholds_without_nagios_are_an_error(capsys):
    assert main(["probe", "localhost", "--warn", "total=1"]) == 2
    expected = "smtpfix: --warn: --warn and --critical are for --nagios; add it\n"
    assert capsys.readouterr().err == expected


# Prometheus

SAMPLE = re.compile(r'([a-z_]+)\{([a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*)\} ([0-9.e+-]+)')


def samples(text):
    """Return the samples by name and labels, and hold the text to the format: families together, described before."""
    found, described = {}, []
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# "):
            _, kind, name, _ = line.split(" ", 3)
            described.append((kind, name))
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        assert described[-2:] == [("HELP", name), ("TYPE", name)]
        found[name.removeprefix("smtpfix_probe_"), *re.findall(r'(?:stage|phase|version)="(.*?)"', labels)] = float(
            value
        )
    assert len(described) == len(set(described))
    return found


def test_the_text_format_has_what_was_measured():
    assert samples(exposition(WELL)) == {
        ("success",): 1,
        ("reply_code",): 0,
        ("start_timestamp_seconds",): NOW.timestamp(),
        ("duration_seconds", "connection"): 0.03125,
        ("duration_seconds", "tls"): 0.0445,
        ("duration_seconds", "total"): 0.155,
        ("tls_info", "TLSv1.3"): 1,
        ("certificate_verify_code",): 0,
        ("certificate_expiry_timestamp_seconds",): (NOW + timedelta(days=30, hours=5)).timestamp(),
    }


def test_the_text_format_of_a_failure_names_the_stage_and_its_labels_are_escaped():
    plain = Probe('a"b\\c', 25)
    failed = ProbeResult(plain, NOW, -1, "connect", "no such name")
    text = exposition(failed)
    assert samples(text)[("failure_info", "connect")] == 1
    assert (samples(text)[("success",)], samples(text)[("reply_code",)]) == (0, -1)
    assert 'host="a\\"b\\\\c",port="25",connection="plain"' in text


def test_the_text_format_of_a_server(run):
    with Server(Policy("implicit-tls")) as server, Server(Policy(scenario="greeting-554")) as bad:
        status, out = run(server, "--prometheus", "--connection", "implicit-tls")
        assert (status, samples(out)[("success",)]) == (0, 1)
        status, out = run(bad, "--prometheus")
        assert (status, samples(out)[("reply_code",)]) == (1, 554)


# JSON, and options


def test_json_has_days_left_the_mechanism_and_the_total(run):
    with Server(Policy("implicit-tls", users={"ann": "s3cret"})) as server:
        _, out = run(server, "--json", "--connection", "implicit-tls", *LOGIN)
    found = json.loads(out)
    assert found["certificate"]["days_left"] >= 30
    assert found["mechanism"] == "PLAIN"
    assert found["total_ms"] >= found["connection_ms"] + found["tls_ms"] + found["login_ms"]


def test_the_options_reach_the_server(run, tmp_path):
    file = tmp_path / "token"
    file.write_bytes(b"ya29.abc\r\n")
    with Server(Policy(users={"ann": "s3cret"}, mechanisms=["LOGIN", "PLAIN", "XOAUTH2"])) as server:
        assert run(server, "-4", "--ehlo", "probe.example.org", *LOGIN, "--mechanism", "LOGIN")[0] == 0
        assert server.sessions[-1].client_name == "probe.example.org"
        assert server.sessions[-1].auth[0].mechanism == "LOGIN"
        assert run(server, "--user", "ann", "--token-file", str(file))[0] == 1
        assert (server.sessions[-1].auth[0].mechanism, server.sessions[-1].auth[0].token) == ("XOAUTH2", "ya29.abc")
        assert "Reply code:       -1, at connect" in run(server, "-6")[1]
    with Server(Policy("implicit-tls")) as server:
        assert run(server, "--connection", "implicit-tls", "--name", "mail.example.org")[0] == 1
