"""`Moment`: the state of a session when its rules are consulted."""

from __future__ import annotations

from typing import Final, NamedTuple


class Moment(NamedTuple):
    """When a rule is asked."""

    in_tls: bool = False
    session: int = 1
    """`Session.number` of the session."""
    octets: int = 0
    """At `CONTENT`, which of the rules' marks has been reached."""


NOW: Final = Moment()
