"""Which message a test means. One code path decides and explains, so a failure names the field that differed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict

from smtpfix.safe_text import printable
from smtpfix.suggesting import did_you_mean

from .header_values import normal
from .message import CapturedMessage


class Criteria(TypedDict, total=False):
    """What a message must match: each value is a string, a compiled pattern (searched), or any object with ``==``."""

    to: Any
    """One of the envelope's recipients. In all addresses, case matters in the local part and not in the domain."""
    reverse_path: Any
    """The envelope's reverse-path; ``""`` for the null reverse-path."""
    sender: Any
    """The address in the From header."""
    subject: Any
    """The decoded Subject header."""
    text: Any
    """The plain-text body. It must contain a string, rather than equal it."""
    html: Any
    """The HTML body. It must contain a string, rather than equal it."""
    headers: Mapping[str, Any]
    """Header names, each with the value that it must match; None if the header must be absent."""
    attachment: Any
    """The file name of one of the attachments."""
    user: Any
    """The authenticated user."""


_ONE_OF: Final[Mapping[str, Callable[[CapturedMessage], tuple[Any, ...]]]] = {
    "to": lambda message: message.to,
    "attachment": lambda message: tuple(attachment.filename for attachment in message.attachments),
}
_EXACT: Final = ("reverse_path", "sender", "subject", "user")
_CONTAINED: Final = ("text", "html")
_ADDRESSES: Final = ("to", "reverse_path", "sender")
"""Criteria whose domains compare without case."""
_NAMES: Final = (*_ONE_OF, *_EXACT, *_CONTAINED, "headers")


def equals(expected: Any, actual: Any) -> bool:
    """Return whether a value is what was expected: a compiled pattern is searched for, all else compared."""
    if isinstance(expected, re.Pattern):
        return isinstance(actual, str) and expected.search(actual) is not None
    return bool(expected == actual)


def _fits(name: str, expected: Any, actual: Any) -> bool:
    if name in _ADDRESSES and isinstance(expected, str):
        return normal(expected) == normal(actual)
    return equals(expected, actual)


class Matcher:
    """Criteria, checked when they are built. Raises `TypeError`, which names an unknown one."""

    def __init__(self, criteria: Criteria) -> None:
        for name in criteria:
            if name not in _NAMES:
                known = sorted(_NAMES)
                raise TypeError(
                    f"a message cannot be asked for {name!r}{did_you_mean(name, known)}; it can for {', '.join(known)}"
                )
        if not isinstance(criteria.get("headers", {}), Mapping):
            raise TypeError("headers is a mapping of header names to values")
        self._criteria: Mapping[str, Any] = dict(criteria)

    def matches(self, message: CapturedMessage) -> bool:
        """Return whether the message matches."""
        return not self.difference(message)

    def difference(self, message: CapturedMessage) -> list[str]:
        """Return the differences, one line each; empty if the message matches."""
        found = []
        for name, expected in self._criteria.items():
            if name == "headers":
                for header, value in expected.items():
                    actual = message.header(header)
                    if not equals(value, actual):
                        found.append(_line(f"header {header}", value, actual))
                continue
            if name in _ONE_OF:
                values = _ONE_OF[name](message)
                if not any(_fits(name, expected, value) for value in values):
                    found.append(_line(name, expected, values))
                continue
            actual = getattr(message, name)
            contained = name in _CONTAINED and isinstance(expected, str) and expected in actual
            if not contained and not _fits(name, expected, actual):
                found.append(_line(name, expected, actual))
        return found

    def __str__(self) -> str:
        return ", ".join(f"{name}={_show(value)}" for name, value in self._criteria.items()) or "any"


def _line(name: str, expected: Any, actual: Any) -> str:
    return f"{name}: wanted {_show(expected)}, got {_show(actual)}"


def _show(value: Any, limit: int = 200) -> str:
    if isinstance(value, re.Pattern):
        return f"/{printable(value.pattern)}/"
    text = printable(repr(value))
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
