"""Fills a store with messages and sessions as they would come: WHERE MESSAGES SESSIONS OCTETS; prints JSON.

To be run in an environment with smtpfix and what its store needs.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage
from smtpfix.rules.reply import Reply
from smtpfix.store.opening import open_store
from smtpfix.store.row import Entry, entry_of
from smtpfix.store.store import StoredSession

SOURCE: Any = SimpleNamespace(number=1, session=lambda: None)
DIALOGUE = [["client", f"RCPT TO:<user{number}@example.org>"] for number in range(10)]
AT_ONCE = 1000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def entry(number: int, octets: int) -> Entry:
    """Return a message as it is stored."""
    head = f"From: Ann <a{number}@example.org>\r\nTo: bob@example.org\r\nSubject: no {number}\r\n\r\n"
    line = f"the quick brown fox {number} jumps over the lazy dog\r\n"
    message = CapturedMessage(
        number=1,
        envelope=Envelope("ann@example.org", ("bob@example.org",)),
        content=(head + line * (octets // len(line))).encode(),
        received=BEGAN + timedelta(seconds=number),
        reply=Reply(250),
        in_tls=False,
        user=None,
        _source=SOURCE,
    )
    return entry_of(message, server="plain", run="run")


def session(number: int) -> StoredSession:
    """Return a session as it is stored; one of ten has failed."""
    return StoredSession(
        id=f"run-{number}",
        server="plain",
        began=BEGAN + timedelta(seconds=number),
        has_mail=number % 2 == 0,
        has_failed=number % 10 == 0,
        facts={"client": "127.0.0.1", "helo": f"client{number}.example.org", "messages": 1},
        dialogue=DIALOGUE,
    )


def main() -> None:
    """Fill it."""
    where, *numbers = sys.argv[1:]
    messages, sessions, octets = map(int, numbers)
    began, cpu = time.perf_counter(), time.process_time()
    with closing(open_store(where)) as store:
        for first in range(0, messages, AT_ONCE):
            store.append([entry(number, octets) for number in range(first, min(messages, first + AT_ONCE))])
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        before = time.process_time()
        for first in range(0, sessions, AT_ONCE):
            store.put_sessions([session(number) for number in range(first, min(sessions, first + AT_ONCE))])
    print(json.dumps({"seconds": seconds, "cpu": cpu, "cpu of sessions": time.process_time() - before}))


if __name__ == "__main__":
    main()
