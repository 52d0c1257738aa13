"""`Tags`: the tags of a session, and the client's likely next tag, for rules that answer it in advance."""

from __future__ import annotations

from typing import Final

_BASES: Final = (10, 16, 36)
"""What clients count in."""
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LONGEST: Final = 64
"""Octets of a tag that is looked at; others are not foreseen."""


class Tags:
    """One session's."""

    def __init__(self) -> None:
        self.last = b"*"
        """The tag of the last command; ``*`` before the first."""
        self._before = b""

    def add(self, tag: bytes) -> None:
        """Note a command's tag."""
        self._before, self.last = (b"" if self.last == b"*" else self.last), tag

    def fill(self, octets: bytes) -> bytes:
        """Return octets with the last tag in the place of ``{tag}``, and the next one in that of ``{next}``."""
        return octets.replace(b"{tag}", self.last).replace(b"{next}", self.next)

    @property
    def next(self) -> bytes:
        """The tag that the client will use next, if it counts: a number after what its tags have in common."""
        last, before = self.last.decode("latin-1"), self._before.decode("latin-1")
        if len(last) > _LONGEST:
            return self.last
        for base in _BASES if before and len(before) <= _LONGEST else ():
            for place in range(len(last)):
                if before[:place] == last[:place] and _counts(before[place:], last[place:], base):
                    return (last[:place] + _plus_one(last[place:], base)).encode("latin-1")
        place = len(last.rstrip("0123456789"))
        return (last[:place] + _plus_one(last[place:], 10)).encode("latin-1") if place < len(last) else self.last


def _value(text: str, base: int) -> int:
    """Return a number; -1 for what is none in this base."""
    return int(text, base) if text.isalnum() and text.isascii() and _is_of(text, base) else -1


def _is_of(text: str, base: int) -> bool:
    return all(character in _DIGITS[:base] for character in text.lower())


def _counts(before: str, last: str, base: int) -> bool:
    value = _value(before, base)
    return value >= 0 and value + 1 == _value(last, base)


def _plus_one(text: str, base: int) -> str:
    """Return the number after this one, as wide, and in capitals if it is."""
    value, digits = int(text, base) + 1, ""
    while value:
        value, digit = divmod(value, base)
        digits = _DIGITS[digit] + digits
    digits = digits.rjust(len(text), "0")
    return digits.upper() if text != text.lower() else digits
