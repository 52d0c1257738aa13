"""What a test looks for in a message: its links, and one-time codes."""

from __future__ import annotations

import re
from typing import Final

from smtpfix.mail.links import links_in_html, urls_in_text
from smtpfix.mail.mime import split
from smtpfix.store.html_text import html_text
from smtpfix.store.parts import Role, listed

from .message_json import said_by

MOST: Final = 200
"""Links, and codes, of one message."""
LONGEST: Final = 65_536
"""Characters of a text that are looked through."""
_NEAR: Final = 60
"""Characters between a word and the code it announces."""
_WORD: Final = re.compile(r"(?i)\b(?:codes?|pin|otp|tan|passcode|password|verification|verify|token)\b")
_CODE: Final = re.compile(
    r"(?<![\w.,:/?=&@+-])(?:[0-9]{4,8}|(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])[A-Z0-9]{6,10})(?![\w/@=]|[.,:-][0-9])"
)


def links(content: bytes) -> list[str]:
    """Return a message's links: of its HTML, then the URLs of its text; each once."""
    parts = tuple(listed(split(content)[0]))
    found = dict.fromkeys(links_in_html(said_by(parts, Role.HTML)))
    found |= dict.fromkeys(urls_in_text(said_by(parts, Role.TEXT)))
    return list(found)[:MOST]


def codes(subject: str, content: bytes) -> list[str]:
    """Return what may be a one-time code in subject and text: the nearest to a word such as code or PIN first."""
    parts = tuple(listed(split(content)[0]))
    text = said_by(parts, Role.TEXT)[:LONGEST] or html_text(said_by(parts, Role.HTML)[:LONGEST])
    found: dict[str, int] = {}
    for place in (subject, text):
        words = [match.span() for match in _WORD.finditer(place)][:MOST]
        codes_there = list(_CODE.finditer(place))[:MOST]
        for match in codes_there:
            distances = [max(match.start() - end, start - match.end()) for start, end in words]
            if distances and (nearest := min(distances)) <= _NEAR:
                found[match[0]] = min(nearest, found.get(match[0], nearest))
    return sorted(found, key=found.__getitem__)
