"""A client of the TLS figures: whole sessions with one message each, over blocking sockets.

Usage: tls_sessions.py MODE PORT SESSIONS MESSAGE-FILE; it says it is ready, waits for a line, works, and says how many.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from pathlib import Path


class Talk:
    """Commands out, replies in."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._received = b""

    def expect(self, code: bytes) -> None:
        """Read a whole reply and make sure of its code."""
        while True:
            line, found, rest = self._received.partition(b"\n")
            if found:
                self._received = rest
                if line[3:4] == b"-":
                    continue
                if not line.startswith(code):
                    raise SystemExit(f"expected {code!r}, got {line!r}")
                return
            piece = self.connection.recv(65_536)
            if not piece:
                raise SystemExit(f"expected {code!r}, got the end of the connection")
            self._received += piece

    def command(self, line: bytes, code: bytes) -> None:
        """Send a line and expect a reply."""
        self.connection.sendall(line + b"\r\n")
        self.expect(code)


def session(mode: str, port: int, context: ssl.SSLContext, message: bytes) -> None:
    """Connect, send one message in TLS, and quit."""
    connection = socket.create_connection(("127.0.0.1", port), 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if mode == "implicit-tls":
        connection = context.wrap_socket(connection, server_hostname="localhost")
    with connection:
        talk = Talk(connection)
        talk.expect(b"220")
        talk.command(b"EHLO client.example.org", b"250")
        if mode == "starttls":
            talk.command(b"STARTTLS", b"220")
            talk.connection = context.wrap_socket(connection, server_hostname="localhost")
            talk.command(b"EHLO client.example.org", b"250")
        with talk.connection:
            talk.command(b"MAIL FROM:<ann@example.org>", b"250")
            talk.command(b"RCPT TO:<bob@example.org>", b"250")
            talk.command(b"DATA", b"354")
            talk.command(message + b".", b"250")
            talk.command(b"QUIT", b"221")


def main() -> None:
    """Work when told to."""
    mode, port, sessions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    message = Path(sys.argv[4]).read_bytes().replace(b"\n", b"\r\n") + b"\r\n"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The client's work is no part of the figure: it checks nothing.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
    began = time.process_time()
    for _ in range(sessions):
        session(mode, port, context, message)
    print(json.dumps({"sessions": sessions, "cpu": time.process_time() - began}), flush=True)


if __name__ == "__main__":
    main()
