"""Searches long texts in steps: one long call to `re` would hold up all threads of the process until it is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import AnyStr, Final

STEP: Final = 1 << 17
"""Characters, or octets, of one step: some milliseconds where a pattern is slow."""
_REACH: Final = 64
"""How far a step looks beyond its end."""


def search(pattern: re.Pattern[AnyStr], text: AnyStr, at: int = 0) -> re.Match[AnyStr] | None:
    """Return what `pattern.search` returns.

    For patterns that begin to match within `_REACH` characters, and look no further ahead after what they match; one
    that matches nothing may look ahead as far as it likes.
    """
    while len(text) - at > STEP + _REACH:
        found = pattern.search(text, at, at + STEP + _REACH)
        if found is None or found.start() >= at + STEP:
            at += STEP
        elif found.start() < found.end() <= at + STEP:
            return found
        elif whole := pattern.match(text, found.start()):  # as far as it goes, and with all that it looks ahead to
            return whole
        else:
            at = found.start() + 1
    return pattern.search(text, at)


def matches(pattern: re.Pattern[AnyStr], text: AnyStr, at: int = 0) -> Iterator[re.Match[AnyStr]]:
    """Yield what `pattern.finditer` yields, of a pattern as `search` takes it, which never matches nothing."""
    while (found := search(pattern, text, at)) is not None:
        yield found
        at = found.end()


def replaced(pattern: re.Pattern[AnyStr], replacement: Callable[[re.Match[AnyStr]], AnyStr], text: AnyStr) -> AnyStr:
    """Return what `pattern.sub` returns, of a pattern as `matches` takes it."""
    pieces: list[AnyStr] = []
    at = 0
    for found in matches(pattern, text):
        pieces += [text[at : found.start()], replacement(found)]
        at = found.end()
    pieces.append(text[at:])
    return text[:0].join(pieces)


def longest_line(content: bytes) -> tuple[int, int]:
    """Return the number of the first of the longest lines, which end in CRLF, and how many octets it has."""
    number = ended = begun = start = 0
    longest = -1
    while start < len(content):
        end = start + STEP
        end += content[end - 1 : end + 1] == b"\r\n"  # both are in the same step
        lengths = list(map(len, content[start:end].split(b"\r\n")))
        lengths[0] += begun
        begun = lengths.pop()
        if lengths and max(lengths) > longest:
            longest = max(lengths)
            number = ended + lengths.index(longest) + 1
        ended, start = ended + len(lengths), end
    return (ended + 1, begun) if begun > longest else (number, longest)
