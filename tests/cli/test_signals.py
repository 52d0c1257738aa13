"""The signals that end a program: however many come, and whenever, one watchdog is started."""

from __future__ import annotations

import signal
import threading

from smtpfix.cli.events import Reason
from smtpfix.cli.signals import signals


def test_signals_that_come_while_one_is_handled_start_no_second_watchdog(monkeypatch):
    started, ends = [], []

    class Interrupted(threading.Timer):
        def start(self):
            started.append(self)
            if len(started) < 3:
                signal.raise_signal(signal.SIGINT)
            super().start()

    monkeypatch.setattr(threading, "Timer", Interrupted)
    with signals(ends.append, None):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert ends == [Reason.TERMINATED, Reason.INTERRUPTED, Reason.INTERRUPTED]
    assert len(started) == 1
    assert not started[0].is_alive()
