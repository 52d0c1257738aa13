"""`Compared`: equality, hash and repr of values that have many fields.

For dozens of fields `dataclass` writes and compiles a page of source for each of these, in every run that imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from operator import attrgetter
from typing import Any, Final

_TAKING: Final[dict[type, tuple[attrgetter[Any], attrgetter[Any]]]] = {}
"""By class, what takes the fields off a value by which it is compared, and those by which it is hashed."""


class Compared:
    """A dataclass with ``eq=False, repr=False``: it has what these would give it, by the same words on its fields."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        take, _ = _taking(self)
        return bool(take(self) == take(other))

    def __hash__(self) -> int:
        return hash(_taking(self)[1](self))

    def __repr__(self) -> str:
        shown = (f"{item.name}={getattr(self, item.name)!r}" for item in _fields(self) if item.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"


def _taking(value: Compared) -> tuple[attrgetter[Any], attrgetter[Any]]:
    kind = type(value)
    if (found := _TAKING.get(kind)) is None:

        def take(counts: Callable[[Field[Any]], bool]) -> attrgetter[Any]:
            return attrgetter(*(item.name for item in _fields(value) if counts(item)))

        found = _TAKING[kind] = (
            take(lambda item: item.compare),
            take(lambda item: item.compare if item.hash is None else item.hash),
        )
    return found


def _fields(value: Any) -> tuple[Field[Any], ...]:
    return fields(value)
