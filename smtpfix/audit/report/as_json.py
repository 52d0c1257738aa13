"""`to_json` and `from_json`: the result of an audit as JSON, and back.

The schema is in ``audit.schema.json`` beside this module. What is written follows from the values in `result`: a field
is a key. Knows no other report.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final, get_args, get_origin, get_type_hints

from smtpfix.audit.result import AuditResult, Finding
from smtpfix.errors import InvalidValueError

from .words import counted, without_secret

FORMAT: Final = "smtpfix-audit"
"""The value of the key ``format``, by which a file is known."""
VERSION: Final = 2
"""The value of the key ``version``: raised when a key goes or changes its meaning, not when one is added."""

_FIRST: Final = (
    *("client", "declaration", "causes", "grade", "worth", "keeps_its_promise", "promise", "reasons", "flags"),
)
"""The keys that stand first, in the order in which people are told; `findings`, the longest, stands last."""
_SECRET: Final = "password"  # noqa: S105 - a field's name
_PAIRS: Final = "versions"
"""A field of pairs, which is an object of names and values in JSON."""
_LONGEST: Final = 60
_LARGEST: Final = 2**53
"""Beyond it a whole number is none that a float can hold."""


def to_json(result: AuditResult) -> str:
    """Return a result as a JSON text, in ASCII, its last line ended; the password is left out and struck out.

    What to change stands first, then the grade; the findings stand last.

    Beside the fields of `AuditResult` it has ``format``, ``version``, ``counts`` and each finding's ``key``.
    """
    values = _encoded(without_secret(result))
    counts = {str(verdict): count for verdict, count in counted(result.findings).items()}
    first = {name: values.pop(name) for name in _FIRST}
    findings = values.pop("findings")
    values = {"format": FORMAT, "version": VERSION, **first, "counts": counts, **values, "findings": findings}
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def from_json(text: str) -> AuditResult:
    """Return the result that `to_json` wrote; unknown keys are left aside, and the password is None.

    Raises `InvalidValueError`, naming the key by its path, where the text is not JSON, of another format or version, or
    where a key is missing or has a value of another kind.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError("audit", text[:_LONGEST], f"JSON ({error})") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        what = values.get("format") if isinstance(values, dict) else values
        raise InvalidValueError("audit: format", _shortened(what), f"{FORMAT!r}, as smtpfix audit --json writes it")
    if values.get("version") != VERSION or isinstance(values["version"], bool):
        expected = f"{VERSION}, the version that this smtpfix reads; write the file again"
        raise InvalidValueError("audit: version", _shortened(values.get("version")), expected)
    result: AuditResult = _decoded_value(AuditResult, values, "audit")
    return result


def schema() -> str:
    """Return the JSON Schema (draft 2020-12) of what `to_json` writes."""
    return files(__package__).joinpath("audit.schema.json").read_text(encoding="utf-8")


def _encoded(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return _in_utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return [_encoded(one) for one in value]
    if not is_dataclass(value):
        return value
    encoded: dict[str, Any] = {"key": value.key} if isinstance(value, Finding) else {}
    for one in fields(value):
        if one.name != _SECRET:
            content = getattr(value, one.name)
            encoded[one.name] = dict(content) if one.name == _PAIRS else _encoded(content)
    return encoded


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decoded_value(kind: type, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise InvalidValueError(where, _shortened(values), "an object")
    decoded: dict[str, Any] = {}
    prefix = "" if where == "audit" else f"{where}."
    for one in fields(kind):
        path = f"{prefix}{one.name}"
        if one.name == _SECRET:
            continue
        if one.name in values:
            content = values[one.name]
            if one.name == _PAIRS and isinstance(content, dict):
                content = [[name, version] for name, version in content.items()]
            decoded[one.name] = _decoded(_hints(kind)[one.name], content, path)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise InvalidValueError(path, None, "a value: the key is missing")
    return kind(**decoded)


def _decoded(hint: Any, value: Any, where: str) -> Any:
    """Return what a type hint of `result` makes of a JSON value."""
    arguments = get_args(hint)
    if type(None) in arguments:
        if value is None:
            return None
        (hint,) = [one for one in arguments if one is not type(None)]
        return _decoded(hint, value, where)
    if get_origin(hint) is tuple:
        return _decoded_tuple(arguments, value, where)
    if is_dataclass(hint) and isinstance(hint, type):
        return _decoded_value(hint, value, where)
    if hint is datetime:
        return _decoded_time(value, where)
    if issubclass(hint, StrEnum):
        if value not in list(hint):
            raise InvalidValueError(where, _shortened(value), f"one of {', '.join(hint)}")
        return hint(value)
    if hint is float and type(value) is int and abs(value) < _LARGEST:
        value = float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise InvalidValueError(where, _shortened(value), _KINDS[hint])
    return value


def _decoded_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise InvalidValueError(where, _shortened(value), "a list")
    if arguments[-1] is Ellipsis:
        return tuple(_decoded(arguments[0], one, f"{where}[{number}]") for number, one in enumerate(value))
    if len(value) != len(arguments):
        raise InvalidValueError(where, _shortened(value), f"a list of {len(arguments)}")
    return tuple(
        _decoded(hint, one, f"{where}[{number}]")
        for number, (hint, one) in enumerate(zip(arguments, value, strict=True))
    )


def _decoded_time(value: Any, where: str) -> datetime:
    try:
        return _in_utc(datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidValueError(where, _shortened(value), "a moment such as '2030-01-31T12:00:00Z'") from error


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_KINDS: Final[Mapping[type, str]] = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def _shortened(value: Any) -> Any:
    """Return what an error quotes of a value: a long one by its beginning."""
    return value if len(repr(value)) <= _LONGEST else f"{repr(value)[:_LONGEST]}…"
