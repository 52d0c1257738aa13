"""The fixtures of servers that mail is read from: one inbox and authority a test, markers, and what reports show."""

import pytest

import smtpfix.imap.protocol
import smtpfix.pop3.protocol  # child sessions forget what they import, and names that `smtpfix` has kept stay
import smtpfix.rules.edits

LOADED = (smtpfix.imap.protocol, smtpfix.pop3.protocol, smtpfix.rules.edits)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Load this plugin alone: all others take a second a session."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


SENT = """
import poplib, pytest
def send(server):
    with server.client() as client:
        client.sendmail("shop@example.org", ["ann@example.org"], b"Subject: Welcome\\r\\n\\r\\nHello\\r\\n")
def read(server):
    client = server.client()
    client.user("ann")
    client.pass_("s3cret")
    lines = client.retr(1)[1]
    client.quit()
    return lines
"""


def test_servers_of_one_test_share_inbox_and_authority_in_any_order(pytester):
    pytester.makepyfile(
        SENT
        + """
@pytest.mark.pop3("tls-required", users={"ann": "s3cret"})
@pytest.mark.smtp("starttls")
def test_pop3_first(pop3_server, smtp_server):
    send(smtp_server)
    assert read(pop3_server) == [b"Subject: Welcome", b"", b"Hello"]
    assert smtp_server.inbox is pop3_server.inbox
    assert smtp_server.authority is pop3_server.authority
    assert pop3_server.account("ann").one(subject="Welcome").captured is smtp_server.inbox.one()
    assert not pop3_server.account("ann").lost

@pytest.mark.pop3(users={"ann": "s3cret"})
def test_started_later(smtp_server, start_pop3_server, start_smtp_server):
    send(smtp_server)
    start_smtp_server()
    assert read(start_pop3_server("implicit-tls", users={"ann": "s3cret"})) == [b"Subject: Welcome", b"", b"Hello"]

def test_nothing_is_left_of_another_test(pop3_server):
    assert not pop3_server.account("ann").inbox

@pytest.mark.imap("implicit-tls", users={"ann": "s3cret"})
def test_imap_and_pop3_show_the_same_account(imap_server, start_imap_server, pop3_server, smtp_server):
    send(smtp_server)
    client = imap_server.client()
    client.login("ann", "s3cret")
    client.select()
    assert client.fetch("1", "(BODY.PEEK[TEXT])")[1][0][1] == b"Hello\\r\\n"
    client.logout()
    assert read(pop3_server) == [b"Subject: Welcome", b"", b"Hello"]
    assert imap_server.account("ann").inbox[0].retrievals == 2
    assert start_imap_server().inbox is smtp_server.inbox
    assert [session.protocol for session in (*imap_server.sessions, *pop3_server.sessions)] == ["imap", "pop3"]

def test_without_readers_each_server_has_its_own(start_smtp_server):
    assert start_smtp_server().inbox is not start_smtp_server().inbox
"""
    )
    pytester.runpytest_inprocess("-p", "smtpfix.conftest_plugin", "-p", "no:cacheprovider").assert_outcomes(passed=5)


def test_a_report_shows_the_sessions_of_all_protocols_in_the_order_they_began(pytester):
    pytester.makepyfile(
        SENT
        + """
@pytest.fixture(scope="session")
def pop3_policy():
    from smtpfix import Pop3Policy
    return Pop3Policy(users={"ann": "s3cret"})

def test_it(pop3_server, smtp_server):
    send(smtp_server)
    read(pop3_server)
    send(smtp_server)
    assert False

def test_nobody_came(pop3_server):
    assert False
"""
    )
    result = pytester.runpytest_inprocess("-p", "smtpfix.conftest_plugin", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(
        [
            "*smtp session 1 (plain)*1 message;*",
            "*pop3 session 1 (plain)*1 retrieval;*",
            "*C: PASS …(6 octets)*",
            "*smtp session 2 (plain)*",
            "*pop3 server localhost:* (plain)*",
            "no client connected",
        ]
    )
    result.stdout.no_fnmatch_line("*s3cret;*")


@pytest.mark.parametrize(
    ("marker", "error"),
    [
        ("@pytest.mark.pop3('tls')", "Pop3Policy.mode: 'tls' is no mode"),
        ("@pytest.mark.imap(hide=['FLAGS'])", "ImapPolicy.hide: there is no 'FLAGS'; there are APPENDLIMIT, BINARY"),
        ("@pytest.mark.imap(folders=['a*'])", "ImapPolicy.folders: expected names of folders"),
        ("@pytest.mark.pop3(require_auth=True)", "the marker pop3 has no field 'require_auth'"),
        ("@pytest.mark.pop3(like='gmail')", "the marker pop3 has no field 'like'. Only SMTP has profiles"),
        ("@pytest.mark.pop3(strict_rules=True)", "1 rule never answered"),
    ],
)
def test_a_marker_that_makes_no_sense_is_an_error_and_rules_can_be_strict(pytester, marker, error):
    pytester.makepyfile(
        f"""
import pytest
from smtpfix import Stall
{marker}
def test_it({"imap" if "imap" in marker else "pop3"}_server):
    pop3_server.on("RETR", Stall())
"""
    )
    result = pytester.runpytest_inprocess("-p", "smtpfix.conftest_plugin", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines([f"*{error}*"])
    result.assert_outcomes(passed="rule" in error, errors=1)
