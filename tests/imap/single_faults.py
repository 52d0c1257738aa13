"""Clients of IMAP that are careful but for one thing each: what the row that is there for it catches."""

from __future__ import annotations

import contextlib
import re

from imap_clients import IMPATIENCE, Client


class _Hasty(Client):
    """Does not wait for the greeting."""

    def __init__(self, server, *, context):
        super().__init__(server, IMPATIENCE, context=context)

    def response(self):
        if self.number == 0:
            return b""
        return super().response()


def logged_in(server, kind=Client):
    """Return a client inside TLS that has logged in and selected INBOX."""
    context = server.ssl_context()
    client = kind(server, context=context) if kind is _Hasty else kind(server, 10.0, context=context)
    try:
        if server.mode == "starttls":
            client.ask("STARTTLS")
            client.unread = b""
            client.begin_tls(context, server.host)
        client.ask("LOGIN ann s3cret")
        client.ask("SELECT INBOX")
    except BaseException:
        client.close()
        raise
    return contextlib.closing(client)


def talks_first(server):
    """Log in to whoever is there, greeting or not."""
    with logged_in(server, _Hasty) as client:
        client.ask("FETCH 1:* (BODY.PEEK[])")


def keeps_its_numbers(server):
    """Read the first two messages, delete both by their numbers, and take no notice of what is said meanwhile."""
    with logged_in(server) as client:
        client.ask("FETCH 1:2 (BODY.PEEK[])")
        for number in (1, 2):
            client.ask(f"STORE {number} +FLAGS.SILENT (\\Deleted)")
            client.ask("NOOP")
        client.ask("EXPUNGE")
        client.ask("FETCH 1:* (BODY.PEEK[])")


def deletes_what_it_could_not_copy(server):
    """Read all, move it by COPY and STORE, and never look at how COPY ended."""
    with logged_in(server) as client:
        client.ask("FETCH 1:* (BODY.PEEK[])")
        client.say("COPY 1:3 Trash")
        client.ask("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        client.ask("EXPUNGE")


def knows_ascii_only(server):
    """Take mail for text."""
    with logged_in(server) as client:
        for number in (1, 2, 3):
            b"".join(client.ask(f"FETCH {number} (BODY.PEEK[])")).decode("ascii")


def reads_line_by_line(server):
    """Expect a name behind the delimiter, on the same line."""
    with logged_in(server) as client:
        for listed in client.ask('LIST "" *'):
            name = re.match(rb"\* LIST \([^)]*\) \S+ (\S+)", listed)[1].decode()
            client.ask(f"STATUS {name} (MESSAGES)")
        client.ask("FETCH 1:* (BODY.PEEK[])")


def asks_for_each_folder(server):
    """Give up at the first folder that is not to be had."""
    with logged_in(server) as client:
        for listed in client.ask('LIST "" *'):
            client.ask(f"STATUS {listed.split()[-1].decode()} (MESSAGES)")
        client.ask("FETCH 1:* (BODY.PEEK[])")


SINGLE_FAULTS = {
    "imap-greeting-none": (talks_first, "the client should have refused, and read the mail"),
    "imap-expunge-race": (keeps_its_numbers, "the client deleted a message that it had not read whole"),
    "imap-copy-no": (deletes_what_it_could_not_copy, "it deleted a message whose copy had been refused"),
    "imap-header-8bit": (knows_ascii_only, "the client should have read all 3 messages"),
    "imap-literals": (reads_line_by_line, "the client should have read all 3 messages"),
    "imap-traversal": (asks_for_each_folder, "the client should have read all 3 messages"),
}
"""Each by the row that is there for it, with what it is told."""
