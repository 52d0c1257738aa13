"""How many messages have arrived, and how many were deleted, since the start."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from smtpfix.clock import monotonic
from smtpfix.mail.message import CapturedMessage


@dataclass(slots=True)
class Statistics:
    """What has come since the start; may be counted in any thread."""

    accepted: int = 0
    accepted_octets: int = 0
    refused: int = 0
    deleted: int = 0
    webhook_sent: int = 0
    webhook_failed: int = 0
    started: float = field(default_factory=monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def note(self, message: CapturedMessage) -> None:
        """Count a message."""
        with self._lock:
            if message.accepted:
                self.accepted += 1
                self.accepted_octets += len(message.content)
            else:
                self.refused += 1

    def note_deleted(self, count: int) -> None:
        """Count messages that were deleted."""
        with self._lock:
            self.deleted += count
