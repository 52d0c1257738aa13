"""The styles of the terminal's text, and what its lines have in common.

`banner` and `facts` decide what is shown, and `terminal` draws it.
"""

from __future__ import annotations

from typing import Final, TypeAlias

GOOD: Final = "green"
CAREFUL: Final = "yellow"
BAD: Final = "bold red"
ASIDE: Final = "dim"
STRONG: Final = "bold"
PLAIN: Final = ""

MOST_LISTED: Final = 3
"""Recipients, users or AUTH commands shown one by one."""

Fact: TypeAlias = tuple[str, str]
"""A text and its style."""
Line: TypeAlias = tuple[str | Fact, ...]
"""Texts that follow each other, with a style or without."""


def listed(items: list[str]) -> str:
    """Return the first items, and how many more there are."""
    more = f" and {len(items) - MOST_LISTED} more" if len(items) > MOST_LISTED else ""
    return ", ".join(items[:MOST_LISTED]) + more


def bracketed(host: str) -> str:
    """Return a host as it is written before a colon and a port."""
    return f"[{host}]" if ":" in host else host
