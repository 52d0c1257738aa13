"""SASL mechanisms: what a client's answers mean, and that no answer breaks anything."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.sasl import ANY_USER, MECHANISMS, Exchange, Login, MalformedResponseError, Plain

USERS = {"ann": "s3cret", "bob": "", "zoë": "pässword"}
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


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(MECHANISMS)),
    st.sampled_from([USERS, ANY_USER, None, {}]),
    st.none() | st.binary() | st.binary().map(b"\0%b\0x".__mod__),
    st.binary(),
    st.binary(),
)
def test_no_answers_raise_anything_but_a_malformed_response(name, users, initial, first, second):
    result = None
    with contextlib.suppress(MalformedResponseError):
        result = finish(MECHANISMS[name](users).run(initial), first, second)
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
