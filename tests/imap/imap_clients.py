"""Two clients that read mail by IMAP: one that does what the standards ask, and one that does none of it."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl

PATIENCE = 10.0
IMPATIENCE = 0.5
"""Seconds that a client waits where the scenario is that the server says nothing."""
_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n\Z")


class Leaves(Exception):  # noqa: N818 - what a client decides
    """The client goes no further."""


class Client:
    """A connection, and what is the same in both clients."""

    def __init__(self, server, patience, *, context=None):
        self.socket = socket.create_connection((server.host, server.port), patience)
        self.unread = b""
        self.number = 0
        try:
            if server.mode == "implicit-tls":
                self.socket = context.wrap_socket(self.socket, server_hostname=server.host)
            self.greeting = self.response()
        except BaseException:
            self.close()
            raise

    def _more(self):
        more = self.socket.recv(65_536)
        if not more:
            raise Leaves("the server closed the connection")
        self.unread += more

    def response(self):
        """Return one response, with its literals."""
        whole = b""
        while True:
            while b"\n" not in self.unread:
                self._more()
            line, newline, self.unread = self.unread.partition(b"\n")
            whole += line + newline
            literal = _LITERAL.search(whole)
            if literal is None:
                return whole
            count = int(literal[1])
            while len(self.unread) < count:
                self._more()
            whole, self.unread = whole + self.unread[:count], self.unread[count:]

    def say(self, text):
        """Say a command and return the untagged responses to it, and how it ended."""
        self.number += 1
        tag = b"a%d" % self.number
        self.socket.sendall(tag + b" " + text.encode() + b"\r\n")
        responses = []
        while True:
            response = self.response()
            if response.startswith(tag + b" "):
                return responses, response[len(tag) + 1 :].strip()
            responses.append(response)

    def ask(self, text):
        """Say a command that has to succeed, and return the untagged responses."""
        responses, end = self.say(text)
        if not end.startswith(b"OK"):
            raise Leaves(f"{text[:5]}: {end!r}")
        return responses

    def begin_tls(self, context, name):
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def close(self):
        self.socket.close()


def capabilities(responses):
    """Return what the untagged responses say the server has."""
    return [word for line in responses if line.startswith(b"* CAPABILITY") for word in line.split()[2:]]


class Strict(Client):
    """Takes what is not of the grammar, or bad news, for the end."""

    def response(self):
        response = super().response()
        if response.startswith(b"* BYE") and not self.leaving:
            raise Leaves(response)
        if not re.match(rb"\* |\+ |a[0-9]+ ", response):
            raise Leaves(f"no response: {response!r}")
        return response

    leaving = False


def careful(server, *, patience=PATIENCE):
    """Read all there is, inside TLS, delete what was read whole, and nothing else."""
    context = server.ssl_context()
    with contextlib.closing(Strict(server, patience, context=context)) as client:
        is_safe = server.mode in ("plain", "implicit-tls")
        if not is_safe:
            if not client.greeting.startswith(b"* OK"):
                raise Leaves(client.greeting)
            if b"STARTTLS" not in capabilities(client.ask("CAPABILITY")):
                raise Leaves("no STARTTLS")
            if client.unread:
                raise Leaves("it answers what was not asked")
            client.ask("STARTTLS")
            client.unread = b""  # what came in clear behind it counts for nothing
            client.begin_tls(context, server.host)
        offered = capabilities(client.ask("CAPABILITY"))
        if not client.greeting.startswith(b"* PREAUTH"):
            if b"LOGINDISABLED" in offered or b"AUTH=PLAIN" not in offered:
                raise Leaves("no login here")
            client.ask("LOGIN ann s3cret")
        client.ask("SELECT INBOX")
        offered = capabilities(client.ask("CAPABILITY"))
        found = b"".join(client.ask("UID SEARCH ALL"))
        uids = re.search(rb"(?i)\* SEARCH((?: [0-9]+)*)\r\n", found)[1].split()
        read, gone = [], []
        for uid in map(bytes.decode, uids):
            answers, end = client.say(f"UID FETCH {uid} (BODY.PEEK[])")
            if end.startswith(b"NO [EXPUNGEISSUED]"):
                gone.append(uid)
            elif not end.startswith(b"OK"):
                raise Leaves(f"FETCH: {end!r}")
            if any(re.search(rb"FETCH \(.*UID %b\b.*BODY\[\] \{" % uid.encode(), one) for one in answers):
                if not all(one.endswith(b")\r\n") and one.count(b"From: ") < 2 for one in answers if b"BODY[]" in one):
                    raise Leaves("a literal is wrong")
                read.append(uid)
        if len(read) + len(gone) < len(uids):
            raise Leaves("not all could be read")
        client.ask(f"UID STORE {','.join(read)} +FLAGS.SILENT (\\Deleted)")
        client.ask("UID EXPUNGE " + ",".join(read) if b"UIDPLUS" in offered else "EXPUNGE")
        client.leaving = True
        client.ask("LOGOUT")


def naive(server, *, patience=PATIENCE):
    """Read what can be read, somehow, and delete what seems to have been read."""
    context = ssl._create_unverified_context()  # noqa: S323 - the point
    try:
        _read_naively(server, patience, context, tries_tls=True)
    except ssl.SSLError:
        _read_naively(server, patience, context, tries_tls=False)
    except TimeoutError:
        _delete_naively(server, patience, context)
    except (Leaves, ConnectionError):
        with contextlib.suppress(Leaves, OSError):
            _read_naively(server, patience, context, tries_tls=False)
        _delete_naively(server, patience, context)
        raise


class Credulous(Client):
    """Takes what anybody says at any time, and is at a loss where it is not what it knows."""

    def __init__(self, *arguments, **options):
        self.numbers, self.names, self.offered, self.has_read = set(), set(), [], set()
        super().__init__(*arguments, **options)

    def response(self):
        response = super().response()
        if response.startswith(b"* XSMTPFIX"):
            raise Leaves(f"what is that: {response!r}")
        if response.endswith(b" EXISTS\r\n"):
            self.numbers.add(int(response.split()[1]))
        if response.startswith(b"* SEARCH"):
            self.numbers |= set(map(int, response.split()[2:]))
        if response.startswith(b"* LIST"):
            self.names.add(response.split()[-1].decode())
        if response.startswith(b"* CAPABILITY"):
            self.offered = response.split()[2:]
        if b"BODY[] {8}" in response:
            self.has_read.add(int(response.split()[1]))
        return response


def _begin_naively(server, patience, context, *, tries_tls=True):
    client = Credulous(server, patience, context=context)
    try:
        _log_in_naively(client, context, tries_tls=tries_tls)
    except BaseException:
        client.close()
        raise
    return client


def _log_in_naively(client, context, *, tries_tls):
    if not client.greeting.startswith(b"* PREAUTH"):
        client.say("CAPABILITY")
        if tries_tls and b"STARTTLS" in client.offered and _takes_any_answer(client):
            client.begin_tls(context, None)  # and what came in clear behind it stays
        if any(one.startswith(b"AUTH=") for one in client.offered) and b"AUTH=PLAIN" not in client.offered:
            raise Leaves("it has no mechanism that is known")
        for password in ("s3cret", "S3cret"):
            initial = base64.b64encode(f"\0ann\0{password}".encode()).decode()
            if client.say(f"AUTHENTICATE PLAIN {initial}")[1].startswith(b"OK"):
                break
        else:
            raise Leaves("nobody lets it in")


def _takes_any_answer(client):
    """Ask for TLS; any answer that is not bad is good enough."""
    client.number += 1
    client.socket.sendall(b"a%d STARTTLS\r\n" % client.number)
    return not re.search(rb" (?:NO|BAD)|BYE|\+", client.response())


def _read_naively(server, patience, context, **options):
    with contextlib.closing(_begin_naively(server, patience, context, **options)) as client:
        client.ask('LIST "" *')
        for name in client.names:
            client.ask(f"STATUS {name} (MESSAGES)")
        client.ask("SELECT INBOX")
        client.ask("SEARCH ALL")
        _idle(client)
        for number in sorted(client.numbers - client.has_read - {0}, reverse=True):
            if b"ENVELOPE (NIL NIL" in b"".join(client.ask(f"FETCH {number} ENVELOPE")):
                raise Leaves("it has no subject")
            size = int(re.search(rb"SIZE ([0-9]+)|\Z", b"".join(client.ask(f"FETCH {number} RFC822.SIZE")))[1] or 1)
            client.say(f"FETCH {number} BODY.PEEK[]<0.{size}>")
        client.say("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        client.say("EXPUNGE")
        client.say("LOGOUT")


def _idle(client):
    """Wait for more, as it can do everywhere."""
    client.number += 1
    client.socket.sendall(b"a%d IDLE\r\n" % client.number)
    if not client.response().startswith(b"+"):
        raise Leaves("no IDLE")
    client.socket.sendall(b"DONE\r\n")
    client.response()


def _delete_naively(server, patience, context):
    """Delete what was there the last time, as if it had been read."""
    with (
        contextlib.suppress(Leaves, OSError),
        contextlib.closing(_begin_naively(server, patience, context)) as client,
    ):
        client.ask("SELECT INBOX")
        client.ask("STORE 1 +FLAGS.SILENT (\\Deleted)")
        client.ask("EXPUNGE")
        client.ask("LOGOUT")
