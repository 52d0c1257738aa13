"""The program's own API: waiting for a message in one request, how it came, and sessions."""

import json
import threading
from contextlib import closing

import pytest

from smtpfix import Reply
from smtpfix.store.mailboxes import MailboxBy
from smtpfix.store.opening import open_store
from smtpfix.store.store import MOST_CHANGES, Kind
from smtpfix.web import exchange
from smtpfix.web.exchange import as_json
from smtpfix.web.extract import codes, links
from smtpfix.web.runner import WebServer
from smtpfix.web.settings import WebSettings

from .conftest import Site

pytestmark = pytest.mark.slow

CODE = (
    b"From: shop@example.org\r\nTo: bob@example.org\r\nSubject: Sign in\r\nContent-Type: text/html\r\n\r\n"
    b'<p>Your code is <b>493021</b>. Order 20261128, call 555-1234.</p><a href="https://example.org/in?t=1&amp;u=2">in</a>'
)
WAIT = "/api/smtpfix/v1/messages/wait"


def test_a_message_that_is_there_is_answered_at_once(site):
    site.send(CODE)
    answer = site.ask(f"{WAIT}?query=from:shop")
    one = answer.json["messages"][0]
    assert (answer.status, one["codes"][0], one["links"]) == (200, "493021", ["https://example.org/in?t=1&u=2"])
    assert (one["smtp"]["recipients"], one["smtp"]["in_tls"]) == (["bob@example.org"], False)
    assert one["message"]["Subject"] == "Sign in"


def test_a_message_that_comes_later_is_answered_when_it_comes(site):
    """However many wait: they hold no thread."""
    answers = []
    waiting = [
        threading.Thread(target=lambda: answers.append(site.ask(f"{WAIT}?query=subject:sign&timeout=9")))
        for _ in range(8)
    ]
    for thread in waiting:
        thread.start()
    site.send()
    site.send(CODE)
    for thread in waiting:
        thread.join()
    assert [(one.status, one.json["messages"][0]["codes"][0]) for one in answers] == [(200, "493021")] * 8


def test_a_wait_in_vain_tells_what_has_come_instead(site):
    site.send()
    answer = site.ask(f"{WAIT}?query=subject:sign&timeout=0")
    assert (answer.status, answer.json["found"]) == (408, [])
    assert answer.json["error"] == "expected 1 message that match 'subject:sign' within 0 s; 0 came"
    assert [one["Subject"] for one in answer.json["newest"]] == ["hello"]


def test_only_what_came_since_counts(site):
    site.send(CODE)
    seen = site.ask("/api/smtpfix/v1/messages").json["seq"]
    assert site.ask(f"{WAIT}?since={seen}&timeout=0").status == 408
    new = site.send(CODE)
    answer = site.ask(f"{WAIT}?since={seen}&timeout=9")
    assert [one["message"]["ID"] for one in answer.json["messages"]] == [new]


def test_several_messages_come_in_their_order(site):
    ids = [site.send() for _ in range(3)]
    answer = site.ask(f"{WAIT}?count=2")
    assert [one["message"]["ID"] for one in answer.json["messages"]] == ids[:2]


@pytest.mark.parametrize("query", ["timeout=x", "timeout=-1", "timeout=nan", "timeout=999", "count=0", "count=999"])
def test_a_wait_that_makes_no_sense_is_told_what_was_expected(site, query):
    answer = site.ask(f"{WAIT}?{query}")
    assert (answer.status, "from" in answer.json["error"]) == (400, True)


def test_the_list_has_what_was_refused_too_and_an_etag(site):
    site.server.on("END-OF-DATA", Reply(550, "5.7.1", "No"), times=1)
    with pytest.raises(Exception, match="550"):
        site.send()
    site.send()
    listed = site.ask("/api/smtpfix/v1/messages")
    assert [one["smtp"]["accepted"] for one in listed.json["messages"]] == [True, False]
    tag = listed.headers["ETag"]
    assert site.ask("/api/smtpfix/v1/messages", If_None_Match=tag).status == 304
    site.send()
    assert site.ask("/api/smtpfix/v1/messages", If_None_Match=tag).status == 200


def test_a_message_with_how_it_came(site):
    id_ = site.send(CODE)
    one = site.ask(f"/api/smtpfix/v1/messages/{id_}?peek=1").json
    assert one["headers"][0] == ["From", "shop@example.org"]
    assert one["parts"] == {
        "id": "0",
        "type": "text/html",
        "name": None,
        "encoding": None,
        "size": len(CODE.partition(b"\r\n\r\n")[2]) + 2,
        "parts": [],
    }
    assert one["smtp"]["reply"].startswith("250")
    assert site.store.count().unread == 1
    site.ask("/api/smtpfix/v1/messages/latest")
    assert site.store.count().unread == 0
    raw = site.ask(f"/api/smtpfix/v1/messages/{id_}/raw")
    assert (raw.body, raw.headers["Content-Type"]) == (CODE + b"\r\n", "message/rfc822")
    missing = site.ask("/api/smtpfix/v1/messages/none")
    assert (missing.status, "expected the id" in missing.json["error"]) == (404, True)
    assert site.ask("/api/smtpfix/v1/sessions/none").status == 404
    assert site.ask("/api/smtpfix/v1/sessions").json["sessions"] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Your code: 123456", ["123456"]),
        ("PIN 1234, or the passcode AB12CD", ["1234", "AB12CD"]),
        ("Invoice 20261128 over 1234 euros", []),
        ("code 123", []),
        ("code 123456789", []),
        ("code at https://x.example/123456", []),
        ("PASSWORD", []),
        ("nothing", []),
    ],
)
def test_codes_stand_near_words_that_announce_them(text, found):
    assert codes("", b"\r\n" + text.encode()) == found


def test_links_are_there_once():
    content = b"\r\nhttps://a.example/ and https://a.example/ and (https://b.example/x)."
    assert links(content) == ["https://a.example/", "https://b.example/x"]


# Changing


def patch(site, body, query=""):
    return site.ask(f"/api/smtpfix/v1/messages{query}", "PATCH", body)


def test_messages_are_marked_and_tagged_by_id_by_query_or_all(site):
    first, second = site.send(), site.send(b"Subject: other\r\n\r\nx")
    assert patch(site, {"ids": [first], "read": True, "tags": ["mine"]}).json["changed"] == 1
    assert (site.store.get(first).is_read, site.store.get(first).tags) == (True, ("mine",))
    assert patch(site, {"query": "subject:other", "tags": ["a", "b"]}).json["changed"] == 1
    assert (site.store.get(second).is_read, site.store.get(second).tags) == (False, ("a", "b"))
    assert patch(site, {"read": False}).json["changed"] == 1  # the other one was not read
    assert patch(site, {"ids": [], "read": True}).json["changed"] == 0  # no id is not every message


@pytest.mark.parametrize(
    "body",
    [{}, {"read": 1}, {"read": "yes"}, {"tags": "mine"}, {"tags": ["a<b"]}, {"ids": 5, "read": True}, b"x", b"[]",
     {"ids": ["x"], "query": "y", "read": True}, {"query": 7, "read": True}],
)  # fmt: skip
def test_a_change_that_makes_no_sense_is_400_and_changes_nothing(site, body):
    known = site.send()
    answer = patch(site, body)
    assert answer.status == 400
    assert answer.json["error"]
    assert not site.store.get(known).is_read
    assert not site.store.get(known).tags


def test_messages_are_deleted_by_id_by_query_or_all(site):
    first = site.send()
    for subject in (b"a", b"b", b"c"):
        site.send(b"Subject: " + subject + b"\r\n\r\nx")
    path = "/api/smtpfix/v1/messages"
    assert site.ask(path, "DELETE", {"ids": [first]}).json["deleted"] == 1
    assert site.ask(path, "DELETE", {"ids": []}).json["deleted"] == 0
    assert site.ask(f"{path}?query=subject:b", "DELETE").json["deleted"] == 1
    assert site.store.count().all == 2
    assert site.ask(path, "DELETE").json["deleted"] == 2
    assert site.store.count().all == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "messages", {"id": ["x"]}),
        ("DELETE", "messages?querry=subject:x", None),
        ("PATCH", "messages", {"read": True, "search": "x"}),
        ("GET", "messages/wait?to=ann@example.org", None),
        ("GET", "messages/wait?timeout=1&since=", None),
        ("GET", "messages/wait?timeout=1&since=last", None),
        ("GET", "messages?limit=many", None),
        ("PUT", "servers/plain", {"scenaro": "expired"}),
        ("PUT", "servers/plain/rules", {"text": "NOOP: 250"}),
    ],
)
def test_a_name_that_is_misspelled_is_400_and_means_not_everything(site, method, path, body):
    known = site.send()
    answer = site.ask(f"/api/smtpfix/v1/{path}", method, body)
    assert (answer.status, "expected" in answer.json["error"]) == (400, True)
    assert site.store.get(known) is not None
    assert not site.store.get(known).is_read


def test_a_mailbox_in_the_query_is_the_one_that_is_deleted(open_site):
    site = open_site(mailbox_by=MailboxBy.RECIPIENT)
    mine, other = site.send(to=["bob@example.org"]), site.send(to=["eve@example.org"])
    assert site.ask("/api/smtpfix/v1/messages?mailbox=bob@example.org", "DELETE").json["deleted"] == 1
    assert (site.store.get(mine), site.store.get(other) is None) == (None, False)


def test_what_is_not_there_is_said_in_json(site):
    for method, path, status in (("GET", "nothing", 404), ("POST", "messages", 405), ("GET", "messages/a/b/c", 404)):
        answer = site.ask(f"/api/smtpfix/v1/{path}", method)
        assert (answer.status, "schema.json" in answer.json["error"]) == (status, True)


# Entity tags


@pytest.mark.parametrize("path", ["messages", "messages?query=hello&limit=1", "sessions", "mailboxes"])
def test_a_list_that_is_known_is_304_until_something_changes(site, path):
    known = site.send()
    first = site.ask(f"/api/smtpfix/v1/{path}")
    tag = first.headers["ETag"]
    assert tag.startswith(f'"{first.json["seq"]}-')
    for asked in (tag, f"W/{tag}", f'"1", {tag}'):
        again = site.ask(f"/api/smtpfix/v1/{path}", if_none_match=asked)
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    patch(site, {"ids": [known], "read": True})
    changed = site.ask(f"/api/smtpfix/v1/{path}", if_none_match=tag)
    assert changed.status == 200
    assert changed.headers["ETag"] != tag


def test_a_list_of_another_store_is_another_one_at_the_same_number(site, tmp_path):
    tag = site.ask("/api/smtpfix/v1/messages").headers["ETag"]
    with closing(open_store(str(tmp_path / "other.db"))) as other:
        web = WebServer(other, WebSettings(host="127.0.0.1", port=0))
        with web:
            again = Site(web, None, other).ask("/api/smtpfix/v1/messages", if_none_match=tag)
    assert (again.status, again.json["seq"]) == (200, 0)


def test_waiting_goes_through_more_changes_than_the_journal_gives_at_once(site):
    """What has happened since may be long ago."""
    known = site.send()
    for _ in range(2):
        for read in (True, False):
            patch(site, {"ids": [known], "read": read})
    seq = site.store.last_change()
    with site.store.writing() as db:
        site.store._note(db, ((Kind.SESSION, None, {"id": "x"}) for _ in range(MOST_CHANGES + 1)))
    wanted = site.send()
    assert site.ask(f"{WAIT}?since={seq}&timeout=0").json["messages"][0]["message"]["ID"] == wanted


VALUES = {
    "": None,
    "text": 'a\u20ac\U0001f600\ud800"\\' * 5,
    "list": [1, "x" * 20, [], {}, [{"deep": ["y" * 30]}]],
    "object": {"a": 1.5, "b": {"c": True}},
}


@pytest.mark.parametrize("depth", range(6))
@pytest.mark.parametrize("value", [VALUES, [], {}, [VALUES], "x" * 50, 7])
def test_json_that_is_made_in_pieces_is_the_same(monkeypatch, value, depth):
    monkeypatch.setattr(exchange, "_LARGE", 7)
    assert as_json(value, depth=depth).body.decode() == json.dumps(value, separators=(",", ":"))
