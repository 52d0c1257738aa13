"""Waiting and closing on trio's event loop; other libraries' are refused in words."""

from __future__ import annotations

import contextlib

import pytest
import sniffio
import trio

from smtpfix import NoMessage, NoSession, Server, UnexpectedMessage
from smtpfix.errors import BlockingWaitError


def deliver(server):
    with server.client() as client:
        client.sendmail("shop@example.org", "ann@example.org", "Subject: Welcome\r\n\r\n")


def test_what_comes_while_it_is_awaited_is_found_and_the_loop_goes_on():
    async def use():
        async with Server() as server, trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, deliver, server)
            (message,) = await server.inbox.received(timeout=30, subject="Welcome")
            (session,) = await server.sessions.ended(timeout=30)
        return message.subject, str(session.end)

    assert trio.run(use) == ("Welcome", "quit")


def test_what_does_not_come_fails_as_it_does_elsewhere(smtp_server):
    async def use():
        await smtp_server.inbox.received_none(within=0.02)
        with pytest.raises(NoMessage, match="expected"):
            await smtp_server.inbox.received(timeout=0.02)
        with pytest.raises(NoSession, match="expected 1 ended session"):
            await smtp_server.sessions.ended(timeout=0.02)
        await trio.to_thread.run_sync(deliver, smtp_server)
        with pytest.raises(UnexpectedMessage):
            await smtp_server.inbox.received_none(within=0.02)

    trio.run(use)


def test_a_wait_can_be_cancelled(smtp_server):
    async def use():
        with trio.move_on_after(0.02) as scope:
            await smtp_server.inbox.received(timeout=1)
        assert scope.cancelled_caught

    trio.run(use)


def test_a_server_closes_though_its_scope_is_cancelled():
    server = Server()

    async def use():
        with trio.CancelScope() as scope:
            async with server:
                scope.cancel()

    trio.run(use)
    assert "closed" in repr(server)
    server.start().close()  # as only a server can that was closed to the end


@pytest.mark.parametrize(
    ("wait", "instead"),
    [
        (lambda server: server.inbox.wait(), "inbox.received"),
        (lambda server: server.inbox.one(timeout=5), "inbox.received"),
        (lambda server: server.inbox.expect_none(within=5), "inbox.received_none"),
        (lambda server: server.sessions.wait(), "sessions.ended"),
    ],
)
def test_a_blocking_wait_is_refused_and_in_a_thread_it_is_not(smtp_server, wait, instead):
    async def use():
        with pytest.raises(BlockingWaitError, match=rf"use 'await {instead}\(\.\.\.\)'"):
            wait(smtp_server)
        await trio.to_thread.run_sync(deliver, smtp_server)
        with contextlib.suppress(UnexpectedMessage):
            await trio.to_thread.run_sync(wait, smtp_server)

    trio.run(use)


def test_another_librarys_loop_is_refused_in_words(smtp_server):
    token = sniffio.current_async_library_cvar.set("curio")
    try:
        with pytest.raises(BlockingWaitError, match=r"on asyncio and trio, not on curio: wait in a thread"):
            smtp_server.inbox.received().send(None)
    finally:
        sniffio.current_async_library_cvar.reset(token)
