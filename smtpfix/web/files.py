"""The page itself: its files, as they stand in `static/`; nothing builds them, and nothing but a name finds one."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from .desk import Desk
from .exchange import NOT_FOUND, Answer, Call, Route

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_KEPT: Final = "no-cache"
"""A browser keeps a file, and asks each time whether it is still the same."""


@cache
def _all() -> dict[str, tuple[bytes, str]]:
    """Return each file and its tag."""
    found = (one for one in files(__package__).joinpath("static").iterdir() if one.name.rpartition(".")[2] in _TYPES)
    read = {one.name: one.read_bytes() for one in found}
    return {name: (octets, f'"{hashlib.sha256(octets).hexdigest()[:16]}"') for name, octets in read.items()}


def _answer(name: str, call: Call) -> Answer:
    if name not in _all():
        return NOT_FOUND
    octets, tag = _all()[name]
    headers = {"ETag": tag, "Cache-Control": _KEPT}
    if call.headers.get("if-none-match") == tag:
        return Answer(status=304, headers=headers)
    return Answer(octets, _TYPES[name.rpartition(".")[2]], headers=headers)


def index(_: Desk, call: Call) -> Answer:
    """Return the page."""
    return _answer("index.html", call)


def file(_: Desk, call: Call) -> Answer:
    """Return one of its files."""
    return _answer(call.path["name"], call)


ROUTES: Final = (
    Route("/", {"GET": index}),
    Route("/static/{name}", {"GET": file}),
)
