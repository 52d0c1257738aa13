"""The suggestion for an unknown name. Every "did you mean" in an error comes from here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final, TypeVar

_Class = TypeVar("_Class", bound=type)

_LIKE: Final = 0.6
"""How near a name has to be, from 0 to 1."""
_LONGEST: Final = 100
"""Characters of a name that are compared: nobody has meant a longer one, and comparing takes the square of them."""


def nearest(given: object, known: Iterable[str], most: int = 1, *, like: float = _LIKE) -> list[str]:
    """Return up to so many of the names that are nearest to one that is none of them, the nearest first.

    Upper and lower case, ``-``, ``_`` and spaces make no difference, and neither do dashes in front.
    """
    if not isinstance(given, str) or len(given) > _LONGEST:
        return []
    import difflib  # noqa: PLC0415 - only where something is wrong

    plain: dict[str, list[str]] = {}
    for name in known:
        plain.setdefault(_plain(name), []).append(name)
    wanted = _plain(given)
    if wanted in plain:
        return plain[wanted][:most]
    found = difflib.get_close_matches(wanted, plain, n=most, cutoff=like) if wanted else []
    begun = sorted((name for name in plain if len(wanted) > 1 and name.startswith(wanted)), key=len)
    return [name for key in dict.fromkeys((*found, *begun)) for name in plain[key]][:most]


def did_you_mean(given: object, known: Iterable[str], most: int = 1) -> str:
    """Return `` (did you mean 'rsa'?)``, or nothing where no name is near."""
    names = nearest(given, known, most)
    return f" (did you mean {either(map(repr, names))}?)" if names else ""


def one_of(given: object, known: Iterable[str]) -> str:
    """Return ``one of ecdsa, rsa (did you mean 'rsa'?)``: what is expected in the place of a name that is not known."""
    names = [str(name) for name in known]
    return f"one of {', '.join(names)}{did_you_mean(given, names)}"


def either(words: Iterable[str]) -> str:
    """Return words as a person lists them: ``a``, ``a or b``, ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def check_names(what: str, given: Iterable[str], known: Sequence[str], meant: Mapping[str, str]) -> None:
    """Raise `TypeError` for a keyword that is none of the known ones, with what may have been meant.

    `meant` has the advice for keywords that people write for something else.
    """
    for name in given:
        if name not in known:
            hint = f". {meant[name]}" if name in meant else did_you_mean(name, known)
            raise TypeError(f"{what} has no field {name!r}{hint}; there are {', '.join(known)}")


def suggests_fields(meant: Mapping[str, str] = MappingProxyType({})) -> Callable[[_Class], _Class]:
    """Let a dataclass say what may have been meant by a keyword that is none of its fields."""

    def decorate(cls: _Class) -> _Class:
        build = vars(cls)["__init__"]  # the one that `dataclass` has made

        @functools.wraps(build)
        def init(self: object, *args: Any, **given: Any) -> None:
            try:
                build(self, *args, **given)
            except TypeError:
                check_names(cls.__name__, given, [item.name for item in fields(cls) if item.init], meant)
                raise

        type.__setattr__(cls, "__init__", init)
        return cls

    return decorate


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-").replace(" ", "-").strip("-")
