"""Who has access to what: credentials of everything and of one mailbox, and what is never shown to anybody."""

import base64
import contextlib
import os
import re
import smtplib
import subprocess
import sys

import pytest

from smtpfix import InvalidValueError
from smtpfix.cli.options import read_options
from smtpfix.store.mailboxes import MailboxBy
from smtpfix.store.stored import stored_session
from smtpfix.web.app import ROUTES
from smtpfix.web.settings import read_mailbox_users

pytestmark = pytest.mark.slow

OWN = "/api/smtpfix/v1"
SETTINGS = {
    "users": {"admin": "all0fit"},
    "mailbox_users": {"mine": {"ann": "ann5"}, "other": {"eve": "eve5"}},
    "mailbox_by": MailboxBy.TAG,
}


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


ADMIN, ANN, EVE = basic("admin", "all0fit"), basic("ann", "ann5"), basic("eve", "eve5")


@pytest.fixture
def shared(open_site):
    """Return a site with a message in each of two mailboxes, and their ids."""
    site = open_site(**SETTINGS)
    return site, site.send(to=["bob+mine@example.org"]), site.send(to=["bob+other@example.org"])


def paths(known):
    """Yield each method of each route, about a message where it is about one."""
    for route in ROUTES:
        for method in route.methods:
            yield method, re.sub(r"{[^}]*}", known, route.path)


def test_a_mailboxs_credentials_are_none_anywhere_else(shared):
    """By every route and method, without a mailbox in the path and in that of somebody else."""
    site, mine, other = shared
    before = [site.store.get(one) for one in (mine, other)]
    for method, path in paths(mine):
        if path in ("/livez", "/readyz"):
            continue
        assert site.ask(path, method, Authorization=ANN).status == 401, (method, path)
        assert site.ask(f"/m/mine{path}", method, Authorization=EVE).status == 401, (method, path)
        assert site.ask(f"/m/%6dine{path}", method, Authorization=EVE).status == 401, (method, path)
    assert [site.store.get(one) for one in (mine, other)] == before
    assert site.ask("/m/mine/livez", Authorization=EVE).status == 401


def test_a_mailboxs_credentials_reach_its_mail_and_that_of_no_other(shared):
    site, mine, other = shared
    listed = site.ask("/m/mine/api/v1/messages", Authorization=ANN).json["messages"]
    assert [one["ID"] for one in listed] == [mine]
    for method, path in paths(other):
        if method == "GET" and not path.endswith(("/events", "/wait")):
            answer = site.ask(f"/m/mine{path}", method, Authorization=ANN)
            assert "+other" not in answer.text.replace("%2B", "+"), path
    assert site.ask("/m/mine/api/v1/messages", "DELETE", Authorization=ANN).status == 200
    assert [row.id for row in site.store.page().rows] == [other]


def test_a_mailboxs_credentials_leave_servers_as_they_are(shared):
    site, _, _ = shared
    path = f"/m/mine{OWN}/servers/plain"
    for method, asked, body in (
        ("PUT", path, {"scenario": "greeting-554"}),
        ("POST", f"{path}/rules", {"text": "NOOP: 250"}),
        ("DELETE", f"{path}/rules", None),
    ):
        assert site.ask(asked, method, body, Authorization=ANN).status == 403
    assert site.ask(path, Authorization=ANN).status == 200
    assert site.ask(path, "PUT", {"scenario": "greeting-554"}, Authorization=ADMIN).status == 200


def test_no_sample_is_sent_from_a_mailbox_into_another_one(shared):
    """It comes by SMTP, to whatever mailbox its recipient, its user or its server stands for."""
    site, _, _ = shared
    before = site.store.count().all
    for key in (ANN, ADMIN):
        assert site.ask(f"/m/mine{OWN}/overview", Authorization=key).json["may_send_sample"] is False
        answer = site.ask(f"/m/mine{OWN}/servers/plain/sample", "POST", Authorization=key)
        assert (answer.status, "without /m/" in answer.json["error"]) == (403, True)
    assert site.store.count().all == before
    assert site.ask(f"{OWN}/overview", Authorization=ADMIN).json["may_send_sample"] is True
    assert site.ask(f"{OWN}/servers/plain/sample", "POST", Authorization=ADMIN).status == 200


def test_who_may_use_everything_may_use_every_mailbox(shared):
    site, mine, other = shared
    for box, known in (("mine", mine), ("other", other)):
        assert site.ask(f"/m/{box}/api/v1/message/{known}", Authorization=ADMIN).status == 200


def test_a_session_that_brought_mail_to_two_mailboxes_is_shown_in_neither(shared):
    """Its dialogue has the addresses of both."""
    site, _, _ = shared
    with smtplib.SMTP(site.server.host, site.server.port, timeout=10) as client:
        for box in ("mine", "other"):
            client.sendmail("ann@example.org", [f"bob+{box}@example.org"], b"Subject: x\r\n\r\nx")
    rows = site.store.page(limit=10).rows
    run = rows[0].session.partition("-")[0]
    site.store.put_sessions([stored_session(one, server="plain", run=run) for one in site.server.sessions])
    both, alone = rows[0].session, next(row.session for row in rows[2:] if row.mailbox == "mine")
    listed = site.ask(f"/m/mine{OWN}/sessions", Authorization=ANN).json["sessions"]
    assert [one["id"] for one in listed] == [alone]
    assert site.ask(f"/m/mine{OWN}/sessions/{both}", Authorization=ANN).status == 404
    assert site.ask(f"/m/mine{OWN}/sessions/{alone}", Authorization=ANN).status == 200
    assert site.ask(f"{OWN}/sessions/{both}", Authorization=ADMIN).status == 200


# What is never shown


def test_the_servers_own_credentials_are_in_no_answer(shared):
    site, mine, _ = shared
    for method, path in paths(mine):
        if path.endswith(("/events", "/wait")) or method != "GET":
            continue
        answer = site.ask(path, Authorization=ADMIN)
        shown = answer.text + str(answer.headers.items())
        assert not any(secret in shown for secret in ("all0fit", "ann5", "eve5", ADMIN[6:])), path


def test_a_clients_password_is_in_no_answer(open_site):
    """Neither the right one nor a wrong one, nor in any encoding of a login; only that there was one."""
    site = open_site(policy={"users": {"ann": "r1ghtpass"}})
    with smtplib.SMTP(site.server.host, site.server.port, timeout=10) as client:
        client.ehlo()
        with contextlib.suppress(smtplib.SMTPAuthenticationError):
            client.user, client.password = "ann", "wr0ngpass"
            client.auth("LOGIN", client.auth_login)
        client.login("ann", "r1ghtpass")
        client.sendmail("ann@example.org", ["bob@example.org"], b"Subject: hello\r\n\r\nhello\r\n")
    row = site.store.page().rows[0]
    (session,) = site.server.sessions
    site.store.put_sessions([stored_session(session, server="plain", run=row.session.partition("-")[0])])
    assert row.username == "ann"
    secrets = [text for one in ("r1ghtpass", "wr0ngpass") for text in (one, base64.b64encode(one.encode()).decode())]
    secrets.append(base64.b64encode(b"\0ann\0r1ghtpass").decode())
    asked = {
        path for known in (row.id, row.session, "plain", "latest") for method, path in paths(known) if method == "GET"
    }
    found = 0
    for path in asked:
        if path.endswith("/events"):  # which has no end; what it has is looked at below
            continue
        answer = site.ask(f"{path}?timeout=0" if path.endswith("/wait") else path)
        found += "AUTH" in answer.text
        assert not any(secret in answer.text for secret in secrets), path
    assert found >= 2  # the dialogue was there to be looked at
    data = str([change.data for change in site.store.changes(0)])
    assert not any(secret in data for secret in secrets)


# Where they are from


def test_mailboxes_credentials_are_read_from_a_file(tmp_path, monkeypatch):
    path = tmp_path / "auth"
    path.write_text("# suites\nmine/ann:ann:5\n\nmine/bob:x\nother/eve:eve5\n", encoding="utf-8")
    assert read_mailbox_users(path) == {"mine": {"ann": "ann:5", "bob": "x"}, "other": {"eve": "eve5"}}
    monkeypatch.setenv("MP_UI_AUTH", "admin:all0fit")
    assert read_options(web="0", web_mailbox_auth=path).web.mailbox_users["other"] == {"eve": "eve5"}
    assert "eve5" not in repr(read_options(web="0", web_mailbox_auth=path))
    monkeypatch.delenv("MP_UI_AUTH")
    with pytest.raises(InvalidValueError, match="MP_UI_AUTH too"):
        read_options(web="0", web_mailbox_auth=path)
    with pytest.raises(InvalidValueError, match="add --web"):
        read_options(web_mailbox_auth=path)
    for wrong in ("tops3cret", "mine/tops3cret", "/ann:tops3cret", "mine/:tops3cret"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InvalidValueError, match="a line MAILBOX/NAME:PASSWORD") as failed:
            read_mailbox_users(path)
        assert "tops3cret" not in str(failed.value)
    with pytest.raises(InvalidValueError, match="a text file"):
        read_mailbox_users(tmp_path / "none")


@pytest.mark.parametrize(
    ("where", "auth", "is_told"), [("0.0.0.0:0", None, True), ("0.0.0.0:0", "ann:x", False), ("0", None, False)]
)
def test_any_address_but_localhost_without_credentials_is_a_warning_in_one_line(where, auth, is_told):
    names = {name: value for name, value in os.environ.items() if not name.startswith(("MP_", "MH_"))}
    command = [sys.executable, "-m", "smtpfix", "serve", "--listen", "plain:0", "--web", where, "--timeout", "0.1"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=names | ({} if auth is None else {"MP_UI_AUTH": auth}),
    )
    assert (
        len(re.findall("^.*anyone who can reach 0.0.0.0 can read the mail: set MP_UI.*$", done.stderr, re.MULTILINE))
        == is_told
    )
