"""Addresses that other programs know: the HTML and text of a message alone, and redirects to the page's own ones.

A message's HTML stands under a policy of its own. The page's addresses begin with ``#``, so that it can be served below
any path.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from .desk import Desk
from .exchange import Answer, Call, Route, said
from .mailpit import mark_read
from .render import MAIL_POLICY, REMOTE_MAIL_POLICY, html_of, text_of_message

_HTML: Final = "text/html; charset=utf-8"


def search(_: Desk, call: Call) -> Answer:
    """Lead to the page, with a search."""
    return Answer(status=302, headers={"Location": f"./#/?q={quote(call.query.get('q', ''), safe='')}"})


def view(desk: Desk, call: Call) -> Answer:
    """Lead to a message, or to the newest; where the path ends so, return its HTML or its text alone."""
    name, _, ending = call.path["id"].partition(".")
    row = desk.find(name, call.query.get("query", ""), call.query.get("tz", ""))
    if call.path["id"] == "latest" and row is None:
        return Answer(status=302, headers={"Location": "../"})
    if row is None or ending not in ("", "html", "txt"):
        return said("Message not found", 404)
    if not ending:
        where = quote(row.id) if name == "latest" else f"../#/message/{quote(row.id)}"
        return Answer(status=302, headers={"Location": where})
    try:
        content = desk.store.content(row.seq)
    except LookupError:
        return said("Message not found", 404)
    if ending == "txt":
        return said(text_of_message(content))
    html = html_of(content, f"../api/v1/message/{row.id}/part/", in_frame=call.query.get("embed") == "1")
    if not html:
        return said("This message does not contain a HTML part", 404)
    if call.query.get("peek") != "1":
        mark_read(desk, row)
    policy = REMOTE_MAIL_POLICY if call.query.get("remote") == "1" else MAIL_POLICY
    return Answer(html.encode(), _HTML, headers={"Content-Security-Policy": policy})


ROUTES: Final = (
    Route("/search", {"GET": search}),
    Route("/view/{id}", {"GET": view}),
)
