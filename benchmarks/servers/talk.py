"""A server and a client in one process, for a tool that counts what a process does: `instructions` runs it.

Stands alone, so that an earlier smtpfix can be counted too: whichever is found first on the path.
"""

from __future__ import annotations

import gc
import socket
import sys

MESSAGE = (
    b"Subject: Measured\r\n\r\n" + b"The quick brown fox jumps over the lazy dog, again and again.\r\n" * 16 + b".\r\n"
)
TURNS = (b"MAIL FROM:<ann@example.org>\r\n", b"RCPT TO:<bob@example.org>\r\n", b"DATA\r\n", MESSAGE)


def open_session(port: int) -> socket.socket:
    """Connect, and say EHLO."""
    client = socket.create_connection(("127.0.0.1", port))
    client.recv(65_536)
    say(client, b"EHLO client.example.org\r\n")
    return client


def say(client: socket.socket, *turns: bytes) -> None:
    """Say something and wait for the answer, again and again."""
    for turn in turns:
        client.sendall(turn)
        if client.recv(65_536)[:1] not in b"23":
            raise RuntimeError(f"{turn[:60]!r} was refused")


def end_session(client: socket.socket) -> None:
    """Say QUIT, and close once the server has."""
    say(client, b"QUIT\r\n")
    client.recv(65_536)
    client.close()


def work(port: int, what: str, times: int) -> None:
    """Send messages in one session, or begin and end sessions, so many times."""
    if what == "message":
        client = open_session(port)
        for _ in range(times):
            say(client, *TURNS)
        end_session(client)
        return
    for _ in range(times):
        client = open_session(port)
        if what == "whole":
            say(client, *TURNS)
        end_session(client)


def main(server: str, what: str, times: int) -> None:
    """Count from a state in which everything has been used once."""
    if server == "raw":
        from control import Options  # noqa: PLC0415 - only what is counted is imported
        from run_raw import Running  # noqa: PLC0415 - as above

        running = Running(Options("plain", "", "", 0, 0))
        port, close = running.port, running.close
    else:
        from smtpfix import Policy, Server  # noqa: PLC0415 - as above

        served = Server(Policy("plain")).start()
        port, close = served.port, served.close
    work(port, "whole", 2)
    gc.collect()
    gc.freeze()
    work(port, what, times)
    close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
