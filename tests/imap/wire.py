"""A session of IMAP by hand, and transcripts to be played: what a client says, and what it has to be answered."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Self

from smtpfix import Server

WITHIN = 10.0
"""Seconds after which an answer is missing."""
USERS = {"ann": "s3cret", "bob": "hunter2"}

PLAIN = (
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
    b"From: Fred Foobar <foobar@Blurdybloop.example>\r\n"
    b"To: mooch@owatagu.example\r\n"
    b"Subject: afternoon meeting\r\n"
    b"Message-Id: <B27397-0100000@Blurdybloop.example>\r\n"
    b"\r\n"
    b"Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n"
)
MIXED = (
    b"Date: Tue, 8 Feb 1994 10:00:00 +0000\r\n"
    b"From: =?utf-8?q?J=C3=BCrgen?= <juergen@example.org>\r\n"
    b"To: ann@example.org, undisclosed: bob@example.org;\r\n"
    b"Subject: Re: [list] afternoon meeting\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--b\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: base64\r\n"
    b"\r\n"
    b"R3LDvMOfZQ==\r\n"
    b"--b\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"\r\n"
    b"Subject: inside\r\n"
    b"From: carol@example.org\r\n"
    b"\r\n"
    b"inner\r\n"
    b"--b--\r\n"
)
LAST = b"Subject: last\r\nFrom: Zoe <zoe@example.org>\r\nX-Note: one\r\n two\r\n\r\nthree\r\n"


class Wire:
    """One connection to a server, in clear."""

    def __init__(self, server: Server, state: str = "") -> None:
        self._socket = socket.create_connection((server.host, server.port), WITHIN)
        self._file = self._socket.makefile("rb")
        self.greeting = self.line() if server.mode != "implicit-tls" else b""
        if state:
            self.do("LOGIN ann s3cret", "w1")
        if state == "selected":
            self.do("SELECT INBOX", "w2")

    def begin_tls(self, server: Server) -> None:
        """Go on in TLS."""
        self._file.close()
        self._socket = server.ssl_context().wrap_socket(self._socket, server_hostname=server.host)
        self._file = self._socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        """Say octets as they are."""
        self._socket.sendall(octets)

    def line(self) -> bytes:
        """Return the next line without its CRLF; empty where the server has closed."""
        return self._file.readline().removesuffix(b"\r\n")

    def read(self, count: int) -> bytes:
        """Return so many octets."""
        return self._file.read(count)

    def do(self, command: str | bytes, tag: str = "x") -> list[bytes]:
        """Say a command and return the lines of its answer, the tagged one last."""
        octets = command.encode() if isinstance(command, str) else command
        self.send(b"%b %b\r\n" % (tag.encode(), octets))
        return self.until(tag)

    def until(self, tag: str) -> list[bytes]:
        """Return all lines up to the one with this tag."""
        lines = []
        while True:
            line = self.line()
            lines.append(line)
            if line.startswith(tag.encode() + b" ") or not (line or self.is_open):
                return lines

    @property
    def is_open(self) -> bool:
        """Whether the server has not closed the connection."""
        return self._file.peek(1) != b""

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fill(server: Server) -> None:
    """Put the three messages into ann's INBOX, the last of them seen."""
    account = server.inbox.accounts["ann"]
    account.put(PLAIN)
    account.put(MIXED)
    account.put(LAST, flags=["\\Seen"])


def transcripts(name: str) -> dict[str, tuple[str, list[str]]]:
    """Return the transcripts of a file by their headings, each with the state it begins in and its lines."""
    found: dict[str, tuple[str, list[str]]] = {}
    for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## (.*?)(?: \[(\w+)\])?", line):
            assert heading[1] not in found, heading[1]
            found[heading[1]] = (heading[2] or "", lines := [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


def play(server: Server, state: str, lines: list[str]) -> None:
    """Play a transcript: ``C:`` is said, ``S:`` has to come, with ``...`` for anything; then nothing more may come."""
    with Wire(server, state) as wire:
        for line in lines:
            side, _, text = line.partition(": ")
            if side == "C":
                wire.send(text.encode() + b"\r\n")
                continue
            assert side == "S", line
            came = wire.line().decode("utf-8", "backslashreplace")
            pattern = ".*".join(map(re.escape, text.split("...")))
            assert re.fullmatch(pattern, came), f"expected {text!r}, got {came!r}"
        if wire.is_open if lines[-1].startswith("S: zz") else True:
            if "BYE" in "".join(lines[-3:]):
                assert not wire.is_open
            else:
                assert wire.do("NOOP", "zz") == [b"zz OK done"]
