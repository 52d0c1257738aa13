"""Mailpit's API: each method, and what its clients expect of the answer."""

import base64
import hashlib
import json
import smtplib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from smtpfix import ImapPolicy, Pop3Policy, Reply, Server
from smtpfix.errors import StoreError
from smtpfix.web.runner import WebServer
from smtpfix.web.settings import WebSettings

from .conftest import Site

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 10
KEYS = {
    *("ID", "MessageID", "Read", "From", "To", "Cc", "Bcc", "ReplyTo", "Subject", "Created", "Username", "Tags"),
    *("Size", "Attachments", "Snippet"),
}
MIXED = (
    b"From: Ann Lee <ann@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <1@example.org>\r\nDate: Sat, 28 Nov 2026 10:00:00 +0200\r\n"
    b"List-Unsubscribe: <mailto:out@example.org>, <https://example.org/out>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b'--b\r\nContent-Type: multipart/alternative; boundary="a"\r\n\r\n'
    b"--a\r\nContent-Type: text/plain\r\n\r\nhello\r\nworld\r\n--a\r\nContent-Type: text/html\r\n\r\n"
    b'<img src="cid:x.+y"><a href="https://example.org/">go</a>\r\n--a--\r\n'
    b'--b\r\nContent-Type: image/png; name="p.png"\r\nContent-ID: <x.+y>\r\nContent-Disposition: inline\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(PNG) + b"\r\n"
    b'--b\r\nContent-Type: text/html; name="a.html"\r\nContent-Disposition: attachment; filename="a\xc3\xbc.html"\r\n'
    b"\r\n<script>alert(1)</script>\r\n--b--\r\n"
)


def send(site, **changes):
    message = {"From": {"Email": "ann@example.org"}, "To": [{"Email": "bob@example.org"}], "Subject": "x", **changes}
    return site.ask("/api/v1/send", "POST", message)


def test_what_was_sent_by_smtp_is_listed_newest_first(site):
    first, second = site.send(), site.send(MIXED)
    listed = site.ask("/api/v1/messages").json
    assert {name: listed[name] for name in listed if name != "messages"} == {
        "total": 2,
        "unread": 2,
        "count": 2,
        "messages_count": 2,
        "messages_unread": 2,
        "start": 0,
        "tags": [],
    }
    assert [one["ID"] for one in listed["messages"]] == [second, first]
    message = listed["messages"][0]
    assert set(message) == KEYS
    assert message["From"] == {"Name": "Ann Lee", "Address": "ann@example.org"}
    assert (message["Subject"], message["MessageID"], message["Attachments"]) == ("Grüße", "1@example.org", 1)
    assert (message["Cc"], message["Bcc"], message["ReplyTo"], message["Tags"]) == ([], [], [], [])
    assert [one["ID"] for one in site.ask("/api/v1/messages?start=1&limit=1").json["messages"]] == [first]
    assert site.ask("/api/v1/messages?start=x&limit=-1").json["count"] == 2
    assert site.ask("//api//v1/messages").json["count"] == 2


@pytest.mark.parametrize(
    ("policy", "said"), [({}, b"2.0.0 Ok: queued as "), ({"replies": {"accepted": "Yes"}}, b"2.0.0 Yes")]
)
def test_the_reply_names_the_id_unless_a_server_has_words_of_its_own(open_site, policy, said):
    site = open_site(policy=policy)
    with site.server.client() as client:
        client.ehlo()
        client.mail("ann@example.org")
        client.rcpt("bob@example.org")
        code, text = client.data(b"Subject: hello\r\n\r\n")
    (row,) = site.store.page().rows
    assert (code, text) == (250, said + (b"" if policy else row.id.encode()))
    assert row.reply == f"250 {text.decode()}" == str(site.server.inbox.one().reply)


def test_a_refused_message_is_no_message(site):
    """Other programs' clients know none: it would be one too many."""
    site.server.on("END-OF-DATA", Reply(550, "5.7.1", "No"), times=1)
    with pytest.raises(smtplib.SMTPDataError):
        site.send()
    site.send()  # behind it, so that both are stored
    assert site.store.count().all == 2
    assert site.ask("/api/v1/messages").json["total"] == 1


def test_all_of_a_message(site):
    id_ = site.send(MIXED, to=["bob@example.org", "blind@example.org"])
    message = site.ask(f"/api/v1/message/{id_}").json
    assert site.ask("/api/v1/messages").json["messages"][0]["Read"] is True
    assert message["Text"] == "hello\r\nworld"
    assert message["Bcc"] == [{"Name": "", "Address": "blind@example.org"}]
    assert (message["ReturnPath"], message["Date"]) == ("ann@example.org", "2026-11-28T10:00:00+02:00")
    assert message["ListUnsubscribe"] == {
        "Header": "<mailto:out@example.org>, <https://example.org/out>",
        "Links": ["mailto:out@example.org", "https://example.org/out"],
        "Errors": "",
        "HeaderPost": "",
    }
    assert [(one["PartID"], one["FileName"], one["ContentID"]) for one in message["Inline"]] == [("2", "p.png", "x.+y")]
    attachment = message["Attachments"][0]
    assert (attachment["PartID"], attachment["ContentType"], attachment["FileName"]) == ("3", "text/html", "aü.html")
    assert message["Inline"][0]["Checksums"]["SHA256"] == hashlib.sha256(PNG).hexdigest()
    assert message["Size"] == len(site.ask(f"/api/v1/message/{id_}/raw").body)
    assert site.ask("/api/v1/message/latest").json["ID"] == id_
    assert site.ask("/api/v1/message/latest?query=subject:nothing").text == "Message not found"
    assert site.ask("/api/v1/message/nothing").text == "404 page not found"


def test_raw_and_headers_have_what_a_server_adds(site):
    id_ = site.send(b"subject: x\r\nX-One: a\r\n b\r\nx-one: c\r\n\r\nhello\r\n", to=["blind@example.org"])
    raw = site.ask(f"/api/v1/message/{id_}/raw?dl=1")
    assert raw.headers["Content-Disposition"] == f'attachment; filename="{id_}.eml"'
    assert raw.headers["Content-Type"] == "text/plain; charset=utf-8"
    added = f"Return-Path: <ann@example.org>\r\nMessage-ID: <{id_}@smtpfix>\r\nBcc: blind@example.org\r\n"
    assert raw.text == f"{added}subject: x\r\nX-One: a\r\n b\r\nx-one: c\r\n\r\nhello\r\n"
    headers = site.ask(f"/api/v1/message/{id_}/headers").json
    assert headers["X-One"] == ["a b", "c"]
    assert (headers["Message-Id"], headers["Subject"]) == ([f"<{id_}@smtpfix>"], ["x"])


def test_a_part_is_saved_and_never_shown_unless_it_is_a_picture(site):
    """Nothing of a message is run: HTML and SVG are attachments, and no type is guessed."""
    id_ = site.send(MIXED)
    picture, page = (site.ask(f"/api/v1/message/{id_}/part/{number}") for number in (2, 3))
    assert (picture.body, picture.headers["Content-Type"]) == (PNG, "image/png")
    assert picture.headers["Content-Disposition"] == 'inline; filename="p.png"'
    assert page.headers["Content-Disposition"] == 'attachment; filename="a%C3%BC.html"'
    for answer in (picture, page):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert [site.ask(f"/api/v1/message/{id_}/part/{part}").status for part in ("1", "4", "1.3", "0", "x")] == [404] * 5
    assert site.ask(f"/api/v1/message/{id_}/part/1.1").text == "hello\r\nworld"


@pytest.mark.parametrize("kind", ["text/html\x0bx", "a/b/c", "text/ht\u00e4ml", "x/<script>"])
def test_a_media_type_that_is_none_is_not_passed_on(site, kind):
    content = f'Content-Type: {kind}; name="x"\r\nContent-Disposition: attachment; filename="x"\r\n\r\nx\r\n'
    id_ = site.send(content.encode())
    answer = site.ask(f"/api/v1/message/{id_}/part/0")
    assert answer.headers["Content-Type"] in ("application/octet-stream", "text/plain")
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_thumbnail_is_a_blank_picture_of_the_right_size(site):
    id_ = site.send(MIXED)
    thumb = site.ask(f"/api/v1/message/{id_}/part/2/thumb")
    frame = thumb.body.index(b"\xff\xc0")
    assert thumb.headers["Content-Type"] == "image/jpeg"
    assert thumb.body[frame + 5 : frame + 9] == (120).to_bytes(2) + (180).to_bytes(2)
    assert site.ask(f"/api/v1/message/{id_}/part/9/thumb").status == 400


def test_marking(site):
    ids = [site.send() for _ in range(3)]

    def unread():
        return site.ask("/api/v1/messages").json["unread"]

    for body, left in (
        ({"ids": ids[:1], "READ": True}, 2),
        ({"Read": True, "Search": "subject:hello"}, 0),
        ({"Read": False, "IDs": [ids[0], "unknown"]}, 1),
        ({"Read": False}, 3),
        ({"Read": True, "IDs": None, "other": 1}, 0),
    ):
        answer = site.ask("/api/v1/messages", "PUT", body)
        assert (answer.status, answer.text, unread()) == (200, "ok", left)
    both = site.ask("/api/v1/messages", "PUT", {"IDs": ids, "Search": "x"})
    assert (both.status, both.text) == (400, "You may specify either IDs or a search query, not both")
    assert [site.ask("/api/v1/messages", "PUT", body).status for body in (b"", b"{", b"[]", {"IDs": "x"})] == [400] * 4


def test_deleting(site):
    ids = [site.send() for _ in range(4)]
    assert site.ask("/api/v1/messages", "DELETE", {"IDs": ids[:1]}, Accept="*/*").text == "ok"
    assert site.ask("/api/v1/messages").json["total"] == 3
    assert site.ask("/api/v1/messages", "DELETE", b"{malformed", Accept="*/*").status == 400
    assert site.ask("/api/v1/messages").json["total"] == 3
    assert site.ask("/api/v1/search?query=subject:nothing", "DELETE").text == "ok"
    assert site.ask("/api/v1/messages").json["total"] == 3
    assert site.ask("/api/v1/messages", "DELETE", Accept="application/json").text == "ok"
    assert site.ask("/api/v1/messages").json["total"] == 0
    assert site.ask("/api/v1/info").json["RuntimeStats"]["MessagesDeleted"] == 4


def test_searching(site):
    site.send()
    other = site.send(MIXED)
    found = site.ask("/api/v1/search?query=has:attachment%20from:lee").json
    assert ([one["ID"] for one in found["messages"]], found["total"], found["messages_count"]) == ([other], 2, 1)
    assert site.ask("/api/v1/search?query=hello&limit=0").json["count"] == 0
    assert site.ask("/api/v1/search").text == "Error: no search query"
    assert site.ask("/api/v1/search?query=after:2000-01-01&tz=Europe/Berlin").json["count"] == 2
    assert site.ask("/api/v1/search?query=hello&tz=../../etc/passwd").status == 200
    assert site.ask("/api/v1/search?query=" + "x" * 3000).status == 400


def test_tags(site):
    ids = [site.send(), site.send()]
    assert site.ask("/api/v1/tags", "PUT", {"IDs": ids, "Tags": ["b<b", "A", "a"]}).text == "ok"
    assert site.ask("/api/v1/tags").json == ["A", "b b"]
    assert site.ask("/api/v1/messages").json["tags"] == ["A", "b b"]
    assert site.ask("/api/v1/tags/A", "PUT", {"Name": "c"}).text == "ok"
    assert site.ask("/api/v1/tags/c", "PUT", {"Name": "B b"}).text == "tag already exists: B b"
    assert site.ask("/api/v1/tags/none", "PUT", {"Name": "d"}).text == "tag not found: none"
    assert site.ask("/api/v1/tags/c", "PUT", {"Name": "<>"}).text == "invalid tag name: <>"
    assert site.ask("/api/v1/tags/b%20b", "DELETE").text == "ok"
    assert site.ask("/api/v1/tags/b%20b", "DELETE").status == 400
    assert site.ask("/api/v1/tags", "PUT", {"IDs": ids, "Tags": []}).text == "ok"
    assert site.ask("/api/v1/tags").json == []


def test_the_server_tells_of_itself(site):
    site.send()
    info = site.ask("/api/v1/info").json
    assert set(info) == {
        *("Version", "LatestVersion", "Database", "DatabaseSize", "Messages", "Unread", "Tags", "RuntimeStats")
    }
    assert info["Version"].startswith("v1.")
    assert (info["Messages"], info["RuntimeStats"]["SMTPAccepted"]) == (1, 1)
    assert site.ask("/api/v1/webui").json["MessageRelay"]["Enabled"] is False
    assert site.ask("/livez").headers["Date"]
    assert (site.ask("/readyz").status, site.ask("/readyz").body) == (200, b"")


def test_a_message_that_could_not_be_stored_counts_as_refused(site, monkeypatch):
    def append(*_arguments):
        raise StoreError("cannot write: no space left")

    with monkeypatch.context() as broken:
        broken.setattr(site.store, "append", append)
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            site.send()
    site.send()
    counted = site.ask("/api/v1/info").json["RuntimeStats"]
    assert (counted["SMTPAccepted"], counted["SMTPRejected"]) == (1, 1)


def test_chaos_makes_the_servers_fail(open_site):
    site = open_site(chaos=True)
    default = {
        "Sender": {"ErrorCode": 451, "Probability": 0},
        "Recipient": {"ErrorCode": 451, "Probability": 0},
        "Authentication": {"ErrorCode": 535, "Probability": 0},
    }
    assert site.ask("/api/v1/chaos").json == default
    changed = site.ask("/api/v1/chaos", "PUT", {"sender": {"errorcode": 550, "probability": 100}}).json
    assert changed == {**default, "Sender": {"ErrorCode": 550, "Probability": 100}}
    with site.server.client() as client:
        assert client.mail("ann@example.org") == (550, b"Chaos sender error")
    assert site.ask("/api/v1/chaos", "PUT", {}).json == default
    with site.server.client() as client:
        client.ehlo()
        assert client.mail("ann@example.org")[0] == 250
    for wrong, text in (({"ErrorCode": 200}, "between 400 and 599"), ({"Probability": 101}, "between 0 and 100")):
        answer = site.ask("/api/v1/chaos", "PUT", {"Sender": wrong})
        assert answer.status == 400
        assert text in answer.text


def test_chaos_can_begin_with_the_server(open_site):
    triggers = WebSettings.read("", {"MP_CHAOS_TRIGGERS": "Sender:550:100, Recipient:452:0"}).chaos_triggers
    site = open_site(chaos=True, chaos_triggers=triggers)
    assert site.ask("/api/v1/chaos").json == {
        "Sender": {"ErrorCode": 550, "Probability": 100},
        "Recipient": {"ErrorCode": 452, "Probability": 0},
        "Authentication": {"ErrorCode": 535, "Probability": 0},
    }
    with smtplib.SMTP(site.server.host, site.server.port, timeout=10) as client:
        client.ehlo()
        assert client.mail("ann@example.org") == (550, b"Chaos sender error")


def test_chaos_that_several_set_at_the_same_moment_is_that_of_one(open_site):
    site = open_site(chaos=True)
    use_rules, inside = site.server.use_rules, []

    def use(rules, **instead_of):
        inside.append(len(inside))
        assert len(inside) == 1
        use_rules(rules, **instead_of)
        inside.pop()

    site.server.use_rules = use
    with ThreadPoolExecutor(4) as threads:
        triggers = [{"Sender": {"ErrorCode": 500 + number, "Probability": 100}} for number in range(20)]
        assert {one.status for one in threads.map(partial(site.ask, "/api/v1/chaos", "PUT"), triggers)} == {200}
    (rule,) = site.server.rules
    assert site.ask("/api/v1/chaos").json["Sender"]["ErrorCode"] == rule.actions[0].code


def test_chaos_leaves_servers_alone_that_take_no_mail(site):
    """Their protocols have no MAIL and no RCPT."""
    servers = {"plain": site.server, "imap": Server(ImapPolicy()), "pop3": Server(Pop3Policy())}
    settings = WebSettings(host="127.0.0.1", port=0, chaos=True)
    with WebServer(site.store, settings, servers=servers) as web:
        other = Site(web, site.server, site.store)
        assert other.ask("/api/v1/chaos", "PUT", {"Sender": {"Probability": 100}}).status == 200
    assert [len(one.rules) for one in servers.values()] == [1, 0, 0]


def test_chaos_and_what_would_send_requests_are_off(site):
    id_ = site.send(MIXED)
    assert site.ask("/api/v1/chaos").text == "Chaos is not enabled"
    assert site.ask(f"/api/v1/message/{id_}/release", "POST", {"To": ["a@example.org"]}).status == 400
    assert site.ask("/api/v1/message/none/release", "POST", {"To": ["a@example.org"]}).status == 404
    assert site.ask(f"/api/v1/message/{id_}/link-check").status == 501


def test_a_wrong_method_is_told_which_are_right(site):
    answer = site.ask("/api/v1/messages", "POST", b"")
    assert (answer.status, {*answer.headers["Allow"].split(", ")}) == (405, {"GET", "HEAD", "PUT", "DELETE"})
    head = site.ask("/api/v1/messages", "HEAD")
    assert (head.status, head.body, int(head.headers["Content-Length"]) > 0) == (200, b"", True)
    assert (site.ask("/nothing").status, site.ask("/nothing").text) == (404, "404 page not found")
    assert site.ask("/api/v1/messages/").status == 405 or site.ask("/api/v1/messages/").status == 404


def test_long_answers_are_compressed_where_the_client_takes_it(site):
    import gzip  # noqa: PLC0415

    for _ in range(4):
        site.send()
    answer = site.ask("/api/v1/messages", Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["total"] == 4


# Sending


def test_what_is_sent_by_http_comes_back_as_it_was(site):
    text, html = "héllo\nworld", "<p>hi</p>"
    sent = send(
        site,
        From={"Email": "ann@example.org", "Name": "Änn"},
        Cc=[{"Email": "cc@example.org", "Name": 'C "c"'}],
        Bcc=["blind@example.org"],
        ReplyTo=[{"Email": "reply@example.org"}],
        Subject="Grüße",
        Text=text,
        HTML=html,
        Headers={"X-Test": "ü"},
        Tags=["one", "two"],
        Attachments=[
            {"Filename": "p.png", "Content": base64.b64encode(PNG).decode(), "ContentID": "pic"},
            {"Filename": "ä.txt", "Content": "data:text/plain;base64,aGk="},
        ],
    )
    message = site.ask(f"/api/v1/message/{sent.json['ID']}").json
    assert (message["Text"], message["HTML"], message["Subject"]) == (text, html, "Grüße")
    assert message["From"] == {"Name": "Änn", "Address": "ann@example.org"}
    assert message["Cc"] == [{"Name": 'C "c"', "Address": "cc@example.org"}]
    assert message["Bcc"] == [{"Name": "", "Address": "blind@example.org"}]
    assert (message["Tags"], message["ReplyTo"][0]["Address"]) == (["one", "two"], "reply@example.org")
    assert [(one["FileName"], one["ContentID"], one["ContentType"]) for one in message["Inline"]] == [
        ("p.png", "pic", "image/png")
    ]
    assert [(one["FileName"], one["Size"]) for one in message["Attachments"]] == [("ä.txt", 2)]


@pytest.mark.parametrize("text", ["plain", "two\r\nlines\r\n", "a\nb", "x" * 2000, "ünï", ".\r\n.", ""])
def test_text_gets_no_line_end_more(site, text):
    sent = send(site, Text=text)
    assert site.ask(f"/api/v1/message/{sent.json['ID']}").json["Text"] == text


@pytest.mark.parametrize("evil", ["x\r\nX-Evil: 1", "x\nX-Evil: 1", "x\rX-Evil: 1", "x\0", "x\u2028X-Evil: 1"])
def test_nothing_that_is_sent_adds_a_header(site, evil):
    for changes in (
        {"Subject": evil},
        {"From": {"Email": "ann@example.org", "Name": evil}},
        {"From": {"Email": f"{evil}@example.org"}},
        {"To": [{"Email": f"bob@{evil}"}]},
        {"Bcc": [f"{evil}@example.org"]},
        {"Headers": {"X-Fine": evil}},
        {"Headers": {evil: "fine"}},
        {"Tags": [evil]},
        {"Attachments": [{"Filename": evil, "Content": ""}]},
        {"Attachments": [{"Filename": "a", "Content": "", "ContentType": f"a/{evil}"}]},
        {"Attachments": [{"Filename": "a", "Content": "", "ContentID": evil}]},
    ):
        answer = send(site, **changes)
        assert (answer.status, [*answer.json]) == (400, ["Error"]), changes
    assert site.store.count().all == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"To": [{"Email": "nobody"}]}, "invalid To address"),
        ({"From": None}, "invalid From address"),
        ({"Headers": {"subject": "x"}}, 'cannot overwrite header: "subject"'),
        ({"Tags": ["a"], "Headers": {"X-Tags": "x"}}, 'cannot overwrite header: "X-Tags"'),
        ({"Attachments": [{"Filename": "a", "Content": "!"}]}, 'error decoding base64 attachment "a"'),
        ({"Attachments": ["x"]}, "expected an object"),
        ({"To": "x"}, "expected a list"),
        ({"Text": 1}, "expected a string"),
    ],
)
def test_what_cannot_be_sent_is_told(site, changes, error):
    answer = send(site, **changes)
    assert (answer.status, error in answer.json["Error"]) == (400, True), answer.text


def test_an_envelope_adds_no_header(site):
    """A quoted local part may have a line end where a server is lenient; what is added stays one line."""
    from smtpfix.web.message_json import one_line  # noqa: PLC0415

    assert one_line("a\r\nb\0\x85\u2028c") == "a  b   c"
