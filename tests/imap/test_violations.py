"""What a client does against RFC 9051 in a session: each kind by a session that has it, beside one that has none."""

from __future__ import annotations

import pytest
from wire import USERS, Wire

from smtpfix import ImapPolicy, Server
from smtpfix.imap.violations import VIOLATIONS

SPEECHES = {
    "no-logout": ("plain", (), ["a LOGIN ann s3cret"]),
    "tag-reused": ("plain", (), ["a NOOP", "a NOOP", "b LOGOUT"]),
    "login-though-disabled": ("tls-required", (), ["a LOGIN ann s3cret", "b LOGOUT"]),
    "initial-response-unoffered": (
        "plain",
        ("SASL-IR", "IMAP4REV2"),
        ["a AUTHENTICATE PLAIN AGFubgBzM2NyZXQ=", "b LOGOUT"],
    ),
    "literal-not-awaited": ("plain", (), ["a LOGIN ann {6}\r\ns3cret", "b LOGOUT"]),
    "literal-unoffered": ("plain", ("LITERAL+", "IMAP4REV2"), ["a LOGIN ann {6+}\r\ns3cret", "b LOGOUT"]),
    "command-unoffered": ("plain", ("IDLE", "IMAP4REV2"), ["a LOGIN ann s3cret", "b IDLE", "c LOGOUT"]),
    "ambiguous-pipelining": (
        "plain",
        (),
        ["a LOGIN ann s3cret", "b SELECT INBOX\r\nc NOOP\r\nd SEARCH ALL", "e LOGOUT"],
    ),
}
"""By the kind: the mode, what is hidden, and what is said, each at once."""
INNOCENT = [
    "a LOGIN ann {6+}\r\ns3cret",
    "b SELECT INBOX",
    "c IDLE",
    "DONE",
    "d SEARCH ALL\r\ne SEARCH UNSEEN",
    "f APPEND INBOX {2+}\r\nno",
    "h SEARCH ALL",
    "g LOGOUT",
]


def session(mode, hide, speech):
    """Return the session of a client that says this and waits for the answer to each."""
    with Server(ImapPolicy(mode, users=USERS, hide=hide)) as server:
        with Wire(server) as wire:
            for said in speech:
                wire.send(said.encode() + b"\r\n")
                if said == "c IDLE":
                    wire.line()
                    continue
                tag = "c" if said == "DONE" else said.split("\r\n")[-1].split()[0]
                wire.until({"s3cret": "a", "no": "f"}.get(tag, tag))
        return server.sessions[0]


@pytest.mark.parametrize("kind", SPEECHES)
def test_a_client_that_speaks_so_is_told_this_and_nothing_else(kind):
    found = session(*SPEECHES[kind])
    assert [one.id for one in found.violations] == [kind]
    assert "s3cret" not in str(found.violations)


def test_a_client_that_does_all_as_it_should_is_told_nothing():
    found = session("plain", (), INNOCENT)
    assert found.violations == ()
    assert found.pipelined == (("d SEARCH ALL", "e SEARCH UNSEEN"),)


def test_a_client_that_idles_for_half_an_hour_without_beginning_anew_is_told():
    with Server(ImapPolicy(users=USERS, timeout=9_999)) as server:
        with Wire(server, "selected") as wire:
            wire.send(b"a IDLE\r\n")
            wire.line()
            recorder = next(iter(server._serving.conversations)).recorder
            times = recorder._columns[0]
            for place in range(len(times)):
                times[place] -= 30 * 60
            wire.send(b"DONE\r\n")
            wire.line()
            wire.do("LOGOUT")
        assert [one.id for one in server.sessions[0].violations] == ["idle-not-renewed"]


def test_a_client_is_told_that_does_not_ask_again_inside_tls(smtp_authority):
    with Server(ImapPolicy("starttls", users=USERS), authority=smtp_authority) as server:
        with Wire(server) as wire:
            wire.do("STARTTLS")
            wire.begin_tls(server)
            wire.do("LOGIN ann s3cret", "y")
            wire.do("LOGOUT", "z")
        assert [one.id for one in server.sessions[0].violations] == ["capability-not-renewed"]


def test_every_kind_is_shown_here():
    elsewhere = {"idle-not-renewed", "capability-not-renewed", "command-after-starttls"}
    assert {*SPEECHES, *elsewhere} == set(VIOLATIONS)
