"""Errors that name the option, not what it is called in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from smtpfix.errors import InvalidValueError


@contextmanager
def named(options: Mapping[str, str], fields_of: str | None = None) -> Iterator[None]:
    """Name the option in an error: that of the table, or for a field of this class ``--`` and the field's name."""
    try:
        yield
    except InvalidValueError as error:
        of, _, name = error.field.rpartition(".")
        option = options.get(error.field) or (f"--{name.replace('_', '-')}" if of and of == fields_of else None)
        if option is None:
            raise
        raise InvalidValueError(option, error.value, error.expected) from error
