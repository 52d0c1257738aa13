"""Sends messages as fast as it can: PORT CONNECTIONS MESSAGES OCTETS PREFIX; prints seconds and what had its 250."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time


def _reply(stream: object) -> bytes:
    while (line := stream.readline())[3:4] == b"-":  # type: ignore[attr-defined]
        pass
    return line


def client(port: int, name: str, count: int, octets: int, acknowledged: list[str]) -> None:
    """Send so many messages over one connection; each subject is noted once its 250 has come."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection, connection.makefile("rb") as stream:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _reply(stream)
        connection.sendall(b"EHLO load\r\n")
        _reply(stream)
        line = b"The quick brown fox jumps over the lazy dog, again and again, and again, ok.\r\n"
        body = (line * (octets // len(line) + 1))[:octets]
        for number in range(count):
            subject = f"{name}-{number}"
            for command in ("MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.org>", "DATA"):
                connection.sendall(f"{command}\r\n".encode())
                if _reply(stream)[:1] not in b"23":
                    return
            head = f"From: Ann <ann@example.org>\r\nTo: <bob@example.org>\r\nSubject: {subject}\r\n\r\n"
            connection.sendall(head.encode() + body + b"\r\n.\r\n")
            if _reply(stream)[:3] == b"250":
                acknowledged.append(subject)


def main() -> None:
    """Run all connections, and report."""
    *numbers, prefix = sys.argv[1:]
    port, connections, messages, octets = map(int, numbers)
    acknowledged: list[str] = []
    threads = [
        threading.Thread(target=client, args=(port, f"{prefix}{n}", messages // connections, octets, acknowledged))
        for n in range(connections)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"seconds": time.perf_counter() - began, "acknowledged": acknowledged}))


if __name__ == "__main__":
    main()
