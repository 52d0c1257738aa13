"""Sessions that have not ended yet, from the servers' own records; the store has the others."""

from __future__ import annotations

from typing import Final

from smtpfix.server import Server
from smtpfix.store.row import session_id
from smtpfix.store.store import StoredSession
from smtpfix.store.stored import stored_session

from .desk import Desk

NEWEST: Final = 200
"""Sessions of each server that are looked at."""


def session_of(desk: Desk, id: str) -> StoredSession | None:  # noqa: A002 - what it is
    """Return the session with this id: as it stands while it lasts, and as it was stored afterwards.

    Whose mailbox it belongs to is known only when it has ended, so in one mailbox nobody sees it before.
    """
    stored = desk.store.session(id)
    if stored is not None or not _are_told(desk) or not id.startswith(f"{desk.process}-"):
        return stored
    for name, server in desk.servers.items():
        for session in server.sessions[-NEWEST:]:
            if id == session_id(desk.process, name, session.number):
                return stored_session(session, server=name, run=desk.process)
    return None


def lasting_sessions(desk: Desk) -> list[StoredSession]:
    """Return the sessions that have not ended, newest first."""
    if not _are_told(desk):
        return []
    found = [one for name, server in desk.servers.items() for one in _lasting(desk, name, server)]
    return sorted(found, key=lambda one: one.began, reverse=True)


def _are_told(desk: Desk) -> bool:
    return bool(desk.process) and desk.mailbox is None


def _lasting(desk: Desk, name: str, server: Server) -> list[StoredSession]:
    sessions = [one for one in server.sessions[-NEWEST:] if one.end is None]
    return [stored_session(one, server=name, run=desk.process) for one in sessions]
