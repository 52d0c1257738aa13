"""The scenarios that rules make: a careful client does what each calls for, a naive one is caught where it matters."""

import contextlib
import dataclasses
import email
import email.message
import email.policy
import smtplib
import socket
import ssl

import pytest

from smtpfix import Policy, RunningScenario, ScenarioFailed, Server
from smtpfix.audit.case import stalls
from smtpfix.audit.check import Outcome
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.scenario import GROUPS

SLOW = ("greeting-slow", "slow-drip-octet", "tarpit")


def shown(name):
    """Return the modes in which a scenario is shown to the careful client: the last, and the first where it tells more.

    What a rule does in clear and in TLS, tests/rules/test_stages.py has for each action; whether there is a login, and
    in which mechanisms, depends on the mode.
    """
    scenario = load_scenario(name)
    if name == "slow-drip-octet":  # octet by octet, TLS takes four times as long
        return scenario.modes[:1]
    return dict.fromkeys((scenario.modes[0], scenario.modes[-1]) if scenario.group == "auth" else scenario.modes[-1:])


def waits(name):
    """Return the marks of a test in which a client meets this scenario."""
    return [pytest.mark.slow] if name in SLOW or stalls(load_scenario(name)) else []


NAMES = [
    pytest.param(name, mode, marks=waits(name))
    for group in GROUPS[2:]
    for name in scenario_ids(group)
    for mode in shown(name)
]
CAUGHT = [pytest.param(name, marks=waits(name)) for group in ("stripping", "injection") for name in scenario_ids(group)]
IN_CLEAR = ("inject-greeting-ehlo", "inject-greeting-ehlo-answered", "strip-helo-only")
"""Where accepting is right too, inside TLS, and a naive client goes on in clear."""
FORBIDDING = [name for name in scenario_ids() if load_scenario(name).forbids]
MESSAGE = "Subject: Invoice\r\n\r\n" + "Please pay.\r\n" * 100


def timeout(scenario):
    """Return the seconds a client waits: no more than it has to where nothing will come, and it may come to nothing."""
    if scenario.id == "quit-hang":  # where it has to deliver before
        return 5
    return 15 if scenario.expected == "accept" else 0.5


def careful(scenario):
    """Return a client that must use TLS and logs in where it can, as a program with smtplib should."""

    def deliver(server):
        context = ssl.create_default_context(cafile=server.ca_file)
        asked = scenario.asked
        options = {"timeout": timeout(scenario), "local_hostname": asked.client_name or "client.example"}
        if server.mode == "implicit-tls":
            client = smtplib.SMTP_SSL(server.host, server.port, context=context, **options)
        else:
            client = smtplib.SMTP(server.host, server.port, **options)
        with contextlib.closing(client), client:
            if server.mode in ("starttls", "tls-required"):
                client.starttls(context=context)
            client.ehlo()
            if server.policy.users is not None and client.has_extn("auth"):
                client.login("ann", "s3cret")
            client.send_message(
                encoded(asked.message or MESSAGE),
                "ann@example.org",
                [asked.recipient or "bob@example.org", "eve@example.org"],
            )

    return deliver


def encoded(text):
    """Return a message in which nothing depends on how its octets travel."""
    given = email.message_from_string(text, policy=email.policy.default)
    message = email.message.EmailMessage()
    message["Subject"] = given["Subject"]
    message.set_content(given.get_payload(), cte="quoted-printable")
    return message


def careless(scenario):
    """Return a client that writes what it is asked to write, as it is."""

    def deliver(server):
        asked = scenario.asked
        with socket.create_connection((server.host, server.port), timeout=5) as opened:
            replies = opened.makefile("rb")

            def say(line):
                opened.sendall(f"{line}\r\n".encode())
                return replies.readline()

            replies.readline()
            opened.sendall(f"EHLO {asked.client_name or 'client.example'}\r\n".encode())
            while replies.readline()[3:4] == b"-":
                pass
            say("MAIL FROM:<ann@example.org>")
            say(f"RCPT TO:<{asked.recipient or 'bob@example.org'}>")
            say("DATA")
            say((asked.message or MESSAGE) + ".")
            say("QUIT")

    return deliver


def naive(scenario):
    """Return a client that takes whatever it gets: no name, no issuer is checked, and clear text will do."""

    def connect(server):
        return smtplib.SMTP(server.host, server.port, timeout=timeout(scenario), local_hostname="client.example")

    def in_tls(client):
        try:
            client.ehlo_or_helo_if_needed()
            if client.has_extn("starttls"):
                client.starttls()
                client.ehlo()
        except (OSError, smtplib.SMTPException):
            client.close()
            return False
        return True

    def deliver(server):
        client = connect(server)
        if not in_tls(client):
            client = connect(server)
        with contextlib.closing(client), client:
            client.ehlo_or_helo_if_needed()
            if client.has_extn("auth"):
                with contextlib.suppress(smtplib.SMTPAuthenticationError):
                    client.login("ann", "s3cret")
            client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)

    return deliver


def running(start_smtp_server, name, mode):
    scenario = load_scenario(name)
    policy = Policy(mode, scenario=name)
    if name == "reply-endless":  # to which smtplib listens as long as it goes on
        policy = policy.replace(timeout=0.5)
    return RunningScenario(scenario, start_smtp_server(policy))


@pytest.mark.parametrize(("name", "mode"), NAMES)
def test_a_careful_client_does_what_the_scenario_calls_for(start_smtp_server, name, mode):
    scenario = running(start_smtp_server, name, mode)
    outcome = scenario.check(careful(scenario.scenario))
    assert outcome in (Outcome.DELIVERED, Outcome.REFUSED, Outcome.REFUSED_LATE)


@pytest.mark.parametrize("name", CAUGHT)
def test_a_naive_client_is_caught_where_refusing_is_called_for_and_nowhere_else(start_smtp_server, name):
    scenario = running(start_smtp_server, name, load_scenario(name).modes[0])
    caught = scenario.expected == "refuse" and name != "control-silent-ehlo"  # where nobody gets on
    caught = caught or name in IN_CLEAR
    with pytest.raises(ScenarioFailed) if caught else contextlib.nullcontext():
        scenario.check(naive(scenario.scenario))


@pytest.mark.parametrize("name", FORBIDDING)
def test_a_client_that_writes_what_it_is_asked_to_write_is_caught_where_the_scenario_forbids_it(
    start_smtp_server, name
):
    scenario = running(start_smtp_server, name, "plain")
    with pytest.raises(ScenarioFailed, match=r"the client should have refused|the client did ") as caught:
        scenario.check(careless(scenario.scenario))
    session = scenario.server.sessions[0]
    messages = [*scenario.server.inbox.messages, *scenario.server.inbox.refused]
    shown = {one.id for one in (*session.violations, *(one for message in messages for one in message.violations))}
    assert shown & set(scenario.scenario.forbids)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", FORBIDDING)
def test_what_a_scenario_forbids_is_no_failure_of_a_client_that_is_known_for_it(start_smtp_server, name):
    scenario = running(start_smtp_server, name, "plain")
    known = dataclasses.replace(scenario, accepts=frozenset({name}))
    assert known.check(careless(scenario.scenario)) is Outcome.DELIVERED


def test_everything_that_may_pass_for_the_end_of_a_content_is_seen(start_smtp_server):
    scenario = running(start_smtp_server, "end-of-data", "plain")
    careless(scenario.scenario)(scenario.server)
    message = scenario.server.inbox.one()
    assert set(message.end_like_sequences) == {
        *("LF.LF", "LF.CRLF", "CR.CR", "CR.LF", "CR.CRLF", "CRLF.LF", "CRLF.CR"),
    }


@pytest.mark.parametrize("name", [name for name in scenario_ids("injection") if name.startswith("inject-")])
def test_the_control_run_of_an_injection_is_clean_with_the_same_client(start_smtp_server, name):
    control = load_scenario(load_scenario(name).control)
    policy = Policy("starttls", **({} if control.id == "good" else {control.policy_field: control.id}))
    scenario = RunningScenario(control, start_smtp_server(policy))
    assert scenario.check(careful(control)) in (Outcome.DELIVERED, Outcome.REFUSED)
    assert scenario.scenario.injected_mechanisms == ()


def test_a_retry_after_a_lost_reply_delivers_twice_and_shows_as_two_attempts(start_smtp_server):
    scenario = running(start_smtp_server, "final-dot-lost-reply", "plain")
    message = "Message-ID: <7@shop.example>\r\n" + MESSAGE

    def deliver(server):
        for _ in range(2):
            with contextlib.suppress(smtplib.SMTPServerDisconnected), smtplib.SMTP(server.host, server.port) as client:
                client.sendmail("ann@example.org", ["bob@example.org"], message)
                return

    assert scenario.check(deliver) is Outcome.DELIVERED
    assert len(scenario.server.inbox) == 2
    assert scenario.server.inbox.attempts("<7@shop.example>").session_numbers == (1, 2)


def test_a_password_in_clear_is_seen(start_smtp_server):
    scenario = running(start_smtp_server, "strip-ehlo", "starttls")
    with pytest.raises(ScenarioFailed, match="the client delivered in clear") as caught:
        scenario.check(naive(scenario.scenario))
    (attempt,) = scenario.server.sessions[0].auth
    assert (attempt.password, attempt.in_clear) == ("s3cret", True)
    assert "s3cret" not in str(caught.value)


def test_the_rules_of_a_scenario_are_in_force_from_the_start_and_asked_in_their_order():
    for name in (name for group in GROUPS[2:] for name in scenario_ids(group)):
        scenario = load_scenario(name)
        server = Server(Policy(scenario.modes[0], scenario=name))
        assert server.rules == scenario.rules, name
        for field, value in scenario.policy:
            taken = getattr(server.policy, field)
            assert taken == (frozenset(value) if isinstance(taken, frozenset) else value), name


def test_a_policy_says_itself_what_a_scenario_would_only_suggest():
    assert Policy("starttls", scenario="strip-ehlo", users={"ann": "s3cret"}).users == {"ann": "s3cret"}
    assert Policy("plain", scenario="size-too-small").size_limit == 100
    assert Policy("plain", scenario="size-too-small", size_limit=7).size_limit == 7
