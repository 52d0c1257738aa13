"""A stand-in for an incoming account of Niagara's EmailService, which reads by IMAP or POP3.

Its switches, trust stores and authenticators are those of outgoing accounts: see ``niagara``. It reads all mail there
is, and then deletes it. Where its manual is silent it is careful: what did not come whole it does not delete.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import imaplib
import poplib
import sys
from collections.abc import Sequence

import niagara
import stand_in


def read_imap(options: argparse.Namespace) -> None:
    """Read by IMAP."""
    where = options.host, options.port
    if options.use_ssl:
        client = imaplib.IMAP4_SSL(*where, ssl_context=niagara.trusted(options), timeout=options.timeout)
    else:
        client = imaplib.IMAP4(*where, timeout=options.timeout)
    try:
        if options.use_start_tls:
            client.starttls(niagara.trusted(options))  # raises where the server does not offer it
        if options.authenticator == "oauth":
            client.authenticate("XOAUTH2", lambda _: niagara.bearer(options).encode())
        else:
            client.login(options.user, options.password)
        done(client.select("INBOX"))
        for number in done(client.search(None, "ALL"))[0].split():
            if not any(isinstance(one, tuple) for one in done(client.fetch(number, "(BODY.PEEK[])"))):
                raise imaplib.IMAP4.error(f"message {number} did not come")
            done(client.store(number, "+FLAGS", "(\\Deleted)"))
        done(client.expunge())
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            client.logout()
    finally:
        with contextlib.suppress(OSError):
            client.shutdown()


def done(answer: tuple[str, Sequence[object]]) -> Sequence[object]:
    """Return what came with an answer that is OK."""
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"{status} {data!r}")
    return data


def read_pop3(options: argparse.Namespace) -> None:
    """Read by POP3."""
    where = options.host, options.port
    if options.use_ssl:
        client = poplib.POP3_SSL(*where, context=niagara.trusted(options), timeout=options.timeout)
    else:
        client = poplib.POP3(*where, timeout=options.timeout)
    try:
        if options.use_start_tls:
            client.stls(niagara.trusted(options))
        if options.authenticator == "oauth":
            response = base64.b64encode(niagara.bearer(options).encode()).decode()
            client._shortcmd(f"AUTH XOAUTH2 {response}")  # poplib has no SASL
        else:
            client.user(options.user)
            client.pass_(options.password)
        for number in range(1, client.stat()[0] + 1):
            client.retr(number)
            client.dele(number)
        client.quit()
    finally:
        client.close()


READ = {"imap": read_imap, "pop3": read_pop3}


def main() -> int:
    """Read the options, and the mail."""
    parser = niagara.parser(__doc__ or "")
    parser.add_argument("--store", choices=READ, required=True, help="the account's type: IMAP or POP3")
    options = niagara.parsed(parser)
    return stand_in.end(lambda: READ[options.store](options), "not read")


if __name__ == "__main__":
    sys.exit(main())
