"""What `RunningScenario.check` makes of clients of every kind, from the server's evidence alone."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import smtplib
import socket
import ssl
from email.message import EmailMessage

import aiosmtplib
import pytest

from smtpfix import Authority, Outcome, Policy, Reply, RunningScenario, Scenario, ScenarioFailed, Server, resolving
from smtpfix.policy.catalogue_files import load_scenario

MAIL = b"Subject: hi\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def authority():
    with Authority() as authority:
        yield authority


@pytest.fixture
def scenario(authority):
    """Return a function that runs a scenario; its servers are closed after the test."""
    servers = []

    def run(scenario_id, mode="implicit-tls", declared=None, expected=None, **fields):
        scenario = load_scenario(scenario_id)
        kind = scenario.policy_field
        policy = Policy(mode, users={"ann": "s3cret"}, **({kind: scenario_id} if mode != "plain" else {}), **fields)
        servers.append(Server(policy, authority=authority).start())
        if expected is not None:
            scenario = dataclasses.replace(scenario, expected=expected)
        return RunningScenario(scenario, servers[-1], **(declared or {}))

    with resolving():
        yield run
    for server in servers:
        server.close()


# Clients


def send(client):
    client.login("ann", "s3cret")
    client.sendmail("ann@example.org", ["bob@example.org"], MAIL)


def connect(server, context):
    """Return a connected client, in TLS where the server knows TLS."""
    if server.mode == "implicit-tls":
        return smtplib.SMTP_SSL(server.host, server.port, local_hostname="c.example", timeout=10, context=context)
    client = smtplib.SMTP(server.host, server.port, local_hostname="c.example", timeout=10)
    if server.mode != "plain":
        try:
            client.starttls(context=context)
        except ssl.SSLError:
            client.close()
            raise
    return client


def careful(server):
    """Check the certificate before anything else is said."""
    with connect(server, ssl.create_default_context(cafile=server.ca_file)) as client:
        send(client)


def careless(server):
    """Take any certificate."""
    with connect(server, None) as client:
        send(client)


def in_clear(server):
    """Never begin TLS."""
    with smtplib.SMTP(server.host, server.port, local_hostname="c.example", timeout=10) as client:
        client.sendmail("ann@example.org", ["bob@example.org"], MAIL)


def late(server):
    """Log in first, look at the certificate afterwards, and leave."""
    with connect(server, None) as client:
        client.login("ann", "s3cret")
    raise ssl.SSLCertVerificationError("I do not like your certificate")


def hasty(server):
    """Send a credential and leave at once, without waiting for an answer."""
    with connect(server, None) as client:
        client.ehlo()
        client.send("AUTH PLAIN AGFubgBzM2NyZXQ=\r\n")
        client.close()


def absent(_server):
    """Connect to nobody."""
    raise RuntimeError("no network today")


def broken(server):
    """Fail for a reason of its own, before anything was said."""
    connect(server, None).close()
    raise KeyError("template")


def liar(server):
    """Deliver, and claim not to have."""
    careless(server)
    raise ssl.SSLCertVerificationError("refused, word of honour")


# Outcomes: what the server saw


@pytest.mark.parametrize(
    ("client", "scenario_id", "mode", "outcome"),
    [
        (careful, "good", "implicit-tls", Outcome.DELIVERED),
        (careful, "good", "starttls", Outcome.DELIVERED),
        (careful, "good", "tls-required", Outcome.DELIVERED),
        (careful, "good", "plain", Outcome.DELIVERED),
        (careful, "expired", "implicit-tls", Outcome.REFUSED),
        (careful, "expired", "starttls", Outcome.REFUSED),
        (careless, "expired", "tls-required", Outcome.DELIVERED),
        (in_clear, "good", "starttls", Outcome.DELIVERED_IN_CLEAR),
        (in_clear, "plain-on-tls-port", "implicit-tls", Outcome.DELIVERED_IN_CLEAR),
        (in_clear, "good", "tls-required", Outcome.REFUSED_LATE),
        (in_clear, "good", "plain", Outcome.DELIVERED),
        (late, "expired", "implicit-tls", Outcome.REFUSED_LATE),
        (hasty, "expired", "starttls", Outcome.REFUSED_LATE),
        (careless, "truncated-before-reply", "starttls", Outcome.REFUSED_LATE),
        (absent, "good", "implicit-tls", Outcome.NEVER_CONNECTED),
        (broken, "good", "implicit-tls", Outcome.REFUSED),
        (liar, "expired", "implicit-tls", Outcome.DELIVERED),
    ],
)
def test_the_outcome_is_what_the_server_saw(scenario, client, scenario_id, mode, outcome):
    # Where everything is right, so that nothing fails but what always does.
    running = scenario(scenario_id, mode, expected="either")
    if outcome in (Outcome.NEVER_CONNECTED, Outcome.DELIVERED_IN_CLEAR):
        with pytest.raises(ScenarioFailed):
            running.check(client)
    else:
        assert running.check(client) is outcome
    assert running.outcome is outcome


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "END-OF-DATA"])
def test_a_message_that_the_server_refused_is_no_delivery(scenario, stage):
    running = scenario("good", expected="either")
    running.server.on(stage, Reply(451, "4.3.0", "Not now"))
    assert running.check(careful) is Outcome.REFUSED_LATE


@pytest.mark.parametrize(
    "line", [b"AUTH LOGIN", b"mail FROM:<ann@example.org>", b" rcpt TO:<bob@example.org>", b"data"]
)
def test_any_command_that_speaks_of_mail_gives_something_away(scenario, line):
    def client(server):
        with connect(server, None) as connected:
            connected.sock.sendall(line + b"\r\n")
            connected.getreply()
            connected.close()

    assert scenario("good", expected="either").check(client) is Outcome.REFUSED_LATE


@pytest.mark.parametrize("line", [b"EHLO c.example", b"NOOP", b"RSET", b"HELP", b"QUIT", b"STARTTLS", b"XAUTH", b""])
def test_any_other_command_gives_nothing_away(scenario, line):
    def client(server):
        with connect(server, None) as connected:
            connected.sock.sendall(line + b"\r\n")
            connected.getreply()
            connected.close()

    assert scenario("good", expected="either").check(client) is Outcome.REFUSED


def test_each_check_judges_its_own_client(scenario):
    running = scenario("expired")
    assert running.check(careful) is Outcome.REFUSED
    with pytest.raises(ScenarioFailed, match="the client should have refused, and delivered"):
        running.check(careless)
    assert running.check(careful) is Outcome.REFUSED
    with pytest.raises(ScenarioFailed, match="the client never connected"):
        running.check(absent)
    assert running.outcome is Outcome.DELIVERED  # of all of them


def test_a_client_that_keeps_its_connection_is_judged_by_it(scenario):
    running = scenario("good")
    kept = connect(running.server, running.server.ssl_context())
    with kept as client:
        assert running.check(lambda _server: send(client)) is Outcome.DELIVERED


# Verdicts: what the scenario calls for


@pytest.mark.parametrize(
    ("expected", "client", "complaint"),
    [
        ("accept", careful, None),
        ("accept", careless, None),
        ("accept", liar, None),
        ("accept", broken, "the client should have delivered"),
        ("accept", late, "the client should have delivered"),
        ("accept", absent, "the client never connected to localhost:"),
        ("refuse", careless, "the client should have refused, and delivered"),
        ("refuse", liar, "the client should have refused, and delivered"),
        ("refuse", late, "the client should have refused before it gave anything away"),
        ("refuse", hasty, "the client should have refused before it gave anything away"),
        ("refuse", broken, None),
        ("refuse", absent, "the client never connected to localhost:"),
        ("lax", careless, None),
        ("lax", broken, None),
        ("lax", absent, "the client never connected to localhost:"),
        ("either", careless, None),
        ("either", broken, None),
        ("either", late, None),
    ],
)
def test_a_verdict_follows_from_the_evidence(scenario, expected, client, complaint):
    running = scenario("good", expected=expected)
    if complaint is None:
        running.check(client)
    else:
        with pytest.raises(ScenarioFailed, match=f"^scenario good: {re.escape(complaint)}"):
            running.check(client)


@pytest.mark.parametrize("expected", ["accept", "refuse", "lax", "either"])
@pytest.mark.parametrize("declared", ["accepts", "refuses"])
def test_delivering_in_clear_fails_whatever_is_expected_or_declared(scenario, expected, declared):
    running = scenario("good", "starttls", {declared: frozenset({"good"})}, expected=expected)
    with pytest.raises(ScenarioFailed, match="the client delivered in clear"):
        running.check(in_clear)


def test_delivering_in_clear_is_right_where_there_is_no_tls(scenario):
    assert scenario("good", "plain").check(in_clear) is Outcome.DELIVERED


def test_where_the_server_closes_at_the_final_dot_no_client_can_refuse_earlier(scenario):
    assert scenario("truncated-before-reply").check(careful) is Outcome.REFUSED_LATE
    assert scenario("truncated-after-reply").check(careful) is Outcome.DELIVERED


# What was declared


@pytest.mark.parametrize(
    ("key", "expected", "client", "outcome"),
    [
        ("accepts", "refuse", careless, Outcome.DELIVERED),
        ("accepts", "lax", careless, Outcome.DELIVERED),
        ("refuses", "accept", broken, Outcome.REFUSED),
        ("refuses", "accept", late, Outcome.REFUSED_LATE),
        ("refuses", "either", broken, Outcome.REFUSED),
    ],
)
def test_a_declared_deviation_passes(scenario, key, expected, client, outcome):
    assert scenario("good", declared={key: frozenset({"good"})}, expected=expected).check(client) is outcome


@pytest.mark.parametrize(
    ("key", "expected", "client", "complaint"),
    [
        ("accepts", "refuse", broken, "accepts= names good, but the client refuses it: take it out"),
        ("accepts", "lax", late, "accepts= names good, but the client refuses it: take it out"),
        ("refuses", "accept", careless, "refuses= names good, but the client accepts it: take it out"),
        ("refuses", "either", careless, "refuses= names good, but the client accepts it: take it out"),
        ("accepts", "refuse", absent, "the client never connected"),
        ("refuses", "accept", absent, "the client never connected"),
    ],
)
def test_a_declaration_that_no_longer_holds_fails(scenario, key, expected, client, complaint):
    running = scenario("good", declared={key: frozenset({"good"})}, expected=expected)
    with pytest.raises(ScenarioFailed, match=complaint):
        running.check(client)


def test_a_declaration_of_another_scenario_changes_nothing(scenario):
    running = scenario("expired", declared={"accepts": frozenset({"not-yet-valid"})})
    assert running.check(careful) is Outcome.REFUSED


def test_a_declaration_goes_by_the_name_it_was_given(scenario):
    running = scenario("good", "plain", {"refuses": frozenset({"plain"}), "name": "plain"})
    assert running.check(broken) is Outcome.REFUSED
    with pytest.raises(ScenarioFailed, match="refuses= names plain, but the client accepts it"):
        running.check(careful)


def test_a_password_in_clear_fails_also_where_both_accepting_and_refusing_are_right(start_smtp_server):
    policy = Policy("starttls", scenario="strip-helo-only")
    running = RunningScenario(load_scenario("strip-helo-only"), start_smtp_server(policy))

    def logging_in(server):
        with smtplib.SMTP(server.host, server.port, "client.example", timeout=10) as client:
            client.helo()
            client.docmd("AUTH", "PLAIN AGFubgBzM2NyZXQ=")

    with pytest.raises(ScenarioFailed, match="the client logged in in clear"):
        running.check(logging_in)


# What the user reads


def text_of(running, client):
    with pytest.raises(ScenarioFailed) as caught:
        running.check(client)
    return str(caught.value), caught.value


def test_a_failure_tells_scenario_standard_expectation_and_the_whole_conversation(scenario):
    text, error = text_of(scenario("expired"), careless)
    lines = text.splitlines()
    assert lines[:5] == [
        "scenario expired: the client should have refused, and delivered",
        "  what it is: The leaf expired yesterday",
        f"  expected:   refuse (a careful client refuses), {load_scenario('expired').standard}",
        "  happened:   delivered",
        "  the client: raised nothing",
    ]
    assert lines[5].startswith("session 1 (implicit-tls): TLSv1.3 by connect; AUTH PLAIN as 'ann', password …")
    assert re.search(r"^ +\d\.\d{4} C: mail FROM:<ann@example\.org>", text, re.MULTILINE | re.IGNORECASE)
    assert lines[-1].endswith("-- end: quit")
    assert isinstance(error, AssertionError)
    assert error.__cause__ is None


def test_a_failure_says_what_may_help_where_the_reason_is_known(scenario):
    running = scenario("wildcard-ok")
    with pytest.raises(ScenarioFailed, match=r"hint: .*let it trust server\.ca_file"):
        running.check(lambda server: connect(server, ssl.create_default_context()))


def test_a_failure_quotes_what_the_client_raised_and_chains_it(scenario):
    text, error = text_of(scenario("good"), broken)
    assert "  the client: raised KeyError: 'template'" in text.splitlines()
    assert isinstance(error.__cause__, KeyError)


def test_an_exception_is_quoted_on_one_line_and_not_endlessly(scenario):
    def client(server):
        connect(server, None).close()
        raise ValueError("\x1b[31m\nred " + "x" * 10_000)

    text, _ = text_of(scenario("good"), client)
    (line,) = [line for line in text.splitlines() if "ValueError" in line]
    assert r"\x1b[31m\nred xxx" in line
    assert len(line) < 600


def test_a_failure_shows_the_length_of_a_secret_only(scenario):
    text, _ = text_of(scenario("expired"), late)
    assert "…(16 octets)" in text
    assert "AGFubgBzM2NyZXQ=" not in text
    assert "s3cret" not in text


def test_a_failure_shows_the_sessions_of_its_own_client_only(scenario):
    running = scenario("expired")
    running.check(careful)
    text, _ = text_of(running, careless)
    assert "session 2" in text
    assert "session 1" not in text


def test_a_client_that_never_came_is_told_where_to_connect(scenario):
    running = scenario("wildcard-ok")
    text, _ = text_of(running, absent)
    assert f"never connected to mx.smtpfix.test:{running.server.port}, so nothing is known of it" in text
    assert "raised RuntimeError: no network today" in text


def test_a_running_scenario_is_short_in_a_report(scenario):
    running = scenario("expired")
    assert repr(running) == f"<RunningScenario expired <Server implicit-tls localhost:{running.server.port}>>"
    assert running.expected == "refuse"
    assert isinstance(running.scenario, Scenario)


# What is no client's exception


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, pytest.skip.Exception])
def test_what_is_to_end_the_test_ends_it(scenario, exception):
    def client(_server):
        raise exception("enough")

    with pytest.raises(exception, match="enough"):
        scenario("good").check(client)


# Clients that are coroutines


async def deliver(server, **options):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@example.org", "bob@example.org", "hi"
    implicit = server.mode == "implicit-tls"
    await aiosmtplib.send(
        message, hostname=server.host, port=server.port, use_tls=implicit, start_tls=not implicit, timeout=10, **options
    )


async def careful_coroutine(server):
    await deliver(server, tls_context=ssl.create_default_context(cafile=server.ca_file))


async def careless_coroutine(server):
    await deliver(server, validate_certs=False)


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["implicit-tls", "starttls"])
async def test_a_coroutine_is_judged_like_any_client(scenario, mode):
    assert await scenario("wildcard-ok", mode).acheck(careful_coroutine) is Outcome.DELIVERED
    assert await scenario("wildcard-apex", mode).acheck(careful_coroutine) is Outcome.REFUSED
    with pytest.raises(ScenarioFailed, match="the client should have refused, and delivered"):
        await scenario("wildcard-apex", mode).acheck(careless_coroutine)


@pytest.mark.asyncio
async def test_a_coroutine_s_exception_is_quoted_and_its_cancellation_is_not(scenario):
    async def broken_coroutine(server):
        await asyncio.get_running_loop().getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
        raise KeyError("template")

    async def cancelled_coroutine(_server):
        raise asyncio.CancelledError

    running = scenario("good")
    with pytest.raises(ScenarioFailed, match="raised KeyError: 'template'"):
        await running.acheck(broken_coroutine)
    with pytest.raises(asyncio.CancelledError):
        await running.acheck(cancelled_coroutine)
