"""What a server refuses of contents and of how commands come, where its policy says so: `Policy.refuse`."""

import pytest

from smtpfix import Policy, SessionEnd
from smtpfix.smtp.keywords import REFUSABLE

pytestmark = pytest.mark.usefixtures("nothing_logged")

CAPTURED = "250 2.0.0 OK, message captured"
CONTENTS = {
    "nul": (b"a\0b\r\n", "550 5.6.0 Error: NUL received"),
    "bare-lf": (b"a\nb\r\n", "550 5.5.2 Error: bare <LF> received"),
    "bare-cr": (b"a\rb\r\n", "550 5.5.2 Error: bare <CR> received"),
    "8bit": ("Zo\u00eb\r\n".encode(), "550 5.6.0 improper use of 8-bit data in message body"),
    "long-line": (b"x" * 999 + b"\r\n", "500 5.6.0 Line too long (RFC 5321 section 4.5.3.1.6)"),
}


@pytest.fixture
def greet(start_smtp_server, wire):
    """Return a function that starts a server that refuses something, and says EHLO to it."""

    def greet(*refused, **fields):
        server = start_smtp_server(Policy(refuse=refused, **fields))
        client = wire(server)
        client.hello()
        return server, client

    return greet


def test_every_kind_of_content_is_here():
    assert {*CONTENTS, "pipelining"} == set(REFUSABLE)


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_content_is_refused_for_what_the_policy_names_and_for_nothing_else(greet, kind):
    content, reply = CONTENTS[kind]
    server, client = greet(kind)
    assert client.deliver(b"Subject: x\r\n\r\n" + content) == reply
    for other in CONTENTS.keys() - {kind}:
        assert client.deliver(CONTENTS[other][0]) == CAPTURED
    assert len(server.inbox) == len(CONTENTS) - 1
    (message,) = server.inbox.refused
    assert message.content.endswith(content)


@pytest.mark.parametrize("kind", CONTENTS)
def test_others_take_it(greet, kind):
    _, client = greet(*(CONTENTS.keys() - {kind}))
    assert client.deliver(CONTENTS[kind][0]) == CAPTURED


@pytest.mark.parametrize("parameter", ["BODY=8BITMIME", "SMTPUTF8"])
def test_8_bit_text_that_was_declared_is_taken(greet, parameter):
    _, client = greet("8bit")
    client.say(f"MAIL FROM:<a@example.org> {parameter}")
    client.say("RCPT TO:<b@example.org>")
    client.say("DATA")
    assert client.say("Zo\u00eb\r\n.") == CAPTURED


@pytest.mark.parametrize(("parameter", "code"), [("", "550"), (" BODY=BINARYMIME", "250")])
def test_chunks_are_looked_at_too_unless_they_are_binary(greet, parameter, code):
    _, client = greet("bare-lf", "nul", "8bit", offer=["CHUNKING", "BINARYMIME"])
    client.say(f"MAIL FROM:<a@example.org>{parameter}")
    client.say("RCPT TO:<b@example.org>")
    client.send(b"BDAT 4 LAST\r\na\n\0\xff")
    assert client.reply()[:3] == code


def test_the_words_may_be_another_server_s(greet):
    _, client = greet("bare-lf", replies={"bare_lf": "SMTPSEND.BareLinefeedsAreIllegal"})
    assert client.deliver(b"a\nb\r\n") == "550 5.5.2 SMTPSEND.BareLinefeedsAreIllegal"


@pytest.mark.parametrize("said", [b"NOOP\r\nNOOP\r\n", b"EHLO again.example\r\nMAIL FROM:<>\r\n"])
def test_a_client_that_does_not_wait_where_it_has_to_is_turned_away(greet, said):
    server, client = greet("pipelining")
    client.send(said)
    assert client.reply() == "554 5.5.0 Error: SMTP protocol synchronization"
    assert client.reply() == ""
    (session,) = server.sessions.wait(1)
    assert session.end is SessionEnd.REFUSED
    assert [violation.id for violation in session.violations] == ["pipelined-too-far"]


def test_one_that_pipelines_as_it_may_is_served(greet):
    server, client = greet("pipelining", offer=["CHUNKING"])
    client.send(
        b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nBDAT 2\r\nabBDAT 2 LAST\r\ncdRSET\r\nQUIT\r\n"
    )
    assert [reply[:3] for reply in client.replies(6)] == ["250"] * 5 + ["221"]
    assert server.inbox.one().content == b"abcd"


@pytest.mark.parametrize("said", ["HELO client.example", None])
def test_without_the_offer_no_command_may_have_another_behind_it(greet, said):
    _, client = greet("pipelining", hide=[] if said else ["PIPELINING"])
    if said:
        client.say(said)
    client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n")
    assert client.reply() == "554 5.5.0 Error: SMTP protocol synchronization"
