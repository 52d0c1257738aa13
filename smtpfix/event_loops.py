"""Which event loop runs in this thread, asyncio's or trio's, and how trio awaits a blocking call.

trio and sniffio are no dependencies: a program that runs on them has imported both.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def running_library() -> str | None:
    """Return whose event loop runs in this thread, ``asyncio``, ``trio`` or another's name; None where none does."""
    if (sniffio := sys.modules.get("sniffio")) is not None:
        try:
            return str(sniffio.current_async_library())
        except sniffio.AsyncLibraryNotFoundError:
            pass
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return None
    return "asyncio"


def has_green_threads() -> bool:
    """Return whether gevent has replaced Python's threads: the server's event loop then runs in everybody's."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


async def on_trio(call: Callable[[], T], *, to_the_end: bool = False) -> T:
    """Await a blocking call on trio's event loop, in a thread; one that is cancelled is left to itself.

    With `to_the_end` it is not: the call is made and comes to its end, cancelled or not.
    """
    trio: Any = sys.modules["trio"]
    with trio.CancelScope(shield=to_the_end):
        result: T = await trio.to_thread.run_sync(call, abandon_on_cancel=not to_the_end)
    return result
