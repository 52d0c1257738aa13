"""MailHog's API, versions 1 and 2, beside Mailpit's on the same root.

Three requests mean something else to each; there Mailpit's form is answered, but for what MailHog's clients need.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from email.utils import format_datetime
from typing import Any, Final

from smtpfix.mail.bodies import octets_of
from smtpfix.mail.header_values import sound
from smtpfix.mail.mime import Part, split
from smtpfix.store.query import AllOf, Contains, Place, Query
from smtpfix.store.row import Row
from smtpfix.store.store import Kind, Which

from .desk import ACCEPTED, Desk
from .events import Event
from .exchange import NOT_FOUND, Answer, BadRequestError, Call, Route, Socket, as_json, said
from .mailpit import part_answer
from .mailpit_events import while_connected
from .message_json import Headers, made_message_id, timestamp

TEXT_JSON: Final = "text/json"
HOST: Final = "smtpfix.test"
MOST_LISTED: Final = 250
KEEP_ALIVE: Final = 60.0
"""Seconds between two signs of life of a stream."""
_PLACES: Final = {"from": Place.SENDER, "to": Place.RECIPIENT, "containing": Place.ANYWHERE}
_JIM: Final = {
    "DisconnectChance": 0.005,
    "AcceptChance": 0.99,
    "LinkSpeedAffect": 0.1,
    "LinkSpeedMin": 1024.0,
    "LinkSpeedMax": 10240.0,
    "RejectSenderChance": 0.05,
    "RejectRecipientChance": 0.05,
    "RejectAuthChance": 0.05,
}


_LARGE: Final = 100_000
"""Octets of a message whose JSON is made in pieces."""
_DEEPEST: Final = 8
_NOTHING: Final = as_json(None, media_type=TEXT_JSON)


# Values


def _path(address: str) -> dict[str, Any]:
    mailbox, _, domain = address.rpartition("@") if "@" in address else (address, "", "")
    return {"Relays": None, "Mailbox": mailbox, "Domain": domain, "Params": ""}


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _piece(part: Part) -> dict[str, Any]:
    """Return a part, its head as it stands and its body not decoded."""
    head: dict[str, list[str]] = {}
    for name, value in Headers(part.content[part.start : part.body]).fields:
        head.setdefault(name, []).append(value)
    is_taken_apart = part.media_type.startswith("multipart/") and part.parts
    return {
        "Headers": head,
        "Body": _text(part.octets.removesuffix(b"\r\n")),
        "Size": part.end - part.start,
        "MIME": {"Parts": [_piece(one) for one in part.parts]} if is_taken_apart else None,
    }


def _message(row: Row, content: bytes) -> dict[str, Any]:
    piece = _piece(split(content)[0])
    mime, piece["MIME"] = piece["MIME"], None
    head = piece["Headers"]
    there = {name.lower() for name in head}
    if "message-id" not in there:
        head["Message-ID"] = [made_message_id(row)]
    if "received" not in there:
        head["Received"] = [f"from client by {HOST} (smtpfix) id {_id(row)}; {format_datetime(row.received)}"]
    head["Return-Path"] = [f"<{row.reverse_path}>"]
    return {
        "ID": _id(row),
        "From": _path(row.reverse_path),
        "To": [_path(one) for one in row.recipients],
        "Content": piece,
        "Created": timestamp(row.received),
        "MIME": mime,
        "Raw": {"From": row.reverse_path, "To": list(row.recipients), "Data": _text(content), "Helo": ""},
    }


def _id(row: Row) -> str:
    return f"{row.id}@{HOST}"


def _made(desk: Desk, row: Row) -> dict[str, Any] | None:
    try:
        return _message(row, desk.store.content(row.seq))
    except LookupError:  # deleted meanwhile
        return None


def _depth(*rows: Row) -> int:
    """Return how deep the JSON of messages is taken apart: parts lie in parts."""
    return _DEEPEST if any(row.size > _LARGE for row in rows) else 0


# Lists


def _listed(desk: Desk, call: Call, query: Query, media_type: str) -> Answer:
    start, limit = call.number("start", 0), min(call.number("limit", 50), MOST_LISTED)
    rows = desk.store.page(query, start=start, limit=limit).rows if limit else ()
    items = [made for row in rows if (made := _made(desk, row)) is not None]
    total = desk.totals() if query == ACCEPTED else desk.matching(query, rows, start=start, limit=limit)
    answer = {"total": total.all, "count": len(items), "start": start, "items": items}
    return as_json(answer, media_type=media_type, depth=_depth(*rows))


def messages(desk: Desk, call: Call) -> Answer:
    """List messages."""
    return _listed(desk, call, ACCEPTED, TEXT_JSON)


def search(desk: Desk, call: Call) -> Answer:
    """List the messages that have a text in a place."""
    place, wanted = _PLACES.get(call.query.get("kind", "")), call.query.get("query", "")
    if place is None or not wanted:
        return said("", 400)
    return _listed(desk, call, AllOf((ACCEPTED, Contains(place, wanted))), "application/json")


# One message


def _found(desk: Desk, call: Call) -> Row | None:
    return desk.store.get(call.path["id"].partition("@")[0])


def message(desk: Desk, call: Call) -> Answer:
    """Return a message, or null."""
    row = _found(desk, call)
    return as_json(_made(desk, row), media_type=TEXT_JSON, depth=_depth(row)) if row is not None else _NOTHING


def delete(desk: Desk, call: Call) -> Answer:
    """Delete a message."""
    found = desk.store.delete(Which(ids=(call.path["id"].partition("@")[0],)))
    desk.statistics.note_deleted(found)
    return Answer(media_type=TEXT_JSON, status=200 if found else 500)


def _content(desk: Desk, call: Call) -> tuple[Row, bytes] | None:
    row = _found(desk, call)
    try:
        return None if row is None else (row, desk.store.content(row.seq))
    except LookupError:
        return None


def download(desk: Desk, call: Call) -> Answer:
    """Return the exact octets."""
    if (found := _content(desk, call)) is None:
        return NOT_FOUND
    row, content = found
    headers = {"Content-Disposition": f'attachment; filename="{row.id}.eml"'}
    return Answer(content, "message/rfc822", headers=headers)


def download_part(desk: Desk, call: Call) -> Answer:
    """Return a part's octets, decoded."""
    number = call.path["n"]
    if (found := _content(desk, call)) is None or not number.isascii() or not number.isdecimal():
        return NOT_FOUND
    parts = split(found[1])[0].parts
    if int(number[:6]) >= len(parts):
        return NOT_FOUND
    part = parts[int(number[:6])]
    name = sound(part.value("disposition").parameters.get("filename", ""))
    return part_answer(octets_of(part), part.media_type, name)


# Jim, who makes servers fail; here he is told everything and does nothing but what `chaos` does


def jim(desk: Desk, call: Call) -> Answer:
    """Tell whether Jim is there, invite him, change his mind, or send him away."""
    with desk.lock:
        if call.method == "POST":
            if desk.jim is not None:
                return said("", 400)
            desk.jim = _jim(call, _JIM)
            return said("", 201)
        if desk.jim is None:
            return NOT_FOUND
        if call.method == "PUT":
            desk.jim = _jim(call, desk.jim)
        elif call.method == "DELETE":
            desk.jim = None
        else:
            return as_json(desk.jim, media_type=TEXT_JSON)
        return said("")


def _jim(call: Call, before: dict[str, float]) -> dict[str, float]:
    asked = call.json(optional=True)
    wanted = {name: asked.get(name.lower(), value) for name, value in before.items()}
    for name, value in wanted.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequestError(f"invalid {name}: expected a number")
    return wanted


# Events


async def socket(desk: Desk, connection: Socket) -> None:
    """Send each new message over a WebSocket."""

    async def tell() -> None:
        while True:
            if (made := await _new(desk, await listener.next())) is not None:
                await connection.send_text(made)

    async with desk.hub.listen() as listener:
        await connection.accept()  # only now: who is connected misses nothing
        await while_connected(connection, tell())


async def events(desk: Desk, _: Call) -> Answer:
    """Send each new message as a server-sent event."""
    return Answer(media_type="text/event-stream", stream=_stream(desk))


async def _stream(desk: Desk) -> AsyncIterator[bytes]:
    async with desk.hub.listen() as listener:
        yield b": here\n\n"
        while True:
            event = await listener.next(KEEP_ALIVE)
            if event is None:
                yield b"event: keepalive\ndata: keepalive\n\n"
            elif (made := await _new(desk, event)) is not None:
                yield f"data: {made}\n\n".encode()


async def _new(desk: Desk, event: Event | None) -> str | None:
    """Return a new message as JSON; None where something else has happened."""
    if event is None or event.change.kind is not Kind.NEW or event.row is None or not event.row.accepted:
        return None
    made = await desk.run(_made, desk, event.row)
    return None if made is None else json.dumps(made, separators=(",", ":"))


ROUTES: Final = (
    Route("/api/v2/messages", {"GET": messages}),
    Route("/api/v2/search", {"GET": search}),
    Route("/api/v2/jim", {"GET": jim, "POST": jim, "PUT": jim, "DELETE": jim}),
    Route("/api/v2/websocket", socket=socket),
    Route("/api/v1/messages/{id}", {"GET": message, "DELETE": delete}),
    Route("/api/v1/messages/{id}/download", {"GET": download}),
    Route("/api/v1/messages/{id}/mime/part/{n}/download", {"GET": download_part}),
    Route("/api/v1/events", {"GET": events}),
)
