"""The webhook: it reports new messages to one URL, at most one per second, and holds nothing up.

Reads the journal as a page does, in a task of its own, so mail is answered whatever the other side does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from smtpfix.errors import StoreError
from smtpfix.store.row import Row

from .events import Hub
from .fetch import Reached, Request, anywhere, ask
from .mailpit_server import VERSION
from .message_json import summary
from .statistics import Statistics

SECONDS: Final = 5.0
"""That the other side has for its answer."""
PAUSE: Final = 1.0
"""Seconds between two requests; as Mailpit has it, what comes meanwhile is not told."""
_REFUSED: Final = 400

Post: TypeAlias = Callable[[Request], Reached]


def _post(request: Request) -> Reached:
    return ask(request, may_connect=anywhere)  # whoever started the server has named it


class Webhook:
    """Tells one URL."""

    def __init__(self, url: str, hub: Hub, statistics: Statistics, *, post: Post = _post, pause: float = PAUSE) -> None:
        self._url, self._authorization = _without_credentials(url)
        self._hub = hub
        self._statistics = statistics
        self._post = post
        self._pause = pause
        self.listens = asyncio.Event()
        """Whether what comes from now on is told; or the store could not be asked."""

    async def run(self) -> None:
        """Tell of each message until cancelled; where too many events wait, or the store is away, begin anew."""
        while True:
            with suppress(StoreError):
                async with self._hub.listen() as listener:
                    self.listens.set()
                    while True:
                        event = await listener.next()
                        if event is not None and event.row is not None and event.row.accepted:
                            await self._tell(event.row)
                            await asyncio.sleep(self._pause)
                            listener.rest()
            self.listens.set()
            await asyncio.sleep(self._pause)

    async def _tell(self, row: Row) -> None:
        """Send one request, in a thread that the program's end does not wait for."""
        headers = {"Content-Type": "application/json", "User-Agent": f"Mailpit/{VERSION.removeprefix('v')}"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        request = Request(self._url, "POST", json.dumps(summary(row)).encode(), headers, SECONDS)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            try:
                has_failed = self._post(request).status >= _REFUSED
            except OSError:
                has_failed = True
            self._statistics.webhook_failed += has_failed
            self._statistics.webhook_sent += not has_failed
            with suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=send, name="smtpfix webhook", daemon=True).start()
        await ended.wait()


def _without_credentials(url: str) -> tuple[str, str]:
    """Return a URL without its name and password, and the header that says these."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, f"Basic {base64.b64encode(pair).decode()}"
