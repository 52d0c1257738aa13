"""`Grouping`: the groups of commands that a client pipelined, in any protocol."""

from __future__ import annotations

from typing import TypeAlias

from .transcript import Event

Group: TypeAlias = tuple[bool, tuple[Event, ...]]
"""What was said at once, and whether the server had offered that by then."""


class Grouping:
    """Puts what a client said into groups, event by event."""

    def __init__(self) -> None:
        self.is_offered = False
        """Whether the server offers to be spoken to like this, as far as it has said."""
        self._was_offered = False
        self._group: list[Event] = []

    def take_in(self, event: Event, *, has_more: bool) -> tuple[Group, ...]:
        """Take in what the client said, and return the group that ends with it, if one does."""
        if not self._group:
            self._was_offered = self.is_offered
        if self._group or has_more:
            self._group.append(event)
        return () if has_more else self.end()

    def end(self) -> tuple[Group, ...]:
        """Return the group that has begun, if one has, and begin anew."""
        group, self._group = tuple(self._group), []
        return ((self._was_offered, group),) if group else ()
