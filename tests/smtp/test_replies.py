"""What the server says: each of its replies as the standard wants it, by a name, in the words of who starts it."""

import ast
import re
from pathlib import Path

import pytest

from smtpfix import Policy, Reply
from smtpfix.smtp import replies
from smtpfix.smtp.replies import standard_replies

ROOT = Path(__file__).parents[2]
NOT_STANDARD = {
    "service": "the greeting and the reply to EHLO, which `Policy` has fields for",
    "policy": "the same, looked at",
    "language": "a reply of a rule",
    "login": "a challenge",
}
"""Where else a reply is built, and what it is."""


def test_every_reply_of_the_server_fits_into_one_line_of_rfc_5321():
    """Section 4.5.3.1.5 allows 512 octets with the CRLF."""
    texts = [value for value in vars(replies).values() if isinstance(value, Reply)]
    assert len(texts) > 20
    for reply in texts:
        octets = reply.encode()
        assert octets.isascii()
        assert octets.count(b"\r\n") == 1
        assert len(octets) <= 512


def test_every_reply_of_the_server_has_a_name():
    nameless = {
        path.stem
        for path in (ROOT / "smtpfix/smtp").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Reply"
    }
    assert nameless == {"replies", *NOT_STANDARD}


def test_the_docs_list_the_names():
    text = (ROOT / "docs/providers.md").read_text(encoding="utf-8")
    listed = text.partition("### The names of the replies\n")[2].partition(".\n")[0]
    assert re.findall(r"`(\w+)`", listed) == sorted(standard_replies())


WORDS = Policy(
    users={"ann": "s3cret"},
    offer=["CHUNKING", "REQUIRETLS", "FUTURERELEASE"],
    max_hold=60,
    max_recipient_domains=1,
    xclient=True,
    replies={name: f"My {name}" for name in standard_replies()},
)
"""A server that has other words for everything."""


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["HELO"], "helo_syntax"),
        (["EHLO"], "ehlo_syntax"),
        (["HELO me"], "hello"),
        (["HELO me", "MAIL FROM:<a@b> SIZE=1"], "no_parameters"),
        (["NOOP"], "ok"),
        (["RSET"], "ok"),
        (["RSET now"], "no_argument_allowed"),
        (["HELP"], "help"),
        (["VRFY bob@example.org"], "cannot_verify"),
        (["VRFY"], "vrfy_syntax"),
        (["VRFY <"], "malformed_address"),
        (["EXPN all"], "not_implemented"),
        (["XCLIENT NAME"], "malformed_xclient"),
        (["AUTH PLAIN AAAA"], "malformed_response"),
        (["AUTH CRAM-MD5 AAAA"], "unknown_mechanism"),
        (["MAIL"], "mail_syntax"),
        (["MAIL FROM:<@>"], "malformed_sender"),
        (["MAIL FROM:<jürgen@example.org>"], "ascii_sender"),
        (["MAIL FROM:<> ="], "malformed_parameter"),
        (["MAIL FROM:<> X=1"], "unknown_parameter"),
        (["MAIL FROM:<> SIZE=1 SIZE=1"], "repeated_parameter"),
        (["MAIL FROM:<> SIZE=many"], "malformed_value"),
        (["MAIL FROM:<> HOLDFOR=61"], "cannot_hold"),
        (["MAIL FROM:<> REQUIRETLS"], "unknown_parameter"),
        (["MAIL FROM:<>", "RCPT"], "rcpt_syntax"),
        (["MAIL FROM:<>", "RCPT TO:<>"], "malformed_address"),
        (["MAIL FROM:<>", "RCPT TO:< >"], "malformed_address"),
        (["MAIL FROM:<>", "RCPT TO:<bob@>"], "malformed_address"),
        (["MAIL FROM:<>", "RCPT TO:<jürgen@example.org>"], "ascii_recipient"),
        (["MAIL FROM:<>", "RCPT TO:<b@a.example>", "RCPT TO:<b@b.example>"], "too_many_domains"),
        (["MAIL FROM:<>", "RCPT TO:<b@a.example>", "BDAT 2\r\nab"], "chunk_accepted"),
    ],
)
def test_a_policy_s_own_words_are_said_for_every_reply(start_smtp_server, wire, lines, name):
    client = wire(start_smtp_server(WORDS))
    client.hello()
    *before, last = lines
    for line in before:
        client.say(line)
    standard = standard_replies()[name]
    client.send((last if "\r\n" in last else f"{last}\r\n").encode())
    assert client.reply() == str(Reply(standard.code, standard.enhanced, f"My {name}"))


def test_so_are_they_for_what_only_a_strict_server_refuses(start_smtp_server, wire):
    words = {"malformed_command": "My {client}", "unreadable_command": "No line"}
    client = wire(start_smtp_server(syntax="strict", replies=words))
    client.hello()
    assert client.say("MAIL FROM: <>") == "501 5.5.4 My 127.0.0.1"
    client.send(b"NOOP\n")
    assert client.reply() == "500 5.5.2 No line"


def test_the_words_of_the_parser_never_show(start_smtp_server, wire):
    client = wire(start_smtp_server())
    client.hello()
    client.say("MAIL FROM:<>")
    assert client.say("RCPT TO:< >") in (
        "501 5.5.4 Syntax: RCPT TO:<address> [parameters]",
        "553 5.1.3 Malformed address",
    )
