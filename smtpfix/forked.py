"""Which objects must learn of a fork: the child has the parent's memory and sockets, but none of its threads.

If the child closed what belongs to the parent, it would end the parent's connections and remove its files.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Inherited(Protocol):
    """Something that a child has a copy of."""

    def forked(self) -> None:
        """Let go of what is the parent's, and of locks that a thread had which is not here."""


_known: weakref.WeakSet[Inherited] = weakref.WeakSet()


def tell_in_child(one: Inherited) -> None:
    """Have something told in each forked child, as long as it lives."""
    _known.add(one)


def _tell() -> None:
    for one in tuple(_known):
        one.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell)
