"""Servers of a few lines, for probes: what they say is given reply by reply."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

GREETING = b"220 mail.example.org ESMTP\r\n"


@contextmanager
def scripted(*replies: bytes, hello: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection: greet, answer EHLO and then line by line; give the port and the lines that came.

    Behind the last of the replies it says 421 to whatever comes, as servers do that have had enough.
    """
    heard: list[bytes] = []
    answers = [b"250-mail.example.org\r\n" + hello + b"250 HELP\r\n", *replies]

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.settimeout(10)
            connection.sendall(GREETING)
            for number, line in enumerate(lines):
                heard.append(line)
                connection.sendall(answers[number] if number < len(answers) else b"421 4.7.0 Too many errors\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join()


@contextmanager
def spoken(*replies: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection of any protocol: say the first reply, and then one for each line; give port and lines.

    Behind the last reply, and where there is none, it says nothing; where a reply is empty, it hangs up.
    """
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.settimeout(10)
            for number, reply in enumerate(replies):
                if number:
                    if not (line := lines.readline()):
                        return
                    heard.append(line)
                if not reply:
                    return
                connection.sendall(reply)
            heard.extend(lines)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join()
