"""The routes of the web server. Only this imports starlette, part of the extra ``smtpfix[web]``.

Handlers are functions of a `Call`. They run in the desk's threads, so that none holds up the loop.
"""

from __future__ import annotations

import gzip
import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.routing import Route as HTTPRoute
from starlette.websockets import WebSocket

from smtpfix.errors import InvalidValueError, StoreError

from . import (
    accounts,
    assertion,
    audit_routes,
    control,
    files,
    html_check,
    links,
    mailhog,
    mailpit,
    mailpit_events,
    mailpit_server,
    metrics,
    openapi,
    overview,
    own,
    page,
    release,
)
from .desk import Desk
from .exchange import BASE, NOT_FOUND, Answer, BadRequestError, Call, Handler, Route, Socket, error, is_own, said
from .guard import MAILBOX, ONLY_MAILBOX, Guard, RefusedError, Scope
from .mailboxes import in_mailbox

WORTH_COMPRESSING: Final = 1_000
"""Octets."""
ROUTES: Final[tuple[Route, ...]] = (
    *mailpit.ROUTES,
    *mailpit_server.ROUTES,
    *mailpit_events.ROUTES,
    *mailhog.ROUTES,
    *metrics.ROUTES,
    *release.ROUTES,
    *links.ROUTES,
    *html_check.ROUTES,
    *own.ROUTES,
    *control.ROUTES,
    *accounts.ROUTES,
    *audit_routes.ROUTES,
    *openapi.ROUTES,
    *overview.ROUTES,
    *assertion.ROUTES,
    *files.ROUTES,
    *page.ROUTES,
)
"""Everything that is answered."""


def application(desk: Desk) -> Guard:
    """Return the guarded application."""
    routes = [one for route in ROUTES for one in _as_starlette(desk, route)]
    handlers: dict[Any, Any] = {HTTPException: _answer_error, Exception: _answer_failure}
    inner = Starlette(routes=routes, exception_handlers=handlers)
    inner.router.redirect_slashes = False  # a path with a slash more is another path
    return Guard(inner, desk.settings)


def _as_starlette(desk: Desk, route: Route) -> Iterable[BaseRoute]:
    if route.methods:
        yield HTTPRoute(route.path, partial(_answer, desk, route), methods=list(route.methods))
    if route.socket is not None:
        yield WebSocketRoute(route.path, _talking(desk, route.socket))


def _talking(desk: Desk, talker: Callable[[Desk, Socket], Awaitable[None]]) -> Callable[[WebSocket], Awaitable[None]]:
    async def talk(socket: WebSocket) -> None:
        await talker(_meant(desk, socket.scope), socket)

    return talk


def _meant(desk: Desk, scope: Scope) -> Desk:
    """Return what answers are made from: of the mailbox that the path begins with, if it does."""
    mailbox = scope.get(MAILBOX)
    return desk if mailbox is None else in_mailbox(desk, mailbox, read_only=scope.get(ONLY_MAILBOX, False))


async def _answer(desk: Desk, route: Route, request: Request) -> Response:
    desk = _meant(desk, request.scope)
    handler = route.methods.get(request.method) or route.methods["GET"]  # HEAD is a GET without its body
    try:
        body = await request.body()
    except RefusedError as refused:
        return await _response(desk, refused.answer, None)
    call = Call(
        request.method,
        request.path_params,
        request.query_params,
        {name.lower(): value for name, value in request.headers.items()},
        body,
        request.scope.get("smtpfix.user", ""),
    )
    method = "GET" if request.method == "HEAD" else request.method
    if is_own(route.path) and (wrong := openapi.unknown_in_query(route.path, method, call.query)):
        return await _response(desk, error(400, wrong), call)
    try:
        answer = await _answered(desk, handler, call)
    except (BadRequestError, InvalidValueError) as what:
        answer = _failed(route.path, 400, str(what))
    except StoreError as what:
        answer = _failed(route.path, 503, str(what))
    return await _response(desk, answer, call)


def _failed(path: str, status: int, sentence: str) -> Answer:
    return error(status, sentence) if is_own(path) else said(sentence, status)


async def _answered(desk: Desk, handler: Handler, call: Call) -> Answer:
    if inspect.iscoroutinefunction(handler):
        awaited: Answer = await handler(desk, call)
        return awaited
    return await desk.run(handler, desk, call)  # type: ignore[arg-type]


async def _response(desk: Desk, answer: Answer, call: Call | None) -> Response:
    headers = {"Content-Type": answer.media_type, **answer.headers}
    if answer.stream is not None:
        return StreamingResponse(answer.stream, answer.status, headers)
    body = answer.body
    accepts = call is not None and "gzip" in call.headers.get("accept-encoding", "")
    accepts = accepts and "Content-Encoding" not in headers
    if desk.settings.compress and accepts and len(body) > WORTH_COMPRESSING:
        body = await desk.run(gzip.compress, body, 1)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(body, answer.status, headers)


async def _answer_error(request: Request, what: HTTPException) -> Response:
    if is_own(request.url.path):
        answer = error(what.status_code, f"{what.detail}: {BASE}/schema.json lists what there is")
    elif what.status_code == 404:  # noqa: PLR2004 - what starlette raises for an unknown path
        answer = NOT_FOUND
    else:
        return Response(what.detail, what.status_code, what.headers, "text/plain")
    return Response(answer.body, what.status_code, {"Content-Type": answer.media_type, **(what.headers or {})})


async def _answer_failure(request: Request, what: Exception) -> Response:
    sentence = f"expected an answer; the server has failed ({type(what).__name__}), which is a fault of smtpfix"
    answer = _failed(request.url.path, 500, sentence)
    return Response(answer.body, 500, {"Content-Type": answer.media_type})
