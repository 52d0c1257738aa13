"""`Drip` gives out each octet at the pace that was set when it came, and says when too much waits."""

from __future__ import annotations

import asyncio
import time

from smtpfix.wire.drip import Drip

LIMIT = 10
"""Seconds in which everything has dripped, on a busy machine too."""


async def dripped(drip, *pieces):
    """Add pieces, and return once all has been sent."""
    done = asyncio.Event()
    for piece in pieces:
        drip.add(piece)
    drip.then(done.set)
    await asyncio.wait_for(done.wait(), LIMIT)


def test_a_new_pace_is_for_what_comes_after_it():
    """As where a client pipelines the next command while the reply to the one before still drips."""
    sent = []

    async def drip():
        dripping = Drip(1, 0.001, sent.append, lambda _is_full: None)
        dripping.add(b"250")
        dripping.change(65_536, 0)
        await dripped(dripping, b"", b"250 2.1.5 OK")
        assert not dripping.is_busy

    asyncio.run(drip())
    assert sent == [b"2", b"5", b"0", b"250 2.1.5 OK"]


def test_no_portion_leaves_before_its_time():
    times = []

    async def drip():
        await dripped(Drip(2, 0.02, lambda _portion: times.append(time.monotonic()), lambda _is_full: None), b"250 OK")

    asyncio.run(drip())
    assert len(times) == 3
    assert times[2] - times[0] >= 0.039  # the loop's clock is as coarse as a millisecond


def test_it_says_when_too_much_waits_and_when_half_of_that_is_gone():
    sent, told = [], []

    async def drip():
        dripping = Drip(16_384, 0, sent.append, lambda is_full: told.append((is_full, len(sent))))
        await dripped(dripping, bytes(65_536), bytes(65_536))

    asyncio.run(drip())
    assert told == [(True, 1), (False, 6)]
    assert sum(map(len, sent)) == 131_072
