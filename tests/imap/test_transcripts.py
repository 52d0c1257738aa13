"""RFC 9051 chapters 6 and 7 by their sections, as transcripts, and what takes two sessions to show."""

from __future__ import annotations

import re

import pytest
from wire import USERS, Wire, fill, play, transcripts

from smtpfix import PreAuth, Server
from smtpfix.imap.policy import ImapPolicy

SECTIONS = {**transcripts("chapter6.txt"), **transcripts("chapter7.txt")}
ELSEWHERE = {
    "6.3.9.6": "OLDNAME is a server's that changes names, which this one does not",
    "7.1.4": "below, as it takes a rule",
}
"""Sections without a transcript, each with the reason."""
COUNTS = {
    "6.1": 3, "6.2": 3, "6.3": 13, "6.3.9": 7, "6.4": 9, "6.4.4": 3, "6.4.5": 1,
    "7.1": 5, "7.2": 2, "7.3": 5, "7.4": 1, "7.5": 2,
}  # fmt: skip
"""How many sections each of these has."""


@pytest.fixture
def server():
    with Server(ImapPolicy(users=USERS)) as server:
        fill(server)
        yield server


@pytest.mark.parametrize("section", SECTIONS)
def test_a_client_is_answered_as_the_section_says(server, section):
    state, lines = SECTIONS[section]
    play(server, state, lines)


def test_every_section_has_a_transcript():
    sections = {f"{above}.{number}" for above, count in COUNTS.items() for number in range(1, count + 1)}
    sections |= {"6.5", "7.6"}
    named = {number for heading in SECTIONS for number in re.findall(r"\b[67](?:\.[0-9]+)+", heading)}
    assert sections - named == ELSEWHERE.keys()
    assert named <= sections | {"7.1"}


def test_a_greeting_preauth_is_that_of_who_has_logged_in_already(server):
    """Section 7.1.4."""
    server.on("GREETING", PreAuth("hello"))
    with Wire(server) as wire:
        assert wire.greeting == b"* PREAUTH hello"
        assert wire.do("LOGIN ann s3cret") == [b"x BAD you have logged in already"]
        assert wire.do("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 3)", b"x OK that is its status"]
