"""A rule that has every string of an answer be a literal, and what a short literal leaves to be read."""

from __future__ import annotations

import pytest
from wire import PLAIN, USERS, Wire, fill

from smtpfix import Edit, ImapPolicy, Literals, Server
from smtpfix.imap.language import LANGUAGE
from smtpfix.rules.text import parse_rule


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'* 1 FETCH (ENVELOPE ("Mon" NIL (("A \\"B\\"" NIL))))\r\na OK "x y"\r\n', None),
        (b'* LIST (\\HasNoChildren) "/" INBOX\r\n', b'* LIST (\\HasNoChildren) "/" {5}\r\nINBOX\r\n'),
        (b'* LIST () "/" "a b"\r\n', b'* LIST () "/" {3}\r\na b\r\n'),
        (b'* lsub () NIL a ("OLDNAME" (b))\r\n', b"* lsub () NIL {1}\r\na ({7}\r\nOLDNAME (b))\r\n"),
        (b"* STATUS INBOX (MESSAGES 3)\r\n", b"* STATUS {5}\r\nINBOX (MESSAGES 3)\r\n"),
        (b'* NAMESPACE (("" "/")) NIL NIL\r\n', b'* NAMESPACE (({0}\r\n "/")) NIL NIL\r\n'),
        (b'* 1 FETCH (INTERNALDATE "17-Jul-2030 02:44:25 +0000")\r\n', "same"),
        (b'* 1 FETCH (BODY[] {9}\r\n"a b"\r\n"c FLAGS ())\r\n', "same"),
        (b'* OK [BADCHARSET] what is "x y"?\r\n+ "go on"\r\n', "same"),
        (b'* 1 FETCH ("open', b"* 1 FETCH ({4}\r\nopen"),
        (b"", "same"),
    ],
)
def test_strings_become_literals_and_nothing_else_does(answer, expected):
    if expected is None:
        expected = b'* 1 FETCH (ENVELOPE ({3}\r\nMon NIL (({5}\r\nA "B" NIL))))\r\na OK "x y"\r\n'
    assert Literals().edited(answer, bytes) == (answer if expected == "same" else expected)


def test_in_text_it_is_one_word():
    assert parse_rule("FETCH: literals", LANGUAGE).actions == (Literals(),)


@pytest.fixture
def server():
    with Server(ImapPolicy(users=USERS)) as server:
        fill(server)
        yield server


def test_a_whole_answer_has_its_strings_in_literals(server):
    server.on("*", Literals())
    with Wire(server, "selected") as wire:
        assert b'"afternoon meeting"' not in b"".join(answer := wire.do("FETCH 1 (ENVELOPE BODY[])"))
        assert b"afternoon meeting (({11}" in answer
        assert b"".join(line + b"\r\n" for line in answer).count(PLAIN) == 1
    assert server.account("ann").inbox[0].retrievals == 1


@pytest.mark.parametrize(
    ("command", "by", "count"),
    [
        ("BODY[]", rb"{\1}", 0),
        ("BODY[TEXT]", rb"{\1}", 0),
        ("BODY[]", rb"{9999}", 1),
    ],
)
def test_what_stands_behind_a_literal_that_is_too_short_has_not_been_read(server, command, by, count):
    server.on("FETCH", Edit(rb"\{([0-9]+)[0-9]\}(?=\r$)", by))
    with Wire(server, "selected") as wire:
        wire.do(f"FETCH 1 {command}")
    assert server.account("ann").inbox[0].retrievals == count
