"""The syntax of tags, and the tags that a message brings along.

A tag has the characters that mail programs allow in one; what else there is becomes a blank.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from smtpfix.errors import InvalidValueError

LONGEST_TAG: Final = 100
"""Characters."""
MOST_TAGS: Final = 100
"""Tags of one message; more are left out."""
_ALLOWED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -_.@")


def clean_tag(text: str) -> str:
    """Return a text as a tag; ``""`` where nothing of it may stand in one."""
    kept = "".join(one if one in _ALLOWED else " " for one in text[: 4 * LONGEST_TAG])
    return " ".join(kept.split())[:LONGEST_TAG].strip()


def check_tag(field: str, text: str) -> str:
    """Return a tag that somebody asks for, its blanks made one. Raises `InvalidValueError`."""
    tag = " ".join(text.split())
    if not tag or clean_tag(tag) != tag:
        expected = f"a tag of letters, digits, blanks and -_.@, {LONGEST_TAG} characters at most"
        raise InvalidValueError(field, text, expected)
    return tag


def unique(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags sorted, each once whatever its case, as it was written first."""
    by_name: dict[str, str] = {}
    for tag in tags:
        if tag:
            by_name.setdefault(tag.lower(), tag)
    return tuple(by_name[name] for name in sorted(by_name)[:MOST_TAGS])


def brought_tags(x_tags: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the tags of an X-Tags header, between commas, and of plus-addresses such as ``ann+one+two@…``."""
    found = [clean_tag(text) for text in x_tags.split(",", MOST_TAGS)[:MOST_TAGS]]
    for address in addresses:
        local_part, _, _ = address.rpartition("@")
        user, plus, detail = local_part.partition("+")
        if user and plus:
            found += [clean_tag(text) for text in detail.split("+", MOST_TAGS)[:MOST_TAGS]]
    return unique(found)
