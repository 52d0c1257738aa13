"""Sessions, while they last and afterwards; the servers; and a sample for one."""

import smtplib

import pytest

from smtpfix import Reply
from smtpfix.store.mailboxes import MailboxBy

pytestmark = pytest.mark.slow

BOUND = 10
"""Seconds after which an answer has failed to come."""
OWN = "/api/smtpfix/v1"


@pytest.fixture
def site(open_site):
    return open_site(keeps_sessions=True)


def test_a_message_is_there_with_its_session_while_that_lasts(site):
    with smtplib.SMTP(site.server.host, site.server.port, timeout=BOUND) as client:
        client.sendmail("ann@example.org", ["bob@example.org"], b"Subject: x\r\n\r\nx")
        during = site.ask(f"{OWN}/messages/latest").json["session"]
        lasting = site.ask(f"{OWN}/sessions").json
    site.kept_sessions(1)
    after = site.ask(f"{OWN}/messages/latest").json["session"]
    assert (during["id"], during["facts"]["end"]) == (after["id"], None)
    assert [one["id"] for one in lasting["lasting"]] == [during["id"]]
    assert lasting["sessions"] == []
    assert after["facts"]["end"] == "quit"
    assert [one["lines"] for one in after["dialogue"]][-2:] == [["221 2.0.0 Bye"], ["end: quit"]]
    assert site.ask(f"{OWN}/sessions").json["lasting"] == []


def test_sessions_without_mail_and_those_that_failed(site):
    site.send()
    client = smtplib.SMTP(site.server.host, site.server.port, timeout=BOUND)
    client.ehlo()
    client.close()
    _, good = site.kept_sessions(2)
    for query in ("failed=1", "without_mail=1"):
        (found,) = site.ask(f"{OWN}/sessions?{query}").json["sessions"]
        assert (found["facts"]["end"], found["dialogue"]) == ("client closed", None)
        assert found["id"] != good.id
        assert site.ask(f"{OWN}/sessions/{found['id']}").json["dialogue"][1]["lines"][0].startswith("ehlo")


def test_a_session_of_another_process_is_not_taken_for_one_of_these(site):
    with smtplib.SMTP(site.server.host, site.server.port, timeout=BOUND):
        (one,) = site.ask(f"{OWN}/sessions").json["lasting"]
        other = one["id"].replace(one["id"][0], "0" if one["id"][0] != "0" else "1", 1)
        assert site.ask(f"{OWN}/sessions/{one['id']}").status == 200
        assert site.ask(f"{OWN}/sessions/{other}").status == 404


def test_what_is_against_the_standards_is_told_with_a_message(site):
    """Also what depends on the parameters of MAIL."""
    octets = b"Subject: gr\xc3\xbcn\r\nBcc: eve@example.org\r\n\r\nx\n\r\n"
    site.send(octets, to=["bob@example.org", "eve@example.org"])
    found = {one["id"] for one in site.ask(f"{OWN}/messages/latest").json["violations"]}
    assert {"headers-without-smtputf8", "bcc-in-headers"} <= found
    with smtplib.SMTP(site.server.host, site.server.port, timeout=BOUND) as client:
        client.sendmail("ann@example.org", ["bob@example.org"], octets, ["SMTPUTF8", "BODY=8BITMIME"])
    found = {one["id"] for one in site.ask(f"{OWN}/messages/latest").json["violations"]}
    assert "headers-without-smtputf8" not in found
    assert "bcc-in-headers" in found


def test_mailboxes_are_told_where_something_names_them(open_site):
    site = open_site(mailbox_by=MailboxBy.TAG)
    site.send(to=["ann+one@example.org"])
    site.send()
    told = site.ask(f"{OWN}/overview").json
    assert (told["mailbox"], told["mailboxes"]) == (None, {"": 1, "one": 1})
    told = site.ask(f"/m/one{OWN}/overview").json
    assert (told["mailbox"], told["mailboxes"]) == ("one", {})


def test_the_servers_are_told_with_the_messages_that_came(site):
    site.send()
    assert site.ask(f"{OWN}/overview").json["servers"] == [
        {
            "name": "plain",
            "messages": 1,
            "protocol": "smtp",
            "mode": "plain",
            "host": site.server.host,
            "port": site.server.port,
            "takes_mail": True,
            "requires_login": False,
            "has_ca": False,
        }
    ]


def test_a_sample_comes_as_any_mail_does(open_site):
    site = open_site(policy={"mode": "tls-required", "users": {"ann": "secret"}, "require_auth": True})
    assert site.ask(f"{OWN}/servers/plain/sample", "POST").json == {"sent": True}
    one = site.ask(f"{OWN}/messages/latest").json
    assert one["message"]["Subject"] == "A sample for plain"
    assert one["codes"] == ["493021"]
    assert [attempt["user"] for attempt in one["session"]["facts"]["auth"]] == ["ann"]
    assert one["smtp"]["in_tls"]
    assert one["violations"] == one["session"]["facts"]["violations"] == []


def test_a_sample_that_is_not_taken_is_told_with_the_reply(site):
    site.server.on("RCPT", Reply(550, "5.1.1", "Nobody here"))
    answer = site.ask(f"{OWN}/servers/plain/sample", "POST")
    assert (answer.status, answer.json["error"]) == (502, "plain did not take the sample: 550 5.1.1 Nobody here")
    answer = site.ask(f"{OWN}/servers/%3Cb%3E/sample", "POST")
    assert (answer.status, answer.json["error"]) == (404, "expected a server that takes mail (plain); came '<b>'")
    assert site.ask(f"{OWN}/servers/plain/sample", "POST", Origin="https://evil.example").status == 403
