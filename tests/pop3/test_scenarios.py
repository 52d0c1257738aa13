"""The scenarios of POP3: what a careful client does in each, and that a naive one is caught by the row it is for."""

from __future__ import annotations

import contextlib

import pytest
from reading_clients import IMPATIENCE, PATIENCE, Leaves, careful, naive

from smtpfix import InvalidValueError, Outcome, Policy, Pop3Policy, ScenarioFailed
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.scenario import PROTOCOLS

OWN = [one for one in scenario_ids(protocol="pop3") if "pop3-" in one]
SILENT = {
    *("pop3-inject-capa", "pop3-inject-ok", "control-pop3-silent", "pop3-retr-stall"),
    *("handshake-stall", "handshake-stall-mid", "tls-on-plain-port"),
}
"""Where the server says nothing, and a client has to give up."""
ACTS_ON_INJECTION = "the client took a reply that was injected in clear for the server's"
CAUGHT = {
    "pop3-apop-only": "the client should have refused before it gave anything away|read its mail in clear",
    "pop3-in-use": "the client tried another password",
    "pop3-inject-capa": ACTS_ON_INJECTION,
    "pop3-inject-ok": ACTS_ON_INJECTION,
    "pop3-login-delay": "the client tried another password",
    "pop3-long-line": "should have read all 3 messages|deleted a message that it had not read whole",
    "pop3-no-dot": "deleted a message that it had not read whole",
    "pop3-retr-close": "deleted a message that it had not read whole",
    "pop3-retr-err": "deleted a message that it had not read whole",
    "pop3-retr-stall": "deleted a message that it had not read whole",
    "pop3-size-wrong": "should have read all 3 messages|deleted a message that it had not read whole",
    "pop3-stat-mismatch": "should have read all 3 messages|deleted a message that it had not read whole",
    "pop3-strip-capa": "the client read its mail in clear",
    "pop3-strip-err": "the client read its mail in clear",
    "pop3-strip-fake-ok": "the client read its mail in clear",
    "pop3-strip-no-capa": "the client read its mail in clear",
    "pop3-sys-temp": "the client tried another password",
    "pop3-uidl-duplicate": "should have read all 3 messages",
    "pop3-uidl-err": "should have read all 3 messages|deleted a message that it had not read whole",
    "pop3-user-err": "pass-after-refused-user",
}
"""What the naive client is told, in each row that is there to catch it."""

pytestmark = pytest.mark.usefixtures("nothing_logged")


def given_up_in(scenario):
    """Return how long the naive client waits: it takes what is injected, and so never waits for what is withheld."""
    return IMPATIENCE if scenario.scenario.id == "pop3-retr-stall" else PATIENCE


def patience(scenario):
    return IMPATIENCE if scenario.scenario.id in SILENT else PATIENCE


@pytest.mark.pop3_scenarios(*OWN, mode="starttls")
def test_a_careful_client_does_what_each_scenario_calls_for(pop3_scenario):
    outcome = pop3_scenario.check(lambda server: careful(server, patience=patience(pop3_scenario)))
    if pop3_scenario.expected == "accept":
        assert outcome is Outcome.RETRIEVED
        assert not pop3_scenario.server.account("ann").inbox
    elif pop3_scenario.expected == "refuse":
        assert outcome in (Outcome.REFUSED, Outcome.REFUSED_LATE)


@pytest.mark.pop3_scenarios(*CAUGHT, mode="starttls")
def test_a_naive_client_is_caught_by_the_row_that_is_there_for_it(pop3_scenario):
    with pytest.raises(ScenarioFailed, match=CAUGHT[pop3_scenario.scenario.id]) as failure:
        pop3_scenario.check(
            lambda server: naive(
                server, patience=given_up_in(pop3_scenario), asks_again=pop3_scenario.scenario.id != "pop3-inject-ok"
            )
        )
    assert "s3cret" not in str(failure.value)


def test_every_scenario_that_somebody_can_fail_has_a_client_that_does():
    fail = {one for one in OWN if load_scenario(one).expected in ("accept", "refuse")}
    assert fail - {"control-pop3-silent"} == set(CAUGHT)


@pytest.mark.pop3_scenarios("modes")
def test_both_clients_read_their_mail_from_good_servers(pop3_scenario):
    assert pop3_scenario.check(careful) is Outcome.RETRIEVED
    naive(pop3_scenario.server)
    assert pop3_scenario.outcome is Outcome.RETRIEVED


CHAINS = ("certificates", "tls")
VERIFIES = {
    "accepts": {
        one
        for group in CHAINS
        for one in scenario_ids(group, "pop3")
        if load_scenario(one).expected == "refuse" and load_scenario(one).openssl.accepts
    },
    "refuses": {
        one
        for group in CHAINS
        for one in scenario_ids(group, "pop3")
        if load_scenario(one).expected == "accept" and not load_scenario(one).openssl.accepts
    },
}
"""Where OpenSSL does otherwise than the standard has it."""


@pytest.mark.slow
@pytest.mark.pop3_scenarios(*CHAINS, mode="starttls", **VERIFIES)
def test_every_certificate_and_every_tls_scenario_holds_for_pop3_too(pop3_scenario):
    pop3_scenario.check(lambda server: careful(server, patience=patience(pop3_scenario)))


@pytest.mark.pop3_scenarios("bad-cert-then-plain", "fake220-alert", "fake220-stall", mode="starttls")
def test_scenarios_of_stripping_without_stages_hold_too(pop3_scenario):
    assert pop3_scenario.check(lambda server: careful(server, patience=IMPATIENCE)) is Outcome.REFUSED


@pytest.mark.pop3_scenarios("auth-cram-first", "auth-scram", "auth-scram-plus", mode="implicit-tls")
def test_scenarios_of_mechanisms_hold_too(pop3_scenario):
    with contextlib.suppress(Leaves):
        pop3_scenario.check(careful)
    assert pop3_scenario.outcome is not Outcome.NEVER_CONNECTED


def test_scenarios_belong_to_protocols():
    assert not {one for one in scenario_ids() if load_scenario(one).protocol not in ("", "smtp")}
    for protocol in PROTOCOLS[1:]:
        own = {one for one in scenario_ids(protocol=protocol) if load_scenario(one).protocol == protocol}
        assert {one for one in own if one.removeprefix("control-").startswith(f"{protocol}-")} == own
    assert {*scenario_ids("certificates", "pop3")} == {*scenario_ids("certificates")}
    assert {*scenario_ids("tls", "pop3")} == {*scenario_ids("tls")}
    assert "strip-ehlo" not in scenario_ids("stripping", "pop3")
    with pytest.raises(InvalidValueError, match="is a scenario of POP3; a server of SMTP cannot"):
        Policy("starttls", scenario="pop3-strip-capa")
    with pytest.raises(InvalidValueError, match="is a scenario of SMTP; a server of POP3 cannot"):
        Pop3Policy("starttls", scenario="strip-ehlo")
