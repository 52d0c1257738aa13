"""One message is sent on where it is configured to, to whom it may go to, and nowhere else."""

import json
import smtplib
from contextlib import contextmanager

import pytest

from smtpfix import InvalidValueError, Policy, Reply, Rule, Server
from smtpfix.web.outgoing import Begin, Outgoing, Relay
from smtpfix.web.release import changed

pytestmark = pytest.mark.slow

MAIL = (
    b"Bcc: secret@example.org,\r\n hidden@example.org\r\nFrom: ann@example.org\r\n"
    b"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
    b"Message-ID: <old@example.org>\r\nSubject: on\r\n folded\r\nReturn-Path: <x@example.org>\r\n\r\n"
    b"Bcc: in the text\r\n.\r\n"
)
OWN = "/api/smtpfix/v1/messages"


def relaying(server, **fields):
    return Outgoing(relay=Relay(host=server.host, port=server.port, **fields))


def ways(id_, to, host="", port=""):
    """Yield each way to ask for a release: path and body."""
    yield f"/api/v1/message/{id_}/release", {"To": [to]}
    yield f"/api/v1/messages/{id_}@smtpfix.test/release", {"Host": host, "Port": port, "Email": to}
    yield f"{OWN}/{id_}/release", {"to": [to]}


def test_a_message_goes_to_the_relay_by_each_api_with_its_own_headers_and_without_bcc(open_site):
    with Server(Policy()) as relay:
        site = open_site(outgoing=relaying(relay))
        id_ = site.send(MAIL)
        answers = [site.ask(path, "POST", body) for path, body in ways(id_, "Cy <cy@example.org>")]
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert (answers[0].text, answers[1].body) == ("ok", b"")
        assert answers[2].json == {"released": ["cy@example.org"], "relay": f"{relay.host}:{relay.port}"}
        first, *others = relay.inbox
        assert len(others) == 2
        assert (first.envelope.reverse_path, first.envelope.recipients) == ("ann@example.org", ("cy@example.org",))
        head, _, body = first.content.partition(b"\r\n\r\n")
        assert body == b"Bcc: in the text\r\n.\r\n"
        names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] != b" "]
        assert names == [b"Return-Path", b"Date", b"Message-ID", b"From", b"Subject"]
        assert b"secret" not in head
        assert b"hidden" not in head
        assert b"1970" not in head
        assert b"old@" not in head
        assert b"Subject: on\r\n folded" in head
        assert site.ask("/api/v1/webui").json["MessageRelay"]["SMTPServer"] == f"{relay.host}:{relay.port}"


def test_without_a_relay_nothing_goes_anywhere(site):
    """Sentence 18: not even to a server that the request names."""
    with Server(Policy()) as elsewhere:
        id_ = site.send(MAIL)
        asked = ways(id_, "cy@example.org", elsewhere.host, str(elsewhere.port))
        assert [site.ask(path, "POST", body).status for path, body in asked] == [400, 400, 403]
        assert site.ask("/api/v2/outgoing-smtp").json == {}
        assert list(elsewhere.sessions) == []


def test_host_and_port_never_come_from_the_request(open_site):
    """Sentence 20; MailHog's clients may name the relay itself."""
    with Server(Policy()) as relay, Server(Policy()) as elsewhere:
        site = open_site(outgoing=relaying(relay))
        id_ = site.send(MAIL)
        for body in ({"Host": elsewhere.host, "Port": str(elsewhere.port)}, {"Host": "x"}, {"Port": elsewhere.port}):
            asked = {**body, "Email": "cy@example.org"}
            assert site.ask(f"/api/v1/messages/{id_}/release", "POST", asked).status == 400
            asked = {**body, "to": ["cy@example.org"], "relay": f"{elsewhere.host}:{elsewhere.port}"}
            assert site.ask(f"{OWN}/{id_}/release", "POST", asked).status == 200
        named = next(iter(site.ask("/api/v2/outgoing-smtp").json.values()))
        asked = {"Host": named["Host"], "Port": named["Port"], "Email": "cy@example.org"}
        assert site.ask(f"/api/v1/messages/{id_}/release", "POST", asked).status == 200
        assert (len(relay.inbox), list(elsewhere.sessions)) == (4, [])


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("", "Invalid email address"),
        ("cy", "Invalid email address"),
        ("cy@example.org\r\nRCPT TO:<x@example.org>", "Invalid email address"),
        ("cy@example.org>\nX: y", "Invalid email address"),
        ("cy\0@example.org", "Invalid email address"),
        ("cy@example.org> <x@example.org", "Invalid email address"),
        ("cy@example.com", "do not match the allowlist"),
        ("cy@example.org.example.com", "do not match the allowlist"),
        ("joann@example.com", "do not match the allowlist"),
        ("boss@example.org", "found on blocklist"),
    ],
)
def test_a_recipient_that_may_get_nothing_is_told_and_nothing_is_sent(open_site, to, said):
    """Sentences 20 and 28; the list of the own option means whole addresses."""
    with Server(Policy()) as server:
        place = f"{server.host}:{server.port}"
        relay = Relay.read(place, ["*@example.org", "ann@example.com"])
        assert relay.refusal("Ann@example.com") == ""
        fields = {"allowed": relay.allowed, "blocked": "^boss@"}
        site = open_site(outgoing=relaying(server, **fields))
        id_ = site.send(MAIL)
        for path, body in ways(id_, to):
            answer = site.ask(path, "POST", body)
            assert answer.status == 400, path
            assert path.startswith("/api/v1/messages/") or said in answer.text
        assert site.ask(f"/api/v1/message/{id_}/release", "POST", {"To": []}).text == "No valid addresses found"
        assert site.ask(f"/api/v1/message/{id_}/release", "POST", {"To": ["a@example.org", to]}).status == 400
        assert site.ask(f"/api/v1/message/{id_}/release", "POST", {"To": ["a@example.org"] * 2}).status == 200
        assert [one.envelope.recipients for one in server.inbox] == [("a@example.org",)]


@contextmanager
def tls_relay(**fields):
    policy = Policy("starttls", users={"ann": "tops3cret"}, require_auth=True, **fields)
    with Server(policy) as server:
        yield server


def test_a_relay_s_refusal_and_its_certificate_are_told_and_never_its_password(open_site):
    with tls_relay() as server:
        fields = {"user": "ann", "password": "tops3cret", "tls": Begin.STARTTLS}
        site = open_site(outgoing=relaying(server, verify=False, **fields))
        id_ = site.send(MAIL)
        (path, body), *_ = ways(id_, "cy@example.org")
        assert site.ask(path, "POST", body).text == "ok"
        server.add_rule(Rule("RCPT", (Reply(550, "5.1.1", "tops3cret for dG9wczNjcmV0"),)))
        refused = site.ask(path, "POST", body)
        assert (refused.status, refused.text[:36]) == (400, "SMTP error: cy@example.org: 550 5.1.")
        assert "tops3cret" not in refused.text
        assert "dG9wczNjcmV0" not in refused.text
        assert "tops3cret" not in json.dumps(site.ask("/api/v1/webui").json) + repr(site.web._settings)
        careful = open_site(outgoing=relaying(server, **fields))
        assert "certificate verify failed" in careful.ask(path, "POST", body).text
    assert careful.ask(path, "POST", body).text.startswith("SMTP error: ")  # it has closed


def test_what_goes_out_is_one_message_whatever_its_line_ends_say(open_site):
    """A dot between line ends that only some servers take for such would let a message's text speak SMTP."""
    evil = b"Subject: x\n\none\r.\r\nMAIL FROM:<x@example.org>\n.\nQUIT\r\n"
    with Server(Policy()) as relay:
        site = open_site(outgoing=relaying(relay))
        id_ = site.ask("/api/v1/send", "POST", {"From": {"Email": "a@example.org"}, "Text": "x"}).json["ID"]
        row = site.store.get(id_)
        with smtplib.SMTP(relay.host, relay.port) as client:
            client.sendmail("a@example.org", "b@example.org", changed(evil, Relay(host="x", port=1), row.reverse_path))
        content = relay.inbox.one().content
    assert b"\r\n.\r\nMAIL" in content
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"\r\nBcc: text\r\n", b"no header", b"Bcc: a@example.org\r\n", b": \n \n"]
)
def test_any_message_has_a_head_and_a_body_when_it_goes_out(content):
    relay = Relay(host="x", port=1, override_from="ann@example.org", keep_message_id=True)
    head, end, body = changed(content, relay, "a\r\nX-Evil: 1@example.org").partition(b"\r\n\r\n")
    assert end
    assert head.split(b"\r\n")[0] == b"Return-Path: <a  X-Evil: 1@example.org>"
    assert b"From: <ann@example.org>" in head.split(b"\r\n")
    assert (b"Bcc" in body) is content.startswith(b"\r\nBcc")


def test_where_it_goes_is_read_from_options_and_from_mailpit_s_names():
    read = Relay.read("smtp+starttls://ann:p%40ss@mail.example.org:587", ["*@a.example", "bob@b.example"])
    assert (read.where, read.tls, read.user, read.password) == ("mail.example.org:587", "smtp+starttls", "ann", "p@ss")
    assert [read.refusal(one) == "" for one in ("x@A.example", "bob@b.example", "eve@b.example")] == [True, True, False]
    assert Relay.read("[::1]:25").where == "[::1]:25"
    names = {"HOST": "mail", "PORT": "2525", "AUTH": "login", "USERNAME": "ann", "PASSWORD": "x", "TLS": "true"}
    names |= {"ALLOWED_RECIPIENTS": "@example\\.org$", "PRESERVE_MESSAGE_IDS": "1", "ALLOW_INSECURE": "yes"}
    relay = Outgoing.read({f"MP_SMTP_RELAY_{name}": value for name, value in names.items()}).relay
    assert relay == Relay(
        host="mail",
        port=2525,
        tls=Begin.IMPLICIT,
        verify=False,
        user="ann",
        password="x",
        allowed="@example\\.org$",
        keep_message_id=True,
    )
    assert Outgoing.read({}).relay is None
    for where in ("mail", "mail:0", "mail:99999", "http://mail:25", "mail:25/x", "smtp://ann:tops3cret@mail"):
        with pytest.raises(InvalidValueError, match="--release-to: expected HOST:PORT") as caught:
            Relay.read(where)
        assert "tops3cret" not in str(caught.value)
    for name, value in (("PORT", "x"), ("AUTH", "scram"), ("ALLOWED_RECIPIENTS", "("), ("RETURN_PATH", "a b")):
        with pytest.raises(InvalidValueError, match="MP_SMTP_RELAY_"):
            Relay.of_environment({"MP_SMTP_RELAY_HOST": "mail", f"MP_SMTP_RELAY_{name}": value})
    with pytest.raises(InvalidValueError, match="--release-to with it"):
        Outgoing.read({}, release_allow=["*"])
