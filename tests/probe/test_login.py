"""How a probe logs in: once, by one mechanism, and what the server said to that is the result."""

from __future__ import annotations

import base64
import hmac

import pytest
from scripted_server import scripted

from smtpfix import Policy, Server, Token
from smtpfix.probe.measurement import Connection, Probe
from smtpfix.probe.probe import probe
from smtpfix.probe.saslprep import prepared

pytestmark = pytest.mark.usefixtures("nothing_logged")

BY_PASSWORD = {"user": "ann", "password": "s3cret"}
BY_TOKEN = {"user": "ann", "token": "ya29.s3cret-token"}


def found(port, **fields):
    return probe(Probe("127.0.0.1", port, **fields))


def asked_for_auth(heard):
    return [line.split()[1] for line in heard if line.startswith(b"AUTH")]


# One attempt


def test_a_wrong_password_is_tried_once_and_its_own_reply_is_the_result():
    """Not by the next mechanism, and not the 421 of a server that has had enough."""
    refusal = b"535-5.7.8 Username and password\r\n535 5.7.8 not accepted\r\n"
    with scripted(refusal, hello=b"250-AUTH PLAIN LOGIN XOAUTH2\r\n") as (port, heard):
        result = found(port, **BY_PASSWORD)
    assert (result.reply_code, result.stage) == (535, "login")
    assert result.error == "535 5.7.8 Username and password 5.7.8 not accepted"
    assert result.last_reply == tuple(refusal.splitlines(keepends=True))
    assert asked_for_auth(heard) == [b"PLAIN"]
    assert not result.logged_in


def test_our_server_sees_one_attempt_too():
    with Server(Policy(users={"ann": "another"}, mechanisms=["CRAM-MD5", "PLAIN", "LOGIN"])) as server:
        assert found(server.port, **BY_PASSWORD).reply_code == 535
        (attempt,) = server.sessions[-1].auth
        assert attempt.mechanism == "CRAM-MD5"  # in clear, where a digest says less than a password


@pytest.mark.parametrize(
    ("hello", "fields", "mechanism"),
    [
        (b"250-AUTH CRAM-MD5 LOGIN PLAIN\r\n", {}, b"CRAM-MD5"),
        (b"250-AUTH LOGIN PLAIN\r\n", {}, b"PLAIN"),
        (b"250-AUTH=LOGIN\r\n", {}, b"LOGIN"),
        (b"250-auth plain login\r\n", {"mechanism": "LOGIN"}, b"LOGIN"),
    ],
)
def test_it_takes_the_best_mechanism_that_is_offered_or_the_one_it_is_told(hello, fields, mechanism):
    with scripted(b"504 5.5.4 Not today\r\n", hello=hello) as (port, heard):
        assert found(port, **BY_PASSWORD, **fields).reply_code == 504
    assert asked_for_auth(heard) == [mechanism]


@pytest.mark.parametrize(
    ("hello", "error"),
    [
        (b"", "the server does not offer AUTH"),
        (b"250-AUTH GSSAPI\r\n", "the server offers AUTH GSSAPI, and none of CRAM-MD5, PLAIN, LOGIN"),
    ],
)
def test_where_there_is_no_mechanism_for_it_nothing_is_tried(hello, error):
    with scripted(hello=hello) as (port, heard):
        result = found(port, **BY_PASSWORD)
    assert (result.reply_code, result.stage, result.error) == (-1, "login", error)
    assert asked_for_auth(heard) == []


@pytest.mark.parametrize(
    ("replies", "code", "error"),
    [
        ([b"334 \r\n", b"501 Cancelled\r\n"], 334, "334 (PLAIN has nothing more to say)"),
        ([b"334 ???\r\n", b"501 Cancelled\r\n"], 334, "334 ??? (a challenge is to be base64)"),
        ([b"503 5.5.1 Already\r\n"], 503, "503 5.5.1 Already"),
        ([b"250 Fine\r\n"], 250, "250 Fine"),  # not RFC 4954's 235
        ([b"five hundred\r\n"], -1, "no valid reply: expected a code and a text, got five hundred"),
        ([b"235-2.7.0 ok\r\n535 no\r\n"], -1, "no valid reply: expected one code on all its lines, got 235 and 535"),
    ],
)
def test_an_answer_that_accepts_nothing_is_no_login(replies, code, error):
    with scripted(*replies, hello=b"250-AUTH PLAIN\r\n") as (port, heard):
        result = found(port, **BY_PASSWORD)
    assert (result.reply_code, result.error, result.logged_in) == (code, error, False)
    assert (b"*\r\n" in heard) is (code == 334)


# Passwords and tokens


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_password_outside_ascii_logs_in_as_utf_8(mechanism):
    with Server(Policy(users={"änne": "pässwörd€"}, mechanisms=[mechanism])) as server:
        result = found(server.port, user="änne", password="pässwörd€")
        assert (result.error, result.mechanism) == ("", mechanism)
        assert result.logged_in
        assert found(server.port, user="änne", password="password").reply_code == 535


def test_a_password_inside_a_digest_is_prepared_by_saslprep_and_in_plain_it_is_the_server_s_to_prepare():
    """RFC 4616 section 2 has the server prepare; nobody can prepare what CRAM-MD5 sends."""
    decomposed, composed = "pa\u0308ss", "päss"
    challenge = base64.b64encode(b"<1@mail.example.org>")
    with scripted(b"334 " + challenge + b"\r\n", b"235 ok\r\n", hello=b"250-AUTH CRAM-MD5\r\n") as (port, heard):
        assert found(port, user="ann", password=decomposed).logged_in
    digest = hmac.new(composed.encode(), b"<1@mail.example.org>", "md5").hexdigest()
    assert base64.b64decode(heard[2]) == f"ann {digest}".encode()
    with scripted(b"235 ok\r\n", hello=b"250-AUTH PLAIN\r\n") as (port, heard):
        assert found(port, user="ann", password=decomposed).logged_in
    assert base64.b64decode(heard[1].split()[2]) == f"\0ann\0{decomposed}".encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I\xadX", "IX"),  # the examples of RFC 4013 section 3
        ("user", "user"),
        ("USER", "USER"),
        ("\xaa", "a"),
        ("\u2168", "IX"),
        ("a\xa0b", "a b"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("", ""),
    ],
)
def test_saslprep_makes_one_text_of_those_that_look_the_same(text, expected):
    assert prepared(text) == expected


@pytest.mark.parametrize("text", ["\x07", "\u0627\x31", "\ue000"])
def test_saslprep_refuses_what_it_does_not_allow(text):
    with pytest.raises(ValueError, match=r"RFC 4013 section 2\."):
        prepared(text)


def test_a_password_that_saslprep_does_not_allow_is_an_error_in_the_result():
    with scripted(b"334 PDFAYT4=\r\n", hello=b"250-AUTH CRAM-MD5\r\n") as (port, _):
        result = found(port, user="ann", password="s3cret\x07")
    assert (result.reply_code, result.stage) == (-1, "login")
    assert "RFC 4013 section 2.3" in result.error
    assert "s3cret" not in result.error


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_token_logs_in(mechanism):
    users = {"ann,=": Token("ya29.s3cret-token")}
    with Server(Policy("starttls", users=users, mechanisms=[mechanism, "PLAIN"])) as server:
        trusting = {"connection": Connection.STARTTLS, "ca_file": server.ca_file}
        result = found(server.port, user="ann,=", token="ya29.s3cret-token", **trusting)
        assert (result.error, result.mechanism) == ("", mechanism)
        refused = found(server.port, user="ann,=", token="another", **trusting)
        assert (refused.reply_code, refused.stage) == (535, "login")
        assert '"status"' in refused.error  # what the challenge says of it


def test_a_token_that_is_too_long_for_the_command_line_goes_behind_it():
    """RFC 4954 section 4: the line length limits hold for AUTH too."""
    token = "a" * 2_000
    with scripted(b"334 \r\n", b"235 ok\r\n", hello=b"250-AUTH XOAUTH2\r\n") as (port, heard):
        assert found(port, user="ann", token=token).logged_in
    assert heard[1] == b"AUTH XOAUTH2\r\n"
    assert base64.b64decode(heard[2]) == f"user=ann\1auth=Bearer {token}\1\1".encode()


# Secrets


@pytest.mark.parametrize("fields", [BY_PASSWORD, BY_TOKEN, {"user": "ann", "password": "abc"}])
def test_a_server_that_says_the_secret_again_has_it_in_no_part_of_the_result(fields):
    secret = fields.get("password") or fields["token"]
    blob = base64.b64encode(f"\0ann\0{secret}".encode()).decode()
    said = f"{secret} {blob}"
    hello = f"250-AUTH PLAIN XOAUTH2\r\n250-X {secret}\r\n".encode()
    with scripted(f"535-Who is {said}\r\n535 {said}?\r\n".encode(), hello=hello) as (port, heard):
        result = found(port, **fields)
    sent = heard[1].split()[2].decode()
    assert result.reply_code == 535
    assert "535 Who is " in result.error
    shown = f"{result!r} {result.error} {b''.join(result.last_reply)!r} {result.extensions}"
    assert secret not in shown.replace("(3 characters)", "")
    assert "token" in fields or (blob == sent and blob not in shown)
    assert any("…(" in line for line in result.extensions)
