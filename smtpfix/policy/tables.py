"""Tables as TOML files have them: every key is a known one, or an error lists those there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from smtpfix.errors import InvalidValueError


def check_table(where: str, table: Any, known: Iterable[str] | None = None) -> None:
    """Raise `InvalidValueError` naming `where` unless this is a table; with `known`, one of these keys only."""
    if not isinstance(table, Mapping):
        raise InvalidValueError(where, table, "a table")
    if known is None:
        return
    names = tuple(known)
    for key in table:
        if key not in names:
            raise InvalidValueError(where, key, f"only the keys {', '.join(names)}")
