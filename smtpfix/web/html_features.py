"""A short table of HTML and CSS that some mail clients do not show, and how to find each in a message.

It names what is widely known to fail, in three clients, and claims nothing of what it does not name. Microsoft and
Google say so themselves: Outlook for Windows shows what Word does, Gmail keeps the CSS that it lists.
https://developers.google.com/workspace/gmail/design/css
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from smtpfix.mail.links import Tag, tags_in_html

LONGEST: Final = 2_000_000
"""Characters of HTML that are looked at."""
CLIENTS: Final = {
    "gmail": ("Gmail", "desktop-webmail"),
    "outlook": ("Outlook with Word's engine", "windows"),
    "apple-mail": ("Apple Mail", "macos"),
}
"""Of each family: its name and its platform."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that not every client shows."""

    slug: str
    title: str
    category: str
    """``css`` or ``html``."""
    support: Mapping[str, str]
    """``yes``, ``partial`` or ``no``, by family; families of which nothing is claimed are not there."""


def _css(name: str, gmail: str, outlook: str = "no", apple: str = "yes") -> Feature:
    slug = "css-" + "".join(one if one.isalnum() else "-" for one in name).strip("-").replace("--", "-")
    return Feature(slug, name, "css", {"gmail": gmail, "outlook": outlook, "apple-mail": apple})


def _html(name: str, title: str, gmail: str, outlook: str = "no", apple: str = "yes") -> Feature:
    return Feature(f"html-{name}", title, "html", {"gmail": gmail, "outlook": outlook, "apple-mail": apple})


DECLARATIONS: Final = {
    **{
        name: _css(name, "no")
        for name in ("position", "transform", "animation", "animation-name", "transition", "filter", "clip-path")
    },
    **{name: _css(name, "yes") for name in ("float", "border-radius", "background-image", "opacity", "max-width")},
}
"""By the property."""
VALUES: Final = {
    ("display", "flex"): _css("display: flex", "yes"),
    ("display", "inline-flex"): _css("display: flex", "yes"),
    ("display", "grid"): _css("display: grid", "no"),
    ("display", "inline-grid"): _css("display: grid", "no"),
}
"""By the property and its value."""
VARIABLE: Final = _css("var()", "no")
AT_RULES: Final = {
    "@media": _css("@media", "partial"),
    "@font-face": _css("@font-face", "no"),
    "@import": _css("@import", "no"),
    "@keyframes": _css("@keyframes", "no"),
}
"""By the word they begin with."""
ELEMENTS: Final = {
    "style": _html("style", "style element", "partial", "partial"),
    "script": _html("script", "script element", "no", "no", "no"),
    **dict.fromkeys(("form", "input", "select", "textarea"), _html("form", "form elements", "partial")),
    "video": _html("video", "video element", "no"),
    "audio": _html("audio", "audio element", "no"),
    "svg": _html("svg", "svg element", "no"),
    "iframe": Feature("html-iframe", "iframe element", "html", {"gmail": "no", "outlook": "no"}),
    "object": Feature("html-object", "object element", "html", {"gmail": "no", "outlook": "no"}),
    "embed": Feature("html-object", "object element", "html", {"gmail": "no", "outlook": "no"}),
}
"""By the element."""
SHEET: Final = Feature("html-link", "linked style sheet", "html", {"gmail": "no", "apple-mail": "yes"})
FEATURES: Final = {
    one.slug: one
    for one in (
        *DECLARATIONS.values(),
        *VALUES.values(),
        VARIABLE,
        *AT_RULES.values(),
        *ELEMENTS.values(),
        SHEET,
    )
}
"""All of them."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a message's HTML."""

    elements: int
    features: Mapping[str, int]
    """How often each is there, by its slug."""


def found_in(html: str) -> Found:
    """Look for all features, in time that grows with the length of the HTML."""
    elements, count = 0, dict.fromkeys(FEATURES, 0)
    for tag in tags_in_html(html[:LONGEST]):
        elements += 1
        for feature in (*_of_tag(tag), *_of_css(tag.value("style")), *_of_css(tag.text if tag.name == "style" else "")):
            count[feature.slug] += 1
    return Found(elements, {slug: times for slug, times in count.items() if times})


def _of_tag(tag: Tag) -> Iterator[Feature]:
    if tag.name in ELEMENTS:
        yield ELEMENTS[tag.name]
    if tag.name == "link" and "stylesheet" in tag.value("rel").lower().split():
        yield SHEET


def _of_css(css: str) -> Iterator[Feature]:
    for piece in _pieces(css):
        word = piece.split(None, 1)[0].lower().replace("@-webkit-", "@").partition("(")[0]
        if word in AT_RULES:
            yield AT_RULES[word]
            continue
        name, colon, value = piece.partition(":")
        name, value = name.strip().lower().removeprefix("-webkit-"), value.strip().lower()
        if not colon:
            continue
        if name in DECLARATIONS and value not in ("none", "static", "initial", "inherit", "unset"):
            yield DECLARATIONS[name]
        elif (name, value.partition("!")[0].strip()) in VALUES:
            yield VALUES[name, value.partition("!")[0].strip()]
        if "var(" in value:
            yield VARIABLE


def _pieces(css: str) -> Iterable[str]:
    """Return the declarations and what stands before a brace, without comments."""
    first, *others = css.split("/*")
    said = first + " ".join(piece.partition("*/")[2] for piece in others)
    return filter(str.strip, said.replace("{", ";").replace("}", ";").split(";"))
