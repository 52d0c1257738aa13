"""The search grammar: what each word means, that anything can be read, and that nothing of it gets into the SQL."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest
from fuzzing import budget
from hypothesis import example, given
from hypothesis import strategies as st

from smtpfix import InvalidValueError
from smtpfix.store import statements
from smtpfix.store.query import AllOf, Contains, Is, Larger, Not, OnServer, Place, Since, Smaller, State, Tagged, UpTo
from smtpfix.store.schema import SQLITE, steps_from
from smtpfix.store.search import LONGEST_SEARCH, parse_search

DAY = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("hello  wörld", [Contains(Place.ANYWHERE, "hello"), Contains(Place.ANYWHERE, "wörld")]),
        ('"hello world" x"y z', [Contains(Place.ANYWHERE, "hello world"), Contains(Place.ANYWHERE, "xy z")]),
        ("-a !b", [Not(Contains(Place.ANYWHERE, "a")), Not(Contains(Place.ANYWHERE, "b"))]),
        ('To:ann subject:"two words"', [Contains(Place.TO, "ann"), Contains(Place.SUBJECT, "two words")]),
        ("addressed:x reply-to:y", [Contains(Place.ADDRESSED, "x"), Contains(Place.REPLY_TO, "y")]),
        ("message-id:a@b", [Contains(Place.MESSAGE_ID, "a@b")]),
        ('tag:Red -tag:"blue sky"', [Tagged("Red"), Not(Tagged("blue sky"))]),
        ("is:UNREAD -is:tagged has:inline", [Is(State.UNREAD), Not(Is(State.TAGGED)), Is(State.HAS_INLINES)]),
        ("has:attachments is:in-clear", [Is(State.HAS_ATTACHMENTS), Is(State.IN_CLEAR)]),
        ('server:starttls -server:"two words" server:', [OnServer("starttls"), Not(OnServer("two words"))]),
        ("is:odd text:x", [Contains(Place.ANYWHERE, "is:odd"), Contains(Place.ANYWHERE, "text:x")]),
        ("to: -tag: () - ! <> :", [Contains(Place.ANYWHERE, ":")]),
        ("larger:500 smaller:1.5MB larger:20k", [Larger(500), Smaller(1_572_864), Larger(20_480)]),
        (
            "larger:1e9 larger:\u0661",
            [Contains(Place.ANYWHERE, "larger:1e9"), Contains(Place.ANYWHERE, "larger:\u0661")],
        ),
        ("after:2026/11/28 before:11/28/2026", [Since(DAY), UpTo(DAY)]),
        ("after:2026-11-28T10:00 before:nonsense", [Since(DAY + timedelta(hours=10))]),
        ("after:2026-11-28T02:00:00+02:00", [Since(DAY)]),
        ('before:"2026-11-28 10:00"', [UpTo(DAY + timedelta(hours=10))]),
        ("before:0001-01-01T00:00:00+14:00", [UpTo(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))))]),
    ],
)
def test_words_mean_what_they_mean_to_mailpit(text, terms):
    assert parse_search(text, UTC) == AllOf(tuple(terms))


def test_what_is_too_long_is_an_error_that_says_so():
    with pytest.raises(InvalidValueError, match="expected 2,000 characters at most, got '2,001 characters'"):
        parse_search("x" * (LONGEST_SEARCH + 1))
    with pytest.raises(InvalidValueError, match="expected 100 words at most, got '101 words'"):
        parse_search("x " * 101)


CONSTANTS = sorted(
    {*statements._CONTAINS.values(), *statements._IS.values(), statements._TAGGED, "received >= ?", "received <= ?"}
    | {"size > ?", "size < ?"},
    key=len,
    reverse=True,
)
ANY = re.compile("|".join(map(re.escape, CONSTANTS)))
PIECES = (
    "to:",
    "tag:",
    "is:",
    "has:read",
    "after:",
    "larger:",
    "-",
    "!",
    '"',
    "'",
    ";",
    "--",
    "?",
    "%",
    "\\",
    "\0",
    " ",
)


@pytest.fixture(scope="module")
def database():
    db = sqlite3.connect(":memory:")
    for statement in steps_from(0, SQLITE, "memory"):
        db.execute(statement)
    yield db
    db.close()


@example("' OR 1=1; DROP TABLE message --")
@example("after:9999-12-31T23:59:59-23:59 before:0001-01-01 larger:999999999999999mb")
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=30).map("".join))
@budget(80)
def test_any_search_is_sql_made_of_constants_that_the_database_takes(database, text):
    where, parameters = statements.condition(parse_search(text))
    rest = ANY.sub("", where)
    assert re.fullmatch(r"1 = 1|(NOT \(\)| AND )*", rest), where
    assert where.count("?") == len(parameters)
    assert database.execute(f"SELECT 1 FROM message WHERE {where}", parameters).fetchone() is None  # noqa: S608 - that is the test
