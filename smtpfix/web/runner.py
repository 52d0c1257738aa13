"""The web server's thread, event loop and sockets: `WebServer`; the only importer of uvicorn, part of ``smtpfix[web]``.

The mail servers' loop is another one: however much is asked here, no mail waits for it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from smtpfix.errors import ExtraMissing, ListenError
from smtpfix.extras import install
from smtpfix.server import Server
from smtpfix.store.store import Store
from smtpfix.wire.listen import listen

from .desk import Desk
from .settings import WebSettings
from .statistics import Statistics

try:
    import uvicorn
    import wsproto  # noqa: F401 - uvicorn needs it, and would only say so later
except ImportError as error:
    raise ExtraMissing(f"the web server needs starlette, uvicorn and wsproto: {install('web')}") from error

MOST_CONNECTIONS: Final = 500
"""At once; more are answered 503."""
CLOSE_SECONDS: Final = 2.0
"""That requests have to end; streams are broken off."""


class WebServer:
    """Serves a store over HTTP, from `start` to `close`, which may be called in any thread."""

    def __init__(
        self,
        store: Store,
        settings: WebSettings,
        *,
        servers: Mapping[str, Server] | None = None,
        statistics: Statistics | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._servers = servers
        self._statistics = statistics
        self._sockets: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it is, such as ``http://localhost:8025/``."""
        host = "localhost" if self._settings.host in ("::", "0.0.0.0") else self._settings.host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}{self._settings.webroot}"

    def start(self) -> Self:
        """Listen, and serve from now on. Raises `ListenError`."""
        self._sockets = _listen(self._settings)
        self.port = self._sockets[0].getsockname()[1]
        running = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(running,), name="smtpfix web", daemon=True)
        self._thread.start()
        running.wait()
        return self

    def close(self) -> None:
        """End all requests, and give everything back; twice is fine."""
        if self._thread is None:
            return
        if self._loop is not None and self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, _type: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def _run(self, running: threading.Event) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve(running))
        finally:
            running.set()
            for opened in self._sockets:
                opened.close()

    async def _serve(self, running: threading.Event) -> None:
        from .app import application  # noqa: PLC0415 - starlette, in the thread that needs it

        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        desk = Desk(self._store, self._settings, servers=self._servers, statistics=self._statistics)
        config = uvicorn.Config(
            application(desk),
            loop="asyncio",
            http="h11",
            ws="wsproto",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
            ws_max_size=65_536,
            ws_ping_interval=None,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=self._sockets))
        running.set()  # the kernel keeps connections until they are served
        await self._ended.wait()
        server.should_exit = True
        desk.hub.end()
        try:
            await asyncio.wait_for(serving, CLOSE_SECONDS)
        except TimeoutError:
            server.force_exit = True
            await asyncio.wait({serving}, timeout=1)
        desk.hub.close()
        desk.close()


def _listen(settings: WebSettings) -> list[socket.socket]:
    """Listen where the settings say; ``::`` is every address, of both versions of IP."""
    if settings.host != "::":
        return listen(settings.host, settings.port)
    sockets = listen("0.0.0.0", settings.port)
    try:
        return [*sockets, *listen("::", sockets[0].getsockname()[1])]
    except ListenError:  # a machine without IPv6
        return sockets
