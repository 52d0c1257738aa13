"""TOML files and their tables: what is no TOML is an error of ours, and every key is a known one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from smtpfix.errors import InvalidValueError


def read_toml(where: str, text: str) -> dict[str, Any]:
    """Return the values of a file's text. Raises `InvalidValueError` naming `where`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidValueError(where, str(error), "TOML") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits; lists in lists in lists
        raise InvalidValueError(where, str(error), "TOML of a reasonable size and depth") from error


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
