"""`Violation`: something that a client did and a standard forbids.

`mail` and each protocol know which violations to look for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Violation:
    """Something that a client did and a standard forbids. ``str()`` describes it in one line."""

    id: str
    """Its id, such as ``bcc-in-headers``."""
    explanation: str
    """What the client sent, in words."""
    standard: str
    """The section of the standard that forbids it."""

    def __str__(self) -> str:
        return f"{self.id}: {self.explanation} ({self.standard})"

    def __repr__(self) -> str:
        return f"<{self}>"
