"""`Bounded`: a list that cannot grow without bound. It keeps the first and the latest items, and counts the rest."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, TypeVar

T = TypeVar("T")


class Bounded(list[T]):
    """A list that grows by `append` alone. Of each kind that came, one stays whatever goes.

    What is bounded says how, in a class of its own.
    """

    most: ClassVar[int]
    """How many are kept."""
    left_out = 0
    """How many were dropped."""

    @staticmethod
    def kind(item: T) -> Hashable:
        """Return what makes one like others."""
        raise NotImplementedError

    def append(self, item: T) -> None:
        """Take one in."""
        list.append(self, item)
        if len(self) > self.most:
            self._leave_out()

    def _leave_out(self) -> None:
        """Drop from the middle until a half is left: the first quarter, the last, and one of each kind."""
        quarter = self.most // 4
        first, middle, last = self[:quarter], self[quarter:-quarter], self[-quarter:]
        kinds = {self.kind(item) for item in (*first, *last)}
        kept = []
        for item in middle:
            if (kind := self.kind(item)) not in kinds:
                kinds.add(kind)
                kept.append(item)
        self.left_out += len(middle) - len(kept)
        self[:] = [*first, *kept, *last]
