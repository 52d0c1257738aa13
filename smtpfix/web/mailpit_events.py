"""Mailpit's WebSocket: events for the page and for Mailpit's clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from smtpfix.store.store import Kind

from .desk import Desk
from .events import Event, Listener
from .exchange import (
    Route,
    Socket,
)
from .mailpit_server import VERSION
from .message_json import summary

STATS_PAUSE: Final = 0.25
"""Seconds after a change until numbers are told."""


async def events(desk: Desk, socket: Socket) -> None:
    """Tell a page of what happens."""
    version = {"Version": VERSION}

    async def stats() -> None:
        total = await desk.run(desk.totals)
        await socket.send_text(_frame("stats", {"Total": total.all, "Unread": total.unread, **version}))

    async with desk.hub.listen() as listener:
        await socket.accept()  # only now: who is connected misses nothing
        await stats()
        await while_connected(socket, _tell(socket, listener, stats))


async def _tell(socket: Socket, listener: Listener, stats: Callable[[], Awaitable[None]]) -> None:
    loop, due = asyncio.get_running_loop(), None
    while True:
        event = await listener.next(None if due is None else max(0.0, due - loop.time()))
        if event is not None:
            for frame in _frames(event):
                await socket.send_text(frame)
            due = due or loop.time() + STATS_PAUSE
        if due is not None and loop.time() >= due:
            due = None
            await stats()


def _frames(event: Event) -> Iterable[str]:
    change, data = event.change, event.change.data
    match change.kind:
        case Kind.NEW if event.row is not None and event.row.accepted:
            yield _frame("new", {**summary(event.row), "Read": False})
        case Kind.READ:
            yield _frame("update", {"ID": data["id"], "Read": data["is_read"]})
        case Kind.TAGS:
            yield _frame("update", {"ID": data["id"], "Tags": data["tags"]})
        case Kind.DELETE:
            yield _frame("delete", {"ID": data["id"]})
        case Kind.PRUNE | Kind.TRUNCATE:
            yield _frame(str(change.kind), None)
        case _:
            pass


def _frame(kind: str, data: Any) -> str:
    return json.dumps({"Type": kind, "Data": data}, separators=(",", ":"))


async def while_connected(socket: Socket, telling: Any) -> None:
    """Do something until it ends or the client is gone."""
    tasks = {asyncio.ensure_future(telling), asyncio.ensure_future(_gone(socket))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(socket: Socket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


ROUTES: Final = (Route("/api/events", socket=events),)
