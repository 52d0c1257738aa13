"""`Violation`: one thing that a standard forbids and a client did.

What is looked for, `mail` and each protocol know.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Violation:
    """One thing that a standard forbids and a client did; ``str()`` tells it in one line."""

    id: str
    """Its short name, such as ``bcc-in-headers``."""
    explanation: str
    """What came, for people."""
    standard: str
    """The section that forbids it."""

    def __str__(self) -> str:
        return f"{self.id}: {self.explanation} ({self.standard})"

    def __repr__(self) -> str:
        return f"<{self}>"
