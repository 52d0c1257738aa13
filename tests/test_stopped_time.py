"""Tests that stop or move the time, by freezegun or time-machine: waits and timers go by a clock of their own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from pathlib import Path

import freezegun
import pytest
import time_machine

from smtpfix import Delay, NoMessage, NoSession
from smtpfix.clock import monotonic
from smtpfix.record.waiting import Bell

LONG_AGO = "2001-02-03 04:05:06"


@contextlib.contextmanager
def replaced(monkeypatch):
    """Replace the clock by one that stands still."""
    now = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        yield


@pytest.fixture(params=["freezegun", "freezegun that ticks once a second", "time-machine", "monkeypatch"])
def stopped(request, monkeypatch):
    """Stop the time until the test is over."""
    ways = {
        "freezegun": lambda: freezegun.freeze_time(LONG_AGO),
        "freezegun that ticks once a second": lambda: freezegun.freeze_time(LONG_AGO, auto_tick_seconds=1),
        "time-machine": lambda: time_machine.travel(LONG_AGO, tick=False),
        "monkeypatch": lambda: replaced(monkeypatch),
    }
    return ways[request.param]


def test_blocking_waits_end(stopped, smtp_server):
    with stopped():
        began = monotonic()
        smtp_server.inbox.expect_none(within=0.02)
        with pytest.raises(NoMessage):
            smtp_server.inbox.wait(timeout=0.02)
        with pytest.raises(NoMessage):
            smtp_server.inbox.one(timeout=0.02)
        with pytest.raises(NoSession):
            smtp_server.sessions.wait(timeout=0.02)
        assert monotonic() - began >= 0.08


def test_awaited_waits_end_on_a_loop_whose_clock_stands_still(stopped, smtp_server):
    async def wait():
        with stopped():
            began = monotonic()
            await smtp_server.inbox.received_none(within=0.02)
            with pytest.raises(NoMessage):
                await smtp_server.inbox.received(timeout=0.02)
            with pytest.raises(NoSession):
                await smtp_server.sessions.ended(timeout=0.02)
            assert monotonic() - began >= 0.06

    asyncio.run(wait())


def test_a_mail_is_waited_for_and_a_delay_is_over(stopped, smtp_server):
    smtp_server.on("MAIL", Delay(0.02))
    with stopped(), smtp_server.client() as client:
        began = monotonic()
        client.sendmail("shop@example.org", "ann@example.org", "Subject: Welcome\r\n\r\n")
        assert monotonic() - began >= 0.02
        (message,) = smtp_server.inbox.wait(timeout=10)
    assert message.subject == "Welcome"


def test_a_server_that_starts_while_the_time_stands_still_ends_silent_clients(stopped, start_smtp_server):
    with stopped():
        server = start_smtp_server(timeout=0.04)
        with server.client() as client:
            assert client.sock.recv(100).startswith(b"421")


@pytest.mark.asyncio
async def test_an_endless_wait_leaves_no_thread_behind():
    bell = Bell()
    rung: list[int] = []

    def ready():
        return rung[0] if rung else None

    others = {*threading.enumerate()}  # a test before may have left one that is about to end
    waiter = asyncio.create_task(bell.wait_async(ready, math.inf))
    await asyncio.sleep(0)
    (alarm,) = (one for one in threading.enumerate() if isinstance(one, threading.Timer) and one not in others)
    rung.append(7)
    with bell.lock:
        bell.ring()
    assert await waiter == 7
    alarm.join(10)
    assert not alarm.is_alive()


@pytest.mark.once
def test_no_module_but_the_clock_asks_the_one_that_a_test_may_stop():
    package = Path(__file__).parents[1] / "smtpfix"
    asking = [str(path) for path in package.rglob("*.py") if "time.monotonic" in path.read_text(encoding="utf-8")]
    assert asking == [str(package / "clock.py")]
