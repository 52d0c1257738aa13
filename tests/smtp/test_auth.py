"""AUTH on the wire: every way to say it, every refusal, and that each attempt is on record."""

from __future__ import annotations

import base64
import hmac
import json
import shutil
import smtplib
import subprocess
from datetime import UTC, datetime

import pytest

from smtpfix import ANY_USER, AuthAttempt, Policy
from smtpfix.login.mechanisms import MECHANISMS, Token

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret", "jürgen": "pässword"}
WAYS = [("plain", True), ("starttls", False), ("tls-required", False), ("implicit-tls", False)]
"""In clear, after STARTTLS and over implicit TLS: each mode, and whether its AUTH comes in clear."""

AUTHENTICATED = "235 2.7.0 Authentication successful"
INVALID = "535 5.7.8 Authentication credentials invalid"
NOT_BASE64 = "501 5.5.2 Cannot decode base64"
CANCELLED = "501 5.7.0 Authentication cancelled"
NO_TLS_YET = "538 5.7.11 Encryption required for requested authentication mechanism"
USERNAME, PASSWORD = "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"


def b64(text):
    return base64.b64encode(text.encode()).decode()


ANN = b64("\0ann\0s3cret")


def attempt(mechanism, user="ann", password=USERS["ann"], *, accepted=True, in_clear=True, authorization_identity=None):
    return AuthAttempt(mechanism, user, password, accepted, in_clear, authorization_identity)


@pytest.fixture
def greet(start_smtp_server, wire):
    """Return a function that starts a server and says EHLO to it, in TLS where its mode has that."""

    def greet(mode="plain", *, in_tls=True, **fields):
        server = start_smtp_server(mode, **({"users": USERS} | fields))
        client = wire(server)
        if server.policy.has("STARTTLS") and in_tls:
            client.start_tls()
        client.hello()
        return server, client

    return greet


# What succeeds

SAYINGS = {
    "PLAIN with an initial response": ("PLAIN", [(f"AUTH PLAIN {ANN}", AUTHENTICATED)]),
    "PLAIN without one": ("PLAIN", [("AUTH PLAIN", "334 "), (ANN, AUTHENTICATED)]),
    "PLAIN with an empty one": ("PLAIN", [("AUTH PLAIN =", "334 "), (ANN, AUTHENTICATED)]),
    "plain in lower case": ("PLAIN", [(f"auth plain {ANN}", AUTHENTICATED)]),
    "PLAIN in mixed case": ("PLAIN", [("Auth pLaIn", "334 "), (ANN, AUTHENTICATED)]),
    "PLAIN as oneself": ("PLAIN", [(f"AUTH PLAIN {b64(chr(0).join(['ann', 'ann', 's3cret']))}", AUTHENTICATED)]),
    "LOGIN": ("LOGIN", [("AUTH LOGIN", USERNAME), (b64("ann"), PASSWORD), (b64("s3cret"), AUTHENTICATED)]),
    "LOGIN with the user in advance": (
        "LOGIN",
        [(f"AUTH LOGIN {b64('ann')}", PASSWORD), (b64("s3cret"), AUTHENTICATED)],
    ),
    "login in lower case": ("LOGIN", [(f"auth login {b64('ann')}", PASSWORD), (b64("s3cret"), AUTHENTICATED)]),
}


@pytest.mark.parametrize("saying", SAYINGS)
@pytest.mark.parametrize(("mode", "in_clear"), WAYS)
def test_each_way_to_log_in_works_in_each_mode(greet, mode, in_clear, saying):
    mechanism, exchange = SAYINGS[saying]
    server, client = greet(mode)
    for line, reply in exchange:
        assert client.say(line) == reply
    (recorded,) = server.sessions[-1].auth
    assert (recorded.mechanism, recorded.user, recorded.password) == (mechanism, "ann", "s3cret")
    assert (recorded.accepted, recorded.in_clear) == (True, in_clear)
    assert client.deliver() == "250 2.0.0 OK, message captured"
    assert server.inbox.one().user == "ann"


def test_a_challenge_without_text_keeps_its_space(greet):
    """RFC 4954 section 4: continue-req is "334" SP [base64] CRLF; strict clients look for the space."""
    _, client = greet()
    client.send(b"AUTH PLAIN\r\n")
    assert client.socket.recv(100) == b"334 \r\n"


def test_names_and_passwords_outside_ascii(greet):
    server, client = greet()
    assert client.say(f"AUTH PLAIN {b64(chr(0) + 'jürgen' + chr(0) + 'pässword')}") == AUTHENTICATED
    assert server.sessions[-1].auth == (attempt("PLAIN", "jürgen", "pässword"),)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_any_user_accepts_and_records_whatever_comes(greet, mechanism):
    server, client = greet(users=ANY_USER)
    secret = b64("\0who\0ever") if mechanism == "PLAIN" else b64("who")
    reply = client.say(f"AUTH {mechanism} {secret}")
    if mechanism == "LOGIN":
        assert reply == PASSWORD
        reply = client.say(b64("ever"))
    assert reply == AUTHENTICATED
    assert server.sessions[-1].auth == (attempt(mechanism, "who", "ever"),)


def test_the_policy_chooses_the_mechanisms(greet):
    server, client = greet(mechanisms=("LOGIN",))
    assert "250-AUTH LOGIN\n" in client.hello()
    assert client.say(f"AUTH PLAIN {ANN}") == "504 5.5.4 Unrecognized authentication mechanism"
    assert client.say(f"AUTH LOGIN {b64('ann')}") == PASSWORD
    assert server.sessions[-1].auth == (attempt("PLAIN", accepted=False),)


# What is refused


@pytest.mark.parametrize(
    ("line", "reply", "recorded"),
    [
        (f"AUTH PLAIN {b64(chr(0) + 'ann' + chr(0) + 'wrong')}", INVALID, ("PLAIN", "ann", "wrong")),
        (f"AUTH PLAIN {b64(chr(0) + 'bob' + chr(0) + 's3cret')}", INVALID, ("PLAIN", "bob", "s3cret")),
        (f"AUTH PLAIN {b64(chr(0) + 'ann' + chr(0))}", INVALID, ("PLAIN", "ann", "")),
        (f"AUTH PLAIN {b64('bob' + chr(0) + 'ann' + chr(0) + 's3cret')}", INVALID, ("PLAIN", "ann", "s3cret")),
        (f"AUTH PLAIN {b64('ann')}", "501 5.5.2 PLAIN takes", ("PLAIN", None, None)),
        (f"AUTH PLAIN {b64(chr(0) * 3)}", "501 5.5.2 PLAIN takes", ("PLAIN", None, None)),
        ("AUTH PLAIN !", NOT_BASE64, ("PLAIN", None, None)),
        (f"AUTH PLAIN {ANN[:-1]}", NOT_BASE64, ("PLAIN", None, None)),
        ("AUTH LOGIN !", NOT_BASE64, ("LOGIN", None, None)),
        (f"AUTH PLAIN {ANN} {ANN}", "501 5.5.4 Syntax: AUTH mechanism [initial-response]", ("PLAIN", None, None)),
        ("AUTH", "501 5.5.4 Syntax: AUTH mechanism [initial-response]", ("", None, None)),
        ("AUTH CRAM-MD5", "504 5.5.4 Unrecognized authentication mechanism", ("CRAM-MD5", None, None)),
        (f"AUTH NTLM {ANN}", "504 5.5.4 Unrecognized authentication mechanism", ("NTLM", None, None)),
        # Microsoft's and Google's: an initial response of a mechanism that is known but not offered here
        (
            f"AUTH XOAUTH2 {b64('user=ann' + chr(1) + 'auth=Bearer x' + chr(1) * 2)}",
            "504 5.5.4 Unrecognized authentication mechanism",
            ("XOAUTH2", "ann", None),
        ),
    ],
)
def test_a_wrong_auth_is_refused_recorded_and_can_be_tried_again(greet, line, reply, recorded):
    server, client = greet()
    assert client.say(line).startswith(reply)
    (first,) = server.sessions[-1].auth
    assert (first.mechanism, first.user, first.password, first.accepted) == (*recorded, False)
    assert client.say(f"AUTH PLAIN {ANN}") == AUTHENTICATED
    assert server.sessions[-1].auth[1] == attempt("PLAIN")


def test_acting_as_somebody_else_is_recorded(greet):
    server, client = greet(users=ANY_USER)
    assert client.say(f"AUTH PLAIN {b64('bob' + chr(0) + 'ann' + chr(0) + 's3cret')}") == AUTHENTICATED
    assert server.sessions[-1].auth == (attempt("PLAIN", authorization_identity="bob"),)


@pytest.mark.parametrize(
    ("before", "answer", "reply", "user"),
    [
        (["AUTH PLAIN"], "*", CANCELLED, None),
        (["AUTH LOGIN"], "*", CANCELLED, None),
        (["AUTH LOGIN", b64("ann")], "*", CANCELLED, "ann"),
        (["AUTH PLAIN"], "not base64!", NOT_BASE64, None),
        (["AUTH LOGIN", b64("ann")], "pässword", NOT_BASE64, "ann"),
        (["AUTH LOGIN", b64("ann")], b64("wrong"), INVALID, "ann"),
        (["AUTH PLAIN"], "", "501 5.5.2 PLAIN takes", None),
        (["AUTH PLAIN"], "A" * 12_286, NOT_BASE64, None),  # with its CRLF the longest line there may be
        (["AUTH PLAIN"], "A" * 12_287, "500 5.5.6 Authentication exchange line is too long", None),
        (["AUTH LOGIN", b64("ann")], "A" * 100_000, "500 5.5.6 Authentication exchange line is too long", "ann"),
    ],
)
def test_an_exchange_that_ends_badly_is_recorded_as_far_as_it_got(greet, before, answer, reply, user):
    server, client = greet()
    for line in before:
        assert client.say(line).startswith("334 ")
    assert client.say(answer).startswith(reply)
    (recorded,) = server.sessions[-1].auth
    assert (recorded.user, recorded.accepted) == (user, False)
    assert client.say("NOOP") == "250 2.0.0 OK"
    assert client.say("MAIL FROM:<>") == "250 2.1.0 Sender OK"


def test_a_connection_that_ends_within_an_exchange_leaves_the_attempt_on_record(greet):
    server, client = greet()
    client.say("AUTH LOGIN")
    assert client.say(b64("ann")) == PASSWORD
    client.close()
    assert server.sessions[-1].auth == (attempt("LOGIN", "ann", None, accepted=False),)


@pytest.mark.parametrize(("length", "reply"), [(12_286, NOT_BASE64), (12_287, "500 5.5.2 Command line too long")])
def test_an_initial_response_may_make_the_command_line_as_long_as_an_answer(greet, length, reply):
    """RFC 4954 section 4: 12,288 octets with the CRLF, where other commands end at 4,096."""
    server, client = greet()
    assert client.say("AUTH PLAIN ".ljust(length, "A")) == reply
    assert "AAAA" not in str(server.sessions[-1].transcript)
    assert client.say(f"AUTH PLAIN {ANN}") == AUTHENTICATED


def test_an_over_long_line_does_not_shorten_the_limit_of_an_auth_that_is_pipelined_behind_it(greet):
    _, client = greet(users=ANY_USER)
    response = b64("\0ann\0" + "x" * 6000)
    client.send(b"NOOP " + b"x" * 5000 + b"\r\n" + f"AUTH PLAIN {response}\r\n".encode())
    assert client.replies(2) == ["500 5.5.2 Command line too long", AUTHENTICATED]


@pytest.mark.parametrize(
    ("prepare", "reply"),
    [
        (["HELO client.example"], "503 5.5.1 Send EHLO first"),
        ([f"AUTH PLAIN {ANN}"], "503 5.5.1 Already authenticated"),
        (["MAIL FROM:<>"], "503 5.5.1 AUTH is not permitted during a mail transaction"),
    ],
)
def test_auth_at_the_wrong_time(greet, prepare, reply):
    server, client = greet()
    for line in prepare:
        assert client.say(line)[0] == "2"
    assert client.say(f"AUTH PLAIN {ANN}") == reply
    assert server.sessions[-1].auth[-1] == attempt("PLAIN", accepted=False)


# What was given away is on record, though it was refused


@pytest.mark.parametrize(
    ("mode", "fields", "reply"),
    [
        ("starttls", {}, NO_TLS_YET),
        ("plain", {"auth_in_clear": False}, NO_TLS_YET),
        ("tls-required", {}, "530 5.7.0 Must issue a STARTTLS command first"),
        ("plain", {"users": None}, "502 5.5.1 Command not implemented"),
        ("plain", {"hide": {"AUTH"}}, "502 5.5.1 Command not implemented"),
    ],
)
@pytest.mark.parametrize(
    ("line", "mechanism", "password"),
    [(f"AUTH PLAIN {ANN}", "PLAIN", "s3cret"), (f"AUTH login {b64('ann')}", "LOGIN", None)],
)
def test_a_secret_sent_too_early_is_recorded_as_given_away_in_clear(
    greet, mode, fields, reply, line, mechanism, password
):
    server, client = greet(mode, in_tls=False, **fields)
    assert client.say(line) == reply
    assert server.sessions[-1].auth == (attempt(mechanism, "ann", password, accepted=False, in_clear=True),)


def test_a_server_may_demand_what_it_does_not_offer_so_that_nobody_can_send(greet):
    _, client = greet("plain", in_tls=False, auth_in_clear=False, require_auth=True)
    assert client.say("MAIL FROM:<ann@example.org>") == "530 5.7.0 Authentication required"
    assert client.say(f"AUTH PLAIN {ANN}") == NO_TLS_YET
    assert client.say("MAIL FROM:<ann@example.org>") == "530 5.7.0 Authentication required"


def test_a_careful_client_gives_nothing_away_before_tls(greet):
    """The other case: without an initial response the same refusals leave a name of a mechanism and no more."""
    server, client = greet("starttls", in_tls=False)
    assert client.say("AUTH PLAIN") == NO_TLS_YET
    assert server.sessions[-1].auth == (attempt("PLAIN", None, None, accepted=False),)


def test_attempts_before_and_in_tls_are_told_apart(greet):
    server, client = greet("starttls", in_tls=False, users=USERS)
    assert client.say(f"AUTH PLAIN {ANN}") == NO_TLS_YET
    client.start_tls()
    client.hello()
    assert client.say(f"AUTH PLAIN {ANN}") == AUTHENTICATED
    recorded = server.sessions[-1].auth
    assert recorded == (attempt("PLAIN", accepted=False), attempt("PLAIN", in_clear=False))


def test_credentials_are_not_in_the_printed_record(greet):
    server, client = greet()
    client.say(f"AUTH PLAIN {ANN}")
    session = server.sessions[-1]
    assert ANN not in str(session.transcript)
    for text in (str(session), str(session.transcript), repr(session.auth)):
        assert "s3cret" not in text


def test_an_answer_split_into_octets_is_one_answer(greet):
    server, client = greet()
    for octet in f"AUTH PLAIN\r\n{ANN}\r\n".encode():
        client.send(bytes([octet]))
    assert client.replies(2) == ["334 ", AUTHENTICATED]
    assert server.sessions[-1].auth == (attempt("PLAIN"),)


def test_a_pipelined_exchange_is_taken_line_by_line(greet):
    server, client = greet()
    client.send(f"AUTH LOGIN\r\n{b64('ann')}\r\n{b64('s3cret')}\r\nNOOP\r\n".encode())
    assert client.replies(4) == [USERNAME, PASSWORD, AUTHENTICATED, "250 2.0.0 OK"]
    assert server.sessions[-1].auth == (attempt("LOGIN"),)


def test_smtplib_sees_a_refusal_as_its_own_error(start_smtp_server):
    server = start_smtp_server(users=USERS)
    with server.client() as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login("ann", "wrong")
    assert refused.value.smtp_code == 535
    assert [(one.mechanism, one.password) for one in server.sessions[-1].auth] == [
        ("PLAIN", "wrong"),
        ("LOGIN", "wrong"),
    ]


# The mechanisms a policy has to name: CRAM-MD5, XOAUTH2, OAUTHBEARER, EXTERNAL, ANONYMOUS

TOKEN = Token("ya29.abc-DEF")
EXPIRED = Token("ya29.old", expires=datetime(2001, 1, 1, tzinfo=UTC))
HOLDERS = {"ann": ("s3cret", TOKEN, EXPIRED)}
UNKNOWN = "504 5.5.4 Unrecognized authentication mechanism"


def xoauth2(token, user="ann"):
    return f"user={user}\1auth=Bearer {token}\1\1"


def oauthbearer(token, user="ann"):
    return f"n,a={user},\1host=localhost\1port=25\1auth=Bearer {token}\1\1"


BEARERS = [("XOAUTH2", xoauth2, ""), ("OAUTHBEARER", oauthbearer, "\1")]


def test_plain_and_login_are_what_is_offered_by_default(greet):
    _, client = greet()
    assert "250-AUTH PLAIN LOGIN\n" in client.hello()
    for name in MECHANISMS.keys() - {"PLAIN", "LOGIN"}:
        assert client.say(f"AUTH {name}") == UNKNOWN


def test_other_mechanisms_are_offered_in_the_order_of_the_policy(greet):
    _, client = greet(mechanisms=("XOAUTH2", "cram-md5", "PLAIN"))
    assert "250-AUTH XOAUTH2 CRAM-MD5 PLAIN\n" in client.hello()


def test_mechanisms_differ_in_clear_and_in_tls(greet):
    _, client = greet(
        "starttls", in_tls=False, auth_in_clear=True, mechanisms=["PLAIN"], mechanisms_in_clear=["LOGIN", "CRAM-MD5"]
    )
    assert "250-AUTH LOGIN CRAM-MD5" in client.hello().splitlines()
    assert client.say(f"AUTH PLAIN {ANN}") == UNKNOWN
    assert client.say("AUTH LOGIN") == USERNAME
    assert client.say("*") == CANCELLED
    client.start_tls()
    assert "250-AUTH PLAIN" in client.hello().splitlines()
    assert client.say("AUTH LOGIN") == UNKNOWN
    assert client.say(f"AUTH PLAIN {ANN}") == AUTHENTICATED


@pytest.mark.parametrize(("mode", "reply"), [("starttls", NO_TLS_YET), ("plain", "502 5.5.1 Command not implemented")])
def test_no_mechanism_in_clear_is_no_auth_in_clear(greet, mode, reply):
    _, client = greet(mode, in_tls=False, auth_in_clear=True, mechanisms_in_clear=[])
    assert "AUTH" not in client.hello()
    assert client.say(f"AUTH PLAIN {ANN}") == reply


@pytest.mark.parametrize(("password", "accepted"), [("s3cret", True), ("wrong", False)])
def test_smtplib_logs_in_by_cram_md5_and_gives_no_password_away(start_smtp_server, password, accepted):
    server = start_smtp_server(users=HOLDERS, mechanisms=["CRAM-MD5"])
    with server.client() as client:
        if accepted:
            client.login("ann", password)
        else:
            with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
                client.login("ann", password)
    assert server.sessions[-1].auth == (attempt("CRAM-MD5", "ann", None, accepted=accepted),)
    assert server.sessions[-1].auth[0].secret is None


def test_cram_md5_asks_with_a_challenge_of_this_server_and_takes_no_initial_response(greet):
    server, client = greet(users=HOLDERS, mechanisms=["CRAM-MD5"])
    assert client.say(f"AUTH CRAM-MD5 {b64('ann ' + '0' * 32)}").startswith("501 5.7.0 CRAM-MD5 takes no initial")
    challenge = base64.b64decode(client.say("AUTH CRAM-MD5").removeprefix("334 "))
    assert challenge.endswith(b"@mx.smtpfix.test>")
    digest = hmac.digest(b"s3cret", challenge, "md5").hex()
    assert client.say(b64(f"ann {digest}")) == AUTHENTICATED
    assert [one.accepted for one in server.sessions[-1].auth] == [False, True]


def test_a_digest_of_an_earlier_challenge_is_refused(greet):
    server, client = greet(users=HOLDERS, mechanisms=["CRAM-MD5"])
    challenge = base64.b64decode(client.say("AUTH CRAM-MD5").removeprefix("334 "))
    assert client.say("*") == CANCELLED
    client.say("AUTH CRAM-MD5")
    assert client.say(b64(f"ann {hmac.digest(b's3cret', challenge, 'md5').hex()}")) == INVALID
    assert [one.user for one in server.sessions[-1].auth] == [None, "ann"]


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize(("mechanism", "said", "acknowledgement"), BEARERS)
@pytest.mark.parametrize(
    ("token", "accepted"), [(TOKEN.value, True), (EXPIRED.value, False), ("wrong", False), ("s3cret", False)]
)
def test_smtplib_logs_in_with_a_token(start_smtp_server, mechanism, said, acknowledgement, initial, token, accepted):
    server = start_smtp_server(users=HOLDERS, mechanisms=[mechanism])
    challenges = []

    def answer(challenge=None):
        if challenge:
            challenges.append(json.loads(challenge))
            return acknowledgement
        return said(token) if initial or challenge is not None else None

    with server.client() as client:
        client.ehlo()
        if accepted:
            client.auth(mechanism, answer, initial_response_ok=initial)
        else:
            with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
                client.auth(mechanism, answer, initial_response_ok=initial)
        assert client.noop()[0] == 250
    (recorded,) = server.sessions[-1].auth
    assert (recorded.mechanism, recorded.user, recorded.password) == (mechanism, "ann", None)
    assert (recorded.token, recorded.secret, recorded.accepted) == (token, token, accepted)
    assert len(challenges) == (0 if accepted else 1)
    assert token not in f"{recorded} {recorded!r} {server.sessions[-1].transcript}"


@pytest.mark.parametrize(("mechanism", "said", "acknowledgement"), BEARERS)
@pytest.mark.parametrize(
    ("answer", "reply"), [(None, INVALID), ("*", CANCELLED), ("!", NOT_BASE64), ("A" * 12_287, "500 5.5.6")]
)
def test_a_refused_token_is_recorded_however_the_client_takes_it(
    greet, mechanism, said, acknowledgement, answer, reply
):
    server, client = greet(users=HOLDERS, mechanisms=[mechanism])
    assert client.say(f"AUTH {mechanism} {b64(said('wrong'))}").startswith("334 eyJzdGF0dXMi")
    assert client.say(b64(acknowledgement) if answer is None else answer).startswith(reply)
    (recorded,) = server.sessions[-1].auth
    assert (recorded.user, recorded.token, recorded.accepted) == ("ann", "wrong", False)
    assert client.say(f"AUTH {mechanism} {b64(said(TOKEN.value))}") == AUTHENTICATED


def test_a_client_can_come_back_with_a_fresh_token(greet):
    server, client = greet("starttls", users=HOLDERS, mechanisms=["XOAUTH2"])
    assert client.say(f"AUTH XOAUTH2 {b64(xoauth2(EXPIRED.value))}").startswith("334 ")
    assert client.say("") == INVALID
    assert client.say(f"AUTH XOAUTH2 {b64(xoauth2(TOKEN.value))}") == AUTHENTICATED
    assert [(one.token, one.accepted, one.in_clear) for one in server.sessions[-1].auth] == [
        (EXPIRED.value, False, False),
        (TOKEN.value, True, False),
    ]
    client.deliver()
    assert server.inbox.one().user == "ann"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (f"AUTH XOAUTH2 {b64('user=ann')}", "501 5.5.2 XOAUTH2 takes user=name"),
        ("AUTH XOAUTH2 !", NOT_BASE64),
        (f"AUTH OAUTHBEARER {b64(xoauth2('x'))}", "501 5.5.2 OAUTHBEARER takes n,a=name,"),
        (f"AUTH ANONYMOUS {b64('x' * 256)}", "501 5.5.2 ANONYMOUS takes [trace]"),
        (f"AUTH EXTERNAL {b64('ann')}", UNKNOWN),
    ],
)
def test_what_has_not_the_form_of_its_mechanism_is_refused(greet, line, reply):
    server, client = greet(users=HOLDERS, mechanisms=list(MECHANISMS))
    assert client.say(line).startswith(reply)
    assert not server.sessions[-1].auth[0].accepted
    assert client.say(f"AUTH PLAIN {ANN}") == AUTHENTICATED


@pytest.mark.parametrize(("mechanism", "said", "acknowledgement"), BEARERS)
def test_a_token_sent_too_early_is_recorded_as_given_away_in_clear(greet, mechanism, said, acknowledgement):
    server, client = greet("starttls", in_tls=False, users=HOLDERS, mechanisms=[mechanism])
    assert client.say(f"AUTH {mechanism} {b64(said(TOKEN.value))}") == NO_TLS_YET
    (recorded,) = server.sessions[-1].auth
    assert (recorded.user, recorded.secret, recorded.in_clear) == ("ann", TOKEN.value, True)


# curl, whose --oauth2-bearer is both


@pytest.mark.parametrize(
    ("mechanism", "options", "token"),
    [
        ("CRAM-MD5", ["--user", "ann:s3cret"], None),
        ("XOAUTH2", ["--user", "ann", "--oauth2-bearer", TOKEN.value], TOKEN.value),
        ("XOAUTH2", ["--user", "ann", "--oauth2-bearer", TOKEN.value, "--sasl-ir"], TOKEN.value),
        ("XOAUTH2", ["--user", "ann", "--oauth2-bearer", EXPIRED.value], EXPIRED.value),
        ("OAUTHBEARER", ["--user", "ann", "--oauth2-bearer", TOKEN.value], TOKEN.value),
        ("OAUTHBEARER", ["--user", "ann", "--oauth2-bearer", TOKEN.value, "--sasl-ir"], TOKEN.value),
        ("OAUTHBEARER", ["--user", "ann", "--oauth2-bearer", EXPIRED.value], EXPIRED.value),
    ],
)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_logs_in(start_smtp_server, tmp_path, mechanism, options, token):
    server = start_smtp_server("starttls", users=HOLDERS, mechanisms=[mechanism])
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"Subject: x\r\n\r\nx\r\n")
    common = ["--disable", "--silent", "--max-time", "10", "--ssl-reqd", "--cacert", str(server.ca_file)]
    envelope = ["--mail-from", "ann@example.org", "--mail-rcpt", "bob@example.org", "--upload-file", str(mail)]
    method = ["--login-options", f"AUTH={mechanism}"]
    address = f"smtp://localhost:{server.port}/client.example"
    result = subprocess.run(
        ["curl", *common, *envelope, *method, *options, address],
        timeout=30,
        check=False,
    )
    accepted = token != EXPIRED.value
    assert result.returncode == (0 if accepted else 67)
    (recorded,) = server.sessions[-1].auth
    assert (recorded.mechanism, recorded.user, recorded.password) == (mechanism, "ann", None)
    assert (recorded.token, recorded.accepted, recorded.in_clear) == (token, accepted, False)
    assert len(server.inbox) == accepted


# EXTERNAL: the TLS certificate's identity


@pytest.fixture
def certified(start_smtp_server, wire):
    """Return a function that comes to a server of EXTERNAL in TLS, with a certificate for this name."""

    def certified(name, **fields):
        fields = {"users": {"ann@example.org": "s3cret"}, "mechanisms": ["EXTERNAL", "PLAIN"]} | fields
        server = start_smtp_server("starttls", client_certificate="optional", **fields)
        client = wire(server)
        client.start_tls(server.ssl_context(name))
        client.hello()
        return server, client

    return certified


@pytest.mark.parametrize(
    ("name", "lines", "reply"),
    [
        ("ann@example.org", ["AUTH EXTERNAL ="], AUTHENTICATED),
        ("ann@example.org", ["AUTH EXTERNAL", ""], AUTHENTICATED),
        ("ann@example.org", [f"AUTH EXTERNAL {b64('ann@example.org')}"], AUTHENTICATED),
        ("ann@example.org", [f"AUTH EXTERNAL {b64('bob@example.org')}"], INVALID),
        ("bob@example.org", ["AUTH EXTERNAL ="], INVALID),
        ("ann@example.org", ["AUTH EXTERNAL", "*"], CANCELLED),
        ("ann@example.org", ["AUTH EXTERNAL", "!"], NOT_BASE64),
        (None, ["AUTH EXTERNAL ="], UNKNOWN),
    ],
)
def test_external_is_whom_the_clients_certificate_names(certified, name, lines, reply):
    server, client = certified(name)
    for line in lines[:-1]:
        assert client.say(line) == "334 "
    assert client.say(lines[-1]) == reply
    (recorded,) = server.sessions[-1].auth
    assert (recorded.mechanism, recorded.user, recorded.secret) == ("EXTERNAL", name, None)
    assert recorded.accepted is (reply == AUTHENTICATED)


def test_external_is_for_clients_with_a_certificate_only():
    policy = Policy("starttls", users=USERS, mechanisms=["EXTERNAL", "PLAIN"], client_certificate="optional")
    assert policy.mechanisms_for(in_tls=True, has_certificate=True) == ("EXTERNAL", "PLAIN")
    assert policy.mechanisms_for(in_tls=True, has_certificate=False) == ("PLAIN",)


# ANONYMOUS


@pytest.mark.parametrize(
    ("lines", "trace"),
    [
        ([f"AUTH ANONYMOUS {b64('ann@example.org')}"], "ann@example.org"),
        (["AUTH ANONYMOUS", b64("Zoë")], "Zoë"),
        (["AUTH ANONYMOUS ="], None),
    ],
)
def test_anonymous_lets_everybody_in_and_records_the_trace(greet, lines, trace):
    server, client = greet(users={}, mechanisms=["ANONYMOUS"], require_auth=True)
    assert client.say("MAIL FROM:<>") == "530 5.7.0 Authentication required"
    for line in lines[:-1]:
        assert client.say(line) == "334 "
    assert client.say(lines[-1]) == AUTHENTICATED
    (recorded,) = server.sessions[-1].auth
    assert (recorded.user, recorded.trace, recorded.secret) == ("anonymous", trace, None)
    client.deliver()
    assert server.inbox.one().user == "anonymous"


# Tokens in a policy


def test_a_list_of_credentials_becomes_a_value():
    known = ["s3cret", TOKEN]
    policy = Policy(users={"ann": known})
    known.append("more")
    assert policy.users == {"ann": ("s3cret", TOKEN)}


@pytest.mark.parametrize("known", [7, None, b"abc", {"abc"}, ("s3cret", 7), [None]])
def test_a_user_is_known_by_passwords_and_tokens_only(known):
    with pytest.raises(ValueError, match=r"Policy\.users: expected names and passwords as text, or Tokens"):
        Policy(users={"ann": known})


@pytest.mark.parametrize(("name", "offered"), [("ann@example.org", "EXTERNAL PLAIN"), (None, "PLAIN")])
def test_external_is_offered_to_clients_with_a_certificate_only(certified, name, offered):
    _, client = certified(name)
    assert f"250-AUTH {offered}\n" in client.hello()
    _, client = certified(name, mechanisms=["EXTERNAL"])
    assert ("250-AUTH EXTERNAL\n" in client.hello()) is (name is not None)
