"""The scenarios that rules make: a careful client does what each calls for, a naive one is caught where it matters."""

import contextlib
import smtplib
import ssl

import pytest

from smtpfix import Policy, RunningScenario, ScenarioFailed
from smtpfix.check import Outcome
from smtpfix.scenario import GROUPS, load_scenario, scenario_ids

NAMES = [
    (name, mode)
    for group in GROUPS[2:]
    for name in scenario_ids(group)
    for mode in dict.fromkeys((load_scenario(name).modes[0], load_scenario(name).modes[-1]))
]
CAUGHT = [name for group in ("stripping", "injection") for name in scenario_ids(group)]
MESSAGE = "Subject: Invoice\r\n\r\n" + "Please pay.\r\n" * 100


def timeout(scenario):
    """Return the seconds a client waits: no more than it has to where nothing will come."""
    return 5 if scenario.expected == "accept" and scenario.id != "quit-hang" else 0.5


def careful(scenario):
    """Return a client that must use TLS and logs in where it can, as a program with smtplib should."""

    def deliver(server):
        context = ssl.create_default_context(cafile=server.ca_file)
        options = {"timeout": timeout(scenario), "local_hostname": "client.example"}
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
            client.sendmail("ann@example.org", ["bob@example.org", "eve@example.org"], MESSAGE)

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
    return RunningScenario(scenario, start_smtp_server(Policy(mode, scenario=name)))


@pytest.mark.parametrize(("name", "mode"), NAMES)
def test_a_careful_client_does_what_the_scenario_calls_for(start_smtp_server, name, mode):
    scenario = running(start_smtp_server, name, mode)
    outcome = scenario.check(careful(scenario.scenario))
    assert outcome in (Outcome.DELIVERED, Outcome.REFUSED, Outcome.REFUSED_LATE)


@pytest.mark.parametrize("name", CAUGHT)
def test_a_naive_client_is_caught_where_refusing_is_called_for_and_nowhere_else(start_smtp_server, name):
    scenario = running(start_smtp_server, name, load_scenario(name).modes[0])
    with pytest.raises(ScenarioFailed) if scenario.expected == "refuse" else contextlib.nullcontext():
        scenario.check(naive(scenario.scenario))


def test_a_password_in_clear_is_seen(start_smtp_server):
    scenario = running(start_smtp_server, "strip-ehlo", "starttls")
    with pytest.raises(ScenarioFailed, match="the client delivered in clear") as caught:
        scenario.check(naive(scenario.scenario))
    (attempt,) = scenario.server.sessions[0].auth
    assert (attempt.password, attempt.in_clear) == ("s3cret", True)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", [name for group in GROUPS[2:] for name in scenario_ids(group)])
def test_the_rules_of_a_scenario_are_in_force_from_the_start_and_asked_in_their_order(start_smtp_server, name):
    scenario = load_scenario(name)
    server = start_smtp_server(Policy(scenario.modes[0], scenario=name))
    assert server.rules == scenario.rules
    for field, value in scenario.policy:
        taken = getattr(server.policy, field)
        assert taken == (frozenset(value) if isinstance(taken, frozenset) else value)


def test_a_policy_says_itself_what_a_scenario_would_only_suggest():
    assert Policy("starttls", scenario="strip-ehlo", users={"ann": "s3cret"}).users == {"ann": "s3cret"}
    assert Policy("plain", scenario="size-too-small").size_limit == 100
    assert Policy("plain", scenario="size-too-small", size_limit=7).size_limit == 7
