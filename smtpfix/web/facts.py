"""A session as it is stored for the page and the API: facts and dialogue as JSON, secrets struck out."""

from __future__ import annotations

from typing import Any, Final

from smtpfix.record.session import Session, SessionEnd
from smtpfix.record.transcript import Event, Kind
from smtpfix.safe_text import printable
from smtpfix.store.row import storable
from smtpfix.store.store import StoredSession

MOST_EVENTS: Final = 2_000
"""Events of a dialogue that are stored; then a note says how many more there were."""
LONGEST_LINE: Final = 2_000
"""Characters of a line of it."""


def stored_session(session: Session, session_id: str, server: str) -> StoredSession:
    """Return a session that has ended as it is stored."""
    has_failed = session.end is not SessionEnd.QUIT or session.refusal is not None
    return StoredSession(
        session_id,
        server,
        session.started,
        bool(session.message_count),
        has_failed,
        _facts(session),
        _dialogue(session),
    )


def _facts(session: Session) -> dict[str, Any]:
    tls, failure = session.tls, session.tls_failure
    return {
        "mode": str(session.mode),
        "protocol": session.protocol,
        "client": session.client[0],
        "client_name": _shown(session.client_name),
        "duration": round(session.duration, 6),
        "end": None if session.end is None else str(session.end),
        "tls": None
        if tls is None
        else {
            "version": tls.version,
            "cipher": tls.cipher,
            "server_name": _shown(tls.server_name),
            "started_by": tls.started_by,
            "client_certificate": _shown(tls.client_name),
        },
        "tls_failure": None
        if failure is None
        else {"reason": _shown(failure.reason), "alert": failure.alert, "alert_sender": failure.alert_sender},
        "auth": [
            {
                "mechanism": printable(one.mechanism),
                "user": _shown(one.user),
                "accepted": one.accepted,
                "in_clear": one.in_clear,
                "has_secret": one.secret is not None,
            }
            for one in session.auth
        ],
        "messages": session.message_count,
        "refusal": _shown(session.refusal),
        "violations": [_shown(str(one)) for one in session.violations],
    }


def _shown(text: str | None) -> str | None:
    return None if text is None else storable(printable(text))[:LONGEST_LINE]


def _dialogue(session: Session) -> list[dict[str, Any]]:
    events = session.transcript.events
    said = [_event(event) for event in events[:MOST_EVENTS]]
    if len(events) > MOST_EVENTS:
        said.append({"at": None, "who": "-", "lines": [f"{len(events) - MOST_EVENTS:,} more"]})
    return said


_WHO: Final = {Kind.CLIENT: "C", Kind.SECRET: "C", Kind.CONTENT: "C", Kind.SERVER: "S", Kind.NOTE: "-"}


def _event(event: Event) -> dict[str, Any]:
    lines = [storable(line)[:LONGEST_LINE] for line in event.lines]
    return {"at": round(event.at, 6), "who": _WHO[event.kind], "kind": event.kind.name.lower(), "lines": lines}
