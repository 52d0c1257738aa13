"""A request and its response as values, so that handlers know no web framework.

Whatever a client sends in a body is a `BadRequestError` where it is not what was expected.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from smtpfix.suggesting import either

from .desk import Desk

BASE: Final = "/api/smtpfix/v1"
"""What paths of the own API begin with; all its errors are JSON."""
PLAIN: Final = "text/plain; charset=utf-8"


class BadRequestError(Exception):
    """What came is not what was expected; the text says so to the client."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request."""

    method: str
    path: Mapping[str, str]
    """What stands for the parts of the path that differ, decoded."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes = field(repr=False)
    user: str = ""
    """Who has shown credentials; ``""``: nobody."""

    def number(self, name: str, default: int) -> int:
        """Return a number of the query; the default for what is none, or below 0."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < _LONGEST_NUMBER else default

    def json(self, *, optional: bool = False, keys: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the body's JSON object, its keys in small letters; of these alone, where some are named.

        Raises `BadRequestError`.
        """
        if optional and not self.body.strip():
            return {}
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            what = "EOF" if not self.body.strip() else "invalid JSON"
            raise BadRequestError(f"{what}: expected a JSON object") from error
        if not isinstance(value, dict):
            raise BadRequestError("invalid JSON: expected a JSON object")
        found = lowered(value)
        for unknown in found.keys() - set(keys or found):
            raise BadRequestError(f"unknown key {unknown[:100]!r}: expected {either(keys)}")
        return found


_LONGEST_NUMBER: Final = 10
_LARGE: Final = 1 << 17
"""Characters of a text that is made JSON in pieces."""


def lowered(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its keys in small letters, without those whose value is null."""
    return {key.lower(): one for key, one in value.items() if one is not None}


def texts(value: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of texts in an object; without one, an empty list. Raises `BadRequestError`."""
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise BadRequestError(f"invalid {key}: expected a list of strings")
    return found


def text(value: Mapping[str, Any], key: str) -> str:
    """Return a text in an object; without one, an empty one. Raises `BadRequestError`."""
    found = value.get(key, "")
    if not isinstance(found, str):
        raise BadRequestError(f"invalid {key}: expected a string")
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    body: bytes = field(default=b"", repr=False)
    media_type: str = PLAIN
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    """More of the body, as it comes."""


def as_json(value: Any, *, status: int = 200, media_type: str = "application/json", depth: int = 0) -> Answer:
    """Answer with JSON; text that is no Unicode is replaced.

    While a piece of JSON is made, no other thread runs. So what may be large is taken apart to a `depth`: 1 makes each
    member of an object or an array a piece, and of long texts many, 2 the members of these.
    """
    return Answer(b"".join(_pieces(value, depth)), media_type, status)


def _pieces(value: Any, depth: int) -> Iterator[bytes]:
    if isinstance(value, str) and len(value) > _LARGE:
        cuts = range(0, len(value), _LARGE)
        yield b'"%b"' % b"".join(_dumped(value[start : start + _LARGE])[1:-1] for start in cuts)
    elif not depth or not value or not isinstance(value, dict | list):
        yield _dumped(value)
    elif isinstance(value, dict):
        before = b"{"
        for key, one in value.items():
            yield b"%b%b:" % (before, _dumped(key))
            yield from _pieces(one, depth - 1)
            before = b","
        yield b"}"
    else:
        before = b"["
        for one in value:
            yield before
            yield from _pieces(one, depth - 1)
            before = b","
        yield b"]"


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def said(sentence: str, status: int = 200) -> Answer:
    """Answer with a sentence."""
    return Answer(sentence.encode("utf-8", "replace"), PLAIN, status)


def error(status: int, what: Exception | str) -> Answer:
    """Answer as the own API does that something went wrong: what was expected and what came."""
    return as_json({"error": str(what)}, status=status)


def is_own(path: str) -> bool:
    """Return whether a path is one of the own API."""
    return path == BASE or path.startswith(f"{BASE}/")


NOT_FOUND: Final = said("404 page not found", 404)
OK: Final = said("ok")


class Socket(Protocol):
    """A WebSocket."""

    async def accept(self) -> None:
        """Say yes to it."""

    async def receive(self) -> Mapping[str, Any]:
        """Return what comes next."""

    async def send_text(self, data: str) -> None:
        """Send a text."""


Handler: TypeAlias = Callable[[Desk, Call], Answer | Awaitable[Answer]]
"""Answers a request: in a thread, or in the loop where it is a coroutine function."""
Talker: TypeAlias = Callable[[Desk, Socket], Awaitable[None]]
"""Talks over a WebSocket until it ends."""


@dataclass(frozen=True, slots=True)
class Route:
    """What answers at a path."""

    path: str
    """With ``{name}`` for what differs in it."""
    methods: Mapping[str, Handler] = field(default_factory=dict)
    socket: Talker | None = None
