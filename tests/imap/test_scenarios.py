"""The scenarios of IMAP: what a careful client does in each, and that a naive one is caught by the row it is for."""

from __future__ import annotations

import contextlib

import pytest
from imap_clients import IMPATIENCE, PATIENCE, Leaves, careful, naive

from smtpfix import ImapPolicy, InvalidValueError, Outcome, ScenarioFailed
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids

OWN = [one for one in scenario_ids(protocol="imap") if "imap-" in one]
OF_STARTTLS = [one for one in OWN if "starttls" in load_scenario(one).modes]
SILENT = {
    *("imap-inject-tagged", "imap-inject-capability", "control-imap-silent", "imap-fetch-stall", "imap-wrong-tag"),
    *("imap-strip-continue", "imap-strip-untagged", "imap-literal-short", "imap-greeting-none", "imap-auth-endless"),
    *("handshake-stall", "handshake-stall-mid", "tls-on-plain-port"),
}
"""Where the server says nothing, and a client has to give up."""
LOSES = "the client deleted a message that it had not read whole"
IN_CLEAR = "the client read its mail in clear"
ACTS_ON_INJECTION = "the client took a reply that was injected in clear for the server's"
CAUGHT = {
    **{one: IN_CLEAR for one in OF_STARTTLS if one.startswith(("imap-strip-", "imap-preauth", "imap-tamper-"))},
    **{one: LOSES for one in OF_STARTTLS if one.startswith("imap-fetch-") and one != "imap-fetch-drip"},
    **dict.fromkeys(("imap-tamper-fetch", "imap-tamper-greeting", "imap-literal-bomb", "imap-lower-case"), LOSES),
    **dict.fromkeys(("imap-bye-in-session", "imap-idle-refused", "imap-size-wrong", "imap-wrong-tag"), LOSES),
    **dict.fromkeys(("imap-inject-capability", "imap-inject-tagged"), ACTS_ON_INJECTION),
    "imap-auth-none": "the client should have refused, and read the mail",
    "imap-greeting-smtp": "the client should have refused, and read the mail",
    **dict.fromkeys(("imap-logindisabled", "imap-reorder"), IN_CLEAR),
    "imap-stale-capability": "the client should have read all 3 messages",
    "imap-unavailable": "the client tried another password",
    **dict.fromkeys(
        ("imap-envelope-nil", "imap-unknown-untagged", "imap-unsolicited"),
        "the client should have read all 3 messages|" + LOSES,
    ),
    "imap-no-sasl-ir": "the client should have read all 3 messages",
}
"""What the naive client is told, in each row that is there to catch it."""
NOBODY_FAILS = {
    *("control-imap-silent", "imap-expunge-race", "imap-greeting-bye", "imap-login-failed", "imap-no-move"),
    *("imap-auth-endless", "imap-fetch-drip", "imap-greeting-none", "imap-referral-greeting", "imap-referral-login"),
    *("imap-traversal", "imap-uidvalidity-changes"),
}
"""Where the server leaves nothing to do wrong, or what is wrong is not seen: who expunges what others have marked."""

pytestmark = pytest.mark.usefixtures("nothing_logged")


def patience(scenario):
    return IMPATIENCE if scenario.scenario.id in SILENT else PATIENCE


@pytest.mark.imap_scenarios(*OF_STARTTLS, mode="starttls")
def test_a_careful_client_does_what_each_scenario_calls_for(imap_scenario):
    outcome = imap_scenario.check(lambda server: careful(server, patience=patience(imap_scenario)))
    if imap_scenario.expected == "accept":
        assert outcome is Outcome.RETRIEVED
        assert not imap_scenario.server.account("ann").inbox
    elif imap_scenario.expected == "refuse":
        assert outcome in (Outcome.REFUSED, Outcome.REFUSED_LATE)


@pytest.mark.imap_scenarios(*CAUGHT, mode="starttls")
def test_a_naive_client_is_caught_by_the_row_that_is_there_for_it(imap_scenario):
    with pytest.raises(ScenarioFailed, match=CAUGHT[imap_scenario.scenario.id]) as failure:
        imap_scenario.check(lambda server: naive(server, patience=IMPATIENCE))
    assert "s3cret" not in str(failure.value)


def test_every_scenario_that_somebody_can_fail_has_a_client_that_does():
    fail = {one for one in OWN if load_scenario(one).expected in ("accept", "refuse")}
    assert fail - NOBODY_FAILS == set(CAUGHT)


@pytest.mark.imap_scenarios("modes")
def test_both_clients_read_their_mail_from_good_servers(imap_scenario):
    assert imap_scenario.check(careful) is Outcome.RETRIEVED
    naive(imap_scenario.server)
    assert imap_scenario.outcome is Outcome.RETRIEVED


@pytest.mark.imap_scenarios("imap-preauth-tls")
def test_a_client_that_is_logged_in_already_goes_on(imap_scenario):
    assert imap_scenario.check(careful) is Outcome.RETRIEVED
    assert not imap_scenario.server.sessions[-1].auth


CHAINS = ("certificates", "tls")
VERIFIES = {
    key: {
        one
        for group in CHAINS
        for one in scenario_ids(group, "imap")
        if load_scenario(one).expected == expected and load_scenario(one).openssl.accepts is accepts
    }
    for key, expected, accepts in (("accepts", "refuse", True), ("refuses", "accept", False))
}
"""Where OpenSSL does otherwise than the standard has it."""


@pytest.mark.slow
@pytest.mark.imap_scenarios(*CHAINS, mode="starttls", **VERIFIES)
def test_every_certificate_and_every_tls_scenario_holds_for_imap_too(imap_scenario):
    imap_scenario.check(lambda server: careful(server, patience=patience(imap_scenario)))


@pytest.mark.imap_scenarios("bad-cert-then-plain", "fake220-alert", "fake220-stall", mode="starttls")
def test_scenarios_of_stripping_without_stages_hold_too(imap_scenario):
    assert imap_scenario.check(lambda server: careful(server, patience=IMPATIENCE)) is Outcome.REFUSED


@pytest.mark.imap_scenarios("auth-cram-first", "auth-scram", "auth-scram-plus", mode="implicit-tls")
def test_scenarios_of_mechanisms_hold_too(imap_scenario):
    with contextlib.suppress(Leaves):
        imap_scenario.check(careful)
    assert imap_scenario.outcome is not Outcome.NEVER_CONNECTED


def test_a_scenario_of_another_protocol_is_refused():
    with pytest.raises(InvalidValueError, match="is a scenario of POP3; a server of IMAP cannot"):
        ImapPolicy("starttls", scenario="pop3-strip-capa")
    assert "strip-ehlo" not in scenario_ids("stripping", "imap")
