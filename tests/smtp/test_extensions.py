"""The optional extensions: offered where the policy says so, their parameters recorded; refused where it does not."""

import re
import smtplib
from datetime import UTC, datetime, timedelta

import aiosmtplib
import pytest

from smtpfix import Envelope, InvalidValueError, Limits, Policy
from smtpfix.smtp.keywords import OPTIONAL_EXTENSIONS

pytestmark = pytest.mark.usefixtures("nothing_logged")

ALL = Policy(offer=OPTIONAL_EXTENSIONS)
ANN = "MAIL FROM:<ann@example.org>"
BOB = "RCPT TO:<bob@example.org>"


@pytest.fixture
def greet(start_smtp_server, wire):
    """Return a function that starts a server and says EHLO to it, in TLS where there is some."""

    def greet(policy=ALL):
        server = start_smtp_server(policy)
        client = wire(server)
        client.hello()
        if server.mode in ("starttls", "tls-required"):
            client.start_tls()
            client.hello()
        return server, client

    return greet


def keywords(reply):
    return [line[4:] for line in reply.split("\n")[1:]]


# What is offered


def test_nothing_optional_is_offered_unasked(greet):
    _, client = greet(Policy())
    offered = {line.split(" ")[0] for line in keywords(client.hello())}
    assert offered.isdisjoint(OPTIONAL_EXTENSIONS)


@pytest.mark.parametrize("keyword", [one for one in OPTIONAL_EXTENSIONS if one not in ("BINARYMIME", "REQUIRETLS")])
def test_what_is_offered_stands_behind_the_others_and_is_alone(greet, keyword):
    _, client = greet(Policy(offer=[keyword.lower()]))
    *others, last = keywords(client.hello())
    assert last.split(" ")[0] == keyword
    assert others[-1] == "HELP"


def test_requiretls_is_offered_inside_tls_only(start_smtp_server, wire):
    client = wire(start_smtp_server(Policy("starttls", offer=["REQUIRETLS"])))
    assert "REQUIRETLS" not in keywords(client.hello())
    client.start_tls()
    assert "REQUIRETLS" in keywords(client.hello())


def test_limits_are_the_policys(greet):
    _, client = greet(Policy(offer=["LIMITS"], max_recipients=7))
    assert keywords(client.hello())[-1] == "LIMITS RCPTMAX=7"
    _, client = greet(
        Policy(offer=["LIMITS"], max_recipients=7, limits=Limits(messages_per_connection=3), max_recipient_domains=2)
    )
    assert keywords(client.hello())[-1] == "LIMITS MAILMAX=3 RCPTMAX=7 RCPTDOMAINMAX=2"


@pytest.mark.parametrize("seconds", [60, 10**12])
def test_future_release_says_how_long_and_until_when(greet, seconds):
    before = datetime.now(UTC).replace(microsecond=0)
    _, client = greet(Policy(offer=["FUTURERELEASE"], max_hold=seconds))
    keyword, interval, until = keywords(client.hello())[-1].split(" ")
    assert (keyword, int(interval)) == ("FUTURERELEASE", seconds)
    latest = datetime.fromisoformat(until)
    assert latest >= before + timedelta(seconds=60)
    assert (latest.year == 9999) is (seconds > 60)


def test_smtplib_reads_what_is_offered(start_smtp_server):
    with start_smtp_server(ALL).client() as client:
        client.ehlo()
        assert client.esmtp_features["limits"] == "RCPTMAX=10000"
        assert all(client.has_extn(keyword) for keyword in ALL.offer - {"REQUIRETLS"})


# Parameters

RIGHT = [
    ("DSN", "RET=FULL", ""),
    ("DSN", "ret=hdrs", ""),
    ("DSN", "ENVID=QQ+2B314159", ""),
    ("DSN", "RET=HDRS ENVID=" + "x" * 100, ""),
    ("DSN", "", "NOTIFY=NEVER"),
    ("DSN", "", "NOTIFY=success,FAILURE,Delay"),
    ("DSN", "", "ORCPT=rfc822;bob+2Bx@example.org"),
    ("DSN", "", "NOTIFY=DELAY ORCPT=x400;/c+3Dde"),
    ("DSN", "", "ORCPT=utf-8;zoë@exämple.org"),
    ("DSN", "", "ORCPT=rfc822;" + "x" * (500 - len("ORCPT=rfc822;"))),
    ("MT-PRIORITY", "MT-PRIORITY=-9", ""),
    ("MT-PRIORITY", "MT-PRIORITY=0", ""),
    ("MT-PRIORITY", "mt-priority=9", ""),
    ("FUTURERELEASE", "HOLDFOR=1", ""),
    ("FUTURERELEASE", "HOLDUNTIL=2020-02-29T12:00:00Z", ""),
    ("FUTURERELEASE", "HOLDUNTIL=2020-02-29T12:00:00.25Z", ""),
    ("DELIVERBY", "BY=120;R", ""),
    ("DELIVERBY", "BY=-120;NT", ""),
    ("DELIVERBY", "by=+1;rt", ""),
]

WRONG = [
    ("DSN", "RET", "", "FULL or HDRS"),
    ("DSN", "RET=ALL", "", "FULL or HDRS"),
    ("DSN", "RET=FULL RET=FULL", "", "RET is given twice"),
    ("DSN", "ENVID=" + "x" * 101, "", "100 characters"),
    ("DSN", "ENVID=" + "+2B" * 34, "", "100 characters"),
    ("DSN", "ENVID=a+2b", "", "xtext"),
    ("DSN", "ENVID=x ENVID=x", "", "ENVID is given twice"),
    ("DSN", "", "NOTIFY", "NEVER alone"),
    ("DSN", "", "NOTIFY=NEVER,DELAY", "NEVER alone"),
    ("DSN", "", "NOTIFY=DELAY,", "NEVER alone"),
    ("DSN", "", "NOTIFY=NEVER NOTIFY=NEVER", "NOTIFY is given twice"),
    ("DSN", "", "ORCPT=bob@example.org", "rfc822;ann@example.org"),
    ("DSN", "", "ORCPT=rfc822;a+b", "xtext"),
    ("DSN", "", "ORCPT=rfc822;zoë", "xtext"),
    ("DSN", "", "ORCPT=rfc822;" + "x" * (501 - len("ORCPT=rfc822;")), "xtext"),
    ("REQUIRETLS", "REQUIRETLS=yes", "", "no value"),
    ("MT-PRIORITY", "MT-PRIORITY", "", "-9 to 9"),
    ("MT-PRIORITY", "MT-PRIORITY=10", "", "-9 to 9"),
    ("MT-PRIORITY", "MT-PRIORITY=+1", "", "-9 to 9"),
    ("MT-PRIORITY", "MT-PRIORITY=-0", "", "-9 to 9"),
    ("FUTURERELEASE", "HOLDFOR=0", "", "seconds from 1"),
    ("FUTURERELEASE", "HOLDFOR=2592001", "", "more than 2592000 seconds"),
    ("FUTURERELEASE", "HOLDUNTIL=tomorrow", "", "2030-01-31T12:00:00Z"),
    ("FUTURERELEASE", "HOLDUNTIL=2020-02-30T12:00:00Z", "", "is no date"),
    ("FUTURERELEASE", "HOLDUNTIL=9999-01-01T00:00:00Z", "", "more than 2592000 seconds away"),
    ("FUTURERELEASE", "HOLDUNTIL=2020-02-29T12:00:00+01:00", "", "2030-01-31T12:00:00Z"),
    ("FUTURERELEASE", "HOLDFOR=1 HOLDUNTIL=2020-02-29T12:00:00Z", "", "exclude each other"),
    ("DELIVERBY", "BY=120", "", "3600;R"),
    ("DELIVERBY", "BY=0;R", "", "3600;R"),
    ("DELIVERBY", "BY=-5;R", "", "3600;R"),
    ("DELIVERBY", "BY=1234567890;N", "", "3600;R"),
]


@pytest.mark.parametrize(("keyword", "mail", "rcpt"), RIGHT)
def test_right_parameters_are_taken_and_recorded_as_they_were_sent(greet, keyword, mail, rcpt):
    server, client = greet(Policy(offer=[keyword]))
    smtputf8 = "SMTPUTF8" if not rcpt.isascii() else ""
    assert client.say(" ".join(filter(None, [ANN, mail, smtputf8]))).startswith("250 ")
    assert client.say(" ".join(filter(None, [BOB, rcpt]))).startswith("250 ")
    client.say("DATA")
    assert client.say("x\r\n.").startswith("250 ")
    envelope = server.inbox.one().envelope
    assert envelope.mail_parameters == tuple(f"{mail} {smtputf8}".split())
    assert envelope.recipient_parameters == (tuple(rcpt.split()),)


@pytest.mark.parametrize(("keyword", "mail", "rcpt"), RIGHT)
def test_the_same_parameters_are_unknown_without_the_extension(greet, keyword, mail, rcpt):
    _, client = greet(Policy(offer={one for one in OPTIONAL_EXTENSIONS if one != keyword}))
    if mail:
        assert client.say(f"{ANN} {mail}").startswith("555 5.5.4 Parameter ")
    client.say(ANN)
    if rcpt:
        assert client.say(f"{BOB} {rcpt}").startswith("555 5.5.4 Parameter ")
    assert client.say(BOB).startswith("250 ")


@pytest.mark.parametrize(("keyword", "mail", "rcpt", "expected"), WRONG)
def test_wrong_values_are_answered_with_what_was_expected(greet, keyword, mail, rcpt, expected):
    _, client = greet(Policy("starttls", offer=[keyword]))
    if rcpt:
        client.say(ANN)
    answer = client.say(f"{BOB} {rcpt}" if rcpt else f"{ANN} {mail}")
    assert answer.startswith("501 5.5.4 ")
    assert expected in answer
    assert client.say(BOB if rcpt else ANN).startswith("250 ")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_a_parameter_stands_at_its_own_command_only(greet, verb):
    _, client = greet()
    if verb == "MAIL":
        assert client.say(f"{ANN} NOTIFY=NEVER").startswith("555 ")
    else:
        client.say(ANN)
        assert client.say(f"{BOB} RET=FULL").startswith("555 ")


def test_optional_parameters_need_ehlo_too(greet):
    _, client = greet()
    client.say("HELO client.example")
    assert client.say(f"{ANN} RET=FULL") == "555 5.5.4 Parameters need EHLO"


def test_smtplib_asks_for_notifications(start_smtp_server):
    server = start_smtp_server(Policy(offer=["DSN"]))
    with server.client() as client:
        client.sendmail(
            "ann@example.org",
            ["bob@example.org", "eve@example.org"],
            "Subject: x\r\n\r\n",
            mail_options=["RET=HDRS", "ENVID=7"],
            rcpt_options=["NOTIFY=NEVER"],
        )
    envelope = server.inbox.one().envelope
    assert envelope.mail_parameters[-2:] == ("RET=HDRS", "ENVID=7")
    assert envelope.recipient_parameters == (("NOTIFY=NEVER",), ("NOTIFY=NEVER",))


@pytest.mark.asyncio
async def test_aiosmtplib_asks_for_notifications_of_a_strict_server(start_smtp_server):
    server = start_smtp_server(Policy(offer=["DSN"], syntax="strict"))
    async with aiosmtplib.SMTP(hostname=server.host, port=server.port) as client:
        assert client.supports_extension("dsn")
        await client.sendmail(
            "ann@example.org", "bob@example.org", b"x", mail_options=["ENVID=7"], rcpt_options=["NOTIFY=DELAY"]
        )
    envelope = server.inbox.one().envelope
    assert envelope.parameter("ENVID") == "7"
    assert envelope.parameter("NOTIFY", "bob@example.org") == "DELAY"
    assert server.sessions[-1].violations == ()


def test_a_client_that_asks_where_dsn_is_not_offered_gets_555(start_smtp_server):
    server = start_smtp_server(Policy(scenario="dsn-not-offered"))
    with server.client() as client:
        assert not client.has_extn("dsn")
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            client.sendmail("ann@example.org", ["bob@example.org"], "x", rcpt_options=["NOTIFY=NEVER"])
    assert caught.value.recipients["bob@example.org"][0] == 555
    assert len(server.inbox) == 0


# BODY


@pytest.mark.parametrize(
    ("policy", "body", "code"),
    [
        (Policy(), "BINARYMIME", "501"),
        (Policy(offer=["CHUNKING"]), "BINARYMIME", "501"),
        (Policy(offer=["CHUNKING", "BINARYMIME"]), "binarymime", "250"),
        (Policy(offer=["CHUNKING", "BINARYMIME"]), "8BITMIME", "250"),
        (Policy(offer=["CHUNKING", "BINARYMIME"]), "NOMIME", "501"),
        (Policy(offer=["CHUNKING", "BINARYMIME"], hide=["8BITMIME"]), "BINARYMIME", "250"),
        (Policy(offer=["CHUNKING", "BINARYMIME"], hide=["8BITMIME"]), "8BITMIME", "555"),
        (Policy(scenario="no-8bitmime"), "8BITMIME", "555"),
    ],
)
def test_body_may_be_what_is_offered(greet, policy, body, code):
    _, client = greet(policy)
    assert client.say(f"{ANN} BODY={body}")[:3] == code


@pytest.mark.parametrize("offer", [(), ("CHUNKING", "BINARYMIME")])
def test_what_body_may_be_is_told(greet, offer):
    _, client = greet(Policy(offer=offer))
    answer = client.say(f"{ANN} BODY=NOMIME")
    assert "expected 7BIT or 8BITMIME" in answer
    assert ("or BINARYMIME" in answer) is bool(offer)


# REQUIRETLS


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("plain", "555 5.5.4 Parameter REQUIRETLS not recognized or not implemented: there is no TLS here"),
        ("starttls", "530 5.7.10 REQUIRETLS is for messages inside TLS only: issue STARTTLS first"),
    ],
)
def test_requiretls_is_refused_in_clear(start_smtp_server, wire, mode, answer):
    client = wire(start_smtp_server(Policy(mode, offer=["REQUIRETLS"])))
    client.hello()
    assert client.say(f"{ANN} REQUIRETLS") == answer
    assert client.say(ANN).startswith("250 ")


@pytest.mark.parametrize("mode", ["starttls", "tls-required", "implicit-tls"])
def test_requiretls_is_taken_in_tls(greet, mode):
    server, client = greet(Policy(mode, offer=["REQUIRETLS", "DSN"]))
    client.say(f"{ANN} REQUIRETLS RET=FULL")  # which has to be disregarded, RFC 8689 section 5, and not refused
    client.say(BOB)
    client.say("DATA")
    assert client.say(".").startswith("250 ")
    assert server.inbox.one().envelope.parameter("REQUIRETLS") == ""


def test_requiretls_is_unknown_where_it_is_not_offered(greet):
    _, client = greet(Policy("starttls", scenario="requiretls-not-offered"))
    assert client.say(f"{ANN} REQUIRETLS").startswith("555 ")


# LIMITS


def test_one_recipient_too_many_is_refused_and_the_others_get_the_message(greet):
    server, client = greet(Policy(scenario="limits-rcptmax"))
    assert keywords(client.hello())[-1] == "LIMITS RCPTMAX=1"
    client.say(ANN)
    assert client.say(BOB).startswith("250 ")
    assert client.say("RCPT TO:<eve@example.org>") == "452 4.5.3 Too many recipients"
    client.say("DATA")
    client.say(".")
    assert server.inbox.one().to == ("bob@example.org",)


def test_one_transaction_too_many_ends_the_session(greet):
    server, client = greet(Policy(scenario="limits-mailmax"))
    assert keywords(client.hello())[-1] == "LIMITS MAILMAX=1 RCPTMAX=10000"
    assert client.deliver().startswith("250 ")
    assert client.say(ANN) == "421 4.7.0 Too many messages on this connection"
    assert client.rest() == b""
    assert server.sessions[-1].end == "closed with 421"


def test_transactions_are_counted_in_each_session_anew(start_smtp_server, wire):
    server = start_smtp_server(Policy(offer=["LIMITS"], limits=Limits(messages_per_connection=2)))
    for _ in range(2):
        client = wire(server)
        client.hello()
        assert client.deliver().startswith("250 ")
        assert client.deliver().startswith("250 ")


def test_recipients_of_one_domain_too_many_are_refused(greet):
    _, client = greet(Policy(max_recipient_domains=2))
    client.say(ANN)
    for address, code in (
        ("bob@example.org", "250"),
        ("eve@EXAMPLE.ORG", "250"),
        ("bob@example.net", "250"),
        ("bob@example.com", "452"),
        ("eve@example.net", "250"),
    ):
        assert client.say(f"RCPT TO:<{address}>")[:3] == code
    client.say("RSET")
    client.say(ANN)
    assert client.say("RCPT TO:<bob@example.com>") == "452 4.5.3 Too many recipient domains"
    assert client.say(BOB).startswith("250 ")


def test_a_recipient_that_is_refused_is_of_no_domain(greet):
    _, client = greet(Policy(max_recipient_domains=1))
    client.say(ANN)
    assert client.say("RCPT TO:<a@b@example.com>").startswith("553 ")
    assert client.say(BOB).startswith("250 ")


# SMTPUTF8

ZOE = "<zoë@exämple.org>"


@pytest.mark.parametrize("policy", [Policy(), Policy(hide=["SMTPUTF8"]), Policy(syntax="strict")])
def test_addresses_outside_ascii_are_refused_without_smtputf8(greet, policy):
    _, client = greet(policy)
    assert client.say(f"MAIL FROM:{ZOE}") == "550 5.6.7 A sender outside ASCII needs the parameter SMTPUTF8"
    client.say(ANN)
    assert client.say(f"RCPT TO:{ZOE}").startswith("553 5.6.7 ")
    assert client.say(BOB).startswith("250 ")


def test_addresses_outside_ascii_are_taken_with_smtputf8(greet):
    server, client = greet(Policy())
    assert client.say(f"MAIL FROM:{ZOE} SMTPUTF8").startswith("250 ")
    assert client.say(f"RCPT TO:{ZOE}").startswith("250 ")
    client.say("DATA")
    client.say(".")
    assert server.inbox.one().to == ("zoë@exämple.org",)


def test_smtplib_refuses_itself_where_smtputf8_is_hidden(start_smtp_server):
    server = start_smtp_server(Policy(hide=["SMTPUTF8"]))
    with server.client() as client:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            client.sendmail("zoë@exämple.org", ["bob@example.org"], "x", mail_options=["SMTPUTF8"])
        client.sendmail("ann@example.org", ["bob@example.org"], "x")
    assert len(server.inbox) == 1


# The envelope

ENVELOPE = Envelope(
    "ann@example.org",
    ("bob@example.org", "eve@example.org", "bob@example.org"),
    ("SIZE=7", "Ret=FULL", "SMTPUTF8"),
    (("NOTIFY=NEVER", "ORCPT=rfc822;bob@example.org"), (), ("NOTIFY=DELAY",)),
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("RET",), "FULL"),
        (("size",), "7"),
        (("SMTPUTF8",), ""),
        (("ENVID",), None),
        (("NOTIFY",), None),
        (("notify", "bob@example.org"), "NEVER"),
        (("ORCPT", "bob@example.org"), "rfc822;bob@example.org"),
        (("NOTIFY", "eve@example.org"), None),
        (("RET", "bob@example.org"), None),
    ],
)
def test_a_parameter_of_the_envelope_is_found_by_its_keyword(arguments, expected):
    assert ENVELOPE.parameter(*arguments) == expected


def test_an_envelope_made_without_parameters_has_none():
    assert Envelope("ann@example.org", ("bob@example.org",)).parameter("NOTIFY", "bob@example.org") is None


def test_somebody_who_is_no_recipient_is_an_error_that_names_them():
    expected = "expected one of the recipients, bob@example.org, eve@example.org"
    with pytest.raises(InvalidValueError, match=re.escape(expected)):
        ENVELOPE.parameter("NOTIFY", "mallory@example.org")
