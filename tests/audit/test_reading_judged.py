"""What a reading client is told where it takes a closer look: mail in clear behind PREAUTH, halves, what is gone."""

from __future__ import annotations

import contextlib

import pytest
from test_reading import MODULES, PATIENCE, Servers, findings, reader

from smtpfix import Verdict
from smtpfix.audit.result import Outcome

# How audits run is test_auditing's and test_reading's, under every Python.
pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("nothing_logged")]

CLIENTS = MODULES["imap"]


def behind_preauth(*commands):
    """Return a client that is careful, but says these in clear where the greeting is PREAUTH."""

    def reads(target):
        with contextlib.closing(CLIENTS.Client(Servers(target), PATIENCE)) as client:
            if client.greeting.startswith(b"* PREAUTH"):
                for command in commands:
                    client.say(command)
                raise CLIENTS.Leaves("that is enough")
        CLIENTS.careful(Servers(target))

    return reads


@pytest.mark.parametrize(
    ("mode", "commands", "outcome", "verdict"),
    [
        ("starttls-required", ["UID FETCH 1 BODY.PEEK[]<0.10>"], Outcome.LEAKED_MESSAGE, Verdict.FAILED),
        ("opportunistic", ["FETCH 1 BODY.PEEK[]<0.10>"], Outcome.DOWNGRADED, Verdict.CAPPED),
        ("starttls-required", [], Outcome.DOWNGRADED, Verdict.FAILED),
    ],
)
def test_the_first_octets_that_are_read_in_clear_behind_preauth_count(mode, commands, outcome, verdict):
    client = behind_preauth("SELECT INBOX", *commands)
    found, _ = findings(client, "imap", ["imap-preauth"], mode=mode)
    assert (found["imap-preauth"].outcome, found["imap-preauth"].verdict) == (outcome, verdict)


def test_who_asks_for_tls_behind_preauth_and_leaves_passes():
    found, flags = findings(behind_preauth("STARTTLS", "NOOP", "LOGOUT"), "imap", ["imap-preauth-starttls"])
    assert found["imap-preauth-starttls"].outcome is Outcome.REFUSED_CLEAN
    assert found["imap-preauth-starttls"].verdict is Verdict.PASSED
    assert flags == ()


def test_who_puts_two_halves_together_acted_on_injection_and_who_discards_one_did_not():
    careful, _ = findings(reader("imap", "careful", in_vain=0.6), "imap", ["imap-inject-half"])
    found = careful["imap-inject-half"]
    assert (found.outcome, found.verdict) == (Outcome.REFUSED_CLEAN, Verdict.PASSED)
    naive, _ = findings(reader("imap", "naive", in_vain=5), "imap", ["imap-inject-half"])
    found = naive["imap-inject-half"]
    assert (found.outcome, found.verdict) == (Outcome.ACTED_ON_INJECTION, Verdict.FAILED)


def takes_any_ok(target):
    """Take an untagged OK for the answer, whoever says it."""

    class Loose(CLIENTS.Strict):
        def say(self, text):
            self.number += 1
            tag = b"a%d" % self.number
            self.socket.sendall(tag + b" " + text.encode() + b"\r\n")
            responses = []
            while True:
                response = self.response()
                if response.startswith((tag + b" ", b"* OK still")):
                    return responses, b"OK " + response.split(b" ", 2)[2]
                responses.append(response)

    CLIENTS.Strict, strict = Loose, CLIENTS.Strict
    try:
        reader("imap", "careful", in_vain=5)(target)
    finally:
        CLIENTS.Strict = strict


def test_who_takes_an_untagged_ok_for_the_answer_is_not_told_that_it_acted_on_injection():
    found, _ = findings(takes_any_ok, "imap", ["imap-inject-half"])
    assert found["good"].verdict is Verdict.PASSED
    assert found["imap-inject-half"].outcome is not Outcome.ACTED_ON_INJECTION


def test_what_is_gone_need_not_be_read_and_what_a_short_literal_leaves_out_has_not_been():
    ids = ["imap-expunge-issued", "imap-literal-short", "imap-header-8bit", "imap-literals"]
    careful, flags = findings(reader("imap", "careful"), "imap", ids, mode="implicit")
    assert {one: (careful[one].outcome, careful[one].verdict) for one in ids} == {
        "imap-expunge-issued": (Outcome.RETRIEVED, Verdict.PASSED),
        "imap-literal-short": (Outcome.REFUSED_CLEAN, Verdict.PASSED),
        "imap-header-8bit": (Outcome.RETRIEVED, Verdict.PASSED),
        "imap-literals": (Outcome.RETRIEVED, Verdict.PASSED),
    }
    assert "The scenario took 1 of them away before that." in careful["imap-expunge-issued"].evidence
    assert flags == ()


def stops_at_what_is_gone(target):
    """Take a message that is gone for the end of all, and say that all is well."""
    server = Servers(target)
    with contextlib.closing(CLIENTS.Client(server, PATIENCE, context=server.ssl_context())) as client:
        client.ask("LOGIN ann s3cret")
        client.ask("SELECT INBOX")
        for number in (1, 2, 3):
            if not client.say(f"FETCH {number} (BODY.PEEK[])")[1].startswith(b"OK"):
                break
        client.say("LOGOUT")


def test_who_stops_at_a_message_that_is_gone_and_says_nothing_of_it_misreports():
    found, _ = findings(stops_at_what_is_gone, "imap", ["imap-expunge-issued"], mode="implicit")
    assert found["good"].verdict is Verdict.PASSED
    assert found["imap-expunge-issued"].verdict is Verdict.FAILED
    assert Outcome.MISREPORTED in found["imap-expunge-issued"].also


def test_who_copies_nothing_is_not_judged_by_refused_copies():
    careful, _ = findings(reader("imap", "careful"), "imap", ["imap-copy-no"], mode="implicit")
    assert careful["imap-copy-no"].verdict is Verdict.NOT_RUN
    assert careful["imap-copy-no"].reason.startswith("the client never reached the point where the server acts")


def deletes_uncopied(target):
    """Read all, move it by COPY and STORE, and never look at how COPY ended."""
    server = Servers(target)
    with contextlib.closing(CLIENTS.Client(server, PATIENCE, context=server.ssl_context())) as client:
        for command in ("LOGIN ann s3cret", "SELECT INBOX", "FETCH 1:* (BODY.PEEK[])", "COPY 1:3 Trash"):
            client.say(command)
        for command in ("STORE 1:* +FLAGS.SILENT (\\Deleted)", "EXPUNGE", "LOGOUT"):
            client.say(command)


def test_who_deletes_what_it_could_not_copy_has_failed():
    found, _ = findings(deletes_uncopied, "imap", ["imap-copy-no"], mode="implicit")
    assert found["good"].verdict is Verdict.PASSED
    assert found["imap-copy-no"].verdict is Verdict.FAILED
    assert "it deleted a message whose copy had been refused" in str(found["imap-copy-no"].evidence)
