"""When certificates are renewed on a long-running server: how long they are fresh, and what replaces them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from smtpfix.policy.good_chain import LEAF_DAYS

if TYPE_CHECKING:
    from smtpfix.policy.scenario import Scenario
    from smtpfix.tls.side import TLSSide

_DAY: Final = 86_400.0
_SHARE: Final = 2 / 3
"""Of its time, after which something is issued again: a client that waits with an open connection has the rest."""
_LEAST: Final = 3600.0
"""Seconds that something stays, also where its authority is about to end."""
FOREVER: Final = float("inf")

Kept = TypeVar("Kept")


class Fresh(NamedTuple, Generic[Kept]):
    """Something that was made, and by when it has to be made again."""

    value: Kept
    due: float
    """On the authority's clock."""


def lifetime(scenario: Scenario, left: float) -> float:
    """Return for how many seconds a scenario's certificates say what it is about; `left` are the leaf's from now on.

    A leaf that is good for 90 days, or one that is not valid for 30 days yet, is no longer what it was when they are
    over; one that has expired stays as it is.
    """
    days = (profile.not_before for profile in scenario.profiles)
    ends = [day * _DAY for day in days if isinstance(day, int) and day > 0]
    ends += [left] if left > 0 else []
    return max(min(ends) * _SHARE, _LEAST) if ends else FOREVER


def good_lifetime(left: float) -> float:
    """Return the same for a good chain, of which nothing but the leaf's end is to be kept."""
    return max(left * _SHARE, _LEAST) if left > 0 else FOREVER


CLIENT_LIFETIME: Final = max(day for day in LEAF_DAYS if isinstance(day, int)) * _DAY * _SHARE
"""The same for clients' certificates."""
STAPLE_LIFETIME: Final = 7 * _DAY * _SHARE
"""The same for OCSP responses (`revocation.staple`)."""


class Renewed:
    """Makes the TLS side of each connection, by a factory that is made again once it is due."""

    def __init__(self, make: Callable[[], Fresh[Callable[[], TLSSide]]], clock: Callable[[], float]) -> None:
        self._make = make
        self._clock = clock
        self._factory, self._due = make()

    def __call__(self) -> TLSSide:
        """Return the TLS side of the next connection."""
        if self._clock() >= self._due:
            self._factory, self._due = self._make()
        return self._factory()
