"""Accounts in the own API: what readers find, how it is marked, and what they took out."""

import imaplib
import poplib
from contextlib import ExitStack, closing

import pytest

from smtpfix import ImapPolicy, Policy, Pop3Policy, Server
from smtpfix.cli.keeping import keeping
from smtpfix.web import accounts
from smtpfix.web.runner import WebServer
from smtpfix.web.settings import WebSettings

from .conftest import Site

PATH = "/api/smtpfix/v1/accounts"
BOUND = 10
USERS = {"ann": "s3cret-password", "bob": "another-s3cret"}


@pytest.fixture
def readable(tmp_path):
    """Return a site with servers for SMTP, IMAP and POP3 on one inbox, and these."""
    with ExitStack() as opened:
        kept = opened.enter_context(keeping(str(tmp_path / "mail.db"), None, None, lambda _: "smtp"))
        smtp = opened.enter_context(Server(Policy("plain"), keep=kept.keep))
        imap = opened.enter_context(Server(ImapPolicy("plain", users=USERS, folders=["Archive"]), inbox=smtp.inbox))
        pop3 = opened.enter_context(Server(Pop3Policy("plain", users=USERS), inbox=smtp.inbox))
        servers = {"smtp": smtp, "imap": imap, "pop3": pop3}
        settings = WebSettings(host="127.0.0.1", port=0)
        web = opened.enter_context(WebServer(kept.store, settings, servers=servers, run=kept.run))
        yield Site(web, smtp, kept.store), imap, pop3


def put(imap, *subjects, user="ann"):
    for subject in subjects:
        imap.inbox.accounts.put(f"Subject: {subject}\r\n\r\nx", to=user)


def test_what_readers_marked_and_took_out_is_listed_with_their_sessions(readable):
    site, imap, pop3 = readable
    site.send(to=["ann@example.org"])
    put(imap, "second", "third", "fourth")
    with imaplib.IMAP4(imap.host, imap.port, timeout=BOUND) as client:
        client.login("ann", USERS["ann"])
        client.select()
        client.fetch("1", "(RFC822)")
        client.copy("1", "Archive")
        client.store("2", "+FLAGS", "(\\Deleted $Junk)")
        client.store("3", "+FLAGS", "\\Deleted")
        client.uid("EXPUNGE", "3")
    with closing(poplib.POP3(pop3.host, pop3.port, timeout=BOUND)) as client:
        client.user("ann")
        client.pass_(USERS["ann"])
        client.dele(1)
        client.quit()
    answer = site.ask(PATH)
    assert not any(secret.encode() in answer.body for secret in USERS.values())
    assert (answer.json["servers"], answer.json["count"]) == (["imap", "pop3"], 2)
    ann, bob = answer.json["accounts"]
    assert (bob["user"], bob["messages"], bob["gone"]) == ("bob", 0, [])
    inbox, archive = ann["folders"]
    assert [(one["subject"], one["flags"]) for one in inbox["messages"]] == [
        ("fourth", []),
        ("second", ["$Junk", "\\Deleted"]),
    ]
    assert (inbox["count"], inbox["seen"], inbox["deleted"]) == (2, 0, 1)
    assert [(one["subject"], one["retrievals"], one["is_captured"]) for one in archive["messages"]] == [
        ("hello", 1, True)
    ]
    popped, expunged = ann["gone"]
    assert (popped["how"], popped["subject"], expunged["how"], expunged["subject"]) == (
        "QUIT",
        "hello",
        "EXPUNGE",
        "third",
    )
    assert (ann["gone_count"], ann["lost_count"]) == (2, 1)  # what was copied is not lost
    assert site.ask(f"/api/smtpfix/v1/sessions/{expunged['session']}").json["server"] == "imap"
    assert site.ask(f"/api/smtpfix/v1/sessions/{popped['session']}").json["server"] == "pop3"


def test_the_answer_is_bounded_and_says_how_much_there_is(readable, monkeypatch):
    monkeypatch.setattr(accounts, "MOST_MESSAGES", 3)
    monkeypatch.setattr(accounts, "MOST_ACCOUNTS", 2)
    site, imap, _ = readable
    imap.inbox.accounts.admit(["cy"])
    put(imap, "one", "two", "x" * 5000)
    put(imap, "three", "four", user="bob")
    answer = site.ask(PATH).json
    assert answer["count"] == 3
    ann, bob = answer["accounts"]
    assert [one["subject"] for one in ann["folders"][0]["messages"]] == ["x" * accounts.LONGEST, "two", "one"]
    assert (bob["folders"][0]["count"], bob["folders"][0]["messages"]) == (2, [])


def test_one_mailbox_has_no_accounts(readable):
    """They would show what is everybody's to who may see one mailbox."""
    site, imap, _ = readable
    put(imap, "hidden")
    answer = site.ask(f"/m/one{PATH}")
    assert answer.status == 403
    assert b"hidden" not in answer.body
    assert site.ask("/api/smtpfix/v1/overview").json["has_accounts"] is True
    assert site.ask("/m/one/api/smtpfix/v1/overview").json["has_accounts"] is False


def test_without_readers_there_are_none(site):
    assert site.ask(PATH).json["accounts"] == []
    assert site.ask("/api/smtpfix/v1/overview").json["has_accounts"] is False
