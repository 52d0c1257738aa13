"""Mailpit's API v1: programs written for it need another base URL and nothing else.

What it answers, `message_json` says; what it takes at ``/send``, `composing`. Where Mailpit shows parts of a message
as they come, this offers them for saving, unless they are pictures.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from smtpfix.errors import InvalidValueError
from smtpfix.mail.bodies import octets_of
from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import NO_SESSION, CapturedMessage
from smtpfix.rules.reply import Reply
from smtpfix.store.mailboxes import filed
from smtpfix.store.query import EVERYTHING, AllOf, Query, UpTo
from smtpfix.store.row import Row, entry_of
from smtpfix.store.search import parse_search
from smtpfix.store.store import Which
from smtpfix.store.tags import clean_tag

from .blank_image import blank_jpeg
from .composing import compose
from .desk import Desk, among_accepted, time_zone
from .exchange import (
    NOT_FOUND,
    OK,
    Answer,
    BadRequestError,
    Call,
    Route,
    as_json,
    said,
    text,
    texts,
)
from .message_json import grouped, part_of, summary, whole, with_added_headers
from .render import PICTURES

MOST_LISTED: Final = 10_000
"""Messages of one answer, where all are asked for."""


def _page(desk: Desk, call: Call, query: Query, *, limit_of_none: int) -> Answer:
    start, limit = call.number("start", 0), call.number("limit", 50)
    before = _moment(call.query.get("before", ""))
    asked = among_accepted(query)
    wanted = min(limit or limit_of_none, MOST_LISTED)
    rows = desk.store.page(asked, start=start, limit=wanted, before=before).rows if wanted else ()
    total = desk.totals()
    if query == EVERYTHING:
        matching = total
    elif before is None:
        matching = desk.matching(asked, rows, start=start, limit=wanted)
    else:
        matching = desk.store.count(asked)
    return as_json(
        {
            "total": total.all,
            "unread": total.unread,
            "count": len(rows),
            "messages_count": matching.all,
            "messages_unread": matching.unread,
            "start": start,
            "tags": list(desk.store.tags()),
            "messages": [summary(row) for row in rows],
        },
        depth=2,
    )


def _moment(text: str) -> datetime | None:
    query = parse_search(f'before:"{text}"') if text else EVERYTHING
    term = query.terms[0] if isinstance(query, AllOf) and query.terms else None
    return term.moment if isinstance(term, UpTo) else None


def messages(desk: Desk, call: Call) -> Answer:
    """List messages."""
    return _page(desk, call, EVERYTHING, limit_of_none=MOST_LISTED)


def mark(desk: Desk, call: Call) -> Answer:
    """Mark messages as read or unread."""
    asked = call.json()
    ids, search, is_read = texts(asked, "ids"), text(asked, "search"), asked.get("read", False)
    if ids and search:
        return said("You may specify either IDs or a search query, not both", 400)
    if not isinstance(is_read, bool):
        raise BadRequestError("invalid Read: expected true or false")
    which = Which(ids=tuple(ids)) if ids else Which(query=_searched(search, call)) if search else Which()
    desk.store.mark(which, read=is_read)
    return OK


def delete(desk: Desk, call: Call) -> Answer:
    """Delete messages, or all; MailHog's clients, which send no Accept, expect nothing in the answer."""
    ids = texts(call.json(optional=True), "ids")
    desk.statistics.note_deleted(desk.store.delete(Which(ids=tuple(ids)) if ids else Which()))
    return OK if "accept" in call.headers else Answer(media_type="text/json")


def _searched(search: str, call: Call) -> Query:
    return parse_search(search, time_zone(call.query.get("tz", "")))


def search(desk: Desk, call: Call) -> Answer:
    """List the messages that match, or delete them."""
    asked = call.query.get("query", "").strip()
    if not asked:
        return said("Error: no search query", 400)
    query = _searched(asked, call)
    if call.method != "DELETE":
        return _page(desk, call, query, limit_of_none=0)
    desk.statistics.note_deleted(desk.store.delete(Which(query=query)))
    return OK


# One message


def _found(desk: Desk, call: Call) -> Row | None:
    return desk.find(call.path["id"], call.query.get("query", "").strip(), call.query.get("tz", ""))


def _missing(call: Call) -> Answer:
    return said("Message not found", 404) if call.path["id"] == "latest" else NOT_FOUND


def _content(desk: Desk, row: Row) -> bytes:
    try:
        return desk.store.content(row.seq)
    except LookupError:  # deleted meanwhile
        return b""


def message(desk: Desk, call: Call) -> Answer:
    """Return all of a message, and mark it as read."""
    if (row := _found(desk, call)) is None:
        return _missing(call)
    mark_read(desk, row)
    return as_json(whole(row, _content(desk, row)), depth=1)


def mark_read(desk: Desk, row: Row) -> None:
    """Mark one message as read."""
    if not row.is_read:
        desk.store.mark(Which(ids=(row.id,)), read=True)


def headers(desk: Desk, call: Call) -> Answer:
    """Return the header fields."""
    if (row := _found(desk, call)) is None:
        return _missing(call)
    return as_json(grouped(with_added_headers(row, _content(desk, row))))


def raw(desk: Desk, call: Call) -> Answer:
    """Return the message's octets."""
    if (row := _found(desk, call)) is None:
        return _missing(call)
    more = {"Content-Disposition": f'attachment; filename="{row.id}.eml"'} if call.query.get("dl") == "1" else {}
    return Answer(with_added_headers(row, _content(desk, row)), headers=more)


def part(desk: Desk, call: Call) -> Answer:
    """Return a part's octets: to be saved, unless it is a picture."""
    row = _found(desk, call)
    found = None if row is None else part_of(_content(desk, row), call.path["part"])
    if found is None:
        return NOT_FOUND
    one, name = found
    return part_answer(octets_of(one), one.media_type, name)


def part_answer(octets: bytes, media_type: str, name: str) -> Answer:
    """Return octets of a message so that a browser runs nothing in them."""
    is_plain = media_type.replace("/", "", 1).translate(_TYPE_PUNCTUATION).isalnum() and media_type.isascii()
    how = "inline" if media_type in PICTURES else "attachment"
    file = quote(name.encode("utf-8", "replace"), safe="")
    return Answer(
        octets,
        media_type if is_plain else "application/octet-stream",
        headers={
            "Content-Disposition": f'{how}; filename="{file}"',
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cross-Origin-Resource-Policy": "cross-origin",  # a sandboxed frame is of no origin
        },
    )


_TYPE_PUNCTUATION: Final = str.maketrans(dict.fromkeys("!#$&-^_.+", ""))
"""What may stand in a media type beside letters and digits (RFC 6838 section 4.2)."""


def thumbnail(desk: Desk, call: Call) -> Answer:
    """Return a small picture of a part: a blank one, since nothing here decodes pictures."""
    row = None if call.path["id"] == "latest" else desk.store.get(call.path["id"])
    if row is None or part_of(_content(desk, row), call.path["part"]) is None:
        return said("attachment not found", 400)
    return Answer(blank_jpeg(180, 120), "image/jpeg")


# Sending


def send(desk: Desk, call: Call) -> Answer:
    """Take a message in that comes as JSON."""
    try:
        sender, recipients, content = compose(call.json())
    except BadRequestError as error:
        return as_json({"Error": str(error)}, status=400)
    received = datetime.now(UTC)
    captured = CapturedMessage(
        number=0,
        envelope=Envelope(sender, recipients),
        content=content,
        received=received,
        reply=Reply(250, "2.0.0", "Ok"),
        in_tls=False,
        user=call.user or None,
        _source=NO_SESSION,
    )
    entry = filed(entry_of(captured, server="http", run=""), desk.settings.mailbox_by)
    desk.store.append([entry])
    desk.statistics.note(captured)
    return as_json({"ID": entry.row.id})


# Tags


def tags(desk: Desk, _: Call) -> Answer:
    """List the tags in use."""
    return as_json(list(desk.store.tags()))


def set_tags(desk: Desk, call: Call) -> Answer:
    """Give messages other tags."""
    asked = call.json()
    wanted = [cleaned for tag in texts(asked, "tags") if (cleaned := clean_tag(tag))]
    if ids := texts(asked, "ids"):
        desk.store.tag(Which(ids=tuple(ids)), wanted)
    return OK


def rename_tag(desk: Desk, call: Call) -> Answer:
    """Give a tag another name, or take it off all messages."""
    tag, new = call.path["tag"], None
    if call.method == "PUT":
        name = text(call.json(), "name")
        if not (new := clean_tag(name)):
            return said(f"invalid tag name: {name}", 400)
    try:
        desk.store.rename_tag(tag, new)
    except LookupError:
        return said(f"tag not found: {tag}", 400)
    except InvalidValueError:
        return said(f"tag already exists: {new}", 400)
    return OK


ROUTES: Final = (
    Route("/api/v1/messages", {"GET": messages, "PUT": mark, "DELETE": delete}),
    Route("/api/v1/search", {"GET": search, "DELETE": search}),
    Route("/api/v1/send", {"POST": send}),
    Route("/api/v1/tags", {"GET": tags, "PUT": set_tags}),
    Route("/api/v1/tags/{tag:path}", {"PUT": rename_tag, "DELETE": rename_tag}),
    Route("/api/v1/message/{id}", {"GET": message}),
    Route("/api/v1/message/{id}/headers", {"GET": headers}),
    Route("/api/v1/message/{id}/raw", {"GET": raw}),
    Route("/api/v1/message/{id}/part/{part}", {"GET": part}),
    Route("/api/v1/message/{id}/part/{part}/thumb", {"GET": thumbnail}),
)
