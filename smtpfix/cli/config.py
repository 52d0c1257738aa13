"""The options of `smtpfix serve` from a TOML file, whose keys are option names, and from the environment.

Knows neither click nor what the options mean: `Kind` says which form the value of each has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.tables import read_file, read_toml
from smtpfix.suggesting import did_you_mean, nearest

PREFIX: Final = "SMTPFIX_SERVE_"
"""How the variables begin that hold options; click builds their names so."""
_MOST: Final = 1_000_000
"""Octets that the file may have."""
_NEAR: Final = 3
"""Names that an unknown key is told."""


class Kind(Enum):
    """The form of an option's value."""

    SWITCH = "true or false"
    ONE = "text or a number"
    MANY = "a list of texts"


def read_config(path: Path, known: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the options of a file by their names. Raises `InvalidValueError`, which names the file and the key."""
    where = f"--config: {path}"
    try:
        text = read_file(path, _MOST, "a TOML file").decode("utf-8")
    except InvalidValueError as error:
        raise error.within("--config") from error
    except UnicodeDecodeError as error:
        raise InvalidValueError(where, str(error), "UTF-8") from error
    return {key: _value(where, key, value, known) for key, value in read_toml(where, text).items()}


def strangers(environment: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Yield what to say of each variable that looks like an option of serve's and is none; it need not be meant so."""
    options = [option.replace("-", "_").upper() for option in known]
    for name in environment:
        if name.startswith(PREFIX) and (given := name.removeprefix(PREFIX)) not in options:
            near = nearest(given, options)
            yield f"{name} in the environment is no option" + (f"; is {PREFIX}{near[0]} meant?" if near else "")


def _value(where: str, key: str, value: Any, known: Mapping[str, Kind]) -> Any:
    kind = known.get(key)
    if kind is None:
        if (near := nearest(key, known, _NEAR)) and near[0] in (key.lstrip("-"), key.replace("_", "-").strip("-")):
            raise InvalidValueError.saying(
                where, key, f"write {near[0]!r} for {key!r}: options have no dashes in front, and - between their words"
            )
        hint = did_you_mean(key, known, _NEAR)
        raise InvalidValueError.saying(
            where, key, f"there is no option {key!r}{hint}; there are {', '.join(sorted(known))}"
        )
    if kind is Kind.SWITCH:
        values, fits = [value], isinstance(value, bool)
    else:
        values = value if kind is Kind.MANY and isinstance(value, list) else [value]
        fits = all(map(_is_one, values))
    if not fits:
        wrong = next((one for one in values if not _is_one(one)), value)
        raise InvalidValueError(f"{where}, {key}", type(wrong).__name__, kind.value)  # it may hold a secret
    if kind is Kind.SWITCH:
        return value
    as_written = [str(one) for one in values]  # as on the command line: a number may be the name of a file
    return as_written if kind is Kind.MANY else as_written[0]


def _is_one(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
