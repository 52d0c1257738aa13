"""Reads IMAP's values, as a client would: lists, quoted strings, literals, NIL and atoms."""

from __future__ import annotations

import re

_QUOTED = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*)"')
_LITERAL = re.compile(rb"~?\{([0-9]+)\}\r\n")
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')


def read(octets: bytes, at: int = 0) -> tuple[object, int]:
    """Return a value and where it ends: a list, bytes, an int or None. Raises `ValueError` for what is none."""
    if octets[at : at + 1] == b"(":
        found: list[object] = []
        at += 1
        while octets[at : at + 1] != b")":
            if found and octets[at : at + 1] == b" ":
                at += 1
            value, at = read(octets, at)
            found.append(value)
        return found, at + 1
    if match := _QUOTED.match(octets, at):
        return re.sub(rb"\\(.)", rb"\1", match[1]), match.end()
    if match := _LITERAL.match(octets, at):
        end = match.end() + int(match[1])
        if end > len(octets):
            raise ValueError(octets[at:])
        return octets[match.end() : end], end
    if match := _ATOM.match(octets, at):
        word = match[0]
        return None if word == b"NIL" else int(word) if word.isdigit() else word, match.end()
    raise ValueError(octets[at : at + 40])


def whole(octets: bytes) -> object:
    """Return the one value that these octets are."""
    value, end = read(octets)
    if end != len(octets):
        raise ValueError(octets[end : end + 40])
    return value
