"""What had been when a test began, on servers that ran already: what a report leaves out.

Apart from `reports` because it is noted after each test, and most tests pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from smtpfix.running import RUNNING

if TYPE_CHECKING:
    from smtpfix.record.history import Mark
    from smtpfix.server import Server


class Before(NamedTuple):
    """What had been when the test began, on a server that ran already."""

    server: Server
    sessions: Mark
    newest: int
    """The number of the inbox's newest message."""


BEFORE: pytest.StashKey[tuple[Before, ...]] = pytest.StashKey()
"""The servers that ran before the test."""


def begin_next(config: pytest.Config) -> None:
    """Note what there is before the next test begins."""
    before = []
    for server in RUNNING.servers:
        if server.is_running:
            before.append(Before(server, server.sessions.mark(), server.inbox.newest))
        else:
            RUNNING.forget(server)
    config.stash[BEFORE] = tuple(before)
