"""The scenarios of IMAP: what a careful client does in each, and that a naive one is caught by the row it is for."""

from __future__ import annotations

import contextlib

import pytest
from imap_clients import IMPATIENCE, PATIENCE, Client, Leaves, careful, naive
from single_faults import SINGLE_FAULTS, logged_in

from smtpfix import ImapPolicy, InvalidValueError, Outcome, ScenarioFailed
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids

OWN = [one for one in scenario_ids(protocol="imap") if "imap-" in one]
OF_STARTTLS = [one for one in OWN if "starttls" in load_scenario(one).modes]
SILENT = {
    *("imap-inject-half", "control-imap-half"),
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
    **dict.fromkeys(
        ("imap-tamper-fetch", "imap-tamper-greeting", "imap-literal-bomb", "imap-literal-short"),
        LOSES,
    ),
    **dict.fromkeys(
        ("imap-bye-in-session", "imap-lower-case", "imap-idle-refused", "imap-size-wrong", "imap-wrong-tag"), LOSES
    ),
    **dict.fromkeys(("imap-inject-capability", "imap-inject-half", "imap-inject-tagged"), ACTS_ON_INJECTION),
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
    "control-imap-silent": "a control run: who goes on here shows that the injection is not why",
    "control-imap-half": "a control run, as above",
    "imap-fetch-drip": "only a client without any patience fails, which is as little certain as the machine's speed",
    "imap-greeting-bye": "the server has closed behind its greeting, and hears nothing of what is said then",
    "imap-login-failed": "nobody is let in; whether a client says so is for the audit, which sees how it ends",
    "imap-auth-endless": "who never gives up never ends, which takes the audit's time limit to see",
    "imap-referral-greeting": "what a client says to the server that it is sent to is not seen by this one",
    "imap-referral-login": "as above",
    "imap-no-move": "only what others have marked is expunged wrongly, and who reads no marked mail is right as well",
    "imap-uidvalidity-changes": "behind the new UIDs are the same messages, so who skips them has read them",
}
"""Where the server sees nothing done wrong, each with the reason."""

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
    judged = ((one, load_scenario(one)) for one in OWN)
    fail = {one for one, scenario in judged if scenario.expected in ("accept", "refuse") or scenario.forbids}
    assert fail - NOBODY_FAILS.keys() == {*CAUGHT, *SINGLE_FAULTS}
    assert NOBODY_FAILS.keys() <= fail
    assert SINGLE_FAULTS.keys().isdisjoint(CAUGHT)


@pytest.mark.imap_scenarios(*SINGLE_FAULTS, mode="starttls")
def test_a_client_with_one_fault_is_caught_by_the_row_that_is_there_for_it(imap_scenario):
    client, told = SINGLE_FAULTS[imap_scenario.scenario.id]
    with pytest.raises(ScenarioFailed, match=told):
        imap_scenario.check(client)


@pytest.mark.imap_scenarios("good")
@pytest.mark.parametrize("client", [client for client, _ in SINGLE_FAULTS.values()])
def test_a_client_with_one_fault_does_nothing_else_wrong(imap_scenario, client):
    assert imap_scenario.check(client) is Outcome.RETRIEVED


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


def in_clear(*commands):
    """Return a client that says these in clear, whatever it is greeted with."""

    def reads(server):
        with contextlib.closing(Client(server, PATIENCE)) as client:
            for command in commands:
                client.say(command)

    return reads


@pytest.mark.imap_scenarios("imap-preauth", "imap-preauth-starttls", mode="starttls")
@pytest.mark.parametrize("command", ["FETCH 1 BODY.PEEK[]<0.10>", "UID FETCH 1 BODY.PEEK[]<0.10>", "FETCH 1 ENVELOPE"])
def test_a_client_that_reads_the_first_octets_in_clear_has_read_in_clear(imap_scenario, command):
    with pytest.raises(ScenarioFailed, match=IN_CLEAR):
        imap_scenario.check(in_clear("SELECT INBOX", command))


@pytest.mark.imap_scenarios("imap-preauth", "imap-preauth-starttls", mode="starttls")
def test_a_client_that_works_in_clear_where_it_is_greeted_as_logged_in_has_gone_too_far(imap_scenario):
    with pytest.raises(ScenarioFailed, match="should have refused before it gave anything away"):
        imap_scenario.check(in_clear("SELECT INBOX", "FETCH 1:* (UID FLAGS RFC822.SIZE)", "LOGOUT"))
    assert imap_scenario.outcome is Outcome.REFUSED_LATE


@pytest.mark.imap_scenarios("imap-preauth", "imap-preauth-starttls", mode="starttls")
def test_a_client_that_asks_for_tls_and_leaves_has_done_nothing_wrong(imap_scenario):
    assert imap_scenario.check(in_clear("CAPABILITY", "STARTTLS", "LOGOUT")) is Outcome.REFUSED


def copies(*commands):
    """Return a client that reads all mail, and then says these."""

    def reads(server):
        with logged_in(server) as client:
            client.ask("FETCH 1:* (BODY.PEEK[])")
            for command in commands:
                client.say(command)

    return reads


DELETES = ("UID STORE 1 +FLAGS.SILENT (\\Deleted)", "EXPUNGE")


@pytest.mark.imap_scenarios("imap-copy-no", mode="starttls")
@pytest.mark.parametrize(
    "commands",
    [
        (),
        DELETES,  # copies nothing
        ("UID COPY 2:3 Trash", *DELETES),  # keeps what it could not copy
        ("MOVE 2,3 Trash", *DELETES),
        ("UID COPY 1 Trash", "APPEND Trash {3+}\r\nabc", *DELETES),  # has kept it otherwise
        (*DELETES, "COPY 1 Trash", "UID STORE 3 +FLAGS (\\Deleted)", "EXPUNGE"),  # message 1 is another one by now
    ],
)
def test_a_client_that_deletes_nothing_of_what_it_could_not_copy_passes(imap_scenario, commands):
    assert imap_scenario.check(copies(*commands)) is Outcome.RETRIEVED


@pytest.mark.imap_scenarios("imap-copy-no", mode="starttls")
@pytest.mark.parametrize("command", ["UID COPY 1 Trash", "COPY 1:2 Trash", "MOVE 3,1 Trash", "UID MOVE 1:* Trash"])
def test_a_client_that_deletes_what_it_could_not_copy_is_told(imap_scenario, command):
    with pytest.raises(ScenarioFailed, match=r"RFC 9051 section 6\.4\.7"):
        imap_scenario.check(copies(command, *DELETES))
