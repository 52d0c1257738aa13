"""HTML as text, for search and snippets, in time that is linear in its length.

Knows tags, comments and what is never shown; no document, and no style that hides something.
"""

from __future__ import annotations

from typing import Final

from smtpfix.mail.links import unescaped

_NOT_SHOWN: Final = frozenset(("script", "style", "title", "template", "textarea"))
"""Elements whose text is not the page's."""
_INSIDE_LINES: Final = frozenset(
    (
        *("a", "abbr", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "s", "small"),
        *("span", "strong", "sub", "sup", "tt", "u", "var", "wbr"),
    )
)
"""Elements that part no words."""


def html_text(html: str) -> str:
    """Return what a page says, in one line; each piece between two ``<`` is looked at once."""
    pieces = iter(html.split("<"))
    said = [next(pieces)]
    until = ""
    """What ends the comment, the tag, or the element that is being left out."""
    for piece in pieces:
        if until == "-->":
            _, found, rest = piece.partition("-->")
        elif until == ">":
            _, found, rest = piece.partition(">")
        elif until:  # an element that is not shown: only its end tag ends it
            found = (
                until if piece[: len(until)].lower() == until and piece[len(until) : len(until) + 1] in _ENDS else ""
            )
            _, is_closed, rest = piece.partition(">")
            if found and not is_closed:
                until, found = ">", ""
        elif piece.startswith("!--"):
            until = "-->"
            _, found, rest = piece[1:].partition("-->")  # <!--> is a whole one
        elif piece[:1].isalpha() or piece[:1] in _MARKUP:
            tag, found, rest = piece.partition(">")
            name = tag.replace("/", " ").split(None, 1)[0].lower() if tag.strip("/ \t\r\n") else ""
            if name not in _INSIDE_LINES:
                said.append(" ")
            if name in _NOT_SHOWN and not tag.startswith("/"):
                until, found = f"/{name}", ""
            elif not found:
                until = ">"
        else:
            said.append(f"<{piece}")
            continue
        if found:
            until = ""
            said.append(rest)
    return " ".join(unescaped("".join(said)).split())


_ENDS: Final = frozenset(("", ">", "/", " ", "\t", "\r", "\n", "\f"))
_MARKUP: Final = frozenset(("/", "!", "?"))
