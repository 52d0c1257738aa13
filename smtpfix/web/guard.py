"""Access control: Host, Origin, credentials and size of every request, and the headers of every response.

An ASGI application around another one. What nothing lets through is refused: a request of any kind, by whatever
spelling of its path. Browsers run pages of strangers on the same machine, so being local is no permission.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import replace
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

from .exchange import Answer, said
from .refusals import FOREIGN, NOT_NAMED, SEND_PATH, TOO_MANY, UNAUTHORIZED, Refusal, too_large, too_slow
from .settings import WebSettings, is_one_of

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PROBES: Final = frozenset(("/livez", "/readyz"))
"""What needs neither credentials nor a name: they tell nothing."""
BODY_SECONDS: Final = 60.0
"""Within which a request's body has to come."""
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of whatever has no other one."""
_HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": PAGE_POLICY,
}
"""Of every response that does not say otherwise."""
MAILBOX: Final = "smtpfix.mailbox"
"""The key of a scope that has the mailbox which its path began with."""
ONLY_MAILBOX: Final = "smtpfix.only-mailbox"
"""The key of a scope that says whether the credentials are those of its mailbox alone."""
_MAILBOXES: Final = "/m/"
_SLASHES: Final = re.compile("/{2,}")
_BASE64_FACTOR: Final = 2
"""A message that comes as JSON is longer than it is by SMTP: base64, and escapes."""


class RefusedError(Exception):
    """A body is refused while it comes."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Guard:
    """Stands before an application."""

    def __init__(self, application: Application, settings: WebSettings) -> None:
        self._application = application
        self._settings = settings
        self._origins = frozenset(_spellings(settings.origins))
        self.is_full: Callable[[], bool] = bool
        """Whether there are too many connections to answer one more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do so."""
        if scope["type"] not in ("http", "websocket"):
            return
        headers = _head(scope)
        say = _Saying(scope, send, self._allowing(scope, headers))
        path = _SLASHES.sub("/", scope["path"])
        if (inside := self._inside(path)) is None:
            if f"{path}/" == self._settings.webroot:
                await say(302, "", {"Location": self._settings.webroot})
            else:
                await say(404, "404 page not found")
            return
        is_probe, (scope[MAILBOX], inside) = inside in PROBES, _in_mailbox(inside)
        scope["path"], scope["raw_path"], scope["root_path"] = inside, inside.encode("utf-8", "replace"), ""
        refusal = TOO_MANY if self.is_full() else self._refusal(scope, headers, inside, is_probe=is_probe)
        if refusal is not None:
            await say.answer(refusal.answer(inside))
            return
        if not inside:  # the mailbox's name without a slash after it
            await say(302, "", {"Location": f"{self._settings.webroot}m/{quote(scope[MAILBOX], safe='')}/"})
            return
        if _is_preflight(scope):
            await say(200, "")
            return
        limit = self._settings.max_body if inside != SEND_PATH else self._settings.max_message * _BASE64_FACTOR
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size[:20]) > limit:
            await say.answer(too_large(limit).answer(inside))
            return
        if scope["type"] == "http":
            receive = _bounded(receive, limit, inside)
        await self._application(scope, receive, say.send)

    def _inside(self, path: str) -> str | None:
        """Return a path without what stands before every one; None where it does not."""
        root = self._settings.webroot
        if path in PROBES:
            return path
        return path[len(root) - 1 :] if path.startswith(root) else None

    def _refusal(self, scope: Scope, headers: dict[str, str], path: str, *, is_probe: bool) -> Refusal | None:
        """Return how a request is refused; None lets it through."""
        if is_probe:
            return None
        if self._settings.is_open and not self._is_named(headers.get("host", "")):
            return NOT_NAMED
        origin = headers.get("origin")
        if origin is not None and not self._is_known(origin, headers.get("host", "")):
            return FOREIGN
        may_ask = self._origins or self._settings.is_open
        if may_ask and _is_preflight(scope) and path.startswith("/api/"):
            return None
        name, password = _credentials(headers.get("authorization", ""))
        scope["smtpfix.user"] = ""
        users = self._settings.users
        if path == SEND_PATH:
            if self._settings.send_by_anybody:
                scope["smtpfix.user"] = name
                return None
            users = self._settings.send_users or users
        of_mailbox = self._settings.mailbox_users.get(scope[MAILBOX] or "", {})
        scope[ONLY_MAILBOX] = is_one_of(of_mailbox, name, password)
        if users and not is_one_of(users, name, password) and not scope[ONLY_MAILBOX]:
            return UNAUTHORIZED
        scope["smtpfix.user"] = name if users else ""
        return None

    def _is_named(self, host: str) -> bool:
        """Return whether a Host is a name that no stranger's DNS can lead here."""
        name = _without_port(host).lower().removesuffix(".")
        if not name or "," in name or "/" in name:
            return False
        is_safe = "." not in name or name.endswith(".localhost") or name in map(str.lower, self._settings.hosts)
        return (is_safe and ":" not in name) or _is_address(name)

    def _is_known(self, origin: str, host: str) -> bool:
        """Return whether an Origin is the request's own Host, or one that is listed."""
        scheme, separator, place = origin.lower().partition("://")
        if not separator or scheme not in ("http", "https"):
            return False
        return (bool(host) and place == host.lower()) or _spelled(scheme, place) in self._origins

    def _allowing(self, scope: Scope, headers: dict[str, str]) -> dict[str, str]:
        """Return the headers that let a page read a response: one of its own server, or of a listed origin."""
        origin = headers.get("origin")
        if origin is None or scope["type"] == "websocket" or not self._is_known(origin, headers.get("host", "")):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST, DELETE, PUT, PATCH, OPTIONS",
            "Access-Control-Allow-Headers": "*, Authorization",
            "Vary": "Origin",
        }


class _Saying:
    """Sends a response, with what stands in every head."""

    def __init__(self, scope: Scope, send: Send, more: dict[str, str]) -> None:
        self._scope = scope
        self._send = send
        self._more = more

    async def __call__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        await self.answer(replace(said(sentence, status), headers=headers or {}))

    async def answer(self, answer: Answer) -> None:
        """Send a whole response."""
        if self._scope["type"] == "websocket":  # before it was accepted, this is 403
            await self._send({"type": "websocket.close", "code": 1008})
            return
        given = {"Content-Type": answer.media_type, "Content-Length": str(len(answer.body)), **answer.headers}
        encoded = [(name.encode(), value.encode()) for name, value in given.items()]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        await self.send({"type": "http.response.body", "body": answer.body})

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            added = {**_HEADERS, **self._more}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.encode(), value.encode())
                    for name, value in added.items()
                    if name.lower().encode() not in there
                ),
            ]
        await self._send(message)


def _head(scope: Scope) -> dict[str, str]:
    """Return a request's headers by name in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def _bounded(receive: Receive, limit: int, path: str) -> Receive:
    """Return what receives a body, and raises where it becomes too large or does not come."""
    taken, is_over = 0, False

    async def receive_some() -> Message:
        nonlocal taken, is_over
        if is_over:  # what comes now is that the client is gone
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY_SECONDS)
        except TimeoutError as late:
            raise RefusedError(too_slow(BODY_SECONDS).answer(path)) from late
        taken += len(message.get("body", b""))
        is_over = not message.get("more_body")
        if taken > limit:
            raise RefusedError(too_large(limit).answer(path))
        return message

    return receive_some


def _in_mailbox(path: str) -> tuple[str | None, str]:
    """Return the mailbox that a path begins with, None for none, and the path in it."""
    if not path.startswith(_MAILBOXES):
        return None, path
    name, slash, rest = path.removeprefix(_MAILBOXES).partition("/")
    return (name, slash + rest) if name else (None, path)


def _credentials(authorization: str) -> tuple[str, str]:
    """Return the name and the password of HTTP Basic (RFC 7617); empty ones for anything else."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded.strip()).decode().partition(":")
    except (binascii.Error, UnicodeError):
        return "", ""
    return name, password


def _without_port(host: str) -> str:
    """Return the name in a Host header; of an IPv6 address, what stands in the brackets."""
    if host.startswith("["):
        name, _, behind = host[1:].partition("]")
        return name if behind == "" or (behind[0] == ":" and behind[1:].isdecimal()) else ""
    name, _, port = host.rpartition(":")
    return name if port.isdecimal() or not port else host


def _is_preflight(scope: Scope) -> bool:
    return bool(scope["type"] == "http" and scope["method"] == "OPTIONS")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _spellings(origins: Iterable[str]) -> Iterable[str]:
    """Yield origins with scheme, host and port."""
    for origin in origins:
        schemes = (urlsplit(origin).scheme,) if "://" in origin else ("http", "https")
        for scheme in schemes:
            yield _spelled(scheme.lower(), origin.lower().partition("://")[2] or origin.lower())


def _spelled(scheme: str, place: str) -> str:
    """Return an origin with its port."""
    has_port = place.rpartition(":")[2].isdecimal() and not place.endswith("]")
    return f"{scheme}://{place}" if has_port else f"{scheme}://{place}:{443 if scheme == 'https' else 80}"
