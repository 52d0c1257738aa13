"""A list that does not grow without end: `Bounded` keeps how it began and what came last, and counts the rest."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Bounded(list[T]):
    """A list that only `append` and `replace_last` change. Of each kind that came, one stays whatever goes."""

    __slots__ = ("_kind", "_most", "_octets", "_weigh", "left_out", "weight")

    def __init__(self, most: int, octets: int, weigh: Callable[[T], int], kind: Callable[[T], Hashable]) -> None:
        super().__init__()
        self._most = most
        self._octets = octets
        self._weigh = weigh
        self._kind = kind
        self.weight = 0
        """Octets that are kept."""
        self.left_out = 0
        """How many were dropped."""

    def append(self, item: T) -> None:
        """Take one in."""
        super().append(item)
        self.weight += self._weigh(item)
        if len(self) > self._most or self.weight > self._octets:
            self._leave_out()

    def replace_last(self, item: T) -> None:
        """Put another one in the place of the last."""
        self.weight += self._weigh(item) - self._weigh(self[-1])
        self[-1] = item

    def _leave_out(self) -> None:
        """Drop from the middle until a half is left: the first quarter, the last, and one of each kind."""
        first = self._while_few(self)
        last = self._while_few(self[first:][::-1])
        end = len(self) - max(last, 1)
        kinds = {self._kind(item) for item in (*self[:first], *self[end:])}
        middle = []
        for item in self[first:end]:
            if (kind := self._kind(item)) not in kinds:
                kinds.add(kind)
                middle.append(item)
        self.left_out += end - first - len(middle)
        self[:] = [*self[:first], *middle, *self[end:]]
        self.weight = sum(map(self._weigh, self))

    def _while_few(self, items: Sequence[T]) -> int:
        """Return how many of these are a quarter of what may be kept."""
        weight = 0
        for count, item in enumerate(items):
            weight += self._weigh(item)
            if count >= self._most // 4 or weight > self._octets // 4:
                return count
        return len(items)
