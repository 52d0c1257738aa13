"""What every store does: it gives back what it was given, finds it, changes it, and says what has changed."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from smtpfix import CapturedMessage, Envelope, InvalidValueError, Reply
from smtpfix.store import connections, journal, schema
from smtpfix.store.opening import open_store
from smtpfix.store.query import (
    AllOf,
    Contains,
    InSession,
    Is,
    Larger,
    Not,
    OnServer,
    Place,
    Since,
    Smaller,
    State,
    Tagged,
    UpTo,
)
from smtpfix.store.row import Address, entry_of
from smtpfix.store.store import MOST_NAMED, Kind, StoredSession, Which

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


class NoRecorder:
    number = 7


def entry(
    content=b"Subject: Hello\r\n\r\nHi\r\n", *, at=0, to=("bob@example.org",), reply=250, mailbox="", server="plain"
):
    message = CapturedMessage(
        1,
        Envelope("ann@example.org", to),
        content,
        NOON + timedelta(seconds=at),
        Reply(reply, None, "OK"),
        in_tls=True,
        user="ann",
        _source=NoRecorder(),
    )
    return entry_of(message, server=server, run="run", mailbox=mailbox)


def subjects(page):
    return [row.subject for row in page.rows]


@pytest.fixture
def store(where):
    with closing(open_store(where)) as opened:
        yield opened


@pytest.fixture
def other(store, where):
    """Open the same store as another process would."""
    with closing(open_store(where)) as opened:
        yield opened


def put(store, *names, **fields):
    return store.append(
        [entry(f"Subject: {name}\r\n\r\n{name}\r\n".encode(), at=at, **fields) for at, name in enumerate(names)]
    )


def test_a_message_comes_back_as_it_was_stored_and_so_do_its_exact_octets(store):
    content = bytes(range(256)) * 20 + b"\r\n"
    given = entry(
        b"To: \xff\r\nX-Tags: one, Two\r\nSubject: a\0b\r\n\r\n" + content, to=("a\udcff\0@example.org", "b@x")
    )
    (seq,) = store.append([given])
    row = store.get(given.row.id)
    assert row is not None
    assert (row.seq, row.tags) == (seq, ("one", "Two"))
    assert row.received == NOON
    for name in ("id", "recipients", "subject", "to", "bcc", "reply", "username", "session", "in_tls", "accepted"):
        assert getattr(row, name) == getattr(given.row, name), name
    assert store.content(seq) == given.content
    assert store.get("no such") is None
    assert store.get("nul\0 and \udcff") is None
    with pytest.raises(LookupError, match="there is no message 99"):
        store.content(99)


def test_messages_are_read_together_by_their_numbers_and_one_that_is_gone_is_left_out(store):
    first, second, third = store.append([entry(b"Subject: %d\r\n\r\n" % n) for n in range(3)])
    store.tag(Which(ids=(store.rows([third])[third].id,)), ["late"])
    assert {seq: (row.subject, row.tags) for seq, row in store.rows([third, first, 10**9]).items()} == {
        first: ("0", ()),
        third: ("2", ("late",)),
    }
    assert store.rows([second])[second] == store.get(store.rows([second])[second].id)
    assert not store.rows([])


def test_what_is_stored_is_there_when_the_store_is_opened_again(where):
    with closing(open_store(where)) as first:
        put(first, "one")
    with closing(open_store(where)) as again:
        assert subjects(again.page()) == ["one"]
        put(again, "two")
        assert again.count().all == 2


def test_a_store_knows_whether_there_was_one(store, other):
    assert store.is_new
    assert not other.is_new


def test_a_page_has_the_newest_first_by_when_they_came(store):
    put(store, "one", "two", "three")
    store.append([entry(b"Subject: earlier\r\n\r\n", at=-60)])
    assert subjects(store.page()) == ["three", "two", "one", "earlier"]
    assert subjects(store.page(start=1, limit=2)) == ["two", "one"]
    assert subjects(store.page(before=NOON)) == ["earlier"]
    assert store.page().seq == store.last_change() == 4


def test_words_are_found_literally_whatever_their_case(store):
    put(store, "50% off", "50 off", "ÄRGER_1", "argerx1", r"back\slash")
    for text, found in {
        "50%": ["50% off"],
        "ärger_1": ["ÄRGER_1"],
        "r_1": ["ÄRGER_1"],
        r"k\s": [r"back\slash"],
        "ann@example": [r"back\slash", "argerx1", "ÄRGER_1", "50 off", "50% off"],
        "' OR 1=1 --": [],
    }.items():
        assert subjects(store.page(Contains(Place.ANYWHERE, text))) == found
        assert store.count(Contains(Place.ANYWHERE, text)).all == len(found)


def test_terms_can_be_joined_and_denied(store):
    put(store, "one", "two")
    store.tag(Which(query=Contains(Place.SUBJECT, "one")), ["Red"])
    store.append([entry(b"To: Carl <carl@x>\r\nSubject: three\r\n\r\n", at=60, reply=451)])
    for query, found in (
        (Tagged("RED"), ["one"]),
        (Not(Tagged("red")), ["three", "two"]),
        (Not(Not(Tagged("red"))), ["one"]),
        (AllOf((Since(NOON + timedelta(seconds=1)), Is(State.ACCEPTED))), ["two"]),
        (Contains(Place.TO, "carl carl@"), ["three"]),
        (AllOf((OnServer("plain"), InSession("run-plain-7"), Smaller(10_000))), ["three", "two", "one"]),
        (AllOf((OnServer("plain"), Not(InSession("run-plain-7")))), []),
        (Larger(10_000), []),
        (Contains(Place.ADDRESSED, "bob@"), ["three", "two", "one"]),
        (AllOf((Is(State.UNREAD), Not(Is(State.IN_CLEAR)), Not(Is(State.HAS_ATTACHMENTS)))), ["three", "two", "one"]),
    ):
        assert subjects(store.page(query)) == found, query


def test_a_mailbox_has_its_own_messages_and_deleting_them_leaves_the_others(store):
    put(store, "one", mailbox="a")
    put(store, "two", mailbox="b")
    assert store.mailboxes() == {"a": 1, "b": 1}
    assert subjects(store.page(mailbox="a")) == ["one"]
    assert store.count(mailbox="c").all == 0
    assert store.delete(Which(mailbox="a")) == 1
    assert subjects(store.page()) == ["two"]
    change = store.changes(2)[0]
    assert (change.kind, change.data) == (Kind.TRUNCATE, {"mailbox": "a"})


def test_marking_counts_what_changed_and_says_so_in_the_journal(store):
    put(store, "one", "two")
    row = store.page().rows[0]
    assert store.mark(Which(ids=(row.id, "unknown")), read=True) == 1
    assert store.mark(Which(ids=(row.id,)), read=True) == 0
    assert (store.count().all, store.count().unread) == (2, 1)
    assert (store.count(Is(State.READ)).all, store.count(Is(State.READ)).unread) == (1, 0)
    (change,) = store.changes(2)
    assert (change.kind, change.seq, change.data["id"], change.data["is_read"]) == (Kind.READ, row.seq, row.id, True)


def test_a_tag_keeps_its_first_spelling_and_goes_with_its_last_message(store):
    put(store, "one", "two")
    assert store.tag(Which(query=Contains(Place.SUBJECT, "one")), ["Red", "red", "blue  sky"]) == 1
    assert store.tag(Which(query=Contains(Place.SUBJECT, "two")), ["RED"]) == 1
    assert store.tags() == {"blue sky": 1, "Red": 2}
    store.rename_tag("red", "Green")
    assert store.tags() == {"blue sky": 1, "Green": 2}
    with pytest.raises(InvalidValueError, match="a name that no other tag has"):
        store.rename_tag("green", "Blue sky")
    with pytest.raises(InvalidValueError, match="a tag of letters"):
        store.rename_tag("green", "\r\n")
    with pytest.raises(LookupError, match="tag not found: red"):
        store.rename_tag("red", None)
    store.rename_tag("GREEN", None)
    store.delete(Which())
    assert store.tags() == {}


def test_servers_are_counted(store):
    put(store, "one", "two", server="starttls")
    put(store, "three", server="plain")
    assert list(store.servers().items()) == [("plain", 1), ("starttls", 2)]
    assert store.servers(mailbox="red") == {}
    store.delete(Which(query=OnServer("starttls")))
    assert store.servers() == {"plain": 1}


def test_deleting_all_is_one_entry_in_the_journal_and_many_are_one_too(store):
    put(store, *map(str, range(MOST_NAMED + 2)))
    before = store.last_change()
    assert store.delete(Which(query=Not(Contains(Place.SUBJECT, "201")))) == MOST_NAMED + 1
    assert store.delete(Which()) == 1
    assert [change.kind for change in store.changes(before)] == [Kind.PRUNE, Kind.TRUNCATE]


def test_pruning_keeps_the_newest_and_what_is_not_too_old(store):
    put(store, *"abcdef")
    assert store.prune(keep=4) == 2
    assert store.prune(before=NOON + timedelta(seconds=4)) == 2
    assert subjects(store.page()) == ["f", "e"]
    assert store.prune(keep=2, before=NOON) == 0
    assert [change.kind for change in store.changes(6)] == [Kind.PRUNE] * 2


def test_sessions_that_are_pruned_alone_are_a_change_too(store):
    """Whoever has their list would take it for the newest otherwise."""
    store.put_sessions([StoredSession("a", "plain", NOON, has_mail=False, has_failed=True, facts={}, dialogue=[])])
    assert store.prune(before=NOON) == 0
    assert store.last_change() == 1
    assert store.prune(before=NOON + timedelta(seconds=1)) == 0
    assert store.sessions() == ()
    assert [change.kind for change in store.changes(1)] == [Kind.PRUNE]


def test_who_was_away_for_longer_than_the_journal_reaches_is_told_to_look_again(store, monkeypatch):
    put(store, "one", "two")
    monkeypatch.setattr(journal, "JOURNAL_SECONDS", -60)
    store.prune()
    assert store.last_change() == 2
    monkeypatch.undo()
    put(store, "three")
    assert [(change.n, change.kind) for change in store.changes(1)] == [(2, Kind.PRUNE), (3, Kind.NEW)]
    assert [change.kind for change in store.changes(2)] == [Kind.NEW]


def test_sessions_and_settings_are_kept_too(store):
    ended = StoredSession("run-plain-1", "plain", NOON, has_mail=False, has_failed=True, facts={"a": 1}, dialogue=["S"])
    store.put_sessions([ended])
    assert store.session("run-plain-1") == ended
    assert store.session("unknown") is None
    assert [one.id for one in store.sessions(without_mail=True, failed=True)] == ["run-plain-1"]
    assert store.setting("rules") is None
    assert store.setting("rules", ["RCPT: 450"]) == ["RCPT: 450"]
    assert store.setting("rules", None) is None
    assert [change.kind for change in store.changes(0)] == [Kind.SESSION, Kind.SETTING, Kind.SETTING]


def test_a_setting_is_replaced_only_if_it_still_is_what_somebody_has_read(store, other):
    assert store.replace_setting("rules", None, ["one"])
    assert not other.replace_setting("rules", None, ["two"])
    assert other.replace_setting("rules", ["one"], ["one", "two"])
    assert store.setting("rules") == ["one", "two"]
    assert [change.data["key"] for change in store.changes(0)] == ["rules"] * 2


def test_a_tag_is_renamed_in_one_mailbox_alone_all_its_messages_at_once(store):
    store.append([entry(mailbox="mine"), entry(mailbox="mine"), entry(mailbox="other")])
    store.tag(Which(), ["Red", "blue"])
    before = store.last_change()
    store.rename_tag("red", "Green", mailbox="mine")
    (change,) = store.changes(before)
    assert (change.kind, change.data) == (Kind.PRUNE, {"mailbox": "mine"})
    assert store.tags(mailbox="mine") == {"blue": 2, "Green": 2}
    assert store.tags(mailbox="other") == {"blue": 1, "Red": 1}
    store.rename_tag("green", "RED", mailbox="mine")
    assert store.tags(mailbox="mine") == {"blue": 2, "Red": 2}  # as it is spelled elsewhere
    store.rename_tag("blue", None, mailbox="mine")
    assert (store.tags(mailbox="mine"), store.tags(mailbox="other")) == ({"Red": 2}, {"blue": 1, "Red": 1})
    with pytest.raises(LookupError):
        store.rename_tag("blue", None, mailbox="mine")


def test_who_listens_is_told_of_changes_of_other_processes_until_it_listens_no_more(store, other):
    told = threading.Event()
    listening = store.listen(told.set)
    for name in ("one", "two"):
        told.clear()
        seen = store.last_change()
        put(other, name)
        while not store.changes(seen):  # it may have been told of something earlier
            assert told.wait(10)
            told.clear()
    listening.close()
    listening.close()
    assert not [thread for thread in threading.enumerate() if "store watch" in thread.name]
    assert subjects(store.page()) == ["two", "one"]


def test_a_header_that_names_nobody_is_the_name_of_its_sender(store):
    store.append(
        [entry(b'From: nobody at all\r\nTo: =?utf-8?q?B=C3=B6b?= <b@x>, "C, D" <c@x>\r\n\r\n', to=("b@X", "z@x"))]
    )
    (row,) = store.page().rows
    assert row.sender == Address("nobody at all", "")
    assert row.to == (Address("Böb", "b@x"), Address("C, D", "c@x"))
    assert row.bcc == (Address("", "z@x"),)


def test_a_store_of_a_later_version_is_refused_in_one_line(where, monkeypatch):
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("CREATE TABLE later (x TEXT)",)))
    monkeypatch.setattr(connections, "STEPS", schema.STEPS)
    open_store(where).close()
    monkeypatch.undo()
    with pytest.raises(
        OSError, match="written by a later version of smtpfix: expected a schema up to 1, got 2"
    ) as caught:
        open_store(where)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Which(ids=("x",), query=Tagged("y")), "Which.ids: expected either ids or a query"),
        (lambda: Since(datetime(2026, 1, 1)), "Since.moment: expected a moment with its time zone"),  # noqa: DTZ001
        (lambda: UpTo(datetime(2026, 1, 1)), "UpTo.moment: expected a moment with its time zone"),  # noqa: DTZ001
    ],
)
def test_values_that_make_no_sense_are_refused_when_they_are_built(make, error):
    with pytest.raises(InvalidValueError, match=error):
        make()


def test_whatever_is_asked_for_is_found_or_is_not(store):
    put(store, "one")
    odd = "\0\udcff"
    for query in (Tagged(odd), OnServer(odd), InSession(odd), Contains(Place.TO, odd)):
        assert store.page(query).rows == ()
    assert store.page(mailbox=odd).rows == ()
    assert subjects(store.page(limit=10**30)) == ["one"]
    assert store.page(start=10**30, limit=-1).rows == ()
    assert store.delete(Which(ids=(odd,))) == 0
    assert store.session(odd) is None
    with pytest.raises(LookupError, match="tag not found"):
        store.rename_tag(odd, None)
    with pytest.raises(LookupError, match="there is no message"):
        store.content(10**30)


def test_a_query_that_is_too_long_is_refused(store):
    for query in (AllOf((Is(State.READ),) * 101), Contains(Place.ANYWHERE, "x" * 2_001)):
        with pytest.raises(InvalidValueError, match="query: expected"):
            store.page(query)
