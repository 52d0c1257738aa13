"""The links of an HTML body and the URLs of a plain text, found in one pass.

Reads tags as a browser does (WHATWG HTML, section 13.2.5), and no document: the standard library's HTML parser takes
time that grows with the square of some inputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from .stepwise import matches, search

_MARKUP: Final = re.compile(
    r"""<!--(?:-?>)?|<[!?][^>]*+(?:>|\Z)"""
    r"""|<(/?[a-z][^\s/>]*+)((?:[^>"'=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))|["'=])*+)(?:(>)|\Z)""",
    re.IGNORECASE | re.DOTALL,
)
"""Where a comment begins, or an empty one; a declaration; or a tag: its name, its attributes, and whether it ends."""
_ATTRIBUTE: Final = re.compile(
    r"""([^\s/=][^\s/=]*+)(?:\s*+=\s*+(?:"([^"]*+)"?|'([^']*+)'?|([^\s"']\S*+)))?""", re.DOTALL
)
_TEXT_ONLY: Final = frozenset(("script", "style", "textarea", "title"))
"""Elements in which no tag begins."""
_TEXT_END: Final = re.compile(r"</(script|style|textarea|title)(?=[\s/>])", re.IGNORECASE)
_URL: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_OPENING: Final = {")": "(", "]": "["}
_LONG_REFERENCE: Final = re.compile(r"&#[0-9]{8,}+;?")
"""A character reference to no character; Python does not even convert the longest (`int`)."""


class Tag(NamedTuple):
    """A start tag of an HTML body."""

    name: str
    """In small letters."""
    attributes: str
    """As they stand."""
    text: str
    """What stands in an element that has text only, such as a style sheet; of every other one ``""``."""

    def value(self, wanted: str) -> str:
        """Return an attribute's value, the first one's; ``""`` without one."""
        for name, *values in _ATTRIBUTE.findall(self.attributes):
            if name.lower() == wanted:
                return unescaped("".join(values))
        return ""


def tags_in_html(text: str) -> Iterator[Tag]:
    """Yield the start tags of an HTML body that are closed, outside of comments and scripts."""
    at = 0
    comments = _Comments(text)
    while (markup := search(_MARKUP, text, at)) is not None:
        at = markup.end()
        name, inside = (markup[1] or "").lower(), ""
        if markup[0] == "<!--":
            at = comments.end(at)
        if name in _TEXT_ONLY:
            end = next((end.start() for end in matches(_TEXT_END, text, at) if end[1].lower() == name), len(text))
            inside, at = text[at:end], end
        if name and name[0] != "/" and markup[3]:
            yield Tag(name, markup[2], inside)


class _Comments:
    """Where comments end, each of which is looked for after the one before; what is nowhere is looked for once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = dict.fromkeys(("-->", "--!>"), 0)

    def end(self, at: int) -> int:
        """Return where the comment ends that has begun here."""
        for end, known in self._ends.items():
            if known < at:
                found = self._text.find(end, at)
                self._ends[end] = len(self._text) if found < 0 else found
        end = min(self._ends, key=self._ends.__getitem__)
        return min(self._ends[end] + len(end), len(self._text))


def links_in_html(text: str) -> Iterator[str]:
    """Yield the http, https and mailto links of an HTML body: what its ``<a>`` and ``<area>`` lead to."""
    for tag in tags_in_html(text):
        if tag.name in ("a", "area"):
            href = tag.value("href").strip()
            if href.lower().startswith(("http:", "https:", "mailto:")):
                yield href


def urls_in_text(text: str) -> Iterator[str]:
    """Yield the http and https URLs of a plain text, without the punctuation after them."""
    if "://" not in text:
        return iter(())
    return (_without_punctuation(url[0]) for url in matches(_URL, text))


def _without_punctuation(url: str) -> str:
    """Return a URL without what the sentence around it has at its end; a bracket that it opened itself is its own."""
    end, unopened = len(url), {one: url.count(one) - url.count(opening) for one, opening in _OPENING.items()}
    while url[end - 1] in ".,;:!?'\"" or unopened.get(url[end - 1], 0) > 0:
        end -= 1
        if url[end] in unopened:
            unopened[url[end]] -= 1
    return url[:end]


def unescaped(text: str) -> str:
    """Return a text with its character references replaced."""
    import html  # noqa: PLC0415 - rarely needed

    return html.unescape(_LONG_REFERENCE.sub("\ufffd", text))
