"""Strict, usual and lenient syntax: what each takes, and that what was against the grammar is a violation in all."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix import Policy
from smtpfix.smtp.grammar import faults
from smtpfix.smtp.policy import SYNTAXES

pytestmark = pytest.mark.usefixtures("nothing_logged")

ANN = "MAIL FROM:<ann@example.org>"
BOB = "RCPT TO:<bob@example.org>"


@pytest.fixture
def connect(start_smtp_server, wire):
    """Return a function that starts a server of some syntax and connects to it."""

    def connect(syntax, **policy):
        server = start_smtp_server(Policy("starttls", syntax=syntax, offer=["DSN"], **policy))
        return server, wire(server)

    return connect


def ids(line):
    return [fault.id for fault in faults(line if isinstance(line, bytes) else line.encode())]


# The grammar

RIGHT = [
    "EHLO client.example",
    "ehlo localhost",
    "EHLO [127.0.0.1]",
    "EHLO [IPv6:::1]",
    "EHLO xn--bcher-kva.example",
    "HELO client.example",
    "MAIL FROM:<>",
    "mail from:<ann@example.org>",
    "MAIL FROM:<ann@example.org> SIZE=10 BODY=8BITMIME",
    'MAIL FROM:<"ann b"@example.org>',
    r'MAIL FROM:<"a\"b>"@example.org>',
    "MAIL FROM:<@relay.example,@other.example:ann@example.org>",
    "MAIL FROM:<ann@[192.0.2.1]>",
    "MAIL FROM:<ann@[IPv6:2001:db8::1]>",
    "MAIL FROM:<ann@[255.249.199.001]>",
    "MAIL FROM:<ann@[ipv6:::ffff:192.0.2.1]>",
    "MAIL FROM:<ann@[x-tag:1::2::3]>",
    f"MAIL FROM:<{'a' * 64}@example.org>",
    f"MAIL FROM:<@relay.example:{'a' * 64}@example.org>",
    f"MAIL FROM:<a@{'b.' * 124}org>",
    "MAIL FROM:<ann@example.org> ENVID=a+20+2B+7E ORCPT=rfc822;a+09b AUTH=e+3Dmc2@example.org",
    "MAIL FROM:<ann@example.org> X=+0A",
    "MAIL FROM:<zoë@exämple.org> SMTPUTF8",
    "RCPT TO:<Postmaster>",
    "RCPT TO:<bob@example.org> NOTIFY=NEVER",
    "DATA",
    "RSET",
    "NOOP",
    "NOOP what ever",
    "HELP MAIL",
    "VRFY bob",
    "QUIT",
    "STARTTLS",
    "AUTH PLAIN " + "x" * 600,
    "BDAT 100 LAST",
    "XYZZY",
    "MAIL FROM:<ann@example.org> X=" + "y" * 600,
]

WRONG = [
    (b"NOOP\n", "command-bare-line-feed"),
    ("NOOP ", "trailing-space"),
    ("QUIT\t", "trailing-space"),
    ("NOOP  x", "extra-space"),
    ("EHLO", "malformed-client-name"),
    ("EHLO my_host", "malformed-client-name"),
    ("EHLO client.example.", "malformed-client-name"),
    ("EHLO -x", "malformed-client-name"),
    ("EHLO 127.0.0.1:25", "malformed-client-name"),
    ("EHLO bücher.example", "malformed-client-name"),
    ("EHLO a b", "malformed-client-name"),
    ("HELO", "malformed-client-name"),
    ("HELO [127.0.0.1]", "malformed-client-name"),
    ("MAIL", "malformed-command"),
    ("MAIL ann@example.org", "malformed-command"),
    ("MAIL TO:<ann@example.org>", "malformed-command"),
    ("MAIL FROM:<ann@example.org>SIZE=1", "malformed-command"),
    ("MAIL FROM: <ann@example.org>", "space-before-path"),
    ("MAIL FROM:\t<ann@example.org>", "space-before-path"),
    ("MAIL FROM:ann@example.org", "path-without-brackets"),
    ("MAIL FROM:", "path-without-brackets"),
    ("MAIL FROM:<ann>", "malformed-path"),
    ("MAIL FROM:<Postmaster>", "malformed-path"),
    ("MAIL FROM:< ann@example.org >", "malformed-path"),
    ("MAIL FROM:<ann..b@example.org>", "malformed-path"),
    ("MAIL FROM:<ann@example_.org>", "malformed-path"),
    ("MAIL FROM:<ann b@example.org>", "malformed-path"),
    ("MAIL FROM:<ann@example.org>  SIZE=1", "extra-space"),
    ("MAIL FROM:<ann@example.org> SIZE=1  BODY=7BIT", "extra-space"),
    ("RCPT TO:<>", "malformed-path"),
    ("RCPT TO: <bob@example.org>", "space-before-path"),
    ("DATA x", "unexpected-argument"),
    ("RSET x", "unexpected-argument"),
    ("QUIT x", "unexpected-argument"),
    ("STARTTLS x", "unexpected-argument"),
    ("NOOP " + "x" * 506, "command-too-long"),
    ("EHLO [127.0.0.256]", "malformed-client-name"),
    ("EHLO [IPv6:1::2::3]", "malformed-client-name"),
    ("EHLO " + "a." * 127 + "org", "malformed-client-name"),
    ("MAIL FROM:<ann@[999.999.999.999]>", "malformed-path"),
    ("MAIL FROM:<ann@[192.0.2.256]>", "malformed-path"),
    ("MAIL FROM:<ann@[192.0.2]>", "malformed-path"),
    ("RCPT TO:<ann@[IPv6:1::2::3]>", "malformed-path"),
    ("RCPT TO:<ann@[IPv6:fe80::1%eth0]>", "malformed-path"),
    ("RCPT TO:<ann@[IPv6:192.0.2.1]>", "malformed-path"),
    ("MAIL FROM:<ilo.@example.org>", "malformed-path"),
    ("MAIL FROM:<" + "a" * 65 + "@example.org>", "address-too-long"),
    ("MAIL FROM:<@relay.example:" + "a" * 65 + "@example.org>", "address-too-long"),
    ('RCPT TO:<"' + "a" * 63 + '"@example.org>', "address-too-long"),
    ("RCPT TO:<" + "é" * 33 + "@example.org>", "address-too-long"),
    ("RCPT TO:<a@" + "b." * 127 + "org>", "address-too-long"),
    ("RCPT TO:<" + "a" * 60 + "@" + "b." * 100 + "org>", "address-too-long"),
    ("MAIL FROM:<ann@example.org> ENVID=a+0D+0Ab", "malformed-parameter"),
    ("MAIL FROM:<ann@example.org> AUTH=a+00", "malformed-parameter"),
    ("RCPT TO:<bob@example.org> orcpt=rfc822;a+7F", "malformed-parameter"),
    ("MAIL FROM:Anne Person <anne@example.com>", "display-name-in-path"),
    ("MAIL FROM:Anne <anne@example.com>", "display-name-in-path"),
    ("MAIL FROM:Anne<anne@example.com> SIZE=1", "display-name-in-path"),
    ('RCPT TO:"Anne Person" <anne@example.com>', "display-name-in-path"),
    ("RCPT TO:<Anne Person <anne@example.com>>", "display-name-in-path"),
    ("MAIL FROM:ann@example.org AUTH=<>", "path-without-brackets"),
    ("MAIL FROM:ann@example.org AUTH=<ann@example.org>", "path-without-brackets"),
]


@pytest.mark.parametrize("line", RIGHT)
def test_what_the_grammar_has_is_right(line):
    assert ids(line) == []


@pytest.mark.parametrize(("line", "expected"), WRONG)
def test_what_the_grammar_has_not_is_a_fault_with_its_section(line, expected):
    (fault,) = faults(line if isinstance(line, bytes) else line.encode())
    assert fault.id == expected
    assert re.fullmatch(r"RFC (5321|3207|3461|4954) section \d(\.\d+)*", fault.standard)
    assert fault.reply.code in (500, 501, 553)
    assert fault.reply.enhanced.startswith("5.")


def test_the_longest_command_has_512_octets():
    assert ids("NOOP " + "x" * 505) == []
    assert ids("NOOP " + "x" * 506) == ["command-too-long"]


def test_an_address_can_be_too_long_beside_its_command():
    assert ids("MAIL FROM:<" + "x" * 500 + "@example.org>") == ["address-too-long", "command-too-long"]


def test_several_faults_of_one_line_are_told_one_by_one():
    expected = ["command-bare-line-feed", "trailing-space", "space-before-path", "path-without-brackets"]
    assert ids(b"MAIL FROM: ann@example.org \n") == expected


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=40), st.sampled_from([b"", b"EHLO ", b"MAIL FROM:", b"MAIL FROM:<", b"RCPT TO:<a@", b"DATA "])
)
def test_no_line_raises_and_every_fault_can_be_answered(octets, head):
    for fault in faults(head + octets.replace(b"\n", b"")):
        assert len(fault.reply.encode()) < 512
        assert fault.reply.encode().isascii()


@pytest.mark.parametrize("line", [ANN, BOB])
def test_one_space_more_is_seen_wherever_it_stands(line):
    assert [place for place in range(5, len(line) + 1) if not ids(f"{line[:place]} {line[place:]}")] == []


# Servers


def test_usual_is_the_default():
    assert Policy().syntax == "usual"


@pytest.mark.parametrize(("line", "expected"), WRONG)
def test_a_strict_server_refuses_what_the_grammar_has_not(connect, line, expected):
    server, client = connect("strict")
    client.hello()
    octets = line if isinstance(line, bytes) else line.encode() + b"\r\n"
    client.send(octets)
    (fault,) = faults(octets.removesuffix(b"\r\n"))
    assert client.reply() == str(fault.reply)
    assert client.say("NOOP").startswith("250 ")
    assert [violation.id for violation in server.sessions[-1].violations] == [expected]


def test_a_strict_server_takes_what_is_right(connect):
    server, client = connect("strict")
    assert client.say("EHLO [127.0.0.1]").startswith("250")
    assert client.say(f"{ANN} SIZE=10 RET=FULL").startswith("250 ")
    assert client.say(f"{BOB} NOTIFY=NEVER").startswith("250 ")
    assert client.say("DATA").startswith("354 ")
    assert client.say("Subject: x\r\n\r\nx\n\r\n.").startswith("250 ")  # content is not a matter of commands
    assert client.say("QUIT").startswith("221 ")
    client.rest()
    assert server.sessions[-1].violations == ()


def test_smtplib_and_its_defaults_are_within_the_grammar(start_smtp_server):
    server = start_smtp_server(Policy(scenario="strict-syntax"))
    with server.client() as client:
        client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x\r\n\r\n")
    assert server.sessions[-1].violations == ()
    assert len(server.inbox) == 1


TAKEN = [
    ("MAIL FROM: <ann@example.org>", "space-before-path"),
    ("MAIL FROM:ann@example.org", "path-without-brackets"),
    ("MAIL FROM:<ann@example.org> ", "trailing-space"),
    ("MAIL  FROM:<ann@example.org>", "extra-space"),
    ("MAIL FROM:<ann@example.org>  SIZE=1", "extra-space"),
    ("MAIL FROM:<ann..b@example.org>", "malformed-path"),
    ("MAIL FROM:<ann@[999.999.999.999]>", "malformed-path"),
    ("MAIL FROM:<" + "a" * 65 + "@example.org>", "address-too-long"),
    ("MAIL FROM:<ann@example.org> ENVID=a+0Ab", "malformed-parameter"),
]


@pytest.mark.parametrize("syntax", ["usual", "lenient"])
@pytest.mark.parametrize(("line", "expected"), TAKEN)
def test_other_servers_take_it_and_tell(connect, syntax, line, expected):
    server, client = connect(syntax)
    client.hello()
    assert client.say(line).startswith("250 ")
    (violation,) = server.sessions[-1].violations
    assert violation.id == expected
    assert repr(line)[1:-1] in violation.explanation


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    "path", ["Anne Person <anne@example.com>", '"Anne" <anne@example.com>', "<Anne <a@b.example>>"]
)
def test_a_display_name_in_the_envelope_is_refused_and_told(connect, syntax, path):
    server, client = connect(syntax)
    client.hello()
    assert client.say(f"MAIL FROM:{path}").startswith("501 5.5.4 ")
    client.say(ANN)
    assert client.say(f"RCPT TO:{path}").startswith("501 5.5.4 ")
    assert [violation.id for violation in server.sessions[-1].violations] == ["display-name-in-path"]


@pytest.mark.parametrize(("syntax", "code"), [("strict", "500"), ("usual", "250"), ("lenient", "250")])
def test_a_bare_line_feed_ends_a_command(connect, syntax, code):
    server, client = connect(syntax)
    client.hello()
    client.send(b"NOOP\n")
    assert client.reply()[:3] == code
    assert [violation.id for violation in server.sessions[-1].violations] == ["command-bare-line-feed"]


@pytest.mark.parametrize(("syntax", "code"), [("strict", "501"), ("usual", "250"), ("lenient", "250")])
def test_a_client_may_have_a_name_that_is_no_domain(connect, syntax, code):
    server, client = connect(syntax)
    assert client.say("EHLO my_host")[:3] == code
    assert [violation.id for violation in server.sessions[-1].violations] == ["malformed-client-name"]


@pytest.mark.parametrize(("syntax", "code"), [("strict", "501"), ("usual", "501"), ("lenient", "250")])
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_a_client_without_a_name_is_taken_by_a_lenient_server_only(connect, syntax, code, verb):
    server, client = connect(syntax)
    assert client.say(verb)[:3] == code
    assert client.say(ANN)[:3] == ("250" if code == "250" else "503")
    assert server.sessions[-1].violations[0].id == "malformed-client-name"


@pytest.mark.parametrize(("syntax", "code"), [("strict", "503"), ("usual", "503"), ("lenient", "250")])
def test_mail_without_ehlo_is_taken_by_a_lenient_server_only(connect, syntax, code):
    server, client = connect(syntax)
    assert client.say(ANN)[:3] == code
    if syntax == "lenient":
        assert [client.say(line)[:3] for line in (BOB, "DATA", ".")] == ["250", "354", "250"]
    assert [violation.id for violation in server.sessions[-1].violations] == ["no-ehlo"]


@pytest.mark.parametrize("again", [False, True])
def test_ehlo_is_due_again_inside_tls(connect, again):
    server, client = connect("lenient")
    client.hello()
    client.start_tls()
    if again:
        client.hello()
    client.say(ANN)
    assert [violation.id for violation in server.sessions[-1].violations] == ([] if again else ["no-ehlo"])


@pytest.mark.parametrize(("syntax", "code"), [("strict", "550"), ("usual", "550"), ("lenient", "250")])
def test_an_address_outside_ascii_without_smtputf8_is_taken_by_a_lenient_server_only(connect, syntax, code):
    server, client = connect(syntax)
    client.hello()
    assert client.say("MAIL FROM:<zoë@example.org>")[:3] == code
    if syntax == "lenient":
        assert client.say("RCPT TO:<zoë@example.org>").startswith("250 ")
        client.say("DATA")
        client.say("x\r\n.")
        assert server.inbox.one().violations[0].id == "address-without-smtputf8"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_server_refuses_what_nobody_can_understand(connect, syntax):
    _, client = connect(syntax)
    client.hello()
    assert client.say("MAIL ann@example.org").startswith("501 ")
    assert client.say("MAIL FROM:<a@b@c>").startswith("553 ")
    client.say(ANN)
    assert client.say("RCPT TO:<>").startswith("553 ")


def test_the_same_fault_is_told_once_and_with_the_first_command(connect):
    server, client = connect("usual")
    client.hello()
    for name in ("ann", "bob"):
        client.say(f"MAIL FROM: <{name}@example.org>")
    (violation,) = server.sessions[-1].violations
    assert "'MAIL FROM: <ann@example.org>'" in str(violation)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_command_that_was_cut_off_is_too_long_and_nothing_else(connect, syntax):
    server, client = connect(syntax)
    client.hello()
    assert client.say("MAIL FROM:<" + "x" * 5000) == "500 5.5.2 Command line too long"
    (violation,) = server.sessions[-1].violations
    assert violation.id == "command-too-long"
    assert "5013 octets" in violation.explanation


def test_a_long_command_is_taken_by_a_usual_server_and_told(connect):
    server, client = connect("usual")
    client.hello()
    assert client.say("NOOP " + "x" * 1000).startswith("250 ")
    assert [violation.id for violation in server.sessions[-1].violations] == ["command-too-long"]


def test_clear_text_where_tls_begins_is_no_command(start_smtp_server, wire):
    server = start_smtp_server("implicit-tls")
    client = wire(server, greeted=False)
    client.send(b"EHLO my_host \r\n")
    client.rest()
    assert "EHLO my_host" in str(server.sessions[-1].transcript)
    assert [violation.id for violation in server.sessions[-1].violations] in ([], ["no-quit"])


def test_what_a_client_says_in_auth_is_no_command(start_smtp_server, wire):
    server = start_smtp_server(Policy(users={"ann": "x"}, syntax="strict"))
    client = wire(server)
    client.hello()
    assert client.say("AUTH LOGIN").startswith("334 ")
    assert client.say("*").startswith("501 ")
    assert client.say("AUTH LOGIN").startswith("334 ")
    client.say("DATA x ")
    assert server.sessions[-1].violations == ()


@pytest.mark.parametrize(("syntax", "code"), [("strict", "503"), ("usual", "503"), ("lenient", "235")])
def test_auth_behind_helo_is_taken_by_a_lenient_server_only(connect, syntax, code):
    server, client = connect(syntax, users={"ann": "s3cret"}, auth_in_clear=True)
    client.say("HELO shop.example")
    assert client.say("AUTH PLAIN AGFubgBzM2NyZXQ=").startswith(code)
    client.close()
    (session,) = server.sessions.wait()
    assert [attempt.accepted for attempt in session.auth] == [syntax == "lenient"]
