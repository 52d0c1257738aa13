"""`Limits`: how much a server takes from clients before it refuses; and `Rate`, a number in a time.

Values only; `metering` counts. A limit that is None does not exist, and is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import suggests_fields

from .tables import check_table

UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""The units of time in a rate, with their seconds."""

_RATE: Final = re.compile(rf"([0-9]{{1,9}})/(?:({'|'.join(UNITS)})|([0-9]{{1,9}}) ?s)\Z")
_EXPECTED: Final = "a rate such as 30/minute or 5/10s: a number from 1 up, and " + ", ".join(UNITS) + " or seconds"


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of events in a time: ``Rate(30, 60)``, written ``"30/minute"``.

    The time window slides: events that are older than `seconds` no longer count. Raises `InvalidValueError`.
    """

    count: int
    """How many events are allowed within `seconds`."""
    seconds: float
    """The length of the window in seconds."""

    def __post_init__(self) -> None:
        if type(self.count) is not int or self.count < 1:
            raise InvalidValueError("Rate.count", self.count, "a whole number from 1 up")
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, int | float) or not self.seconds > 0:
            raise InvalidValueError("Rate.seconds", self.seconds, "seconds, more than 0")

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read a rate such as ``30/minute`` or ``5/10s``. Raises `InvalidValueError`."""
        match = _RATE.match(text)
        if match is None or int(match[1]) < 1 or match[3] == "0":
            raise InvalidValueError("Rate", text, _EXPECTED)
        return cls(int(match[1]), UNITS[match[2]] if match[2] else int(match[3]))

    def __str__(self) -> str:
        """Return the rate as it is written."""
        unit = next((name for name, seconds in UNITS.items() if seconds == self.seconds), f"{self.seconds:g}s")
        return f"{self.count}/{unit}"


@suggests_fields()
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that a server enforces from its start: ``Limits(connections=1, message_rate="30/minute")``.

    The server tells clients apart by their IP addresses. A 421 reply closes the connection (RFC 5321 section 3.8).
    Where Postfix has the same limit, the reply codes are Postfix's; `Policy.replies` changes the texts. You can write a
    `Rate` as text. Raises `InvalidValueError`.
    """

    connections: int | None = None
    """Connections at the same time, of all clients together. The next one is greeted with ``421 4.7.0``."""
    connections_per_client: int | None = None
    """Connections of one client at the same time. The next one is greeted with ``421 4.7.0``."""
    connection_rate: Rate | str | None = None
    """Connections of one client in a time. The next one is greeted with ``421 4.7.0``."""
    messages_per_connection: int | None = None
    """Mail transactions on one connection. The next MAIL is answered ``421 4.7.0``."""
    message_rate: Rate | str | None = None
    """Mail transactions of one client in a time. The next MAIL is answered ``450 4.7.1``."""
    recipient_rate: Rate | str | None = None
    """Recipients that one client names in a time. The next RCPT is answered ``450 4.7.1``."""
    failed_logins: int | None = None
    """AUTH commands on one connection that are answered 535. After the last of them, the server sends ``421 4.7.0``."""
    errors: int | None = None
    """Commands on one connection that are answered 4yz or 5yz, with no accepted message between them. After the last of
    them, the server sends ``421 4.7.0``. This is Postfix's ``smtpd_hard_error_limit``."""

    def __post_init__(self) -> None:
        for name, value in self.given():
            if name.endswith("_rate"):
                if isinstance(value, str):
                    try:
                        object.__setattr__(self, name, Rate.parse(value))
                    except InvalidValueError as error:
                        raise InvalidValueError(f"Limits.{name}", value, error.expected) from error
                elif not isinstance(value, Rate):
                    raise InvalidValueError(f"Limits.{name}", value, f"{_EXPECTED}; a Rate; or None")
            elif type(value) is not int or value < 1:
                raise InvalidValueError(f"Limits.{name}", value, "a whole number from 1 up, or None")

    def given(self) -> Iterator[tuple[str, int | Rate | str]]:
        """Return the limits that are not None, by name."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        return ((name, value) for name, value in values if value is not None)

    @classmethod
    def parse(cls, where: str, table: Any) -> Limits:
        """Build limits from a table in a file. Raises `InvalidValueError`, which names `where` and the key."""
        names = [item.name for item in fields(cls)]
        if not isinstance(table, Mapping):
            raise InvalidValueError(where, table, "a table of " + ", ".join(names))
        check_table(where, table, names)
        try:
            return cls(**table)
        except InvalidValueError as error:
            raise error.renamed(f"{where}: {error.field.removeprefix('Limits.')}") from error
