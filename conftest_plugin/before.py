"""What had been when a test began, on servers that ran already: what a report leaves out.

Apart from `reports` because it is noted after each test, and most tests pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smtpfix.running import RUNNING

if TYPE_CHECKING:
    from smtpfix.record.history import Mark
    from smtpfix.server import Server


class Before:
    """What had been when the test began, on a server that ran already."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sessions: Mark = server.sessions.mark()
        self.newest: int = server.inbox.newest
        """The number of the inbox's newest message."""


BEFORE: pytest.StashKey[tuple[Before, ...]] = pytest.StashKey()
"""The servers that ran before the test."""


def begin_next(config: pytest.Config) -> None:
    """Note what there is before the next test begins."""
    before = []
    for server in RUNNING.servers:
        if server.is_running:
            before.append(Before(server))
        else:
            RUNNING.forget(server)
    config.stash[BEFORE] = tuple(before)
