"""How text writes the parts of an action: quoted octets and numbers; and `Form`, one way to write an action."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .action import Action

QUOTED: Final = r'"((?:[^"\\]|\\.)*)"'
"""Octets in quotes, as a pattern whose one group `octets` reads."""
NUMBER: Final = r"([0-9]+(?:\.[0-9]+)?)"
"""A number that need not be whole."""

_ESCAPE: Final = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPED: Final = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\", b'"': b'"'}


class Form(NamedTuple):
    """One way in which an action is written."""

    shown: str
    r"""The same for people: the form, and after a colon what it means, where the form does not say."""
    pattern: str
    """A regular expression for the whole of it, in any case."""
    build: Callable[[re.Match[str]], Action]

    @property
    def word(self) -> str:
        """The first word, by which the form is known."""
        return re.split(r"[\s:]", self.shown, maxsplit=1)[0]


def octets(quoted: str) -> bytes:
    r"""Return what stands in quotes, with ``\r``, ``\n``, ``\xNN`` and their like as the octets they stand for."""

    def unescape(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes((int(code[1:], 16),)) if len(code) > 1 else _ESCAPED.get(code, match[0])

    return _ESCAPE.sub(unescape, quoted.encode())


def quoted(value: bytes) -> str:
    """Return octets in quotes, as `octets` reads them."""
    return '"' + "".join(map(_WRITTEN.__getitem__, value)) + '"'


_WRITTEN: Final = {one: chr(one) if 0x20 <= one < 0x7F else f"\\x{one:02X}" for one in range(256)} | {  # noqa: PLR2004
    octet[0]: "\\" + code.decode() for code, octet in _ESCAPED.items()
}


def number(value: float) -> str:
    """Return a number as `NUMBER` reads it: without an exponent."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
