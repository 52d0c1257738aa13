"""The scenarios of AUTH, one by one: what careful clients do, and what is on record of others."""

import base64
import binascii
import contextlib
import json
import smtplib

import pytest

from smtpfix import Policy, RunningScenario, ScenarioFailed
from smtpfix.audit.check import Outcome
from smtpfix.policy.catalogue_files import load_scenario

MESSAGE = "Subject: Invoice\r\n\r\nPlease pay.\r\n"


@pytest.fixture
def running(start_smtp_server):
    """Return a function that shows a scenario, in its first mode unless told otherwise."""

    def running(name, mode=None, **fields):
        scenario = load_scenario(name)
        return RunningScenario(scenario, start_smtp_server(Policy(mode or scenario.modes[0], scenario=name, **fields)))

    return running


def delivering(log_in):
    """Return a client that logs in so and delivers."""

    def deliver(server):
        with server.client() as client:
            client.ehlo()
            log_in(client)
            client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)

    return deliver


def attempts(scenario):
    """Return the mechanism of every attempt, and whether it was accepted."""
    return [(one.mechanism, one.accepted) for session in scenario.server.sessions for one in session.auth]


# XOAUTH2, which smtplib does not know


def xoauth2(*, told=None, initial=True):
    """Return how to log in by XOAUTH2: a refusal in a challenge is noted and answered by an empty line."""

    def answer(challenge=None):
        if challenge:
            if told is not None:
                told.append(json.loads(challenge))
            return ""
        return "user=ann\1auth=Bearer abc\1\1"

    return lambda client: client.auth("XOAUTH2", answer, initial_response_ok=initial)


@pytest.mark.parametrize("initial", [True, False])
def test_xoauth2_works_where_nothing_is_wrong(running, initial):
    scenario = running("control-xoauth2")
    assert scenario.check(delivering(xoauth2(initial=initial))) is Outcome.DELIVERED
    assert attempts(scenario) == [("XOAUTH2", True)]


@pytest.mark.parametrize("initial", [True, False])
def test_a_client_learns_from_a_challenge_why_its_token_is_refused(running, initial):
    scenario = running("xoauth2-334-error")
    told = []
    assert scenario.check(delivering(xoauth2(told=told, initial=initial))) is Outcome.REFUSED_LATE
    assert [one["status"] for one in told] == ["401"]
    assert attempts(scenario) == [("XOAUTH2", False)]
    assert scenario.server.sessions[-1].auth[0].token == "abc"


def test_a_client_that_sends_its_mail_in_spite_of_the_refusal_gets_nowhere(running):
    scenario = running("xoauth2-334-error")

    def log_in(client):
        with contextlib.suppress(smtplib.SMTPAuthenticationError):
            xoauth2()(client)

    assert scenario.check(delivering(log_in)) is Outcome.REFUSED_LATE


def test_falling_back_from_a_token_to_a_password_is_on_record(running):
    def falls_back(client):
        try:
            xoauth2()(client)
        except smtplib.SMTPAuthenticationError:
            client.login("ann", "s3cret")

    scenario = running("xoauth2-to-plain")
    assert scenario.check(delivering(falls_back)) is Outcome.DELIVERED
    assert attempts(scenario) == [("XOAUTH2", False), ("PLAIN", True)]
    assert running("xoauth2-to-plain").check(delivering(xoauth2())) is Outcome.REFUSED_LATE


# SCRAM


def scram(name, *, looks=True, binds=False):
    """Return how to log in by SCRAM; one that does not look takes note of any signature."""
    scramp = pytest.importorskip("scramp")

    def log_in(client):
        exchange = scramp.ScramClient([name], "ann", "s3cret", ("tls-server-end-point", client.sock) if binds else None)

        def answer(challenge=None):
            if challenge is None:
                return exchange.get_client_first()
            if challenge.startswith(b"r="):
                exchange.set_server_first(challenge.decode())
                return exchange.get_client_final()
            if looks:
                exchange.set_server_final(challenge.decode())
            return ""

        client.auth(name, answer)

    return log_in


def test_scram_works_where_nothing_is_wrong(running):
    scenario = running("auth-scram")
    assert scenario.check(delivering(scram("SCRAM-SHA-256"))) is Outcome.DELIVERED
    assert attempts(scenario) == [("SCRAM-SHA-256", True)]


@pytest.mark.parametrize("mode", ["starttls", "tls-required", "implicit-tls"])
def test_scram_works_bound_to_the_channel(running, mode):
    scenario = running("auth-scram-plus", mode)
    assert scenario.check(delivering(scram("SCRAM-SHA-256-PLUS", binds=True))) is Outcome.DELIVERED
    assert attempts(scenario) == [("SCRAM-SHA-256-PLUS", True)]


def test_a_client_that_looks_at_the_servers_signature_refuses_a_wrong_one(running):
    scenario = running("auth-scram-bad-signature")
    assert scenario.check(delivering(scram("SCRAM-SHA-256"))) is Outcome.REFUSED_LATE
    assert attempts(scenario) == [("SCRAM-SHA-256", False)]


def test_a_client_that_does_not_look_at_the_servers_signature_is_caught(running):
    scenario = running("auth-scram-bad-signature")
    with pytest.raises(ScenarioFailed, match="the client should have refused, and delivered"):
        scenario.check(delivering(scram("SCRAM-SHA-256", looks=False)))


# What the server says in AUTH


def test_a_client_that_never_gives_up_is_hung_up_on(running):
    """A careful one leaves by a limit of its own, as smtplib does."""
    codes = []

    def endless(client):
        codes.append(client.docmd("AUTH", "LOGIN")[0])
        while codes[-1] == 334:
            codes.append(client.docmd("YW5u")[0])

    scenario = running("auth-334-endless")
    assert scenario.check(delivering(endless)) is Outcome.REFUSED_LATE
    assert (len(codes), codes[-1]) == (1002, 421)
    careful = running("auth-334-endless")
    assert careful.check(delivering(lambda client: client.login("ann", "s3cret"))) is Outcome.REFUSED_LATE
    assert len(careful.server.sessions[-1].transcript.commands) < 20


def test_a_client_may_cancel_an_endless_exchange(running):
    codes = []

    def cancels(client):
        codes.extend(client.docmd(line)[0] for line in ("AUTH LOGIN", "YW5u", "YW5u", "*", "NOOP"))
        raise smtplib.SMTPAuthenticationError(codes[-2], b"cancelled")

    assert running("auth-334-endless").check(delivering(cancels)) is Outcome.REFUSED_LATE
    assert codes == [334, 334, 334, 501, 250]


def test_a_client_that_believes_a_235_too_early_learns_better_at_mail(running):
    scenario = running("auth-235-early")
    assert scenario.check(delivering(lambda client: client.login("ann", "s3cret"))) is Outcome.REFUSED_LATE
    assert attempts(scenario) == [("LOGIN", False)]
    assert scenario.server.sessions[-1].auth[0].password is None


@pytest.mark.parametrize("answer", ["*", "", "YW5uIDEyMw==", "no base64"])
def test_a_challenge_that_cannot_be_read_lets_nobody_in(running, answer):
    replies = []

    def log_in(client):
        replies.extend((client.docmd("AUTH", "CRAM-MD5"), client.docmd(answer)))
        if replies[-1][0] >= 500:
            raise smtplib.SMTPAuthenticationError(*replies[-1])

    scenario = running("auth-cram-badchallenge")
    assert scenario.check(delivering(log_in)) is Outcome.REFUSED_LATE
    assert attempts(scenario) == [("CRAM-MD5", False)]
    assert [code for code, _ in replies] == [334, 501 if answer == "*" else 535]
    with pytest.raises(binascii.Error):
        base64.b64decode(replies[0][1], validate=True)


def test_which_mechanism_a_client_takes_is_on_record(running):
    scenario = running("auth-cram-first")
    assert scenario.check(delivering(lambda client: client.login("ann", "s3cret"))) is Outcome.DELIVERED
    assert attempts(scenario) == [("CRAM-MD5", True)]
    assert scenario.server.sessions[-1].auth[0].password is None


def test_a_client_goes_on_to_the_next_mechanism(running):
    scenario = running("auth-504")
    assert scenario.check(delivering(lambda client: client.login("ann", "s3cret"))) is Outcome.DELIVERED
    assert attempts(scenario) == [("PLAIN", False), ("LOGIN", True)]


@pytest.mark.parametrize("name", ["auth-501", "auth-538"])
def test_a_refused_password_was_given_away_all_the_same(running, name):
    scenario = running(name)
    assert scenario.check(delivering(lambda client: client.login("ann", "s3cret"))) is Outcome.REFUSED_LATE
    assert scenario.server.sessions[-1].auth[0].password == "s3cret"


def test_a_client_that_looks_for_keywords_in_upper_case_is_caught(running):
    def deliver(server):
        with smtplib.SMTP("localhost", server.port, timeout=5) as client:
            _, told = client.ehlo()
            if b"STARTTLS" in told:
                client.starttls(context=server.ssl_context())
            client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)

    with pytest.raises(ScenarioFailed, match="the client delivered in clear"):
        running("ehlo-lowercase").check(deliver)
    assert (
        running("ehlo-lowercase").check(delivering(lambda client: client.login("ann", "s3cret"))) is Outcome.DELIVERED
    )
