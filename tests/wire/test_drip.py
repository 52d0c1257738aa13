"""`Drip` gives out each octet at the pace that was set when it came."""

from __future__ import annotations

import asyncio

import pytest

from smtpfix.wire.drip import Drip

pytestmark = pytest.mark.slow


def test_a_new_pace_is_for_what_comes_after_it():
    """As where a client pipelines the next command while the reply to the one before still drips."""
    sent = []

    async def drip():
        done = asyncio.Event()
        dripping = Drip(1, 0.001, sent.append, lambda _is_full: None)
        dripping.add(b"250")
        dripping.change(65_536, 0)
        dripping.add(b"")
        dripping.add(b"250 2.1.5 OK")
        dripping.then(done.set)
        await asyncio.wait_for(done.wait(), 10)
        assert not dripping.is_busy

    asyncio.run(drip())
    assert sent == [b"2", b"5", b"0", b"250 2.1.5 OK"]
