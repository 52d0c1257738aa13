"""The other pages in Chromium: scenarios and rules switched, mailboxes, accounts, checks, and a message sent on."""

import imaplib
import shutil
import smtplib
import ssl
from contextlib import ExitStack, closing

import pytest

from smtpfix import ImapPolicy, Policy, Reply, Server
from smtpfix.cli.keeping import keeping
from smtpfix.store.mailboxes import MailboxBy
from smtpfix.store.opening import open_store
from smtpfix.web.outgoing import Outgoing, Relay
from smtpfix.web.runner import WebServer
from smtpfix.web.settings import WebSettings

BOUND = 10
"""Seconds after which an answer has failed to come."""
OWN = "/api/smtpfix/v1"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
HTML = b'Content-Type: text/html\r\nSubject: x\r\n\r\n<div style="display: flex"><a href="http://127.0.0.1:1/">x</a></div><video></video>'
LINES = "[...document.querySelectorAll('.lines:not(.choice) li')].map(e => e.innerText)"
ADD = "(e => e && !e.disabled)(document.querySelector('form .primary'))"


def upgrade(site, cafile):
    """Begin TLS as a careful client does."""
    with smtplib.SMTP("localhost", site.server.port, timeout=BOUND) as client:
        try:
            client.starttls(context=ssl.create_default_context(cafile=cafile))
        except ssl.SSLError:
            client.close()
            raise


def test_a_scenario_is_found_and_switched_and_a_client_refuses(open_site, tab, tmp_path):
    site = open_site(policy={"mode": "starttls"})
    tab.open(site.web.url)
    tab.click(".servers a", "What to trust")
    tab.wait("location.hash == '#/rules/plain' && document.querySelector('.choice li')")
    cafile = tmp_path / "ca.pem"
    cafile.write_bytes(site.ask("/" + tab.see("document.querySelector('a[download]').getAttribute('href')")).body)
    upgrade(site, cafile)
    tab.press("/")
    tab.type("expired rfc 5280")
    tab.wait("document.querySelector('main').innerText.match(/^\\d+ of 2\\d\\d scenarios/m)")
    tab.wait("[...document.querySelectorAll('.choice b')].some(e => e.innerText == 'expired')")
    tab.see("[...document.querySelectorAll('.choice button')].find(e => e.dataset.scenario == 'expired').click()")
    tab.wait("document.querySelector('.choice [aria-pressed=true]')?.dataset.scenario == 'expired'")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        upgrade(site, cafile)
    tab.click("button", "Back to how it started")
    tab.wait("document.querySelector('main').innerText.includes('nothing unusual')")
    upgrade(site, cafile)


def test_a_rule_is_read_as_it_is_typed_added_counted_and_deleted(open_site, tab):
    site = open_site(keeps_sessions=True)
    tab.open(f"{site.web.url}#/rules")
    tab.wait("document.querySelector('.ready button')")
    tab.see("document.querySelector('.code-line').focus()")
    tab.type("RCPTT: 450")
    assert "did you mean 'RCPT'" in tab.wait("document.querySelector('.read.bad')?.innerText")
    assert not tab.see(ADD)
    tab.click(".ready button", "No such user")
    tab.wait(ADD)
    tab.click("form .primary")
    assert "550 5.1.1" in tab.wait(f"({LINES})[0].includes('not asked yet') && ({LINES})[0]")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match=r"5\.1\.1 No such user"):
        site.send()
    tab.wait(f"({LINES})[0].includes('answered 1')")
    tab.click("[aria-label^='Delete RCPT']")
    tab.wait(f"({LINES})[0].startsWith('None')")
    assert site.server.rules == ()


def test_where_nothing_may_be_changed_there_is_nothing_to_change_it_with(open_site, tab):
    site = open_site(read_only=True)
    tab.open(f"{site.web.url}#/rules")
    assert "--web-read-only" in tab.wait("document.querySelector('.notice')?.innerText")
    tab.wait("document.querySelector('.choice li')")
    assert tab.see("[...document.querySelectorAll('main button')].filter(e => e.checkVisibility()).length") == 1  # Copy
    assert not tab.see("document.querySelector('.code-line').checkVisibility()")
    tab.size(390, 700)
    assert tab.see("document.querySelector('main').scrollWidth") == 390
    nameless = "!e.innerText && !e.ariaLabel && e.checkVisibility()"
    assert tab.see(f"[...document.querySelectorAll('main :is(a, button, input)')].filter(e => {nameless}).length") == 0
    for method, path in (("PUT", ""), ("POST", "/rules"), ("PUT", "/rules"), ("DELETE", "/rules")):
        answer = site.ask(f"{OWN}/servers/plain{path}", method, {})
        assert answer.status == 403
        assert "--web-read-only" in answer.json["error"]


def test_a_mailbox_is_a_link_and_has_a_way_back(open_site, tab):
    site = open_site(mailbox_by=MailboxBy.TAG)
    for tag in ("one", "two#x"):
        site.send(to=[f"ann+{tag}@example.org"])
    tab.open(site.web.url)
    tab.wait("document.querySelectorAll('.rows li').length == 2")
    tab.click("nav a[href^='m/']", "two#x")
    tab.wait("document.querySelectorAll('.rows li').length == 1 && document.querySelector('.mailbox-name')")
    assert tab.see("location.pathname").startswith("/m/two")
    assert tab.text("nav .mailbox-name") == "Mailbox two#x"
    assert "Mailboxes" not in tab.text("nav")
    tab.click("nav a", "All mail")
    tab.wait("document.querySelectorAll('.rows li').length == 2 && location.pathname == '/'")


def test_a_message_is_sent_on_where_there_is_a_relay(open_site, tab):
    with Server(Policy()) as relay:
        relay.on("RCPT", Reply(550, "5.1.1", "No <such> user"), argument="eve@*")
        site = open_site(outgoing=Outgoing(relay=Relay(host=relay.host, port=relay.port)))
        id_ = site.send()
        tab.open(f"{site.web.url}#/message/{id_}")
        tab.wait("document.querySelector('.release')?.checkVisibility()")
        tab.click(".release")
        tab.wait("document.querySelector('dialog[open] input').value == 'bob@example.org'")
        tab.see("document.querySelector('dialog[open] input').value = 'cy@example.org, eve@example.org'")
        tab.click("dialog[open] button", "Send")
        assert "5.1.1 No <such> user" in tab.wait("document.querySelector('dialog .read.bad')?.innerText")
        tab.see("document.querySelector('dialog[open] input').value = 'cy@example.org dan@example.org'")
        tab.click("dialog[open] button", "Send")
        tab.wait("document.querySelector('dialog .read').innerText == 'Sent to cy@example.org, dan@example.org.'")
        assert relay.inbox[-1].envelope.recipients == ("cy@example.org", "dan@example.org")
        tab.click("dialog[open] button", "Close")
        tab.wait("!document.querySelector('dialog .read')")


def test_without_a_relay_nothing_can_be_sent_on(site, inbox):
    site.send(HTML)
    inbox.wait("document.querySelector('.rows li')")
    inbox.press("j")
    inbox.wait("document.querySelector('.head') && document.querySelector('nav').innerText.includes('plain')")
    assert not inbox.see("document.querySelector('.release')")
    inbox.click("[role=tab]", "Checks")
    assert "not in Outlook" in inbox.wait("document.querySelector('.pane .ready')?.innerText")
    assert "--link-check" in inbox.text(".pane")


def test_links_are_asked_for_when_somebody_clicks(open_site, tab):
    site = open_site(outgoing=Outgoing(check_links=True))
    tab.open(f"{site.web.url}#/message/{site.send(HTML)}/checks")
    tab.click(".pane button", "Ask for each link")
    assert "451" in tab.wait("(t => t.includes('http://127.0.0.1') && t)(document.querySelector('.pane').innerText)")


def test_what_readers_did_is_shown(tmp_path, tab):
    """A hostile subject too; of a message that was taken out unread, that nobody has read it."""
    policy, users = Policy(), {"ann": "secret", "<i>bob": "secret"}
    with ExitStack() as opened:
        kept = opened.enter_context(keeping(str(tmp_path / "mail.db"), None, None, lambda _: "imap"))
        smtp = opened.enter_context(Server(policy, keep=kept.keep))
        imap = opened.enter_context(Server(ImapPolicy(users=users), inbox=smtp.inbox))
        for subject in ("<b>one", "two"):
            smtp.inbox.accounts.put(f"Subject: {subject}\r\n\r\nx", to="ann")
        settings, servers = WebSettings(host="127.0.0.1", port=0), {"smtp": smtp, "imap": imap}
        web = opened.enter_context(WebServer(kept.store, settings, servers=servers, run=kept.run))
        with imaplib.IMAP4(imap.host, imap.port, timeout=BOUND) as client:
            client.login("ann", "secret")
            client.select()
            client.fetch("1", "(RFC822)")
            client.store("2", "+FLAGS", "\\Deleted")
            client.expunge()
        tab.open(web.url)
        tab.click("nav a", "Incoming accounts")
        tab.wait("document.querySelectorAll('.wide-table').length == 2")
        inbox, gone = tab.see("[...document.querySelectorAll('.wide-table tbody')].map(e => e.innerText)")
        assert "<b>one" in inbox
        assert "\\Seen" in inbox
        assert "two" in gone
        assert "EXPUNGE in INBOX, session" in gone
        assert "1 never read" in tab.text("main")
        tab.click(".page .tool", "<i>bob")
        tab.wait("document.querySelector('.page .tool[aria-current]').innerText.startsWith('<i>bob')")
        tab.wait("!document.querySelector('.wide-table')")


def test_a_page_without_servers_says_what_to_do(tmp_path, tab):
    with (
        closing(open_store(str(tmp_path / "mail.db"))) as store,
        WebServer(store, WebSettings(host="127.0.0.1", port=0)) as web,
    ):
        tab.open(web.url)
        tab.wait("document.querySelector('main .empty')?.innerText.includes('smtpfix serve uses the same --store')")
        tab.see("location.hash = '#/rules'")
        tab.wait("document.querySelector('#place').innerText.includes('The page of smtpfix serve --web switches')")
        tab.see("location.href = 'about:blank'")
