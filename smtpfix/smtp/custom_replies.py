"""`CustomReplies`: replies that replace this package's own ones, with their placeholders filled in.

Only a server that has words of its own has one; a rule's replies may have placeholders on every server.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

from smtpfix.record.recorder import Recorder
from smtpfix.rules.reply import Reply

from .policy import Policy
from .replies import PLACEHOLDER, Detailed, standard_replies


class Placeholders:
    """One server's: what stands for `replies.PLACEHOLDERS`."""

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname
        self._ids = itertools.count(1)

    def fill(self, reply: Reply, recorder: Recorder, **more: Callable[[], str]) -> Reply:
        """Return a reply with its placeholders filled in, for the session that is being recorded.

        `more` are others. What is no placeholder stays as it stands.
        """
        if "{" not in reply.text:
            return reply
        values = {
            "hostname": lambda: self._hostname,
            "client": lambda: recorder.client[0],
            "session_id": lambda: f"{recorder.number:08x}",
            "queue_id": lambda: f"{next(self._ids):010X}",
            "date": lambda: format_datetime(datetime.now(UTC)),
            **more,
        }
        text = PLACEHOLDER.sub(lambda match: values[match[1]]() if match[1] in values else match[0], reply.text)
        return replace(reply, text=text)


class CustomReplies:
    """One server's."""

    def __init__(self, policy: Policy, placeholders: Placeholders) -> None:
        standard = standard_replies()
        # By identity: a rule's reply that happens to be equal is the rule's.
        self._replies = {id(standard[name]): reply for name, reply in policy.own_replies.items()}
        self.fill = placeholders.fill

    def say(self, reply: Reply, recorder: Recorder) -> Reply:
        """Return what is said in the place of a standard reply; any other reply as it is."""
        own = self._replies.get(id(reply.standard if isinstance(reply, Detailed) else reply))
        return reply if own is None else self.fill(own, recorder)
