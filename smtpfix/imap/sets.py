"""`SequenceSet`: sets of sequence numbers and UIDs (RFC 9051 section 4.1.1), and their shortest form."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

MOST: Final = 4_294_967_295
"""The highest number there is: 32 bits (section 4.2)."""
_DIGITS: Final = len(str(MOST))
_STAR: Final = 0
"""Stands for ``*`` until it is known what that is."""


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """A set as a client wrote it, in which ``*`` means nothing yet."""

    ends: tuple[tuple[int, int], ...]
    """Both ends of each range, in the order they came in; 0 for ``*``."""
    is_saved: bool = False
    """Whether it is ``$``, what the last search saved (section 6.4.4.1)."""

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Read a set. Raises `ValueError`."""
        if octets == b"$":
            return cls((), is_saved=True)
        ends = []
        for one in octets.split(b","):
            first, colon, last = one.partition(b":")
            number = _number(first)
            ends.append((number, _number(last) if colon else number))
        return cls(tuple(ends))

    def runs(self, highest: int) -> list[tuple[int, int]]:
        """Return both ends of each range, in order and apart, where ``*`` is `highest`.

        It is in the set even where the other end is above it.
        """
        meant = [_in_order(one or highest, other or highest) for one, other in self.ends]
        if len(meant) == 1:
            return meant
        found: list[tuple[int, int]] = []
        for low, high in sorted(meant):
            if found and low <= found[-1][1] + 1:
                found[-1] = (found[-1][0], max(high, found[-1][1]))
            else:
                found.append((low, high))
        return found

    def ranges(self, highest: int) -> Ranges:
        """Return the same, to ask for one number after the other."""
        found = self.runs(highest)
        return Ranges(tuple(low for low, _ in found), tuple(high for _, high in found))


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges of numbers, in order and apart."""

    lows: tuple[int, ...]
    highs: tuple[int, ...]

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.lows, number) - 1
        return place >= 0 and number <= self.highs[place]


def _number(octets: bytes) -> int:
    if octets == b"*":
        return _STAR
    number = int(octets) if octets.isdigit() and len(octets) <= _DIGITS else 0
    if not 0 < number <= MOST or octets.startswith(b"0"):
        raise ValueError(octets)
    return number


def _in_order(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one <= other else (other, one)


def compact(numbers: Iterable[int]) -> bytes:
    """Write numbers in their order, runs as ranges: ``1:3,7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in runs)
