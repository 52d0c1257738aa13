"""The own API, ``/api/smtpfix/v1``: messages and their transfer, waiting for one, and sessions.

Keys are snake_case, errors ``{"error": "what was expected and what came"}``.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.mail.bodies import filename_of
from smtpfix.mail.header_values import sound, words
from smtpfix.mail.mime import Part, split
from smtpfix.record.facts import violation_facts
from smtpfix.store.query import EVERYTHING, Query
from smtpfix.store.row import Row
from smtpfix.store.search import parse_search
from smtpfix.store.store import Kind, StoredSession, Which

from .desk import Desk, among_accepted, time_zone
from .events import Event
from .exchange import BASE, Answer, BadRequestError, Call, Route, as_json, error, text, texts
from .extract import codes, links
from .live import lasting_sessions, session_of
from .mailpit import mark_read
from .message_json import Headers, summary, timestamp, whole
from .standards import against_standards
from .switches import KEY as SERVER_KEY

MOST_LISTED: Final = 200
LONGEST_WAIT: Final = 60.0
"""Seconds."""
MOST_AWAITED: Final = 50
_LONGEST_NUMBER: Final = 19
KEEP_ALIVE: Final = 30.0
"""Seconds between two signs of life of a stream."""


def _with_smtp(row: Row) -> dict[str, Any]:
    return {**summary(row), "smtp": _smtp(row)}


def _smtp(row: Row) -> dict[str, Any]:
    return {
        "server": row.server,
        "mailbox": row.mailbox,
        "session": row.session or None,
        "in_tls": row.in_tls,
        "accepted": row.accepted,
        "reply": row.reply or None,
        "user": row.username or None,
        "reverse_path": row.reverse_path,
        "recipients": list(row.recipients),
        "received": timestamp(row.received),
    }


def _query(call: Call) -> Query:
    return parse_search(call.query.get("query", ""), time_zone(call.query.get("tz", "")))


def _known(desk: Desk, call: Call) -> Answer | None:
    """Return 304 where nothing has changed since the list that a client has; None: it has to be made."""
    tag = _tag(desk, desk.store.last_change())
    is_same = tag in call.headers.get("if-none-match", "")
    return Answer(status=304, headers={"ETag": tag}) if is_same else None


def _listed(desk: Desk, seq: int, what: Mapping[str, Any]) -> Answer:
    """Return a list that stands for a number of the journal."""
    made = as_json({"seq": seq, **what}, depth=2)
    return Answer(made.body, made.media_type, headers={"ETag": _tag(desk, seq)})


def _tag(desk: Desk, seq: int) -> str:
    """Return an entity tag (RFC 9110 section 8.8.3): another store may have the same numbers."""
    return f'"{seq}-{zlib.crc32(desk.store.where.encode()):x}"'


def messages(desk: Desk, call: Call) -> Answer:
    """List messages, also those that were refused."""
    start, limit = _number(call, "start", 0), min(_number(call, "limit", 50), MOST_LISTED)
    query, mailbox = _query(call), call.query.get("mailbox")
    if (known := _known(desk, call)) is not None:
        return known
    page = desk.store.page(query, mailbox=mailbox, start=start, limit=limit)
    total = desk.store.count(mailbox=mailbox)
    is_all = query == EVERYTHING
    matching = total if is_all else desk.matching(query, page.rows, start=start, limit=limit, mailbox=mailbox)
    return _listed(
        desk,
        page.seq,
        {
            "total": total.all,
            "unread": total.unread,
            "matching": matching.all,
            "start": start,
            "tags": dict(desk.store.tags(mailbox=mailbox)),
            "messages": [_with_smtp(row) for row in page.rows],
        },
    )


def mailboxes(desk: Desk, call: Call) -> Answer:
    """List the mailboxes with messages in them; ``m/NAME/`` before any path is one alone."""
    if (known := _known(desk, call)) is not None:
        return known
    seq = desk.store.last_change()
    listed = [{"name": name, "messages": count} for name, count in desk.store.mailboxes().items()]
    return _listed(desk, seq, {"mailboxes": listed})


def _meant(call: Call, asked: Mapping[str, Any]) -> Which:
    """Return the messages that a change is about: those with these ids, those that match, or all."""
    query = text(asked, "query") or call.query.get("query", "")
    searched = parse_search(query, time_zone(call.query.get("tz", "")))
    ids = tuple(texts(asked, "ids")) if "ids" in asked else None
    return Which(ids=ids, query=searched, mailbox=call.query.get("mailbox"))


def change(desk: Desk, call: Call) -> Answer:
    """Mark messages as read or unread, and replace their tags."""
    asked = call.json(keys=("ids", "query", "read", "tags"))
    read, which = asked.get("read"), _meant(call, asked)
    if not isinstance(read, bool | None):
        raise BadRequestError("invalid read: expected true or false")
    if read is None and "tags" not in asked:
        raise BadRequestError("expected something to change: read, or tags")
    changed = desk.store.tag(which, texts(asked, "tags")) if "tags" in asked else 0
    if read is not None:
        changed = max(changed, desk.store.mark(which, read=read))
    return as_json({"seq": desk.store.last_change(), "changed": changed})


def delete(desk: Desk, call: Call) -> Answer:
    """Delete messages: those with these ids, those that match, or all."""
    deleted = desk.store.delete(_meant(call, call.json(optional=True, keys=("ids", "query"))))
    desk.statistics.note_deleted(deleted)
    return as_json({"seq": desk.store.last_change(), "deleted": deleted})


async def wait(desk: Desk, call: Call) -> Answer:
    """Answer as soon as there are so many messages that match, each with all that is known of it."""
    count = _between("count", _number(call, "count", 1), 1, MOST_AWAITED)
    timeout = _seconds(call.query.get("timeout", "10"))
    since = _number(call, "since", 0)
    query = among_accepted(await desk.run(_query, call))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    async with desk.hub.listen() as listener:  # before the first look, so that nothing comes between
        while True:
            rows = await desk.run(_matching, desk, query, since, count)
            if len(rows) == count:
                whole_ones = [await desk.run(_whole, desk, row) for row in rows]
                seq = await desk.run(desk.store.last_change)
                return await desk.run(_awaited, {"seq": seq, "messages": whole_ones})
            left = deadline - loop.time()
            if left <= 0 or await listener.next(left) is None:
                return await desk.run(_unmet, desk, call, rows, count, timeout, since)
            listener.rest()
    return error(503, "no more events come: the server is stopping, or too much happened at once")


def _awaited(found: dict[str, Any]) -> Answer:
    return as_json(found, depth=4)


def _number(call: Call, name: str, default: int) -> int:
    """Return a number of the query. Raises `InvalidValueError` for what is none."""
    text = call.query.get(name, str(default))
    if not text.isascii() or not text.isdecimal():
        raise InvalidValueError(name, text[:100], "a number, 0 or more")
    return int(text[: _LONGEST_NUMBER - 1])  # what is cut off is more than there can be in any case


def _between(name: str, value: int, lowest: int, highest: int) -> int:
    if not lowest <= value <= highest:
        raise InvalidValueError(name, value, f"a number from {lowest} to {highest}")
    return value


def _seconds(text: str) -> float:
    try:
        seconds = float(text[:20])
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= LONGEST_WAIT:
        raise InvalidValueError("timeout", text, f"seconds from 0 to {LONGEST_WAIT:g}")
    return seconds


def _matching(desk: Desk, query: Query, since: int, count: int) -> list[Row]:
    """Return the first messages, as they came, that match and were stored after an entry of the journal."""
    if not since:
        total = desk.store.count(query).all
        rows = desk.store.page(query, start=max(0, total - count), limit=count).rows
        return list(reversed(rows))
    new: set[int | None] = set()
    while changes := desk.store.changes(since):  # so many at a time
        new.update(change.seq for change in changes if change.kind is Kind.NEW)
        since = changes[-1].n
    rows = desk.store.page(query, limit=1000).rows
    return [row for row in reversed(rows) if row.seq in new][:count]


def _unmet(desk: Desk, call: Call, rows: list[Row], count: int, timeout: float, since: int) -> Answer:
    """Say what was awaited, and what has come instead."""
    wanted = call.query.get("query", "")
    others = [_with_smtp(row) for row in desk.store.page(limit=10).rows]
    expected = f"{count} message{'s' if count > 1 else ''} that match {wanted!r}" if wanted else f"{count} message(s)"
    sentence = f"expected {expected} within {timeout:g} s; {len(rows)} came"
    answer = {"error": sentence, "found": [_with_smtp(row) for row in rows], "newest": others, "since": since}
    return as_json(answer, status=408)


def _whole(desk: Desk, row: Row) -> dict[str, Any]:
    try:
        content = desk.store.content(row.seq)
    except LookupError:  # deleted meanwhile
        content = b""
    return {
        "message": whole(row, content),
        "smtp": _smtp(row),
        "links": links(content),
        "codes": codes(row.subject, content),
    }


def message(desk: Desk, call: Call) -> Answer:
    """Return all of a message, how it came, its links and codes; `peek=1` leaves it unread."""
    row = desk.find(call.path["id"], call.query.get("query", ""), call.query.get("tz", ""))
    if row is None:
        return _missing(call)
    if call.query.get("peek") != "1":
        mark_read(desk, row)
    answer = _whole(desk, row)
    content = desk.store.content(row.seq)
    session = session_of(desk, row.session) if row.session else None
    answer["session"] = None if session is None else _session(session)
    answer["violations"] = violation_facts(against_standards(row, content, session))
    answer["headers"] = [[name, words(value)] for name, value in Headers(content).fields]
    answer["parts"] = _tree(split(content)[0], "")
    return as_json(answer, depth=2)


def _missing(call: Call) -> Answer:
    return error(404, f"expected the id of a message that is there, or 'latest'; came {call.path['id'][:100]!r}")


def _tree(part: Part, part_id: str) -> dict[str, Any]:
    inside = part.parts if part.media_type.startswith("multipart/") else ()
    return {
        "id": part_id or "0",
        "type": part.media_type,
        "name": sound(filename_of(part) or "") or None,
        "encoding": part.value("transfer-encoding").main or None,
        "size": part.end - part.body,
        "parts": [_tree(one, f"{part_id}.{n}" if part_id else str(n)) for n, one in enumerate(inside, 1)],
    }


def raw(desk: Desk, call: Call) -> Answer:
    """Return the exact octets that came."""
    row = desk.find(call.path["id"], call.query.get("query", ""), call.query.get("tz", ""))
    try:
        octets = None if row is None else desk.store.content(row.seq)
    except LookupError:
        octets = None
    if row is None or octets is None:
        return _missing(call)
    file = {"Content-Disposition": f'attachment; filename="{row.id}.eml"'}
    return Answer(octets, "message/rfc822", headers=file)


# Sessions


def _session(session: StoredSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "server": session.server,
        "began": timestamp(session.began),
        "has_mail": session.has_mail,
        "has_failed": session.has_failed,
        "facts": session.facts,
        "dialogue": session.dialogue,
    }


def sessions(desk: Desk, call: Call) -> Answer:
    """List sessions that have ended, also those that brought no mail; and, before these, all that last."""
    start, limit = _number(call, "start", 0), min(_number(call, "limit", 50), MOST_LISTED)
    failed, without_mail = call.query.get("failed") == "1", call.query.get("without_mail") == "1"
    lasting = [] if start or failed or without_mail else lasting_sessions(desk)
    if not lasting and (known := _known(desk, call)) is not None:
        return known
    seq = desk.store.last_change()
    found = desk.store.sessions(start=start, limit=limit, without_mail=without_mail, failed=failed)
    listed = {
        "start": start,
        "lasting": [_session(one) | {"dialogue": None} for one in lasting],
        "sessions": [_session(one) for one in found],
    }
    return as_json({"seq": seq, **listed}, depth=2) if lasting else _listed(desk, seq, listed)


def session(desk: Desk, call: Call) -> Answer:
    """Return a session with its dialogue, as it stands."""
    if (found := session_of(desk, call.path["id"])) is None:
        return error(404, f"expected the id of a session; came {call.path['id'][:100]!r}")
    return as_json(_session(found))


# Events


async def events(desk: Desk, call: Call) -> Answer:
    """Send what happens as server-sent events; `Last-Event-ID` is the last change that the client knows of."""
    known = call.headers.get("last-event-id", call.query.get("since", ""))
    since = int(known) if known.isascii() and known.isdecimal() and len(known) < _LONGEST_NUMBER else None
    return Answer(media_type="text/event-stream", stream=_stream(desk, since))


async def _stream(desk: Desk, since: int | None) -> AsyncIterator[bytes]:
    async with desk.hub.listen(since) as listener:
        yield b"retry: 2000\n\n"
        while True:
            event = await listener.next(KEEP_ALIVE)
            yield b": alive\n\n" if event is None else b"".join(map(_as_event, (event, *listener.more())))


def _as_event(event: Event) -> bytes:
    change = event.change
    key = str(change.data.get("key", ""))
    if change.kind is Kind.SETTING and key.startswith(SERVER_KEY):  # rules or the scenario of a server
        return _written(change.n, "rules", {"server": key.removeprefix(SERVER_KEY)})
    if change.kind is Kind.AUDIT:
        return _written(None, change.kind, dict(change.data))
    data = dict(change.data) if event.row is None else _with_smtp(event.row)
    return _written(change.n, change.kind, data)


def _written(number: int | None, kind: str, data: dict[str, Any]) -> bytes:
    id_ = "" if number is None else f"id: {number}\n"
    return f"{id_}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


ROUTES: Final = (
    Route(f"{BASE}/messages", {"GET": messages, "PATCH": change, "DELETE": delete}),
    Route(f"{BASE}/messages/wait", {"GET": wait}),
    Route(f"{BASE}/messages/{{id}}", {"GET": message}),
    Route(f"{BASE}/messages/{{id}}/raw", {"GET": raw}),
    Route(f"{BASE}/mailboxes", {"GET": mailboxes}),
    Route(f"{BASE}/sessions", {"GET": sessions}),
    Route(f"{BASE}/sessions/{{id}}", {"GET": session}),
    Route(f"{BASE}/events", {"GET": events}),
)
