"""What the stand-ins of documented clients share: their common options, the message, and how they end."""

from __future__ import annotations

import argparse
import contextlib
import imaplib
import poplib
import smtplib
import sys
from collections.abc import Callable, Iterator
from email.message import EmailMessage

TIMEOUT = 10.0
"""Seconds to wait for a server that says nothing."""


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every stand-in has."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--host", required=True)
    found.add_argument("--port", required=True, type=int)
    found.add_argument("--cafile", help="PEM; what was imported into the client's trust store")
    found.add_argument("--user", default="", help="empty: no login")
    found.add_argument("--password", default="")
    found.add_argument("--from", dest="sender", default="device@example.org")
    found.add_argument("--to", dest="recipient", default="ann@example.org")
    found.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds")
    return found


def message(options: argparse.Namespace, *, html: bool = False) -> EmailMessage:
    """Return the mail to send."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = options.sender, options.recipient, "Tank empty"
    mail.set_content("<p>The tank is empty.</p>" if html else "The tank is empty.\n", "html" if html else "plain")
    return mail


@contextlib.contextmanager
def session(client: smtplib.SMTP) -> Iterator[smtplib.SMTP]:
    """Say QUIT at the end of what went well, and close. What is said to QUIT changes nothing any more."""
    try:
        yield client
        with contextlib.suppress(OSError, smtplib.SMTPException):
            client.quit()
    finally:
        client.close()


FAILURES = OSError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto
"""What the libraries raise; ssl's errors are OSErrors."""


def end(send: Callable[[], object], undone: str = "not sent") -> int:
    """Send; return the exit status, 0 or 1, and say on stderr why it is 1."""
    try:
        send()
    except FAILURES as error:
        sys.stderr.write(f"{undone}: {type(error).__name__}: {error}\n")
        return 1
    return 0
