"""The conditions of a rule as text, between stage and colon: one table, and the errors about unknown ones."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import nearest

from .notation import number
from .rule import Rule


class _Condition(NamedTuple):
    """One condition of `Rule`."""

    field: str
    """The field of `Rule` that it fills."""
    shown: str
    """How it is written, for people."""
    pattern: re.Pattern[str]
    """The same at the end of a text; its one group is the value."""
    read: Callable[[str], object]

    @property
    def word(self) -> str:
        """The word that it begins with."""
        return self.shown.partition(" ")[0]


_WHOLE: Final = "([0-9]{1,9})"
_CONDITIONS: Final = tuple(
    _Condition(field, shown, re.compile(rf"(?:\A|\s){pattern}\Z", re.IGNORECASE), read)
    for field, shown, pattern, read in (
        ("in_tls", "in tls or in clear", r"in\s+(tls|clear)", lambda text: text.lower() == "tls"),
        ("session", "session N", rf"session\s+{_WHOLE}", int),
        ("after", "after N", rf"after\s+{_WHOLE}", int),
        ("octets", "after N octets", rf"after\s+{_WHOLE}\s+octets", int),
        ("probability", "probability 0.5", r"probability\s+([0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})", float),
        ("seed", "seed N", rf"seed\s+{_WHOLE}", int),
    )
)
_HOW: Final = ", ".join(condition.shown for condition in _CONDITIONS)
_WORDS: Final = {condition.word: condition.shown for condition in reversed(_CONDITIONS)}
_MISTAKEN: Final = {
    **_WORDS,
    **dict.fromkeys(("octet", "octets"), "after N octets"),
    **dict.fromkeys(("in_tls", "tls", "clear"), "in tls or in clear"),
    **dict.fromkeys(("chance", "random", "likelihood", "prob"), "probability 0.5"),
    **dict.fromkeys(("times", "time", "once", "twice"), "xN, after the actions"),
}
"""Words that mean a condition wherever they stand by themselves, and how it is written."""
_PERCENT: Final = re.compile(r"[0-9.]+%")
_COUNT: Final = re.compile(r"[xX][0-9]+")
_NUMBER: Final = re.compile(r"[.,]?[0-9]")
_LIKE: Final = 0.75
"""How near a word has to be to one of the conditions' to be taken for it, from 0 to 1."""
_SHORTEST: Final = 4
"""Letters of a word that is compared with them."""


def take_conditions(text: str, rule: str) -> tuple[str, dict[str, Any]]:
    """Take the conditions off the end of what follows a stage; return the argument before them, and them.

    Raises `InvalidValueError` for a condition that stands there twice, and for an argument that looks like a mistyped
    condition: it would match nothing, and nobody would learn that the rule never answers.
    """
    found: dict[str, Any] = {}
    rest = text.strip()
    while taken := next(((one, match) for one in _CONDITIONS if (match := one.pattern.search(rest))), None):
        condition, match = taken
        if condition.field in found:
            raise InvalidValueError(f"rule {rule!r}", match[0].strip(), f"each condition once ({condition.shown})")
        found[condition.field] = condition.read(match[1])
        rest = rest[: match.start()].rstrip()
    if "seed" in found and "probability" not in found:
        raise InvalidValueError(f"rule {rule!r}", f"seed {found['seed']}", "probability 0.5 with a seed")
    for word, behind in itertools.pairwise([*rest.split(), ""]):
        if shown := _mistyped(word, behind):
            raise InvalidValueError(
                f"rule {rule!r}, argument",
                rest,
                f"{shown}, where a condition is meant: between argument and colon stand {_HOW}; "
                f"where the argument has the word itself, [{word[0]}]{word[1:]}",
            )
    return rest, found


def write_conditions(rule: Rule) -> Iterator[str]:
    """Yield the conditions of a rule, as `take_conditions` reads them."""
    if rule.in_tls is not None:
        yield "in tls" if rule.in_tls else "in clear"
    if rule.session is not None:
        yield f"session {rule.session}"
    if rule.after:
        yield f"after {rule.after}"
    if rule.octets:
        yield f"after {rule.octets} octets"
    if rule.probability < 1:
        yield f"probability {number(rule.probability)}"
        yield f"seed {rule.seed}"


def _mistyped(word: str, behind: str) -> str | None:
    """Return how the condition is written that somebody has meant by a word; None for a word of an argument.

    Words that only look like a condition's are taken for it where a number follows them.
    """
    if _PERCENT.fullmatch(word):
        return "probability 0.5"
    if _COUNT.fullmatch(word):
        return "xN, after the actions"
    name = re.split(r"[=:]", word.lower(), maxsplit=1)[0]
    if name in _MISTAKEN:
        return _MISTAKEN[name]
    if not _NUMBER.match(behind) or len(name) < _SHORTEST:
        return None
    near = nearest(name, _WORDS, like=_LIKE)
    return _WORDS[near[0]] if near else None
