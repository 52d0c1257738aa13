"""Audits in Chromium: a client from the page, and a device that a person is led to set up."""

import shutil
import smtplib
import socket
import ssl
from contextlib import closing

import pytest

BOUND = 10
"""Seconds after which an answer has failed to come."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]


def test_a_built_in_client_is_audited_from_the_page(site, inbox):
    inbox.click("nav a", "Audit")
    inbox.wait("document.querySelector('.fields')")
    inbox.see(
        "(all => { all.client.value = 'smtplib-unverified'; all.group.value = 'tls'; })"
        "(document.querySelector('.audit form').elements)"
    )
    inbox.click(".audit button", "Start")
    inbox.wait("document.querySelectorAll('.cells li').length > 2")  # it fills while it runs
    inbox.wait("document.querySelector('.grade > b')?.innerText")
    (audit,) = site.web.audits.newest_first()
    state = audit.as_json()
    assert inbox.text(".grade > b") == state["result"]["letter"]
    assert inbox.see("document.querySelectorAll('.cells li').length") == len(state["findings"])
    assert inbox.see("document.querySelector('.bar-of-all').innerText") == ""
    assert inbox.see("document.querySelector('.worth-of-it a').getAttribute('href')").endswith(f"{audit.id}/report")
    inbox.press("Escape")
    inbox.wait("document.querySelector('.audit .servers a')?.innerText.startsWith('smtplib-unverified')")


def test_a_person_is_led_through_the_audit_of_a_device(site, inbox):
    """It does not check the name: the page says what to change first."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    inbox.open(f"{site.web.url}#/audit?device=1")
    inbox.wait("document.querySelector('.fields')")
    assert "anyone who can reach it can connect" in inbox.text(".fields")
    answer = site.ask(
        "/api/smtpfix/v1/audits",
        "POST",
        {
            "device": True,
            "name": "<b>press</b>",
            "host": "127.0.0.1",
            "port": port,
            "scenarios": ["good", "wrong-host"],
        },
    )
    id_ = answer.json["id"]
    inbox.open(f"{site.web.url}#/audit/{id_}")
    inbox.wait("document.querySelector('.settings')")
    assert f"127.0.0.1\nPort\n{port}\n" in inbox.text(".settings")
    assert inbox.text("h1") == "<b>press</b>"
    context = ssl.create_default_context(cadata=site.ask(f"/api/smtpfix/v1/audits/{id_}/ca.pem").text)
    context.check_hostname = False
    inbox.click(".step button", "It is set up")
    for scenario in ("good", "wrong-host"):
        inbox.wait(f"document.querySelector('.step code')?.innerText == '{scenario}'")
        assert inbox.text(".step h2") == "Now press send on the device"
        with smtplib.SMTP("127.0.0.1", port, timeout=BOUND) as client:
            client.starttls(context=context)
            client.sendmail("press@example.org", ["a@example.org"], "Subject: x\r\n\r\nx")
        inbox.wait("document.querySelector('.seen')?.innerText.includes('1 mail taken, connection closed')")
        inbox.click(".step button", "Next")
    inbox.wait("document.querySelector('.grade > b')")
    assert "name" in inbox.text(".changes li")
    assert inbox.see("[...document.querySelectorAll('.cells li')].map(e => e.className)") == ["passed", "failed"]
