"""`WebServer`: the web server's thread, event loop and sockets. Only this imports uvicorn, part of ``smtpfix[web]``.

The mail servers' loop is another one: however much is asked here, no mail waits for it.
"""

from __future__ import annotations

import asyncio
import http
import importlib.util
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from smtpfix.errors import ExtraMissing, ListenError
from smtpfix.extras import install
from smtpfix.server import Server
from smtpfix.store.store import Store
from smtpfix.wire.listen import listen

from .audits import Audits
from .desk import Desk
from .exchange import BASE
from .refusals import MALFORMED, too_long
from .settings import WebSettings
from .statistics import Statistics
from .switches import Switches

_NEEDED: Final = "the web server needs starlette, uvicorn and wsproto"
try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    raise ExtraMissing(f"{_NEEDED}: {install('web')}") from error
if importlib.util.find_spec("wsproto") is None:  # uvicorn would only say so when the first WebSocket is opened
    raise ExtraMissing(f"{_NEEDED}: {install('web')}")

MOST_CONNECTIONS: Final = 500
"""At once; more are answered 503."""
HEAD_SECONDS: Final = 20.0
"""Within which the head of a request has to come."""
PING_SECONDS: Final = 54.0
"""Between two signs of life of a WebSocket, as Mailpit sends them: proxies end one that is silent for a minute."""
LONGEST_HEAD: Final = 16_384
"""Octets of what comes before the body of a request, about."""
_BEGINNING: Final = 1_000
"""Octets of a request that say which path it asks for."""
CLOSE_SECONDS: Final = 2.0
"""That requests have to end; streams are broken off."""


class _Connection(H11Protocol):  # type: ignore[misc] # of an extra
    """A connection that ends where the head of a request does not come; uvicorn would wait for ever.

    What is no request is answered in the form that its beginning asks for.
    """

    _ending: asyncio.TimerHandle | None = None
    _beginning: bytes = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        if not self._is_answering and len(self._beginning) < _BEGINNING:
            self._beginning += data[:_BEGINNING]
        super().data_received(data)
        self._look()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def send_400_response(self, _: str) -> None:
        """Answer what h11 has just refused to read."""
        is_long = getattr(sys.exception(), "error_status_hint", 0) == http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        path = BASE if BASE.encode() in self._beginning.partition(b"\r\n")[0].partition(b"?")[0] else ""
        answer = (too_long(LONGEST_HEAD) if is_long else MALFORMED).answer(path)
        head = {"Content-Type": answer.media_type, "Content-Length": len(answer.body), "Connection": "close"}
        lines = [f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._rest()

    def _look(self) -> None:
        """Begin to count the seconds where a head is due, and end that where it has come."""
        if self._is_answering:
            self._rest()
        elif self._ending is None:
            self._ending = self.loop.call_later(HEAD_SECONDS, self._end)

    def _end(self) -> None:
        self._ending = None
        if self.transport.get_protocol() is self:  # it may have become a WebSocket
            self.transport.close()

    def _rest(self) -> None:
        self._beginning = b""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None


class _WebSocket(asyncio.Protocol):
    """A WebSocket, as uvicorn has it with wsproto, which is imported for the first one."""

    def __new__(cls, *arguments: Any, **more: Any) -> Any:
        """Return uvicorn's own."""
        from uvicorn.protocols.websockets.wsproto_impl import WSProtocol  # noqa: PLC0415 - few pages have one

        return WSProtocol(*arguments, **more)


class WebServer:
    """Serves a store over HTTP, or HTTPS where it is given a context.

    From `start` to `close`, which may be called in any thread. Where a store is shared (`is_shared`), the servers
    follow what other programs switch them to.
    """

    def __init__(
        self,
        store: Store,
        settings: WebSettings,
        *,
        servers: Mapping[str, Server] | None = None,
        statistics: Statistics | None = None,
        is_shared: bool = False,
        tls: ssl.SSLContext | None = None,
        run: str = "",
    ) -> None:
        self._tls = tls
        self._store = store
        self._settings = settings
        self._servers = servers
        self._switches = Switches(store, servers or {})
        self.audits = Audits()
        self._statistics = statistics
        self._is_shared = is_shared
        self._process = run
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
        return f"{'http' if self._tls is None else 'https'}://{shown}:{self.port}{self._settings.webroot}"

    def start(self) -> Self:
        """Listen, and serve from now on. Raises `ListenError`, and `StoreError`."""
        self._sockets = _listen(self._settings)
        try:
            self._switches.start(is_shared=self._is_shared)
        except BaseException:
            for opened in self._sockets:
                opened.close()
            raise
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
        self._switches.close()

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
        from .mailpit_server import begin_chaos  # noqa: PLC0415 - as above

        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        desk = Desk(
            self._store,
            self._settings,
            servers=self._servers,
            statistics=self._statistics,
            switches=self._switches,
            audits=self.audits,
            process=self._process,
        )
        begin_chaos(desk)
        guarded = application(desk)
        config = uvicorn.Config(
            guarded,
            loop="asyncio",
            http=_Connection,
            ws=_WebSocket,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=LONGEST_HEAD,
            timeout_graceful_shutdown=1,
            ws_max_size=65_536,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
        )
        config.load()
        config.ssl = self._tls  # it would take files only
        server = uvicorn.Server(config)
        guarded.is_full = lambda: len(server.server_state.connections) >= MOST_CONNECTIONS
        serving = asyncio.create_task(server.serve(sockets=self._sockets))
        telling = await self._telling(desk)
        self.audits.tell = partial(_in_loop, self._loop, desk.hub.tell_of_audit)
        running.set()  # the kernel keeps connections until they are served
        await self._ended.wait()
        server.should_exit = True
        if telling is not None:
            telling.cancel()
        desk.hub.end()
        ending = asyncio.create_task(asyncio.to_thread(self.audits.close))
        try:
            await asyncio.wait_for(serving, CLOSE_SECONDS)
        except TimeoutError:
            server.force_exit = True
            await asyncio.wait({serving}, timeout=1)
        await ending
        desk.hub.close()
        desk.close()

    async def _telling(self, desk: Desk) -> asyncio.Task[None] | None:
        """Begin to tell the webhook, where there is one."""
        if not (url := self._settings.outgoing.webhook):
            return None
        from .webhook import Webhook  # noqa: PLC0415 - few servers have one

        hook = Webhook(url, desk.hub, desk.statistics)
        telling = asyncio.create_task(hook.run())
        await hook.listens.wait()
        return telling


def _in_loop(loop: asyncio.AbstractEventLoop, tell: Callable[[str], None], what: str) -> None:
    with suppress(RuntimeError):  # the loop has closed
        loop.call_soon_threadsafe(tell, what)


def _listen(settings: WebSettings) -> list[socket.socket]:
    """Listen where the settings say; ``::`` is every address, of both versions of IP."""
    if settings.host != "::":
        return listen(settings.host, settings.port)
    sockets = listen("0.0.0.0", settings.port)
    try:
        return [*sockets, *listen("::", sockets[0].getsockname()[1])]
    except ListenError:  # a machine without IPv6
        return sockets
