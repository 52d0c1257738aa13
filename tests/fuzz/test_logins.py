"""Logins by every mechanism, by a client that says the right thing or something else: the outcome is a value."""

from __future__ import annotations

import base64
import hmac

import fuzzing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramClient, ScramException  # noqa: TID251 - a client that is not ours

from smtpfix import ANY_USER, Token
from smtpfix.login.exchange import Challenge, Dialogue, Malformed, Verdict, exchange_for
from smtpfix.login.names import MECHANISM_NAMES, SCRAM_PLUS

USERS = {"ann": ("s3cret", Token("abc")), "zoë": "pässword"}
BINDING = ("tls-server-end-point", b"a hash of the certificate")
RIGHT = {
    "PLAIN": [b"\0ann\0s3cret"],
    "LOGIN": [b"ann", b"s3cret"],
    "XOAUTH2": [b"user=ann\1auth=Bearer abc\1\1"],
    "OAUTHBEARER": [b"n,a=ann,\1auth=Bearer abc\1\1"],
    "EXTERNAL": [b""],
    "ANONYMOUS": [b"ann@example.org"],
}
"""What a client answers whose answers depend on no challenge."""
PIECES = [
    b"\0",
    b"\1",
    b",",
    b"=",
    b"n,,",
    b"y,,",
    b"p=tls-unique,,",
    b"m=x,",
    b"a=",
    b"r=",
    b"\xff",
    "٣é".encode(),
    b"\r\n",
]


class Client:
    """Knows what to say, and says what it is told to say instead."""

    def __init__(self, name):
        self._name = name
        plus = {"channel_binding": BINDING} if name in SCRAM_PLUS else {}
        self._scram = ScramClient([name], "ann", "s3cret", **plus) if name.startswith("SCRAM") else None
        self._said = 0

    def answer(self, challenge):
        """Return the right answer to a challenge; nothing where there is none any more."""
        self._said += 1
        try:
            if self._scram is not None:
                return self._scram_answer(challenge)
        except ScramException:
            return b""
        if self._name == "CRAM-MD5":
            return b"ann " + hmac.new(b"s3cret", challenge, "md5").hexdigest().encode()
        answers = RIGHT.get(self._name, [])
        return answers[self._said - 1] if self._said <= len(answers) else b""

    def _scram_answer(self, challenge):
        if self._said == 1:
            return self._scram.get_client_first().encode()
        if self._said == 2:
            self._scram.set_server_first(challenge.decode())
            return self._scram.get_client_final().encode()
        return b""


def begun(name, users, initial=b""):
    text = base64.b64encode(initial).decode()
    exchange = exchange_for(
        name, users, MECHANISM_NAMES, hostname="mx.example", certified="ann", binding=dict([BINDING]).get
    )
    return Dialogue(name, text, exchange)


def changed(octets, change):
    """Return a line: the octets in base64, or what comes in their place."""
    if isinstance(change, bytes):
        return change
    return base64.b64encode(fuzzing.changed(octets, change))


CHANGES = st.lists(
    st.one_of(
        st.just([]),
        st.lists(st.tuples(*fuzzing.PLACES, st.sampled_from(PIECES) | st.binary(max_size=9)), max_size=4),
        st.sampled_from([b"*", b"=", b"====", b"", b"\xff", b"A" * 5000, b"YW5u\0"]) | st.binary(max_size=20),
    ),
    min_size=4,
    max_size=4,
)
"""What is done to each answer; nothing is done to it by an empty list."""


def outcomes(dialogue, name, changes):
    """Play a login to its end and yield what came of each step."""
    client = Client(name)
    outcome = dialogue.begin(MECHANISM_NAMES)
    yield outcome
    for change in changes:
        if not isinstance(outcome, Challenge):
            return
        outcome = dialogue.answer(changed(client.answer(outcome.octets), change))
        yield outcome


@pytest.mark.parametrize("name", MECHANISM_NAMES)
def test_the_right_answers_log_in(name):
    *challenges, last = outcomes(begun(name, USERS), name, [[], [], [], []])
    assert all(isinstance(one, Challenge) for one in challenges)
    assert last is Verdict.ACCEPTED


@fuzzing.budget(500)
@given(st.sampled_from([*MECHANISM_NAMES, "NONE", ""]), st.sampled_from([USERS, ANY_USER, None, {}]), CHANGES)
def test_whatever_is_answered_the_outcome_is_a_value(name, users, changes):
    for outcome in outcomes(begun(name, users), name, changes):
        assert isinstance(outcome, Challenge | Malformed | Verdict)
        assert not isinstance(outcome, Challenge) or base64.b64decode(outcome.encoded) == outcome.octets


@fuzzing.budget(200)
@given(st.sampled_from([*MECHANISM_NAMES, "NONE", ""]), CHANGES)
def test_whatever_is_said_of_a_login_that_is_over_it_can_be_overheard(name, changes):
    client = Client(name)
    first, *answers = (changed(client.answer(b"r=x,s=QUFB,i=4096"), change) for change in changes)
    dialogue = Dialogue(name, first.decode("latin-1"), begun(name, None).exchange)
    dialogue.peek()
    for answer in answers:
        dialogue.overhear(answer)
    assert isinstance(dialogue.exchange.user, str | None)
    assert isinstance(dialogue.exchange.password, str | None)
