"""The result of a probe as the output of a monitoring plugin: one line, performance data, an exit status.

By https://www.monitoring-plugins.org/doc/guidelines.html, which Nagios, Icinga, Naemon, Centreon and Checkmk read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

from smtpfix.probe.measurement import ProbeResult
from smtpfix.probe.thresholds import DAYS, Range
from smtpfix.safe_text import printable


class State(IntEnum):
    """What a plugin finds, by its exit status."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_LONGEST: Final = 1_000
"""Characters of the text; some programs read no more than 4 KB of all."""


def line(state: State, text: str, service: str = "SMTP") -> str:
    """Return a plugin's line; a bar would begin the performance data."""
    return f"{service} {state.name} - {printable(text).replace('|', '/')[:_LONGEST]}"


def report(result: ProbeResult, warnings: Mapping[str, Range], criticals: Mapping[str, Range]) -> tuple[State, str]:
    """Return the state and the line."""
    values = measured(result)
    state, text = _found(result, values, warnings, criticals)
    data = []
    for name in dict.fromkeys([*values, *warnings, *criticals]):
        unit, least = ("", "") if name == DAYS else ("s", "0")
        value = "U" if name not in values else f"{values[name]:.6f}{unit}" if unit else f"{values[name]:.0f}"
        limits = [one[name].text if name in one else "" for one in (warnings, criticals)]
        data.append(";".join((f"{name}={value}", *limits, least)).rstrip(";"))
    return state, f"{line(state, text, result.probe.protocol.upper())} | {' '.join(data)}"


def measured(result: ProbeResult) -> dict[str, float]:
    """Return what there are thresholds for, as far as it is known: seconds, and days."""
    return result.seconds | ({} if result.days_left is None else {DAYS: float(result.days_left)})


def _found(
    result: ProbeResult, values: Mapping[str, float], warnings: Mapping[str, Range], criticals: Mapping[str, Range]
) -> tuple[State, str]:
    if not result.succeeded:
        return State.CRITICAL, f"at {result.stage}: {result.error}"
    for state, ranges in ((State.CRITICAL, criticals), (State.WARNING, warnings)):
        if missed := list(_missed(values, ranges)):
            return state, ", ".join(missed)
    if unknown := [name for name in (*criticals, *warnings) if name not in values]:
        return State.UNKNOWN, f"{unknown[0]} is not known: the certificate does not say until when it is valid"
    return State.OK, ", ".join(_well(result))


def _missed(values: Mapping[str, float], ranges: Mapping[str, Range]) -> Iterator[str]:
    for name, one in ranges.items():
        if name in values and not one.has(values[name]):
            shown = f"{values[name]:.0f}" if name == DAYS else f"{values[name]:.3f} s"
            yield f"{'certificate days left' if name == DAYS else name}: {shown}, expected {one}"


def _well(result: ProbeResult) -> Iterator[str]:
    done = [name for name, so in (("logged in", result.logged_in), ("sent", result.sent)) if so]
    yield f"{' and '.join(done) or 'answered'}, {result.seconds['total']:.3f} s in all"
    if result.days_left is not None:
        yield f"certificate valid for {result.days_left} days"
    if result.certificate is not None and result.certificate.verify_error:
        yield f"not verified: {result.certificate.verify_error}"
