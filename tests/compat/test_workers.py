"""The threads in which hooks run, where no server shows it."""

from __future__ import annotations

from smtpfix.compat.workers import Workers


def test_nothing_is_done_once_they_are_closed():
    async def job():
        raise AssertionError("it is not done")

    workers = Workers()
    assert not workers.loop.is_closed()
    workers.close()
    workers.run(job)
    assert workers.loop.is_closed()
