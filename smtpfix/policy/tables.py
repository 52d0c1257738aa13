"""TOML files and their tables: invalid TOML is an `InvalidValueError`, and so is an unknown key."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import did_you_mean


def read_file(path: Path, most: int, kind: str) -> bytes:
    """Read a regular file of so many octets at the most; nothing else, such as a pipe, can hold the reader up.

    Raises `InvalidValueError` naming it, where it is none or cannot be read.
    """
    where = str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            octets = file.read(most + 1) if is_regular else b""
    except OSError as error:
        raise InvalidValueError(where, error.strerror, f"{kind} that can be read") from error
    if not is_regular:
        raise InvalidValueError(where, "something else", f"a regular file: {kind}")
    if len(octets) > most:
        raise InvalidValueError(where, "a larger one", f"{kind} of {most:,} octets at the most")
    return octets


def read_toml(where: str, text: str) -> dict[str, Any]:
    """Return the values of a file's text. Raises `InvalidValueError` naming `where`."""
    import tomllib  # noqa: PLC0415 - good servers read no file

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
            raise InvalidValueError.saying(
                where, key, f"there is no key {key!r}{did_you_mean(key, names)}; there are {', '.join(names)}"
            )
