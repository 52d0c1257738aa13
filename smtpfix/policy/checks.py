"""Checks that values make of their own fields when they are built: `Checked`."""

from __future__ import annotations

from collections.abc import Collection

from smtpfix.errors import InvalidValueError


class Checked:
    """A frozen value that checks its fields; each error names the field, what came and what is allowed."""

    __slots__ = ()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _fail(self, name: str, expected: str) -> InvalidValueError:
        return InvalidValueError(f"{type(self).__name__}.{name}", getattr(self, name), expected)

    def _check_seconds(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise self._fail(name, "seconds, more than 0")

    def _check_range(self, name: str, least: int, most: int | None = None) -> None:
        value = getattr(self, name)
        if type(value) is not int or value < least or (most is not None and value > most):
            raise self._fail(
                name, f"a whole number from {least} to {most}" if most else f"a whole number from {least} up"
            )

    def _check_type(self, name: str, kind: type, expected: str) -> None:
        if not isinstance(getattr(self, name), kind):
            raise self._fail(name, expected)

    def _names(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Return the field's names in upper case; each has to be one of `known`."""
        value = getattr(self, name)
        if not is_collection(value) or not all(isinstance(item, str) and item.upper() in known for item in value):
            raise self._fail(name, "a collection of names out of " + ", ".join(known))
        return tuple(item.upper() for item in value)


def is_collection(value: object) -> bool:
    """Return whether a value is a list, a set or the like: not a text, and not an iterator, which reads only once."""
    return isinstance(value, Collection) and not isinstance(value, str)
