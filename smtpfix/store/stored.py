"""Rows and sessions as values of database columns, in the columns' order, with lists as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

from smtpfix.record.facts import session_dialogue, session_facts, sound_json
from smtpfix.record.session import Session
from smtpfix.record.session_end import SessionEnd

from .row import Address, Row, session_id
from .statements import microseconds, moment
from .store import Json, StoredSession

COLUMNS: Final = (
    *("id", "mailbox", "received", "server", "session", "reverse_path", "recipients", "in_tls", "username"),
    *("accepted", "reply", "subject", "message_id", "addresses", "snippet", "size", "attachments", "inlines"),
)
"""Of a message that is stored, in the order of `values_of`."""
READ_COLUMNS: Final = ("seq", "is_read", *COLUMNS)
"""Of a message that is read, in the order that `row_of` takes."""
SESSION_COLUMNS: Final = ("id", "server", "began", "has_mail", "has_failed", "facts", "dialogue")
"""Of a session."""


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def values_of(row: Row) -> tuple[str | int, ...]:
    """Return a row's values, as they are stored."""
    lists = ([(one.name, one.address) for one in several] for several in (row.to, row.cc, row.bcc, row.reply_to))
    addresses = [(row.sender.name, row.sender.address), *lists]
    return (
        *(row.id, row.mailbox, microseconds(row.received), row.server, row.session, row.reverse_path),
        *(to_json(row.recipients), int(row.in_tls), row.username, int(row.accepted), row.reply, row.subject),
        *(row.message_id, to_json(addresses), row.snippet, row.size, row.attachments, row.inlines),
    )


def row_of(values: Sequence[Any], tags: Sequence[str]) -> Row:
    """Return the row that was stored."""
    stored = dict(zip(READ_COLUMNS, values, strict=True))
    sender, *lists = json.loads(stored.pop("addresses"))
    to, cc, bcc, reply_to = (tuple(Address(*one) for one in several) for several in lists)
    stored["received"] = moment(stored["received"])
    stored["recipients"] = tuple(json.loads(stored["recipients"]))
    for name in ("in_tls", "accepted", "is_read"):
        stored[name] = bool(stored[name])
    return Row(**stored, sender=Address(*sender), to=to, cc=cc, bcc=bcc, reply_to=reply_to, tags=tuple(tags))


def stored_session(session: Session, *, server: str, run: str) -> StoredSession:
    """Return what is stored of a session that has ended."""
    place = {"mode": session.mode, "protocol": session.protocol, "client": session.client, "server": session.server}
    went_wrong = (session.refusal, session.tls_failure)
    return StoredSession(
        session_id(run, server, session.number),
        server,
        session.started.astimezone(UTC),
        has_mail=session.message_count > 0,
        has_failed=session.end is not SessionEnd.QUIT or any(one is not None for one in went_wrong),
        facts=sound_json({**place, **session_facts(session)}),
        dialogue=session_dialogue(session),
    )


def session_values(session: StoredSession) -> tuple[str | int, ...]:
    """Return a session's values, as they are stored."""
    return (
        *(session.id, session.server, microseconds(session.began), int(session.has_mail), int(session.has_failed)),
        *(to_json(session.facts), to_json(session.dialogue)),
    )


def session_of(values: Sequence[Any]) -> StoredSession:
    """Return the session that was stored."""
    id_, server, began, has_mail, has_failed, facts, dialogue = values
    return StoredSession(
        id_, server, moment(began), bool(has_mail), bool(has_failed), json.loads(facts), json.loads(dialogue)
    )


def to_json(value: Json) -> str:
    """Return JSON that every database takes as text."""
    return _ENCODER.encode(value)
