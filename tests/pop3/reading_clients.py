"""Two clients that read mail by POP3: one that does what the standards ask, and one that does none of it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl

PATIENCE = 10.0
IMPATIENCE = 0.5
"""Seconds that a client waits where the scenario is that the server says nothing."""


class Leaves(Exception):  # noqa: N818 - what a client decides
    """The client goes no further."""


class Client:
    """A connection, and what is the same in both clients."""

    def __init__(self, server, patience, *, context=None):
        self.socket = socket.create_connection((server.host, server.port), patience)
        self.unread = b""
        try:
            if server.mode == "implicit-tls":
                self.socket = context.wrap_socket(self.socket, server_hostname=server.host)
            self.greeting = self.line()
        except BaseException:
            self.close()
            raise

    def line(self):
        while b"\n" not in self.unread:
            more = self.socket.recv(65_536)
            if not more:
                raise Leaves("the server closed the connection")
            self.unread += more
        line, _, self.unread = self.unread.partition(b"\n")
        return line.removesuffix(b"\r")

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.line()

    def ask(self, text):
        """Say a command that has to succeed."""
        answer = self.say(text)
        if not answer.startswith(b"+OK"):
            raise Leaves(f"{text[:4]}: {answer!r}")
        return answer

    def lines(self):
        return list(iter(self.line, b"."))

    def capabilities(self):
        return [line.split()[0] for line in self.lines()] if self.say("CAPA").startswith(b"+OK") else []

    def begin_tls(self, context, name):
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def close(self):
        self.socket.close()


def careful(server, *, patience=PATIENCE):
    """Read all there is, inside TLS, delete what was read whole, and nothing else."""
    context = server.ssl_context()
    with contextlib.closing(Client(server, patience, context=context)) as client:
        if server.policy.uses_tls and server.mode != "implicit-tls":
            if b"STLS" not in client.capabilities():
                raise Leaves("no STLS")
            client.ask("STLS")
            client.unread = b""  # what came in clear behind it counts for nothing
            client.begin_tls(context, server.host)
        client.capabilities()
        client.ask("USER ann")
        client.ask("PASS s3cret")
        client.ask("LIST")
        numbers = [line.split()[0].decode() for line in client.lines()]
        for number in numbers:
            client.ask(f"RETR {number}")
            client.lines()
        for number in numbers:
            client.ask(f"DELE {number}")
        client.ask("QUIT")


def naive(server, *, patience=PATIENCE, asks_again=True):
    """Read what can be read, somehow, and delete what seems to have been read.

    In TLS it `asks_again` what there is, or logs in at once.
    """
    context = ssl._create_unverified_context()  # noqa: S323 - the point
    try:
        _read_naively(server, patience, context, tries_tls=True, asks_again=asks_again)
    except ssl.SSLError:
        _read_naively(server, patience, context, tries_tls=False, asks_again=asks_again)
    except Leaves:
        _delete_naively(server, patience, context)
        raise
    except TimeoutError:
        _delete_naively(server, patience, context)


def _begin_naively(server, patience, context, **options):
    client = Client(server, patience, context=context)
    try:
        _log_in_naively(client, server, context, **options)
    except BaseException:
        client.close()
        raise
    return client


def _log_in_naively(client, server, context, *, tries_tls=True, asks_again=True):
    if (
        tries_tls
        and server.policy.uses_tls
        and server.mode != "implicit-tls"
        and b"STLS" in client.capabilities()
        and client.say("STLS").startswith(b"+OK")
    ):
        client.begin_tls(context, None)  # and what came in clear behind it stays
        if asks_again:
            client.capabilities()
    if stamp := re.search(b"<.*>", client.greeting):
        client.ask(f"APOP ann {hashlib.md5(stamp[0] + b's3cret', usedforsecurity=False).hexdigest()}")
        return
    client.say("USER ann")
    for password in ("s3cret", "S3cret"):
        if client.say(f"PASS {password}").startswith(b"+OK"):
            return
        client.say("USER ann")
    raise Leaves("nobody lets it in")


def _read_naively(server, patience, context, **options):
    with contextlib.closing(_begin_naively(server, patience, context, **options)) as client:
        count = int(client.ask("STAT").split()[1])
        client.ask("UIDL")
        known = dict(reversed(line.split()) for line in client.lines())  # one number for each unique-id
        client.ask("LIST")
        sizes = dict(line.split() for line in client.lines())
        for number in range(count, 0, -1):
            if str(number).encode() not in known.values() and number <= len(sizes):
                continue
            client.ask(f"RETR {number}")
            text = b""
            while len(text) < int(sizes[str(number).encode()]):
                line = client.line()
                if len(line) > 2_048:
                    raise Leaves("a line is too long")
                text += line + b"\r\n"
            client.line()  # which is the dot
            client.ask(f"DELE {number}")
        client.ask("QUIT")


def _delete_naively(server, patience, context):
    """Delete what was there the last time, as if it had been read."""
    with (
        contextlib.suppress(Leaves, TimeoutError, ssl.SSLError),
        contextlib.closing(_begin_naively(server, patience, context)) as client,
    ):
        client.ask("DELE 1")
        client.ask("QUIT")
