"""SASL mechanisms: what a client's answers mean, and that no answer breaks anything."""

import contextlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix import InvalidValueError
from smtpfix.login.mechanisms import (
    MECHANISMS,
    Anonymous,
    CramMD5,
    Exchange,
    External,
    Login,
    MalformedResponseError,
    OAuthBearer,
    Plain,
    ServerFirstError,
    Token,
    XOAuth2,
)
from smtpfix.login.names import ANY_USER, MECHANISM_NAMES, SCRAM

USERS = {"ann": "s3cret", "bob": "", "zoë": "pässword"}
PAST, FUTURE = datetime(2001, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
HOLDERS = {
    "ann": Token("abc"),
    "bob": Token("old", expires=PAST),
    "eve": "abc",
    "jim": ("s3cret", Token("old", expires=PAST), Token("new", expires=FUTURE)),
}
"""Whom tokens are given to; Eve's password reads like Ann's token."""
WITHOUT_NUL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def finish(turns, *answers):
    """Answer every challenge, and return the challenges and the result."""
    challenges = []
    try:
        for answer in (None, *answers):
            challenges += [turns.send(answer)]
    except StopIteration as stop:
        return challenges, stop.value
    raise AssertionError(f"asks for more after {challenges}")


def plain(users, response):
    exchange = Plain(users)
    return exchange, finish(exchange.run(response))[1]


@pytest.mark.parametrize(
    ("users", "response", "accepted"),
    [
        (USERS, b"\0ann\0s3cret", True),
        (USERS, b"ann\0ann\0s3cret", True),
        (USERS, "\0zoë\0pässword".encode(), True),
        (USERS, b"\0bob\0", True),
        (USERS, b"\0ann\0S3cret", False),
        (USERS, b"\0ann\0", False),
        (USERS, b"\0eve\0s3cret", False),
        (USERS, b"\0\0", False),
        (USERS, b"bob\0ann\0s3cret", False),  # acting as somebody else
        (USERS, "\0zoë\0pässword".encode("latin-1"), False),
        ({}, b"\0ann\0s3cret", False),
        (None, b"\0ann\0s3cret", False),
        (ANY_USER, b"\0ann\0whatever", True),
        (ANY_USER, b"bob\0ann\0whatever", True),
    ],
)
def test_plain_accepts_the_right_password_of_a_known_user_only(users, response, accepted):
    assert plain(users, response)[1] is accepted


def test_plain_asks_with_an_empty_challenge_when_there_is_no_initial_response():
    exchange = Plain(USERS)
    assert finish(exchange.run(None), b"\0ann\0s3cret") == ([b""], True)
    assert finish(Plain(USERS).run(b"\0ann\0s3cret")) == ([], True)


@pytest.mark.parametrize("response", [b"ann", b"ann\0s3cret", b"\0ann\0s3cret\0", b"\0\0\0", b" "])
def test_plain_refuses_anything_but_three_parts(response):
    exchange = Plain(ANY_USER)
    with pytest.raises(MalformedResponseError, match="NUL user NUL password"):
        finish(exchange.run(response))
    assert exchange.user is None
    assert exchange.password is None


@settings(max_examples=100, deadline=None)
@given(WITHOUT_NUL, WITHOUT_NUL, WITHOUT_NUL)
def test_plain_gives_back_any_three_texts_without_nul(authorization, user, password):
    exchange, accepted = plain({user: password}, f"{authorization}\0{user}\0{password}".encode())
    assert (exchange.authorization_identity, exchange.user, exchange.password) == (
        authorization or None,
        user,
        password,
    )
    assert accepted is (authorization in ("", user))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary().map(lambda octets: octets.replace(b"\0", b"")), min_size=3, max_size=3))
def test_plain_keeps_octets_that_are_not_utf_8(parts):
    exchange, accepted = plain(ANY_USER, b"\0".join(parts))
    assert accepted
    assert exchange.user.encode("utf-8", "surrogateescape") == parts[1]
    assert exchange.password.encode("utf-8", "surrogateescape") == parts[2]


@pytest.mark.parametrize(
    ("users", "user", "password", "accepted"),
    [
        (USERS, b"ann", b"s3cret", True),
        (USERS, b"bob", b"", True),
        (USERS, b"ann", b"", False),
        (USERS, b"", b"s3cret", False),
        (USERS, b"ann\0", b"s3cret", False),
        (None, b"ann", b"s3cret", False),
        (ANY_USER, b"\xff", b"\xfe", True),
    ],
)
def test_login_asks_for_user_and_password(users, user, password, accepted):
    exchange = Login(users)
    assert finish(exchange.run(None), user, password) == ([b"Username:", b"Password:"], accepted)
    assert exchange.user.encode("utf-8", "surrogateescape") == user
    assert exchange.password.encode("utf-8", "surrogateescape") == password


def test_login_does_not_ask_for_a_user_it_was_told_in_advance():
    assert finish(Login(USERS).run(b"ann"), b"s3cret") == ([b"Password:"], True)


def test_login_broken_off_half_way_has_learnt_the_user_but_no_password():
    exchange = Login(USERS)
    turns = exchange.run(None)
    next(turns)
    turns.send(b"ann")
    turns.close()
    assert exchange.user == "ann"
    assert exchange.password is None


# CRAM-MD5


def cram(users, user, secret):
    """Answer a challenge as a client does that knows this secret."""
    exchange = CramMD5(users, hostname="mx.example")
    turns = exchange.run(None)
    challenge = next(turns)
    digest = hmac.digest(secret.encode(), challenge, "md5").hex()
    with pytest.raises(StopIteration) as stop:
        turns.send(f"{user} {digest}".encode())
    return exchange, challenge, stop.value.value


@pytest.mark.parametrize(
    ("users", "user", "secret", "accepted"),
    [
        (USERS, "ann", "s3cret", True),
        (USERS, "zoë", "pässword", True),
        (USERS, "bob", "", True),
        ({"ann smith": "s3cret"}, "ann smith", "s3cret", True),
        (HOLDERS, "jim", "s3cret", True),
        (HOLDERS, "jim", "new", False),  # a token is no password
        (USERS, "ann", "S3cret", False),
        (USERS, "eve", "s3cret", False),
        (None, "ann", "s3cret", False),
        (ANY_USER, "who", "ever", True),
    ],
)
def test_cram_md5_accepts_the_digest_of_the_right_password_only(users, user, secret, accepted):
    exchange, challenge, result = cram(users, user, secret)
    assert result is accepted
    assert (exchange.user, exchange.password) == (user, None)
    assert re.fullmatch(rb"<\d+\.\d+@mx\.example>", challenge)


def test_cram_md5_agrees_with_the_example_of_rfc_2195(monkeypatch):
    """RFC 2195 section 2."""
    monkeypatch.setattr(CramMD5, "_challenge", lambda _: b"<1896.697170952@postoffice.reston.mci.net>")
    exchange = CramMD5({"tim": "tanstaaftanstaaf"})
    assert finish(exchange.run(None), b"tim b913a602c7eda7a495b4e6e7334d3890")[1] is True


def test_cram_md5_never_asks_the_same_twice():
    assert len({next(CramMD5(USERS).run(None)) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "response", [b"", b"ann", b"ann " + b"0" * 31, b"ann " + b"A" * 32, b"0" * 32, b" " + b"0" * 32]
)
def test_cram_md5_refuses_anything_but_user_and_digest(response):
    with pytest.raises(MalformedResponseError, match="CRAM-MD5 takes user SP digest"):
        finish(CramMD5(ANY_USER).run(None), response)


@pytest.mark.parametrize("initial", [b"", b"ann " + b"0" * 32])
def test_cram_md5_takes_no_initial_response(initial):
    with pytest.raises(ServerFirstError, match="no initial response"):
        next(CramMD5(ANY_USER).run(initial))


# Bearer tokens


def xoauth2(user, token):
    return f"user={user}\1auth=Bearer {token}\1\1".encode()


def oauthbearer(user, token):
    return f"n,a={user},\1host=mx.example\1port=587\1auth=Bearer {token}\1\1".encode()


BEARERS = [(XOAuth2, xoauth2, b""), (OAuthBearer, oauthbearer, b"\1")]


@pytest.mark.parametrize(("mechanism", "said", "acknowledgement"), BEARERS)
@pytest.mark.parametrize(
    ("users", "user", "token", "accepted"),
    [
        (HOLDERS, "ann", "abc", True),
        (HOLDERS, "ann", "ABC", False),
        (HOLDERS, "ann", "", False),
        (HOLDERS, "bob", "old", False),
        (HOLDERS, "eve", "abc", False),  # a password is no token
        (HOLDERS, "jim", "old", False),
        (HOLDERS, "jim", "new", True),
        (HOLDERS, "jim", "s3cret", False),
        (HOLDERS, "who", "abc", False),
        (None, "ann", "abc", False),
        (ANY_USER, "who", "ever", True),
    ],
)
def test_a_token_is_good_for_its_user_until_it_expires(mechanism, said, acknowledgement, users, user, token, accepted):
    exchange = mechanism(users)
    answers = [said(user, token)] + ([] if accepted else [acknowledgement])
    challenges, result = finish(exchange.run(None), *answers)
    assert result is accepted
    assert challenges[0] == b""
    assert (exchange.user, exchange.password, exchange.token) == (user, None, token)


@pytest.mark.parametrize(("mechanism", "said", "acknowledgement"), BEARERS)
def test_a_refused_token_is_told_in_json_before_the_end(mechanism, said, acknowledgement):
    (challenge,), accepted = finish(mechanism(HOLDERS).run(said("ann", "wrong")), acknowledgement)
    assert json.loads(challenge)["status"] == ("401" if mechanism is XOAuth2 else "invalid_token")
    assert accepted is False
    assert finish(mechanism(HOLDERS).run(said("ann", "abc"))) == ([], True)


def test_xoauth2_lets_any_acknowledgement_pass_and_oauthbearer_its_own_only():
    """RFC 7628 section 3.2.3 asks for a control A, which curl sends in XOAUTH2 too."""
    assert finish(XOAuth2(HOLDERS).run(xoauth2("ann", "x")), b"\1")[1] is False
    with pytest.raises(MalformedResponseError, match=r"\^A"):
        finish(OAuthBearer(HOLDERS).run(oauthbearer("ann", "x")), b"")


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        (XOAuth2, b"user=ann"),
        (XOAuth2, b"user=ann\1auth=Bearer abc\1"),
        (XOAuth2, b"user=ann\1auth=Bearer abc\1\1\1"),
        (XOAuth2, b"auth=Bearer abc\1user=ann\1\1"),
        (XOAuth2, b"user=ann^Aauth=Bearer abc^A^A"),
        (OAuthBearer, b"n,a=ann,\1auth=Bearer abc\1"),
        (OAuthBearer, b"n,a=ann,\1auth\1\1"),
        (OAuthBearer, b"n,a=,\1auth=Bearer abc\1\1"),
        (OAuthBearer, b"n,a=a=b,\1auth=Bearer abc\1\1"),
        (OAuthBearer, b"p=tls-exporter,a=ann,\1auth=Bearer abc\1\1"),
        (OAuthBearer, b"user=ann\1auth=Bearer abc\1\1"),
        (OAuthBearer, b"\1"),
    ],
)
def test_what_has_not_the_form_of_a_bearer_mechanism_is_malformed(mechanism, response):
    exchange = mechanism(ANY_USER)
    with pytest.raises(MalformedResponseError, match="auth=Bearer token"):
        finish(exchange.run(response))
    assert (exchange.user, exchange.token) == (None, None)


@pytest.mark.parametrize("users", [HOLDERS, ANY_USER])
def test_another_scheme_than_bearer_carries_no_token(users):
    exchange = XOAuth2(users)
    assert finish(exchange.run(b"user=ann\1auth=Basic abc\1\1"), b"")[1] is False
    assert exchange.token is None
    assert finish(XOAuth2(users).run(b"user=ann\1auth=bearer abc\1\1"))[1] is True


@pytest.mark.parametrize(("token", "owner"), [("abc", "ann"), ("new", "jim"), ("old", None), ("", None)])
def test_oauthbearer_without_a_name_is_whom_the_token_belongs_to(token, owner):
    exchange = OAuthBearer(HOLDERS)
    turns = exchange.run(f"n,,\1auth=Bearer {token}\1\1".encode())
    assert finish(turns, *([] if owner else [b"\1"]))[1] is (owner is not None)
    assert exchange.user == owner


def test_oauthbearer_names_have_their_commas_and_equals_signs_escaped():
    """RFC 5801 section 4."""
    exchange = OAuthBearer({"a,b=c": Token("abc")})
    assert finish(exchange.run(oauthbearer("a=2Cb=3Dc", "abc")))[1] is True


@pytest.mark.parametrize("value", ["", "a b", "abc=d", "pässword", "a\1", 7, None])
def test_a_token_has_the_characters_of_rfc_6750(value):
    with pytest.raises(InvalidValueError, match=r"Token\.value: expected ASCII letters"):
        Token(value)
    assert Token("ya29.A-_~+/x==").value == "ya29.A-_~+/x=="


@pytest.mark.parametrize("expires", [datetime(2030, 1, 1), 3600, "tomorrow"])  # noqa: DTZ001
def test_a_token_expires_at_a_time_with_a_zone(expires):
    with pytest.raises(InvalidValueError, match=r"Token\.expires: expected a datetime with a time zone"):
        Token("abc", expires=expires)


def test_a_token_is_valid_until_the_moment_it_expires():
    token = Token("abc", expires=FUTURE)
    assert token.is_valid(FUTURE - timedelta(seconds=1))
    assert not token.is_valid(FUTURE)
    assert token.is_valid()
    assert not Token("abc", expires=PAST).is_valid()
    assert Token("abc").is_valid(FUTURE)
    assert "abc" not in repr(token)


# EXTERNAL and ANONYMOUS


@pytest.mark.parametrize(
    ("users", "certified", "response", "accepted"),
    [
        (USERS, "ann", b"", True),
        (USERS, "ann", b"ann", True),
        ({"ann": ()}, "ann", b"", True),
        (USERS, "ann", b"bob", False),
        (USERS, "eve", b"", False),
        (USERS, None, b"", False),
        (USERS, None, b"ann", False),
        (ANY_USER, "who", b"", True),
        (ANY_USER, None, b"", False),
        (None, "ann", b"", False),
    ],
)
def test_external_accepts_whom_the_certificate_names_if_it_is_a_user(users, certified, response, accepted):
    exchange = External(users, certified=certified)
    assert finish(exchange.run(None), response) == ([b""], accepted)
    assert finish(External(users, certified=certified).run(response)) == ([], accepted)
    assert exchange.user == certified
    assert exchange.authorization_identity == (response.decode() or None)


def test_external_refuses_nul():
    with pytest.raises(MalformedResponseError, match="without NUL"):
        finish(External(ANY_USER, certified="ann").run(b"a\0b"))


@pytest.mark.parametrize("trace", ["", "ann@example.org", "Zoë, on a 電話", "x" * 255])
def test_anonymous_accepts_everybody_and_keeps_what_they_say(trace):
    exchange = Anonymous({})
    assert finish(exchange.run(None), trace.encode()) == ([b""], True)
    assert (exchange.user, exchange.trace) == ("anonymous", trace or None)
    assert finish(Anonymous(None).run(trace.encode())) == ([], False)


@pytest.mark.parametrize("response", [b"x" * 256, b"a\0b", b"\xff"])
def test_anonymous_takes_text_of_255_characters_only(response):
    with pytest.raises(MalformedResponseError, match="255 characters"):
        finish(Anonymous({}).run(response))


# Whatever comes

SEEDS = st.sampled_from([b"", b"\1", xoauth2("ann", "abc"), oauthbearer("ann", "abc"), b"n,,\1\1", b"ann " + b"0" * 32])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(MECHANISMS)),
    st.sampled_from([USERS, HOLDERS, ANY_USER, None, {}]),
    st.none() | st.binary() | st.binary().map(b"\0%b\0x".__mod__) | SEEDS,
    st.binary(),
    st.binary(),
)
def test_no_answers_raise_anything_but_a_malformed_response(name, users, initial, first, second):
    result = None
    with contextlib.suppress(MalformedResponseError):
        result = finish(MECHANISMS[name](users, certified="ann").run(initial), first, second)
    if result is not None:
        challenges, accepted = result
        assert all(isinstance(challenge, bytes) for challenge in challenges)
        assert accepted in (True, False)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([Exchange, *MECHANISMS.values()]), st.binary(min_size=1))
def test_peeking_at_an_initial_response_never_fails(mechanism, initial):
    mechanism(None).peek(initial)


def test_peeking_learns_what_an_initial_response_gives_away():
    exchange = Plain(None)
    exchange.peek(b"\0ann\0s3cret")
    assert (exchange.user, exchange.password) == ("ann", "s3cret")
    exchange = Login(None)
    exchange.peek(b"ann")
    assert (exchange.user, exchange.password) == ("ann", None)


def test_peeking_at_a_mechanism_nobody_knows_learns_nothing():
    exchange = Exchange(None)
    exchange.peek(b"\0ann\0s3cret")
    assert exchange.user is None
    with pytest.raises(NotImplementedError):
        exchange.run(None)


def test_every_mechanism_has_its_name_where_policies_look_for_it():
    assert (*MECHANISMS, *SCRAM) == MECHANISM_NAMES
