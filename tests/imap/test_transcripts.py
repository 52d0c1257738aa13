"""RFC 9051 chapters 6 and 7 by their sections, as transcripts, and what takes two sessions to show."""

from __future__ import annotations

import pytest
from wire import USERS, fill, play, transcripts

from smtpfix import Server
from smtpfix.imap.policy import ImapPolicy

SECTIONS = {**transcripts("chapter6.txt"), **transcripts("chapter7.txt")}


@pytest.fixture
def server():
    with Server(ImapPolicy(users=USERS)) as server:
        fill(server)
        yield server


@pytest.mark.parametrize("section", SECTIONS)
def test_a_client_is_answered_as_the_section_says(server, section):
    state, lines = SECTIONS[section]
    play(server, state, lines)
