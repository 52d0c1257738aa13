"""MailHog's API: each method, beside Mailpit's on one root."""

import base64

M = {"ID", "From", "To", "Content", "Created", "MIME", "Raw"}
MULTIPART = (
    b"From: ann@example.org\r\nSubject: =?utf-8?q?x?=\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n'
    b'--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename="a.html"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"<script>") + b"\r\n--b--\r\n"
)


def test_messages_are_listed_as_mailhog_does(site):
    first = site.send()
    site.send(MULTIPART, to=["bob@example.org", "carl@example.org"])
    answer = site.ask("/api/v2/messages?limit=1")
    assert answer.headers["Content-Type"] == "text/json"
    assert (answer.json["total"], answer.json["count"], answer.json["start"]) == (2, 1, 0)
    message = answer.json["items"][0]
    assert set(message) == M
    assert message["To"][1] == {"Relays": None, "Mailbox": "carl", "Domain": "example.org", "Params": ""}
    assert message["Raw"]["Data"] == MULTIPART.decode()
    content = message["Content"]
    assert (content["Headers"]["Subject"], content["MIME"]) == (["=?utf-8?q?x?="], None)
    assert content["Headers"]["Return-Path"] == ["<ann@example.org>"]
    assert {"Message-ID", "Received"} <= set(content["Headers"])
    assert [part["Body"] for part in message["MIME"]["Parts"]] == ["hello", base64.b64encode(b"<script>").decode()]
    older = site.ask("/api/v2/messages?start=1").json["items"]
    assert [(one["ID"], one["Content"]["Body"], one["MIME"]) for one in older] == [
        (f"{first}@smtpfix.test", "hello", None)
    ]


def test_a_search_looks_into_senders_recipients_or_everything(site):
    site.send()
    site.send(MULTIPART, to=["carl@example.org"])
    for kind, wanted, count in (("from", "ann@", 2), ("to", "CARL", 1), ("containing", "hello", 2), ("to", "_", 0)):
        found = site.ask(f"/api/v2/search?kind={kind}&query={wanted}")
        assert (found.json["total"], found.headers["Content-Type"]) == (count, "application/json"), kind
    assert site.ask("/api/v2/search?kind=other&query=x").status == 400
    assert site.ask("/api/v2/search?kind=to").status == 400


def test_one_message(site):
    id_ = f"{site.send(MULTIPART)}@smtpfix.test"
    assert site.ask(f"/api/v1/messages/{id_}").json["ID"] == id_
    unknown = site.ask("/api/v1/messages/unknown@smtpfix.test")
    assert (unknown.status, unknown.json) == (200, None)
    saved = site.ask(f"/api/v1/messages/{id_}/download")
    assert (saved.body, saved.headers["Content-Type"]) == (MULTIPART, "message/rfc822")
    part = site.ask(f"/api/v1/messages/{id_}/mime/part/1/download")
    assert (part.body, part.headers["Content-Disposition"]) == (b"<script>", 'attachment; filename="a.html"')
    assert [site.ask(f"/api/v1/messages/{id_}/mime/part/{n}/download").status for n in ("2", "x", "-1")] == [404] * 3
    assert site.ask(f"/api/v1/messages/{id_}/release", "POST", {"Host": "x", "Port": "25"}).status == 400
    deleted = site.ask(f"/api/v1/messages/{id_}", "DELETE")
    assert (deleted.status, deleted.body) == (200, b"")
    assert site.ask(f"/api/v1/messages/{id_}", "DELETE").status == 500


def test_deleting_all_answers_nothing_to_who_accepts_nothing(site):
    """MailHog's client reads any body as JSON; Mailpit's sends Accept, and expects ok."""
    site.send()
    answer = site.ask("/api/v1/messages", "DELETE")
    assert (answer.status, answer.body, site.store.count().all) == (200, b"", 0)


def test_jim_comes_and_goes(site):
    assert site.ask("/api/v2/jim").status == 404
    assert [site.ask("/api/v2/jim", "POST").status for _ in range(2)] == [201, 400]
    assert site.ask("/api/v2/jim").json["AcceptChance"] == 0.99
    assert site.ask("/api/v2/jim", "PUT", {"AcceptChance": 0.5}).status == 200
    assert site.ask("/api/v2/jim").json["AcceptChance"] == 0.5
    assert site.ask("/api/v2/jim", "PUT", {"AcceptChance": "x"}).status == 400
    assert [site.ask("/api/v2/jim", "DELETE").status for _ in range(2)] == [200, 404]
    assert site.ask("/api/v2/outgoing-smtp").json == {}
