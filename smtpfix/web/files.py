"""The files of the page in `static/`, found by name; there is no build step."""

from __future__ import annotations

import gzip
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
def _all() -> dict[str, tuple[bytes, bytes, str]]:
    """Return each file, as it is and as small as it gets, and its tag."""
    found = (one for one in files(__package__).joinpath("static").iterdir() if one.name.rpartition(".")[2] in _TYPES)
    read = {one.name: one.read_bytes() for one in found}
    return {
        name: (octets, gzip.compress(octets, 9, mtime=0), f'"{hashlib.sha256(octets).hexdigest()[:16]}"')
        for name, octets in read.items()
    }


def _answer(desk: Desk, name: str, call: Call) -> Answer:
    if name not in _all():
        return NOT_FOUND
    octets, small, tag = _all()[name]
    headers = {"ETag": tag, "Cache-Control": _KEPT, "Vary": "Accept-Encoding"}
    if call.headers.get("if-none-match") == tag:
        return Answer(status=304, headers=headers)
    if desk.settings.compress and "gzip" in call.headers.get("accept-encoding", ""):
        octets, headers["Content-Encoding"] = small, "gzip"
    return Answer(octets, _TYPES[name.rpartition(".")[2]], headers=headers)


def index(desk: Desk, call: Call) -> Answer:
    """Return the page."""
    return _answer(desk, "index.html", call)


def file(desk: Desk, call: Call) -> Answer:
    """Return one of its files."""
    return _answer(desk, call.path["name"], call)


ROUTES: Final = (
    Route("/", {"GET": index}),
    Route("/static/{name}", {"GET": file}),
)
