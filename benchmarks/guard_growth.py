"""The promises of growth, in calls: twice as much of something costs about twice the calls, whatever comes.

Each is counted with n, 2n and 4n of it, and what the second step adds is compared with what the first one does, so that
what is paid once does not hide the rest. Time in C is not in calls: of expressions and searches, the tests measure it.
"""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from smtpfix import Server
from smtpfix.mail.message import CapturedMessage
from smtpfix.store.opening import open_store
from smtpfix.store.row import entry_of

from .counting import HEAD, MAIL, Client, Tally, content, in_loop

STEP: Final = 2.2
"""How many times the calls of the first step the second one may take; it is 2 where growth is linear, 4 of a square."""
_SMALL_STEP: Final = 100
"""Calls that say nothing of growth."""
_SMALL: Final = content(1024)
Servers: TypeAlias = dict[str, Server[Any]]


Count: TypeAlias = Callable[[Servers, ssl.SSLContext, int], int]
"""What counts the calls that so much of something costs."""


def _session(act: Callable[[Client, int], None], mode: str = "plain") -> Count:
    """Count an SMTP session in which something is done so often."""

    def count(servers: Servers, context: ssl.SSLContext, times: int) -> int:
        tally = Tally()
        client = Client(servers[mode], tally, context=context)
        client.hello()
        act(client, times)
        client.quit()
        servers[mode].inbox.clear()
        return tally.calls + tally.c_calls

    return count


def _flight(octets: Callable[[int], bytes], mode: str = "plain", *before: bytes) -> Count:
    """Count a client that says octets, whatever is answered, and then what it costs to read its record."""

    def count(servers: Servers, _: ssl.SSLContext, times: int) -> int:
        tally = Tally()
        client = Client(servers[mode], tally, begins_tls=False)
        for line in before:
            client.say(line, b"2")
        client.throw(octets(times))
        serving = servers[mode]._serving  # noqa: SLF001 - the session is not over
        with tally.on():
            for session in serving.open_sessions if serving else ():
                str(session)
                str(session.transcript)
                len(session.violations)
        client.lose()
        servers[mode].inbox.clear()
        return tally.calls + tally.c_calls

    return count


def _mailbox(mode: str, act: Callable[[Client, list[int]], None]) -> Count:
    """Count an IMAP or POP3 session in a mailbox with so many messages, whose UIDs it is told."""
    begin = {
        "imap": [(b"a LOGIN ann s3cret\r\n", b"a OK"), (b"b SELECT INBOX\r\n", b"b OK")],
        "pop3": [(b"USER ann\r\n", b"+OK"), (b"PASS s3cret\r\n", b"+OK")],
    }[mode]

    def count(servers: Servers, _: ssl.SSLContext, times: int) -> int:
        server = servers[mode]
        uids = [server.put(_SMALL, to="ann")[0].uid for _ in range(times)]
        tally = Tally()
        client = Client(server, tally)
        for line, answer in begin:
            client.say(line, answer)
        act(client, uids)
        client.lose()
        server.inbox.clear()
        return tally.calls + tally.c_calls

    return count


def _each(line: bytes, code: bytes) -> Callable[[Client, list[int]], None]:
    """Give a command for each message; ``%d`` is its UID over IMAP, its number over POP3."""

    def act(client: Client, uids: list[int]) -> None:
        for number, uid in enumerate(uids, 1):
            client.say(line.replace(b"%d", b"%d" % (uid if code.startswith(b"c") else number)), code)

    return act


def _once(line: bytes) -> Callable[[Client, list[int]], None]:
    return lambda client, _: client.say(line, b"c OK")


def _ranges(client: Client, uids: list[int]) -> None:
    client.say(b"c UID FETCH %b (FLAGS)\r\n" % b",".join(b"%d" % uid for uid in uids[::2]), b"c OK")


def _expunged(client: Client, _: list[int]) -> None:
    client.say(b"c STORE 1:* +FLAGS.SILENT (\\Deleted)\r\n", b"c OK")
    client.say(b"c EXPUNGE\r\n", b"c OK")


def _fill(server: Server[Any], content: bytes, times: int = 1) -> None:
    """Send a message so often, and count nothing of it."""
    client = Client(server, Tally())
    client.hello()
    for _ in range(times):
        client.message(content)
    client.quit()


def _content(octets: Callable[[int], bytes]) -> Count:
    """Count what it costs to read every property of a message that came with this content, and to store it."""

    def count(servers: Servers, _: ssl.SSLContext, times: int) -> int:
        server, tally = servers["plain"], Tally()
        _fill(server, octets(times))
        message = server.inbox[0]
        with tally.on():
            for name, attribute in vars(CapturedMessage).items():
                if isinstance(attribute, property):
                    getattr(message, name)
            str(message)
            entry_of(message, server="smtp", run="run")
        server.inbox.clear()
        return tally.calls + tally.c_calls

    return count


def _stored(servers: Servers, _: ssl.SSLContext, times: int) -> int:
    server, tally = servers["plain"], Tally()
    _fill(server, _SMALL, times)
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(open_store(f"{folder}/store")) as store:
        store.append([entry_of(server.inbox[0], server="smtp", run="run")])
        with tally.on():
            for message in server.inbox:
                store.append([entry_of(message, server="smtp", run="run")])
            store.page(limit=times)
    server.inbox.clear()
    return tally.calls + tally.c_calls


def _waited(servers: Servers, _: ssl.SSLContext, times: int) -> int:
    server, tally = servers["plain"], Tally()
    _fill(server, HEAD, times)
    with tally.on():
        server.inbox.find(text="nothing")
    server.inbox.clear()
    return tally.calls + tally.c_calls


def _header(name: bytes, unit: bytes, end: bytes = b"") -> Count:
    return _content(lambda times: b"%b: %b%b\r\n\r\nbody\r\n" % (name, unit * times, end))


def _messages(client: Client, times: int) -> None:
    for _ in range(times):
        client.message(_SMALL)


_LEVELS: Final = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(200))

PROMISES: Final[dict[str, tuple[int, Count]]] = {
    "messages of a session": (
        20,
        _session(_messages),
    ),
    "recipients of a message": (50, _session(lambda client, times: client.message(_SMALL, recipients=times))),
    "lines of a message": (2000, _session(lambda client, times: client.message(HEAD + b"x\r\n" * times))),
    "commands in one write": (100, _flight(lambda times: b"NOOP\r\n" * times)),
    "messages that a search in the inbox looks at": (50, _waited),
    "messages in a store, one transaction each, and a page of all": (20, _stored),
    "messages of one FETCH": (50, _mailbox("imap", _once(b"c FETCH 1:* BODY[]\r\n"))),
    "messages of a FETCH each, by UID": (50, _mailbox("imap", _each(b"c UID FETCH %d BODY[]\r\n", b"c OK"))),
    "messages of a FETCH of ENVELOPE and BODYSTRUCTURE": (
        50,
        _mailbox("imap", _once(b"c FETCH 1:* (ENVELOPE BODYSTRUCTURE)\r\n")),
    ),
    "ranges of a set of UIDs": (50, _mailbox("imap", _ranges)),
    "messages of a SEARCH": (50, _mailbox("imap", _once(b'c SEARCH TEXT "nothing"\r\n'))),
    "messages of an EXPUNGE": (50, _mailbox("imap", _expunged)),
    "messages of a RETR each": (50, _mailbox("pop3", _each(b"RETR %d\r\n", b"."))),
    "messages with a STAT each": (
        50,
        _mailbox("pop3", _each(b"STAT\r\n", b"+OK")),
    ),
    "messages of a DELE each": (50, _mailbox("pop3", _each(b"DELE %d\r\n", b"+OK"))),
    "blank lines before AUTH, to a port that begins with TLS": (
        5000,
        _flight(lambda times: b"\n" * times + b"AUTH", "implicit-tls"),
    ),
    "blank lines after STARTTLS, in clear": (
        5000,
        _flight(lambda times: b"STARTTLS\r\n" + b"\n" * times + b"AUTH", "starttls", b"EHLO client.example.org\r\n"),
    ),
    "recipients that are costly to parse": (
        50,
        _flight(
            lambda times: (b"RCPT TO:<a%b@x>\r\n" % (b'."a"' * 50)) * times,
            "plain",
            b"EHLO client.example.org\r\n",
            MAIL,
        ),
    ),
    "lines after an AUTH that was refused": (
        100,
        _flight(lambda times: b"AUTH NONSENSE\r\n" + b"czNjcmV0\r\n" * times, "plain", b"EHLO client.example.org\r\n"),
    ),
    "semicolons in Content-Type": (500, _header(b"Content-Type", b";", b"x")),
    "parameters in Content-Disposition": (500, _header(b"Content-Disposition: attachment", b";a=b")),
    "comments in Content-Transfer-Encoding": (500, _header(b"Content-Transfer-Encoding", b"(a)", b"base64")),
    "addresses of a group": (500, _header(b"To: team", b"a@b,", b";")),
    "encoded words in Subject": (200, _header(b"Subject", b"=?utf-8?q?a?= ")),
    "lines in 200 levels of parts": (1000, _content(lambda times: _LEVELS + b"\r\n" + b"x\r\n" * times)),
    "parts of a message": (
        100,
        _content(lambda times: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * times),
    ),
    "text in punycode": (
        500,
        _content(lambda times: b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * times + b"\r\n"),
    ),
}
"""By what there is more of, how much of it there is at first, and what counts it."""


def steps() -> dict[str, tuple[int, int]]:
    """Return what the calls are that the first step adds, from n to 2n, and the second one, from 2n to 4n."""

    def act(servers: Servers, context: ssl.SSLContext) -> dict[str, tuple[int, int]]:
        found = {}
        for name, (size, count) in PROMISES.items():
            count(servers, context, size)  # fills every cache
            one, two, four = (count(servers, context, size * factor) for factor in (1, 2, 4))
            found[name] = two - one, four - two
        return found

    return in_loop(act)


def broken(found: dict[str, tuple[int, int]]) -> list[str]:
    """Return a line on each promise that is not kept."""
    return [
        f"{name}: the second step costs {second:,} calls, the first one {first:,}"
        for name, (first, second) in found.items()
        if second > max(first, _SMALL_STEP) * STEP
    ]
