"""Opens sessions and keeps them: PORT COUNT; each says EHLO, and QUIT once standard input ends."""

from __future__ import annotations

import socket
import sys


def main() -> None:
    """Open them, say so, and wait."""
    port, count = map(int, sys.argv[1:])
    sessions = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), 60)
        sessions.append(connection)
        connection.recv(1000)
        connection.sendall(b"EHLO client.example.org\r\n")
        while b"\r\n250 " not in b"\r\n" + connection.recv(10_000):
            pass
    print("{}", flush=True)
    sys.stdin.read()
    for connection in sessions:
        connection.sendall(b"QUIT\r\n")
    for connection in sessions:
        connection.recv(1000)
        connection.close()


if __name__ == "__main__":
    main()
