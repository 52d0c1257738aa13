"""The page in Chromium: what people do with it."""

import shutil
import smtplib
from contextlib import closing

import pytest

BOUND = 10
"""Seconds after which an answer has failed to come."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
ROWS = "[...document.querySelectorAll('.rows li')].length"
HTML = (
    b"Content-Type: text/html; charset=utf-8\r\nFrom: ann@example.org\r\nTo: bob@example.org\r\nSubject: page\r\n\r\n"
)


@pytest.fixture
def site(open_site):
    return open_site(keeps_sessions=True)


def test_mail_arrives_live_is_read_marked_and_deleted(site, inbox):
    assert inbox.wait("document.querySelector('.empty.start')?.innerText").startswith("Nothing has come yet")
    first, second = site.send(), site.send()
    inbox.wait(f"{ROWS} == 2 && document.title == '(2) smtpfix'")
    inbox.press("j")
    inbox.wait(f"location.hash == '#/message/{second}' && document.title == '(1) smtpfix'")
    inbox.press("j")
    inbox.wait(f"document.querySelector('[data-id=\"{first}\"][aria-current]') && document.title == 'smtpfix'")
    inbox.press("u")
    inbox.wait("location.hash == '#/' && document.title == '(1) smtpfix'")
    assert inbox.see("document.activeElement.dataset.id") == first
    inbox.press("k")
    inbox.wait(f"location.hash == '#/message/{second}' && document.querySelector('.head')")
    inbox.press("#")
    inbox.wait(f"{ROWS} == 1 && location.hash == '#/message/{first}'")
    assert site.store.get(second) is None
    site.ask("/api/v1/messages", "DELETE")
    assert inbox.wait("document.querySelector('main .empty h1')?.innerText") == "Not here any more"


def test_the_protocol_is_shown_with_times_and_sides(site, inbox):
    id_ = site.send()
    inbox.wait(ROWS)
    inbox.click(".rows a")
    inbox.wait("document.querySelector('.head')")
    inbox.press("p")
    assert inbox.wait("document.querySelector('.talk')?.innerText.includes('end: quit')")
    assert inbox.see("location.hash") == f"#/message/{id_}/protocol"
    rows = inbox.see("[...document.querySelectorAll('.talk > div')].map(e => [e.className, e.innerText.split('\\n')])")
    assert rows[0][0] == "S"
    assert rows[0][1][-1].startswith("220 ")
    assert any(name == "C" and said[-1].startswith("ehlo") for name, said in rows)
    assert any(name == "C content" for name, said in rows)
    inbox.press("t")
    assert "smtp_server" in inbox.wait("document.querySelector('.code pre')?.innerText")
    inbox.click(".tools button", "curl")
    assert f"curl --silent --get {site.web.url}api" in (
        inbox.wait("(t => t.includes('curl') && t)(document.querySelector('.code pre').innerText)")
    )


def test_a_search_finds_and_what_it_found_is_deleted(site, inbox):
    for subject in (b"one", b"two", b"two again"):
        site.send(b"Subject: " + subject + b"\r\nX-Tags: red\r\n\r\nx")
    inbox.wait(f"{ROWS} == 3")
    inbox.press("/")
    inbox.type("subject:two")
    inbox.wait(f"{ROWS} == 2 && document.querySelector('.bar').innerText.startsWith('2 of 3')")
    inbox.click(".bar button", "Delete these")
    inbox.click("dialog[open] button", "Keep")
    inbox.click(".bar button", "Delete these")
    inbox.click("dialog[open] button", "Delete")
    inbox.wait(f"{ROWS} == 0 && document.querySelector('main h1').innerText == 'Nothing matches'")
    inbox.click("nav a", "red")
    inbox.wait(f"{ROWS} == 1 && document.querySelector('[type=search]').value == 'tag:red'")
    inbox.click("nav a", "plain")
    inbox.wait(f"{ROWS} == 1 && document.querySelector('[type=search]').value == 'server:plain'")
    inbox.click("nav a", "Attachments")
    inbox.wait(f"{ROWS} == 0")


def test_a_mailbox_alone_says_where_to_send_and_offers_no_sample(site, inbox):
    assert "Send a sample" in inbox.wait("document.querySelector('.servers code') && document.body.innerText")
    inbox.open(f"{site.web.url}m/mine/")
    assert "Send a sample" not in inbox.wait("document.querySelector('.servers code') && document.body.innerText")


def test_a_sample_is_a_click_away(site, inbox):
    inbox.click(".servers button", "Send a sample")
    inbox.wait(f"{ROWS} == 1")
    inbox.click(".rows a", "A sample for plain")
    inbox.wait("document.querySelector('iframe')")
    assert "left out" in inbox.text(".notice")
    assert "493021" in inbox.text(".chips")
    inbox.see("document.querySelector('.add-tag').focus()")
    inbox.type("blue sky")
    inbox.see("document.querySelector('.chips form').requestSubmit()")
    inbox.wait("document.querySelector('nav').innerText.includes('blue sky')")
    assert site.store.page(limit=1).rows[0].tags == ("blue sky", "sample")


def test_sessions_without_mail_are_shown_while_they_last_and_afterwards(site, inbox):
    inbox.open(f"{site.web.url}#/sessions")
    inbox.wait("document.querySelector('.page .empty')")
    with closing(smtplib.SMTP(site.server.host, site.server.port, timeout=BOUND)) as client:
        client.ehlo("<b>client</b>")
        inbox.wait("document.querySelector('.wide-table')?.innerText.includes('<b>client</b>')")
        inbox.click(".wide-table td a")
        inbox.wait("document.querySelector('.talk')?.innerText.includes('ehlo <b>client</b>')")
        assert "not ended yet" in inbox.text("main")
        client.docmd("NONSENSE")
    inbox.wait("document.querySelector('main').innerText.includes('It ended: client closed')")
    assert inbox.wait("document.querySelector('.talk .S.wrong')?.innerText").splitlines()[-1].startswith("500")
    assert "no-quit" in inbox.text(".cards")
    inbox.press("Escape")
    inbox.wait("location.hash == '#/sessions'")


def test_a_hundred_are_listed_at_a_time(site, inbox):
    with smtplib.SMTP(site.server.host, site.server.port, timeout=BOUND) as client:
        for number in range(103):
            client.sendmail("ann@example.org", ["bob@example.org"], f"Subject: no {number}\r\n\r\nx")
    inbox.wait("document.querySelector('.bar').innerText.startsWith('103 ')")
    assert inbox.see(ROWS) == 100
    inbox.click(".pager button", "Older")
    inbox.wait(f"{ROWS} == 3 && document.querySelector('.pager').innerText.includes('103 of 103')")
    inbox.click(".pager button", "Newer")
    inbox.wait(f"{ROWS} == 100")


def test_it_fits_390_pixels_below_any_path(open_site, tab):
    site = open_site(webroot="/deep/mail/", label="CI")
    id_ = site.send(HTML + b"<p>hello</p>")
    tab.size(390, 700)
    tab.open(f"{site.web.url}view/{id_}")
    tab.wait("document.querySelector('iframe') && document.querySelector('.lamp.on')")
    assert tab.see("location.pathname + location.hash") == f"/deep/mail/#/message/{id_}"
    shown = "(e => e && e.checkVisibility({visibilityProperty: true}))(document.querySelector('%s'))"
    assert [tab.see(shown % what) for what in (".head", ".list", "nav", "#menu")] == [True, False, False, True]
    assert tab.see("document.documentElement.scrollWidth") == 390
    tab.click("[aria-label='Back to the list']")
    tab.wait(shown % ".list")
    tab.click("#menu")
    tab.wait(shown % "nav")
    tab.press("Escape")
    tab.wait(f"!{shown % 'nav'}")
    assert all(url.startswith(site.web.url) for url in tab.asked)
    tab.wait("document.title == 'CI - smtpfix'")


def test_everything_is_reached_and_named_without_a_mouse(site, inbox):
    site.send(HTML + b"<p>hello</p>")
    inbox.wait(ROWS)
    inbox.press("j")
    inbox.wait("document.querySelector('[role=tab]')")
    inbox.see("document.querySelector('[aria-selected=true]').focus()")
    inbox.press("ArrowRight")
    inbox.wait("document.activeElement.innerText == 'Text' && document.activeElement.ariaSelected == 'true'")
    nameless = inbox.see(
        "[...document.querySelectorAll('button, a, input, iframe, [role=tabpanel]')].filter(e => !("
        "e.innerText || e.ariaLabel || e.title || document.getElementById(e.getAttribute('aria-labelledby'))"
        ")).map(e => e.outerHTML)"
    )
    assert nameless == []
    assert inbox.see("document.querySelectorAll('main').length") == 1
    inbox.press("?")
    inbox.wait("document.querySelector('#help').open")
    inbox.see("document.querySelector('#help').close()")
    inbox.prefer("dark")
    dark = inbox.see("getComputedStyle(document.body).backgroundColor")
    inbox.click("nav button", "Light or dark")
    assert inbox.see("getComputedStyle(document.body).backgroundColor") != dark
    inbox.call("Page.reload")
    inbox.wait("document.querySelector('.lamp.on')")
    assert inbox.see("getComputedStyle(document.body).backgroundColor") != dark
