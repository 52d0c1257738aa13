"""The program's own API: waiting for a message in one request, how it came, and sessions."""

import threading

import pytest

from smtpfix import Reply
from smtpfix.web.extract import codes, links

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
