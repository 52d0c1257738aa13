"""What is so of the certificates of every good server: their keys, how long they are valid, how many there may be.

Apart from `certificate_profile`, in which a scenario says otherwise, because most servers show no such scenario.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeAlias

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import one_of

KEY_TYPES: Final = {"ecdsa": "p256", "rsa": "rsa2048"}
"""Types of authorities, by trustme's names, and the kind of key that all have who name no other."""

Day: TypeAlias = int | date
"""A date, or a number of days from the day of issuing."""

LEAF_DAYS: Final[tuple[Day, Day]] = (-1, 90)
CA_DAYS: Final[tuple[date, date]] = (date(2000, 1, 1), date(3000, 1, 1))
"""First and last day of validity where nothing is said of them; a CA's are those that trustme gives."""

MOST_INTERMEDIATES: Final = 200
"""How many plain intermediates a chain may have."""


def check_key_type(key_type: object, field: str) -> None:
    """Raise `InvalidValueError`, which names the field and the nearest type, unless this is one of `KEY_TYPES`."""
    if key_type in (*KEY_TYPES,):
        return
    raise InvalidValueError(field, key_type, one_of(key_type, KEY_TYPES))


def day(value: Day, now: datetime) -> datetime:
    """Return a date, or the moment some days from now."""
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    return now + timedelta(days=value)
