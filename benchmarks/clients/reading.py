"""A client of IMAP or POP3 that throws away what it reads: PROTOCOL PORT USER; obeys lines, and prints JSON.

``login``, ``ask COMMAND``, ``each FIRST LAST COMMAND`` with ``{}`` for the number, ``append COUNT FOLDER FILE``,
``refuse COUNT FOLDER FILE`` where the server has to refuse it, and ``idle COUNT FILE``, in which so many more
connections wait to be told of a message that another one appends.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

TAG = b"zq"
WITHIN = 120.0


class Connection:
    """A connection that has logged in."""

    def __init__(self, protocol: str, port: int, user: str) -> None:
        self._is_imap = protocol == "imap"
        self._socket = socket.create_connection(("127.0.0.1", port), WITHIN)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(2**20)
        self.octets = 0
        self.until(lambda tail: tail.endswith(b"\r\n"))
        self._commands = [f"LOGIN {user} s3cret"] if self._is_imap else [f"USER {user}", "PASS s3cret"]

    def log_in(self) -> None:
        """Log in."""
        for command in self._commands:
            self.ask(command)

    def ask(self, command: str) -> None:
        """Say a command and read its answer, which has to be a good one."""
        if self._is_imap:
            self.say(b"%b %b\r\n" % (TAG, command.encode()))
            self.answer()
        else:
            self.say(f"{command}\r\n".encode())
            end = b"\r\n.\r\n" if command.startswith("RETR") else b"\r\n"
            tail = self.until(lambda tail: tail.startswith(b"-") or tail.endswith(end))
            if tail.startswith(b"-"):
                raise ValueError(tail.decode(errors="replace"))

    def answer(self, expected: bytes = b" OK") -> None:
        """Read to the end of the answer to an IMAP command."""
        tail = self.until(lambda tail: tail.endswith(b"\r\n") and last_line(tail).startswith(TAG + b" "))
        if not last_line(tail).startswith(TAG + expected):
            raise ValueError(last_line(tail).decode(errors="replace"))

    def append(self, folder: str, *pieces: bytes, is_kept: bool = True) -> None:
        """Append a message, which the server has to keep, or to refuse."""
        size = sum(map(len, pieces))
        self.say(b"%b APPEND %b {%d+}\r\n" % (TAG, folder.encode(), size) + (pieces[0] if len(pieces) == 1 else b""))
        for piece in pieces if len(pieces) > 1 else ():
            self.say(piece)
        self.say(b"\r\n")
        self.answer(b" OK" if is_kept else b" NO")

    def say(self, octets: bytes) -> None:
        """Send octets."""
        self._socket.sendall(octets)

    def until(self, is_end: Callable[[bytes], bool]) -> bytes:
        """Read until the last octets are an end, and return them."""
        tail = b""
        while True:
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise ConnectionError("the server has closed the connection")
            self.octets += count
            tail = (tail + self._buffer[max(0, count - 1000) : count])[-1000:]
            if is_end(tail):
                return tail


def last_line(tail: bytes) -> bytes:
    """Return the last line without its end."""
    return tail[:-2].rpartition(b"\r\n")[2]


def all_told(place: tuple[str, int, str], count: int, content: bytes) -> float:
    """Let connections wait in IDLE, append a message, and return the seconds until all have been told of it."""
    waiting = [Connection(*place) for _ in range(count + 1)]
    for one in waiting:
        one.log_in()
        one.ask("SELECT INBOX")
    writer = waiting.pop()
    for one in waiting:
        one.say(TAG + b" IDLE\r\n")
        one.until(lambda tail: tail.startswith(b"+") and tail.endswith(b"\r\n"))
    began = time.perf_counter()
    writer.append("INBOX", content)
    for one in waiting:
        one.until(lambda tail: b" EXISTS\r\n" in tail)
    return time.perf_counter() - began


def act(connection: Connection, place: tuple[str, int, str], line: str) -> float:
    """Do what a line says, and return its seconds."""
    verb, _, argument = line.partition(" ")
    if verb == "idle":
        count, file = argument.split(" ", 1)
        return all_told(place, int(count), Path(file).read_bytes())
    if verb in ("append", "refuse"):
        times, folder, file = argument.split(" ", 2)
        content = Path(file).read_bytes()
        pieces = [content[at : at + 2**20] for at in range(0, len(content), 2**20)]
        is_kept = verb == "append"
        return timed(lambda _: connection.append(folder, *pieces, is_kept=is_kept), range(int(times)))
    if verb == "each":
        first, last, command = argument.split(" ", 2)
        return timed(lambda number: connection.ask(command.format(number)), range(int(first), int(last) + 1))
    return timed(lambda _: connection.log_in() if verb == "login" else connection.ask(argument), range(1))


def timed(work: Callable[[int], None], numbers: range) -> float:
    """Return the seconds that some work takes for all numbers."""
    began = time.perf_counter()
    for number in numbers:
        work(number)
    return time.perf_counter() - began


def main() -> None:
    """Obey."""
    place = (sys.argv[1], int(sys.argv[2]), sys.argv[3])
    connection = Connection(*place)
    print("{}", flush=True)
    for line in sys.stdin:
        before = connection.octets
        try:
            answer: dict[str, object] = {"seconds": act(connection, place, line.rstrip("\n"))}
        except (OSError, ValueError) as error:
            answer = {"error": f"{line.strip()}: {error}"}
        print(json.dumps(answer | {"octets": connection.octets - before}), flush=True)


if __name__ == "__main__":
    main()
