"""Thresholds for the measurements of a probe: ranges in the format of the monitoring plugins' guidelines.

https://www.monitoring-plugins.org/doc/guidelines.html, "Threshold and Ranges". Times are in seconds, `days` are those
that the certificate has left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import did_you_mean

from .measurement import TIMES, Connection, Probe

DAYS: Final = "days"
_FORMS: Final = "a range: END, START:, START:END, ~:END or @START:END"


@dataclass(frozen=True, slots=True)
class Range:
    """The values that are well."""

    text: str
    """As it was written."""
    low: float = 0.0
    high: float = math.inf
    is_inverted: bool = False
    """Whether it is these values that are not well."""

    @classmethod
    def read(cls, text: str, name: str) -> Range:
        """Return the range that a text is for. Raises `InvalidValueError`, by this name."""
        is_inverted, limits = text.startswith("@"), text.removeprefix("@")
        start, colon, end = limits.rpartition(":")
        try:
            low = -math.inf if start == "~" else float(start or 0)
            high = float(end) if end or not colon else math.inf
        except ValueError:
            raise InvalidValueError(name, text, _FORMS) from None
        if not low <= high or math.inf in (low, abs(float(end or 0))):
            raise InvalidValueError(name, text, f"{_FORMS}, START not above END")
        return cls(text, low, high, is_inverted)

    def has(self, value: float) -> bool:
        """Return whether a value is well."""
        return (self.low <= value <= self.high) is not self.is_inverted

    def __str__(self) -> str:
        """Return what is expected, in words."""
        if math.isinf(self.high):
            limits = f"at least {self.low:g}"
        else:
            limits = f"from {self.low:g} to {self.high:g}" if self.low > 0 else f"at most {self.high:g}"
        return f"not {limits}" if self.is_inverted else limits


def read_ranges(texts: Iterable[str], option: str, settings: Probe) -> dict[str, Range]:
    """Return what texts such as ``total=2`` and ``days=21:`` say. Raises `InvalidValueError`, by the option's name."""
    measured = _measured(settings)
    ranges = {}
    for text in texts:
        name, equals, limits = text.partition("=")
        if not equals or name not in measured:
            hint = did_you_mean(name, measured)
            expected = f"NAME=RANGE, of what this probe measures: {', '.join(measured)}{hint}"
            raise InvalidValueError(option, text, expected)
        if name in ranges:
            raise InvalidValueError.saying(option, text, f"{name} has a range already; give it one")
        if name == DAYS and ":" not in limits:
            sentence = f"{text!r} warns of more days; to be warned of fewer, write 'days={limits}:' with a colon"
            raise InvalidValueError.saying(option, text, sentence)
        ranges[name] = Range.read(limits, option)
    return ranges


def _measured(settings: Probe) -> list[str]:
    missing = set()
    if settings.connection is Connection.PLAIN:
        missing |= {"tls", DAYS}
    if not settings.user:
        missing.add("login")
    if not settings.recipient:
        missing.add("transfer")
    return [name for name in (*TIMES, DAYS) if name not in missing]
