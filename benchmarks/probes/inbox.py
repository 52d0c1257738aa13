"""How the inbox grows: `one` and `wait` with a match among ever more messages; prints JSON.

Usage: inbox.py COUNT, in an environment with smtpfix.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from smtpfix import Server
from smtpfix.mail.envelope import Envelope
from smtpfix.mail.inbox import Inbox
from smtpfix.mail.message import CapturedMessage

CONTENT = "From: <ann@example.org>\r\nTo: <user{0}@example.org>\r\nSubject: Number {0}\r\n\r\nHello.\r\n"


def template() -> CapturedMessage:
    """Return a message that really came."""
    with Server() as server, server.client() as client:
        client.sendmail("ann@example.org", ["bob@example.org"], CONTENT.format(0).encode())
        return server.inbox.one()


def messages(pattern: CapturedMessage, count: int) -> list[CapturedMessage]:
    """Return so many messages, each to somebody else and with a subject of its own."""
    return [
        dataclasses.replace(
            pattern,
            number=number,
            envelope=Envelope(reverse_path="ann@example.org", recipients=(f"user{number}@example.org",)),
            content=CONTENT.format(number).encode(),
        )
        for number in range(1, count + 1)
    ]


def fill(inbox: Inbox, made: list[CapturedMessage]) -> None:
    """Add messages one by one."""
    for message in made:
        inbox.add(message)


def seconds(act: Callable[[], object]) -> float:
    """Return the CPU time that something takes."""
    began = time.process_time()
    act()
    return time.process_time() - began


def resident() -> int:
    """Return the octets of memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def main() -> None:
    """Measure."""
    count = int(sys.argv[1])
    pattern = template()
    before = resident()
    made = messages(pattern, count)
    inbox = Inbox(count + 1)
    found = {"add": seconds(lambda: fill(inbox, made))}
    found["octets"] = (resident() - before) / count
    last = f"user{count}@example.org"
    found["one(to=)"] = seconds(lambda: inbox.one(to=last))
    found["wait(1, to=)"] = seconds(lambda: inbox.wait(1, to=last))
    found["wait(all)"] = seconds(lambda: inbox.wait(count, reverse_path="ann@example.org"))
    found["one(subject=), parsing"] = seconds(lambda: inbox.one(subject=f"Number {count}"))
    found["one(subject=), again"] = seconds(lambda: inbox.one(subject=f"Number {count}"))

    arriving = Inbox(count + 1)
    feeder = threading.Thread(target=fill, args=(arriving, made))
    began = time.process_time()
    feeder.start()
    arriving.wait(1, timeout=120, to=last)
    found["wait(1, to=) while they come"] = time.process_time() - began
    feeder.join()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
