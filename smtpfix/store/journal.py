"""What a store keeps in addition to messages: the journal of all changes, sessions, and settings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .connections import Database, bounded
from .row import storable
from .store import JOURNAL_SECONDS, MOST_CHANGES, MOST_NAMED, UNCHANGED, Change, Json, Kind, StoredSession
from .stored import SESSION_COLUMNS, session_of, session_values, to_json

_SESSION: Final = f"SELECT {', '.join(SESSION_COLUMNS)} FROM session WHERE id = ?"
_SESSIONS: Final = f"SELECT {', '.join(SESSION_COLUMNS[:-1])}, 'null' FROM session WHERE 1 = 1"
_PUT_SESSION: Final = f"INSERT INTO session ({', '.join(SESSION_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_SET: Final = "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_CUT: Final = "journal.cut"
"""The setting that says up to which number the journal has been forgotten."""


class Journal(Database):
    """A database with a journal, sessions and settings."""

    def put_sessions(self, sessions: Sequence[StoredSession]) -> None:
        """Store sessions that have ended."""
        with self.writing() as db, self.without_waiting(db):
            self.run_many(db, _PUT_SESSION, map(session_values, sessions))
            self._note(db, ((Kind.SESSION, None, {"id": session.id}) for session in sessions))

    def session(self, id: str) -> StoredSession | None:  # noqa: A002 - what it is
        """Return the session with this id."""
        with self.reading() as db:
            found = self.run(db, _SESSION, (storable(id),)).fetchone()
        return None if found is None else session_of(found)

    def sessions(
        self, *, start: int = 0, limit: int = 50, without_mail: bool = False, failed: bool = False
    ) -> Sequence[StoredSession]:
        """Return sessions, newest first."""
        where = (" AND has_mail = 0" if without_mail else "") + (" AND has_failed = 1" if failed else "")
        statement = f"{_SESSIONS}{where} ORDER BY began DESC, id LIMIT ? OFFSET ?"
        with self.reading() as db:
            return tuple(map(session_of, self.run(db, statement, (bounded(limit), bounded(start))).fetchall()))

    def setting(self, key: str, value: Json = UNCHANGED) -> Json:
        """Return a setting; given a value, set it before."""
        if value is not UNCHANGED:
            with self.writing() as db:
                self._change_setting(db, key, value)
        with self.reading() as db:
            return self._setting(db, key)

    def replace_setting(self, key: str, old: Json, new: Json) -> bool:
        """Set a setting if it still is `old`; return whether it was."""
        with self.writing() as db:  # which no other program's transaction overlaps
            is_unchanged: bool = self._setting(db, key) == old
            if is_unchanged:
                self._change_setting(db, key, new)
        return is_unchanged

    def _change_setting(self, db: Any, key: str, value: Json) -> None:
        self._set(db, key, value)
        self._note(db, [(Kind.SETTING, None, {"key": key})])

    def _set(self, db: Any, key: str, value: Json) -> None:
        self.run(db, _SET, (key, to_json(value)))

    def _setting(self, db: Any, key: str) -> Json:
        found = self.run(db, "SELECT value FROM setting WHERE key = ?", (key,)).fetchone()
        return None if found is None else json.loads(found[0])

    # Changes

    def last_change(self) -> int:
        """Return the number of the journal's last entry."""
        with self.reading() as db:
            return self._last(db)

    def changes(self, after: int) -> Sequence[Change]:
        """Return what has changed after an entry."""
        cut = 0
        with self.reading() as db:
            statement = "SELECT n, kind, seq, data FROM change WHERE n > ? ORDER BY n LIMIT ?"
            found = self.run(db, statement, (after, MOST_CHANGES)).fetchall()
            if not found or found[0][0] != after + 1:  # some may have been forgotten
                cut = self._setting(db, _CUT) or 0
        changes = [Change(n, Kind(kind), seq, json.loads(data)) for n, kind, seq, data in found if n > cut]
        return [Change(cut, Kind.PRUNE), *changes] if after < cut else changes

    def _last(self, db: Any) -> int:
        found = self.run(db, "SELECT max(n) FROM change").fetchone()[0]
        return int(found if found is not None else self._setting(db, _CUT) or 0)

    def _note(self, db: Any, changes: Iterable[tuple[Kind, int | None, Json]]) -> None:
        now = int(time.time())
        rows = [(now, str(kind), seq, to_json(data)) for kind, seq, data in changes]
        self.run_many(db, "INSERT INTO change (at, kind, seq, data) VALUES (?, ?, ?, ?)", rows)

    def _note_each(self, db: Any, kind: Kind, meant: Sequence[tuple[int, str, str]], more: Mapping[str, Json]) -> None:
        if len(meant) > MOST_NAMED:
            self._note(db, [(Kind.PRUNE, None, {})])
        else:
            self._note(db, ((kind, seq, {"id": id_, "mailbox": box, **more}) for seq, id_, box in meant))

    def _cut_journal(self, db: Any) -> None:
        """Forget what is older than an hour."""
        oldest = int(time.time()) - JOURNAL_SECONDS
        last = self.run(db, "SELECT max(n) FROM change WHERE at < ?", (oldest,)).fetchone()[0]
        if last is not None:
            self.run(db, "DELETE FROM change WHERE n <= ?", (last,))
            self._set(db, _CUT, last)
