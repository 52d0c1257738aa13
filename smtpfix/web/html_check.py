"""Which of a message's HTML and CSS some mail clients do not show, in Mailpit's format."""

from __future__ import annotations

from typing import Any, Final

from smtpfix.mail.mime import split
from smtpfix.store.parts import Role, listed

from .desk import Desk
from .exchange import NOT_FOUND, Answer, Call, Route, as_json, said
from .html_features import CLIENTS, FEATURES, Feature, Found, found_in
from .message_json import said_by

_LEVELS: Final = {"yes": "Supported", "partial": "Partial", "no": "Unsupported"}


def checked(html: str) -> dict[str, Any]:
    """Return Mailpit's HTMLCheck, worst first."""
    found = found_in(html)
    warnings = [_warning(FEATURES[slug], times) for slug, times in found.features.items()]
    warnings.sort(key=lambda one: (-one["Score"]["Unsupported"], -one["Score"]["Partial"], one["Slug"]))
    platforms: dict[str, list[str]] = {}
    for family, (_, platform) in CLIENTS.items():
        platforms.setdefault(platform, []).append(family)
    return {"Warnings": warnings, "Platforms": platforms, "Total": _total(found, warnings)}


def _warning(feature: Feature, times: int) -> dict[str, Any]:
    results = [
        {
            "Name": CLIENTS[family][0],
            "Platform": CLIENTS[family][1],
            "Family": family,
            "Version": "",
            "Support": support,
            "NoteNumber": "",
        }
        for family, support in feature.support.items()
    ]
    levels = list(feature.support.values())
    return {
        "Slug": feature.slug,
        "Title": feature.title,
        "Description": "",
        "URL": "",
        "Category": feature.category,
        "Tags": [],
        "Keywords": "",
        "Results": results,
        "NotesByNumber": {},
        "Score": {
            "Found": times,
            **{name: round(100 * levels.count(level) / len(levels), 2) for level, name in _LEVELS.items()},
        },
    }


def _total(found: Found, warnings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how much of all is shown: by the worst feature, weighed by how much of the message it is."""

    def largest(level: str) -> float:
        shares = (min(1.0, one["Score"]["Found"] / max(1, found.elements)) * one["Score"][level] for one in warnings)
        return max(shares, default=0.0)

    partial, unsupported = largest("Partial"), largest("Unsupported")
    return {
        "Tests": len(FEATURES),
        "Nodes": found.elements,
        "Supported": round(max(0.0, 100 - partial - unsupported), 2),
        "Partial": round(partial, 2),
        "Unsupported": round(unsupported, 2),
    }


def html_check(desk: Desk, call: Call) -> Answer:
    """Check a message's HTML."""
    row = desk.find(call.path["id"], call.query.get("query", ""), call.query.get("tz", ""))
    try:
        content = None if row is None else desk.store.content(row.seq)
    except LookupError:
        content = None
    if content is None:
        return NOT_FOUND
    html = said_by(tuple(listed(split(content)[0])), Role.HTML)
    return as_json(checked(html)) if html else said("message does not contain HTML", 400)


ROUTES: Final = (Route("/api/v1/message/{id}/html-check", {"GET": html_check}),)
