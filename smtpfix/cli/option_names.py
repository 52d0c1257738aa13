"""Errors that name the option, rather than the Python argument."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from smtpfix.errors import InvalidValueError

_IN_PYTHON: Final = re.compile(r"\b(?:(?:Imap|Pop3)?Policy|Probe)\.([a-z_]+)\b|\busers=ANY_USER\b|\bANY_USER\b")
"""What sentences call what options set."""


@contextmanager
def named(options: Mapping[str, str], *fields_of: str) -> Iterator[None]:
    """Name the option in an error: that of the table, or for a field of these classes ``--`` and the field's name."""
    try:
        yield
    except InvalidValueError as error:
        of, _, name = error.field.rpartition(".")
        option = options.get(error.field) or (f"--{name.replace('_', '-')}" if of in fields_of else None)
        if option is None:
            raise
        if error.is_sentence:
            raise InvalidValueError.saying(option, error.value, in_options(error.expected, options)) from error
        raise error.renamed(option) from error


def in_options(text: str, options: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a sentence about fields as one about the options that set them."""
    return _IN_PYTHON.sub(lambda match: _option(match, options), text)


def _option(match: re.Match[str], options: Mapping[str, str]) -> str:
    if match[1] is None:
        return "--any-user"
    return options.get(match[0]) or f"--{match[1].replace('_', '-')}"
