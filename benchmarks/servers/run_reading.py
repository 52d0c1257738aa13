"""smtpfix over IMAP and POP3: as many messages as it is told, and APPENDs of up to `APPEND_LIMIT` octets."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

from smtpfix import ImapPolicy, Inbox, Pop3Policy, Server

USERS = {f"u{number}": "s3cret" for number in range(200)}
APPEND_LIMIT = 33 * 2**20


def main() -> None:
    """Serve until standard input ends: ``fill USER COUNT FILE``, where ``%d`` in the file is a message's number."""
    inbox = Inbox()
    imap = ImapPolicy(users=USERS, host="127.0.0.1", append_limit=APPEND_LIMIT)
    with Server(imap, inbox=inbox) as one, Server(Pop3Policy(users=USERS, host="127.0.0.1"), inbox=inbox) as other:
        _say({"imap": one.port, "pop3": other.port, "versions": {"smtpfix": importlib.metadata.version("smtpfix")}})
        for line in sys.stdin:
            _, user, count, file = line.rstrip("\n").split(" ", 3)
            pattern = Path(file).read_bytes()
            account = one.account(user)
            for number in range(1, int(count) + 1):
                account.put(pattern % number)
            _say({})


def _say(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
