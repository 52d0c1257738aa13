"""The page: the list and one message, as plain HTML that needs no script; and a message's HTML and text by themselves.

Everything of a message is escaped text, but for its HTML, which stands in a sandboxed frame under a policy of its own.
"""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import quote, urlencode

from smtpfix.safe_text import printable
from smtpfix.store.row import Address, Row
from smtpfix.store.search import parse_search

from .desk import Desk, among_accepted
from .exchange import Answer, Call, Route, said
from .mailpit import mark_read
from .render import MAIL_POLICY, REMOTE_MAIL_POLICY, html_of, text_of_message

_HTML: Final = "text/html; charset=utf-8"
_PER_PAGE: Final = 100
_LONGEST_TEXT: Final = 1_000_000
"""Characters of a text that the page shows."""


def listing(desk: Desk, call: Call) -> Answer:
    """Show the newest messages, or those that a search finds."""
    wanted, start = call.query.get("q", ""), call.number("start", 0)
    query = among_accepted(parse_search(wanted))
    rows = desk.store.page(query, start=start, limit=_PER_PAGE).rows
    lines = [
        f'<form action="{_root(desk)}search"><input name="q" aria-label="Search" value="{escape(wanted)}"></form>',
        "<ul>",
        *(_item(desk, row) for row in rows),
        "</ul>" if rows else "</ul><p>No message has come.</p>",
    ]
    if len(rows) == _PER_PAGE:
        more = urlencode({"q": wanted, "start": start + _PER_PAGE})
        lines.append(f'<p><a href="{_root(desk)}search?{more}">Older</a></p>')
    return _page("Inbox", "\n".join(lines))


def _item(desk: Desk, row: Row) -> str:
    to = ", ".join(map(_shown, row.to)) or ", ".join(row.recipients)
    return (
        f'<li><a href="{_root(desk)}view/{quote(row.id)}">{_text(row.subject or "(no subject)")}</a><br>'
        f"{_text(_shown(row.sender))} → {_text(to)}<br><small>{_text(row.snippet)}</small></li>"
    )


def view(desk: Desk, call: Call) -> Answer:
    """Show a message; its HTML or its text alone where the path ends so; or lead to the newest."""
    name, _, ending = call.path["id"].partition(".")
    row = desk.find(name, call.query.get("query", ""), call.query.get("tz", ""))
    if call.path["id"] == "latest":
        where = _root(desk) if row is None else f"{_root(desk)}view/{row.id}"
        return Answer(status=302, headers={"Location": where})
    if row is None or ending not in ("", "html", "txt"):
        return said("Message not found", 404)
    try:
        content = desk.store.content(row.seq)
    except LookupError:
        return said("Message not found", 404)
    if ending == "txt":
        return said(text_of_message(content))
    html = html_of(content, f"{_root(desk)}api/v1/message/{row.id}/part/", in_frame=call.query.get("embed") == "1")
    if ending == "html":
        if not html:
            return said("This message does not contain a HTML part", 404)
        mark_read(desk, row)
        policy = REMOTE_MAIL_POLICY if call.query.get("remote") == "1" else MAIL_POLICY
        return Answer(html.encode(), _HTML, headers={"Content-Security-Policy": policy})
    mark_read(desk, row)
    frame = (
        f'<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" title="HTML" width="100%" height="600" '
        f'src="{_root(desk)}view/{row.id}.html?embed=1"></iframe>'
    )
    shown = text_of_message(content)[:_LONGEST_TEXT]
    pairs = {
        "From": _shown(row.sender),
        "To": ", ".join(map(_shown, row.to)),
        "Envelope": f"{row.reverse_path} → {', '.join(row.recipients)}",
        "Came": f"{row.received:%Y-%m-%d %H:%M:%S} UTC, {'inside TLS' if row.in_tls else 'in clear'}, {row.server}",
    }
    facts = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in pairs.items())
    body = (
        f'<p><a href="{_root(desk)}">Inbox</a> · <a href="{_root(desk)}api/v1/message/{row.id}/raw">Source</a></p>'
        f"<dl>{facts}</dl>{frame if html else ''}<pre>{_text(shown, lines=True)}</pre>"
    )
    return _page(row.subject or "(no subject)", body)


def _root(desk: Desk) -> str:
    return escape(desk.settings.webroot)


def _shown(one: Address) -> str:
    return f"{one.name} <{one.address}>" if one.name else one.address


def _text(text: str, *, lines: bool = False) -> str:
    """Return a text as HTML, of which no character changes the direction or the place of another."""
    shown = "\n".join(map(printable, text.splitlines())) if lines else printable(text)
    return f"<bdi>{escape(shown)}</bdi>"


def _page(title: str, body: str) -> Answer:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(printable(title))} - smtpfix</title></head>"
        f"<body><h1>{_text(title)}</h1>\n{body}</body></html>\n"
    )
    policy = (
        "default-src 'none'; img-src 'self'; frame-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    return Answer(html.encode(), _HTML, headers={"Content-Security-Policy": policy})


ROUTES: Final = (
    Route("/", {"GET": listing}),
    Route("/search", {"GET": listing}),
    Route("/view/{id}", {"GET": view}),
)
