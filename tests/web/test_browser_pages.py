"""The other pages in Chromium: scenarios and rules switched, mailboxes, accounts, checks, and a message sent on."""

import shutil
import smtplib
import ssl

import pytest

from smtpfix.store.mailboxes import MailboxBy

BOUND = 10
"""Seconds after which an answer has failed to come."""
OWN = "/api/smtpfix/v1"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
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
    tab.wait("document.querySelector('main').innerText.match(/ of 2\\d\\d scenarios/)")
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
    tab.wait("document.querySelectorAll('.rows li').length == 1 && document.querySelector('.label')")
    assert tab.see("location.pathname").startswith("/m/two")
    assert "Mailbox two#x alone" in tab.text("nav .label")
    assert "Mailboxes" not in tab.text("nav")
    tab.click("nav .label a", "All mail")
    tab.wait("document.querySelectorAll('.rows li').length == 2 && location.pathname == '/'")
