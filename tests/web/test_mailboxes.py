"""Mailboxes: who names one, and that below ``/m/NAME/`` nothing of another one is seen, changed or heard of."""

import http.client
import json
import smtplib
import threading
from contextlib import closing

import pytest

from smtpfix import InvalidValueError, NoMessage, connect
from smtpfix.cli.options import read_options
from smtpfix.store.mailboxes import MailboxBy, mailbox_name
from smtpfix.web import desk
from smtpfix.web.app import ROUTES
from smtpfix.web.mailboxes import MailboxStore, in_mailbox
from smtpfix.web.settings import WebSettings

from .test_events import Frames

pytestmark = pytest.mark.slow

OWN = "/api/smtpfix/v1"
USERS = {"users": {"one": "1", "two": "2", "three": "3"}}


def send(site, to, user=None, content=b"Subject: hello\r\n\r\nhello"):
    with smtplib.SMTP(site.server.host, site.server.port, timeout=10) as client:
        if user is not None:
            client.login(user, USERS["users"][user])
        client.sendmail("ann@example.org", [to], content)
    return site.store.page(limit=1).rows[0].id


@pytest.fixture
def site(open_site):
    return open_site(mailbox_by=MailboxBy.TAG)


@pytest.mark.parametrize(
    ("by", "to", "user", "mailbox"),
    [
        (MailboxBy.USER, "bob@example.org", "two", "two"),
        (MailboxBy.USER, "bob@example.org", None, ""),
        (MailboxBy.RECIPIENT, "Bob@example.org", None, "bob@example.org"),
        (MailboxBy.TAG, "bob+suite-1@example.org", None, "suite-1"),
        (MailboxBy.TAG, "bob@example.org", None, ""),
        (MailboxBy.SERVER, "bob@example.org", None, "plain"),
        (None, "bob+suite-1@example.org", None, ""),
    ],
)
def test_a_mailbox_is_named_by_what_was_chosen(open_site, by, to, user, mailbox):
    site = open_site(mailbox_by=by, policy=USERS)
    send(site, to, user)
    assert site.store.page().rows[0].mailbox == mailbox
    assert site.ask(f"{OWN}/mailboxes").json["mailboxes"] == [{"name": mailbox, "messages": 1}]


def test_a_message_sent_by_http_is_in_the_mailbox_it_was_sent_to(site):
    body = {"From": {"Email": "ann@example.org"}, "To": [{"Email": "bob+tag@example.org"}], "Subject": "x", "Text": "x"}
    site.ask("/api/v1/send", "POST", body)
    site.ask("/m/suite/api/v1/send", "POST", body)
    assert [row.mailbox for row in site.store.page().rows] == ["suite", "tag"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/b\\c", "a~2Fb~5Cc"),
        ("a_b_c", "a_b_c"),
        ("..", "~2E~2E"),
        ("a\r\nb\u202e ", "a~0D~0Ab~E2~80~AE~20"),
        ("~", "~7E"),
    ],
)
def test_a_mailboxs_name_is_one_piece_of_a_path(text, name):
    assert mailbox_name(text) == name


def test_users_whose_names_differ_in_what_no_path_may_have_share_nothing(open_site):
    names = ["team/ann", "team\\ann", "team_ann", "team~2Fann", "team"]
    site = open_site(mailbox_by=MailboxBy.USER, policy={"users": dict.fromkeys(names, "secret")})
    for name in names:
        with smtplib.SMTP(site.server.host, site.server.port, timeout=10) as client:
            client.login(name, "secret")
            client.sendmail("ann@example.org", ["bob@example.org"], f"Subject: {name}\r\n\r\n")
    boxes = ["team~2Fann", "team~5Cann", "team_ann", "team~7E2Fann", "team"]
    for name, box in zip(names, boxes, strict=True):
        (message,) = site.ask(f"/m/{box}/api/v1/messages").json["messages"]
        assert message["Subject"] == name


@pytest.fixture
def two(site):
    """Return a site with a message in each of two mailboxes; the ids of both."""
    return site, send(site, "bob+mine@example.org"), send(site, "eve+other@example.org")


def listed(answer):
    return [one["ID"] for one in answer.json["messages"]]


def test_every_way_to_a_message_ends_at_its_mailbox(two):
    """Ours is found by every path; the other one is not there, by id, part, search, tag or latest."""
    site, mine, _ = two
    for path in ("/api/v1/messages", "/api/v1/search?query=hello", f"{OWN}/messages", f"{OWN}/messages?mailbox=mine"):
        assert listed(site.ask(f"/m/mine{path}")) == [mine]
    assert site.ask(f"/m/mine{OWN}/messages?mailbox=other").json["messages"] == []
    assert site.ask("/m/mine/api/v2/messages").json["total"] == 1
    assert site.ask("/m/mine/api/v1/message/latest").json["ID"] == mine
    assert site.ask("/m/mine/api/v1/info").json["Messages"] == 1
    assert site.ask("/m/mine/api/v1/tags").json == ["mine"]
    assert site.ask(f"/m/mine{OWN}/mailboxes").json["mailboxes"] == [{"name": "mine", "messages": 1}]
    for path in (
        *(f"/api/v1/message/{{}}{rest}" for rest in ("", "/headers", "/raw", "/part/1", "/part/1/thumb")),
        *("/view/{}.txt", "/api/v1/messages/{}", "/api/v1/messages/{}/download"),
        *(f"{OWN}/messages/{{}}", f"{OWN}/messages/{{}}/raw"),
    ):
        answer = site.ask(f"/m/other{path.format(mine)}")
        assert answer.status in (400, 404) or answer.text == "null", path  # as MailHog says it
        if "part" not in path:
            assert site.ask(f"/m/mine{path.format(mine)}").status == 200, path
    assert len(listed(site.ask("/api/v1/messages"))) == 2
    assert (site.ask(f"/m/mine/view/{mine}").status, site.ask(f"/m/other/view/{mine}").status) == (302, 404)
    assert [one["messages"] for one in site.ask(f"/m/mine{OWN}/overview").json["servers"]] == [1]


def test_what_is_counted_for_all_is_told_to_all_only(two):
    """The store's place, its size, and how many messages every server has taken."""
    site, _, _ = two
    whole, one = (site.ask(f"{root}/api/v1/info").json for root in ("", "/m/mine"))
    assert (whole["Database"], whole["RuntimeStats"]["SMTPAccepted"]) == (site.store.where, 2)
    assert (one["Database"], one["DatabaseSize"], one["RuntimeStats"]["SMTPAccepted"]) == ("", 0, 0)
    assert "smtp_accepted_total 2" in site.ask("/metrics").text
    assert "smtp_accepted" not in site.ask("/m/mine/metrics").text


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/api/v1/messages", "DELETE", {"IDs": ["{other}"]}),
        ("/api/v1/messages", "DELETE", None),
        ("/api/v1/search?query=hello", "DELETE", None),
        ("/api/v1/messages", "PUT", {"Read": True}),
        ("/api/v1/tags", "PUT", {"IDs": ["{other}"], "Tags": ["x"]}),
        ("/api/v1/tags/other", "DELETE", None),
        ("/api/v1/tags/other", "PUT", {"Name": "x"}),
        ("/api/v1/messages/{other}", "DELETE", None),
        (f"{OWN}/messages", "DELETE", None),
        (f"{OWN}/messages", "PATCH", {"ids": ["{other}"], "read": True, "tags": ["x"]}),
    ],
)
def test_nothing_changes_in_another_mailbox(two, path, method, body):
    site, _, other = two
    before = site.store.get(other)
    body = json.dumps(body).replace("{other}", other).encode() if body else None
    site.ask(f"/m/mine{path.format(other=other)}", method, body)
    assert site.store.get(other) == before


def test_messages_are_read_by_their_numbers_in_their_own_mailbox_alone(two):
    site, *ids = two
    mine, other = (site.store.get(one) for one in ids)
    assert MailboxStore(site.store, "mine").rows([mine.seq, other.seq]) == {mine.seq: mine}
    assert MailboxStore(site.store, "other").rows([mine.seq, other.seq]) == {other.seq: other}


def test_a_tag_is_renamed_in_its_mailbox_alone(site):
    for box in ("mine", "other"):
        for _ in range(2):
            send(site, f"bob+{box}@example.org", content=b"X-Tags: both\r\nSubject: x\r\n\r\nx")
    assert site.ask("/m/mine/api/v1/tags/both", "PUT", {"Name": "new"}).status == 200
    assert (site.store.tags(mailbox="mine"), site.store.tags(mailbox="other")) == (
        {"mine": 2, "new": 2},
        {"both": 2, "other": 2},
    )
    assert site.ask("/m/mine/api/v1/tags/NEW", "PUT", {"Name": "New"}).status == 200
    assert site.ask("/m/mine/api/v1/tags/new", "DELETE").status == 200
    assert site.store.tags(mailbox="mine") == {"mine": 2}


def test_events_are_those_of_the_mailbox(site):
    with closing(http.client.HTTPConnection("127.0.0.1", site.web.port, timeout=10)) as connection:
        connection.request("GET", f"/m/mine{OWN}/events")
        stream = connection.getresponse()
        assert stream.readline().startswith(b"retry")
        send(site, "eve+other@example.org")
        site.ask("/m/other/api/v1/messages", "DELETE")
        mine = send(site, "bob+mine@example.org")
        events = []
        while len(events) < 1:
            line = stream.readline().decode()
            events += [json.loads(line[6:])] if line.startswith("data: ") else []
    assert events[0]["ID"] == mine


def test_mailboxes_that_are_not_there_take_no_memory(site, monkeypatch):
    """Whoever asks can name as many as he likes; those counted before are counted again."""
    monkeypatch.setattr(desk, "MOST_COUNTED", 2)
    send(site, "bob+mine@example.org")
    laid = desk.Desk(site.store, WebSettings())
    try:
        for name in ("mine", "a", "b", "c", "mine"):
            assert in_mailbox(laid, name).totals().all == (name == "mine")
        assert len(laid._totals) <= 2
    finally:
        laid.close()


def test_a_web_socket_hears_of_the_mailbox_alone(site):
    with closing(Frames(site, "/m/mine/api/events")) as frames:
        send(site, "eve+other@example.org")
        mine = send(site, "bob+mine@example.org")
        assert frames.of("new")["ID"] == mine


def test_waiting_is_for_messages_of_the_mailbox(site):
    seq = site.ask(f"/m/mine{OWN}/messages").json["seq"]
    send(site, "eve+other@example.org")
    answer = site.ask(f"/m/mine{OWN}/messages/wait?timeout=0.1&since={seq}")
    assert (answer.status, answer.json["newest"]) == (408, [])
    mine = send(site, "bob+mine@example.org")
    assert site.ask(f"/m/mine{OWN}/messages/wait?since={seq}").json["messages"][0]["message"]["ID"] == mine


def test_a_mailbox_without_a_slash_leads_to_it_and_an_empty_name_nowhere(site):
    answer = site.ask("/m/a%20b")
    assert (answer.status, answer.headers["Location"]) == (302, "/m/a%20b/")
    assert site.ask("/m/").status == 404
    assert site.ask("/m/a/m/b/api/v1/messages").status == 404
    assert site.ask("/m/nobody/api/v1/messages").json["messages"] == []


def test_everything_below_a_mailbox_needs_credentials(open_site):
    site = open_site(users={"ann": "s3cret"})
    assert site.ask("/m/mine").status == 401
    for route in ROUTES:
        for method in route.methods:
            path = route.path.replace("{", "").replace("}", "")
            assert site.ask(f"/m/mine{path}", method).status == 401, (method, path)
    assert site.ask("/m/mine/livez").status == 401


def test_three_suites_at_once_delete_everything_before_every_test_and_pass(open_site):
    """Each has a base URL and a login of its own; none sees another one's mail, or misses any of its own."""
    site = open_site(mailbox_by=MailboxBy.USER, policy=USERS)
    failures = []

    def suite(name):
        try:
            inbox = connect(f"http://127.0.0.1:{site.web.port}/m/{name}")
            for number in range(8):
                assert site.ask(f"/m/{name}/api/v1/messages", "DELETE").status == 200
                assert site.ask(f"/m/{name}/api/v1/messages").json["total"] == 0
                send(site, "bob@example.org", name, f"Subject: {name} {number}\r\n\r\nx")
                assert inbox.one(timeout=10).subject == f"{name} {number}"
                assert site.ask(f"/m/{name}/api/v1/messages").json["messages"][0]["Username"] == name
        except (AssertionError, NoMessage, OSError) as failed:
            failures.append(failed)

    threads = [threading.Thread(target=suite, args=(name,)) for name in USERS["users"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert site.store.mailboxes() == dict.fromkeys(sorted(USERS["users"]), 1)


def test_mailboxes_are_chosen_on_the_command_line():
    assert read_options(web="0", mailbox_by="user").web.mailbox_by is MailboxBy.USER
    with pytest.raises(InvalidValueError, match="one of user, recipient, tag, server"):
        read_options(web="0", mailbox_by="size")
    with pytest.raises(InvalidValueError, match="--mailbox-by: it is about a store"):
        read_options(mailbox_by="user")
