"""SORT's keys (RFC 5256 section 3, RFC 5957), and the base subject (RFC 5256 section 2.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from smtpfix.mail.mailbox import Entry

from .cursor import Cursor, Malformed
from .message_text import Text

KEYS: Final[dict[str, Callable[[Entry], Any]]] = {
    "ARRIVAL": lambda entry: entry.date.timestamp(),
    "DATE": lambda entry: (Text.of(entry).sent or entry.date).timestamp(),
    "SIZE": lambda entry: entry.size,
    "SUBJECT": lambda entry: base_subject(Text.of(entry).subject).upper(),
    "FROM": lambda entry: Text.of(entry).mailbox(b"from").upper(),
    "TO": lambda entry: Text.of(entry).mailbox(b"to").upper(),
    "CC": lambda entry: Text.of(entry).mailbox(b"cc").upper(),
    "DISPLAYFROM": lambda entry: Text.of(entry).display_name(b"from").upper(),
    "DISPLAYTO": lambda entry: Text.of(entry).display_name(b"to").upper(),
}
"""What each key compares."""
_MOST_KEYS: Final = 20
_REPLIES: Final = ("RE", "FW", "FWD")
_LONGEST: Final = 1_000
"""Characters of a subject that are looked at."""


def read_order(cursor: Cursor) -> list[tuple[bool, str]]:
    """Read sort criteria, the most important first: whether each is reversed, and its key."""

    def one() -> tuple[bool, str]:
        reverse = cursor.take(b"REVERSE ")
        name = cursor.word()
        if name not in KEYS:
            raise Malformed(f"there is no sort key {name}; there are {', '.join(KEYS)}")
        return reverse, name

    order = cursor.listed(one)
    if not 0 < len(order) <= _MOST_KEYS:
        raise Malformed(f"expected 1 to {_MOST_KEYS} sort keys, got {len(order)}")
    return order


def base_subject(subject: str) -> str:
    """Return a subject without what replies and forwarding put around it."""
    text = subject[:_LONGEST].strip()
    while True:
        before = text
        while text.lower().endswith("(fwd)"):
            text = text[:-5].rstrip()
        text = _without_leaders(text)
        if text.lower().startswith("[fwd:") and text.endswith("]"):
            text = text[5:-1].strip()
        if text == before:
            return text


def _without_leaders(text: str) -> str:
    """Take off ``Re:`` and the like, and words in brackets unless nothing else is left."""
    while True:
        rest = _behind_blobs(text)
        word = next((one for one in ("FWD", "FW", "RE") if rest[: len(one)].upper() == one), "")
        behind = _behind_blobs(rest[len(word) :].lstrip(), most=1) if word else ""
        if word and behind.startswith(":"):
            text = behind[1:].strip()
            continue
        one_less = _behind_blobs(text, most=1)
        if one_less == text or not one_less:
            return text
        text = one_less


def _behind_blobs(text: str, most: int = _LONGEST) -> str:
    """Return what follows words in brackets, of which there may be none."""
    for _ in range(most):
        end = text.find("]")
        if not text.startswith("[") or end < 0 or "[" in text[1:end]:
            return text
        text = text[end + 1 :].lstrip()
    return text
