"""Pictures of every page, as Chromium draws it: ``python -m benchmarks.screenshots DIRECTORY``.

Wide and narrow, light and dark, empty, full and hostile. ``--picture FILE`` makes the one of the documentation alone.
"""

from __future__ import annotations

import argparse
import contextlib
import imaplib
import smtplib
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from smtpfix.cli.keeping import Keeper, keeping
from smtpfix.imap.policy import ImapPolicy
from smtpfix.mail.inbox import Inbox
from smtpfix.mail.message import CapturedMessage
from smtpfix.policy.mode import Mode
from smtpfix.record.session import Session
from smtpfix.server import Server
from smtpfix.smtp.policy import Policy
from smtpfix.store.mailboxes import MailboxBy
from smtpfix.web.audit_asked import AskedAudit
from smtpfix.web.outgoing import Outgoing, Relay
from smtpfix.web.runner import WebServer
from smtpfix.web.sample import sample
from smtpfix.web.settings import WebSettings

from .browser import Browser, Tab, browser

SIZES: Final = {"1280": (1280, 800), "390": (390, 780)}
SCHEMES: Final = ("light", "dark")
TABS: Final = ("html", "text", "protocol", "parts", "headers", "source", "checks", "test")
MANY: Final = 250
"""Messages of a list of several pages."""
HOSTILE: Final = (
    ("<img src=x onerror=alert(1)>", "<script>alert(1)</script>"),
    ("invoice \u202efdp.exe\u202c paid", "Bank \u2066\u202e<evil@example.org>"),
    ("W" * 400, "A" * 200),
    ("one\u0000two\u0007three\u200b\ufeff four", "tab\tname"),
    ("العربية والإنجليزية English ١٢٣", "مرحبا"),
    ("🎁🎉 " * 40, "👩‍👩‍👧‍👦 Family"),
    ("", ""),
)
"""Subjects and names that try to be something else."""


class Observer:
    """Keeps the sessions of some servers."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def session_started(self, server: Server, session: Session) -> None:
        """Hear of a session that begins."""

    def message_captured(self, server: Server, message: CapturedMessage) -> None:
        """Hear of a message."""

    def session_ended(self, server: Server, session: Session) -> None:
        """Keep a session that has ended."""
        self._keeper.put(server, session)


@contextmanager
def site(
    *modes: Mode, settings: WebSettings | None = None, is_read: bool = False, mailbox_by: MailboxBy | None = None
) -> Iterator[tuple[WebServer, Mapping[str, Server]]]:
    """Run a web server beside a mail server of each mode, and one for readers where the mail is read."""
    users = {"ann": "secret"}
    with ExitStack() as opened:
        directory = opened.enter_context(tempfile.TemporaryDirectory(prefix="screenshots-"))
        names: dict[Server, str] = {}
        kept = opened.enter_context(
            keeping(str(Path(directory, "mail.db")), None, None, names.__getitem__, mailbox_by=mailbox_by)
        )
        inbox = Inbox(1000, 1 << 24)
        for mode in modes:
            server = Server(Policy(mode, users=users), inbox=inbox, keep=kept.keep, observer=Observer(kept))
            names[server] = str(mode)
            opened.enter_context(server)
        if is_read:
            reader: Server = Server(ImapPolicy("plain", users=users), inbox=inbox, observer=Observer(kept))
            names[reader] = "imap"
            opened.enter_context(reader)
        servers = {name: server for server, name in names.items()}
        settings = settings or WebSettings(host="127.0.0.1", port=0)
        yield opened.enter_context(WebServer(kept.store, settings, servers=servers, run=kept.run)), servers


def fill(servers: Mapping[str, Server]) -> None:
    """Let clients of several kinds come."""
    for number in range(4):
        send(servers["plain"], f"Your order {4711 + number} is on its way", "Shop <shop@example.org>", "Track it at …")
    bare = b"From: old@example.org\nTo: bob@example.org\nSubject: Sent by a printer\nBcc: eve@example.org\n\nScan 17\n"
    with smtplib.SMTP(servers["plain"].host, servers["plain"].port) as client:
        client.login("ann", "secret")
        client.sendmail("printer@example.org", ["bob@example.org", "eve@example.org"], bare.replace(b"\n", b"\r\n"))
    for name in ("starttls", "implicit-tls"):
        with servers[name].client() as client:
            client.login("ann", "secret")
            client.send_message(sample(name, name))
    with servers["starttls"].client() as client, contextlib.suppress(smtplib.SMTPAuthenticationError):
        client.login("ann", "wrong")
    with contextlib.suppress(ssl.SSLError, OSError):
        smtplib.SMTP_SSL(
            servers["implicit-tls"].host, servers["implicit-tls"].port, context=ssl.create_default_context()
        )
    with contextlib.suppress(smtplib.SMTPException):
        smtplib.SMTP(servers["tls-required"].host, servers["tls-required"].port).sendmail(
            "a@b.example", "c@d.example", "x"
        )


def send(server: Server, subject: str, sender: str, text: str) -> None:
    """Send one message, in clear."""
    content = EmailMessage()
    content["From"], content["To"], content["Subject"] = "x", "Bob <bob@example.org>", "x"
    content.set_content(text)
    head = f"From: {sender}\r\nSubject: {subject}\r\n".encode()
    octets = head + b"\r\n".join(
        line for line in content.as_bytes().splitlines() if not line.startswith((b"From:", b"Subject:"))
    )
    with smtplib.SMTP(server.host, server.port) as client:
        client.sendmail("shop@example.org", ["bob@example.org"], octets)


LIST: Final = "document.querySelector('.rows li')"


def everything(run: Browser, directory: Path) -> None:
    """Make all pictures."""
    audits(run, directory)
    with site(*Mode) as (web, _):
        for tab, name in each(run):
            tab.open(web.url)
            tab.wait("document.querySelector('.servers li')")
            tab.picture(directory / f"empty-{name}.png")
    relay = Outgoing(relay=Relay(host="mail.example.org", port=587), check_links=True)
    settings = WebSettings(host="127.0.0.1", port=0, outgoing=relay, mailbox_by=MailboxBy.USER)
    with site(*Mode, settings=settings, is_read=True, mailbox_by=MailboxBy.USER) as (web, servers):
        fill(servers)
        read(servers["imap"])
        for tab, name in each(run):
            pages(tab, web.url, directory, name)
            rules(tab, web.url, directory, name)
            tab.open(f"{web.url}#/accounts")
            tab.wait("document.querySelectorAll('.wide-table').length > 1")
            tab.picture(directory / f"accounts-{name}.png")
            release(tab, web.url, directory, name)
            tab.open(f"{web.url}m/ann/")
            tab.wait(f"{LIST} && document.querySelector('.mailbox-name')")
            if name.startswith("390"):
                tab.click("#menu")
                tab.see("new Promise(done => setTimeout(done, 400))")
            tab.picture(directory / f"mailbox-{name}.png")
    with site(Mode.STARTTLS, settings=WebSettings(host="127.0.0.1", port=0, read_only=True)) as (web, _):
        for tab, name in each(run):
            tab.open(f"{web.url}#/rules")
            tab.wait("document.querySelector('.choice li')")
            tab.picture(directory / f"rules-read-only-{name}.png")
    with site(Mode.PLAIN) as (web, servers):
        for subject, sender in HOSTILE:
            send(servers["plain"], subject, sender, subject)
        for tab, name in each(run):
            tab.open(web.url)
            tab.wait(LIST)
            tab.picture(directory / f"hostile-{name}.png")
            tab.press("j")
            tab.press("j")
            tab.wait("document.querySelector('.pane')")
            tab.picture(directory / f"hostile-message-{name}.png")
    with site(Mode.PLAIN) as (web, servers):
        for number in range(MANY):
            send(servers["plain"], f"Message {number}", "shop@example.org", "Hello")
        for tab, name in each(run):
            tab.open(f"{web.url}#/?start=100")
            tab.wait(LIST)
            tab.picture(directory / f"many-{name}.png")


def audits(run: Browser, directory: Path) -> None:
    """Make pictures of an audit of a client, and of the way through one of a device."""
    with site(Mode.PLAIN) as (web, _):
        for page, query in (("audit", ""), ("audit-device", "?device=1")):
            for tab, name in each(run):
                tab.open(f"{web.url}#/audit{query}")
                tab.wait("document.querySelector('.fields')")
                tab.picture(directory / f"{page}-{name}.png")
        client = web.audits.start(AskedAudit(client="smtplib-unverified"))
        port = free_port()
        device = web.audits.start(AskedAudit(host="127.0.0.1", port=port, name="Press 7", scenarios=DEVICE))
        audit_picture(run, directory, web, device.id, "audit-set-up", ".settings")
        audit_picture(run, directory, web, client.id, "audit-running", ".matrix li")
        device.answer("done")
        for scenario in ("good", "another"):
            audit_picture(run, directory, web, device.id, f"audit-step-{scenario}", ".seen")
            with contextlib.suppress(OSError), smtplib.SMTP("127.0.0.1", port) as connection:
                connection.starttls()
                connection.sendmail("press@example.org", ["a@example.org"], "Subject: Press 7\r\n\r\nDone")
            while not device.as_json()["findings"]:
                time.sleep(0.1)
        while not client.is_over:
            time.sleep(0.1)
        audit_picture(run, directory, web, client.id, "audit-ended", ".grade")


DEVICE: Final = ("good", "wrong-host", "expired", "untrusted-root", "strip-ehlo")


def free_port() -> int:
    """Return a port that nobody has taken."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
        return port


def audit_picture(run: Browser, directory: Path, web: WebServer, audit: str, name: str, there: str) -> None:
    """Make a picture of an audit where something is there to be seen."""
    for tab, variant in each(run):
        tab.open(f"{web.url}#/audit/{audit}")
        tab.wait(f"document.querySelector('{there}')")
        tab.picture(directory / f"{name}-{variant}.png")


def each(run: Browser) -> Iterator[tuple[Tab, str]]:
    """Yield a tab of each size, light and dark."""
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            with run.tab(width, height) as tab:
                tab.prefer(scheme)
                yield tab, f"{size}-{scheme}"


def pages(tab: Tab, url: str, directory: Path, name: str) -> None:
    """Make pictures of the pages of a full inbox."""
    tab.open(url)
    tab.wait(LIST)
    tab.picture(directory / f"inbox-{name}.png")
    if name.startswith("390"):
        tab.click("#menu")
        tab.see("new Promise(done => setTimeout(done, 400))")
        tab.picture(directory / f"menu-{name}.png")
        tab.click(".shade")
    tab.press("j")
    for shown in TABS:
        tab.click("[role=tab]", {"html": "HTML", "test": "As a test"}.get(shown, shown.capitalize()))
        tab.wait(
            f"document.querySelector('#tab-{shown}[aria-selected=true]') && !document.querySelector('.code pre:empty')"
        )
        tab.see("new Promise(done => setTimeout(done, 300))")  # the frame is drawn by another process
        tab.picture(directory / f"message-{shown}-{name}.png")
    tab.open(f"{url}#/?q=printer")
    tab.wait("document.querySelectorAll('.rows li').length == 1")
    tab.press("j")
    tab.wait("document.querySelector('.pane')")
    tab.press("p")
    tab.wait("document.querySelector('.talk')")
    tab.picture(directory / f"printer-{name}.png")
    tab.open(f"{url}#/sessions")
    tab.wait("document.querySelector('.wide-table')")
    tab.picture(directory / f"sessions-{name}.png")
    tab.click(".wide-table td a")
    tab.wait("document.querySelector('.talk')")
    tab.picture(directory / f"session-{name}.png")
    tab.press("?")
    tab.wait("document.querySelector('dialog[open]')")
    tab.picture(directory / f"help-{name}.png")


def rules(tab: Tab, url: str, directory: Path, name: str) -> None:
    """Make pictures of rules and scenarios, with one of each in force."""
    tab.see("document.querySelector('#help').close()")
    tab.open(f"{url}#/rules/starttls")
    tab.wait("document.querySelector('.choice li')")
    tab.picture(directory / f"rules-{name}.png")
    tab.click(".choice button", "expired")
    tab.click(".ready button", "Greylisting")
    tab.click(".halves .primary:enabled")
    tab.wait("document.querySelector('.lines:not(.choice) code')")
    tab.click(".ready button", "Now and then")
    tab.wait("document.querySelector('.read').innerText")
    tab.picture(directory / f"rules-switched-{name}.png")
    tab.click(".halves button", "Back to how it started")
    tab.wait("document.querySelector('main').innerText.includes('nothing unusual')")
    tab.click(".lines .icon-button")
    tab.wait("!document.querySelector('.lines:not(.choice) code')")


def release(tab: Tab, url: str, directory: Path, name: str) -> None:
    """Make a picture of how a message is sent on."""
    tab.open(url)
    tab.wait(LIST)
    tab.press("j")
    tab.wait("document.querySelector('.release')?.checkVisibility()")
    tab.click(".release")
    tab.wait("document.querySelector('dialog[open] input')")
    tab.picture(directory / f"release-{name}.png")


def read(server: Server) -> None:
    """Let somebody read the mail, and delete some."""
    with imaplib.IMAP4(server.host, server.port) as client:
        client.login("ann", "secret")
        client.select()
        client.fetch("1:3", "(RFC822)")
        client.store("2", "+FLAGS", "(\\Flagged $Forwarded)")
        client.store("3:4", "+FLAGS", "\\Deleted")
        client.expunge()
        client.store("1", "+FLAGS", "\\Deleted")


def one(run: Browser, file: Path) -> None:
    """Make the picture of the documentation."""
    with site(*Mode) as (web, servers), run.tab(1400, 720) as tab:
        fill(servers)
        tab.open(web.url)
        tab.click(".rows li a", "printer")
        tab.wait("document.querySelector('.pane')")
        tab.press("p")
        tab.wait("document.querySelector('.talk')")
        tab.picture(file)


def main() -> None:
    """Make the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screenshots", description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", help="where all pictures go")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="the picture of the documentation alone")
    asked = parser.parse_args()
    if (asked.directory is None) == (asked.picture is None):
        parser.error("expected either a directory for all pictures, or --picture FILE")
    with browser() as run:
        if asked.picture is not None:
            one(run, asked.picture)
            return
        asked.directory.mkdir(parents=True, exist_ok=True)
        everything(run, asked.directory)


if __name__ == "__main__":
    main()
