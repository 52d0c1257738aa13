"""`Checked`: values that check their own fields when they are built."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import did_you_mean

MEANT: Final = {
    "rules": 'Rules are the server\'s: server.on("RCPT", Reply(450, "4.2.1", "Greylisted"))',
    "rule": 'Rules are the server\'s: server.on("RCPT", Reply(450, "4.2.1", "Greylisted"))',
    "like": 'Write Policy.like("gmail")',
    "strict_rules": "It is a keyword of the marker: @pytest.mark.smtp(strict_rules=True)",
    "inbox": "An inbox is the server's: Server(policy, inbox=...)",
    "authority": "An authority is the server's: Server(policy, authority=...)",
    "password": 'Users and their passwords are a mapping: users={"ann": "s3cret"}',
    "tls": 'When TLS begins is the mode: "starttls", "tls-required" or "implicit-tls"',
    "ssl": 'When TLS begins is the mode: "starttls", "tls-required" or "implicit-tls"',
}
"""Keywords that people write for what is no field, and what to write."""


class Checked:
    """A frozen value that checks its fields; each error names the field, what came and what is allowed."""

    __slots__ = ()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _fail(self, name: str, expected: str) -> InvalidValueError:
        return InvalidValueError(f"{type(self).__name__}.{name}", getattr(self, name), expected)

    def _say(self, name: str, sentence: str) -> InvalidValueError:
        """Return the error that says in a sentence of its own what is wrong with a field."""
        return InvalidValueError.saying(f"{type(self).__name__}.{name}", getattr(self, name), sentence)

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
        if isinstance(value, str):
            listed = ", ".join(repr(one) for one in value.replace(",", " ").split())
            raise self._say(name, f"{value!r} is one text; write the names in a list: [{listed}]")
        if not is_collection(value):
            raise self._fail(name, "a collection of names out of " + ", ".join(known))
        for item in value:
            if not isinstance(item, str) or not {item, item.upper(), item.lower()}.intersection(known):
                names = sorted(known) if isinstance(known, AbstractSet) else known
                raise self._say(name, f"there is no {item!r}{did_you_mean(item, names)}; there are {', '.join(names)}")
        return tuple(item.upper() for item in value)


def is_collection(value: object) -> bool:
    """Return whether a value is a list, a set or the like: not a text, and not an iterator, which reads only once."""
    return isinstance(value, Collection) and not isinstance(value, str)
