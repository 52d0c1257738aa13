"""The stores in SQL: messages and tags, in statements that every database takes, as constants with ``?``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from smtpfix.errors import InvalidValueError

from .connections import bounded
from .journal import Journal
from .query import EVERYTHING, Query
from .row import Entry, Row, storable
from .statements import condition, microseconds
from .store import Closing, Count, Kind, Page, Which
from .stored import READ_COLUMNS, row_of
from .tags import check_tag, unique

_SELECT: Final = f"SELECT {', '.join(READ_COLUMNS)} FROM message"


class SQLStore(Journal):
    """A `Store` in a database that speaks SQL."""

    @abstractmethod
    def insert(self, db: Any, entries: Sequence[Entry]) -> list[int]:
        """Insert messages, their contents and their words; return their seq."""

    @abstractmethod
    def listen(self, wake: Callable[[], None]) -> Closing:
        """Call `wake` when something has changed."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""

    # Messages

    def append(self, entries: Sequence[Entry]) -> Sequence[int]:
        """Store messages, all or none."""
        if not entries:
            return ()
        with self.writing() as db, self.without_waiting(db):
            numbers = self.insert(db, entries)
            tags = {number: entry.row.tags for number, entry in zip(numbers, entries, strict=True)}
            self._put_tags(db, tags)
            self._note(
                db,
                (
                    (Kind.NEW, number, {"id": entry.row.id, "mailbox": entry.row.mailbox})
                    for number, entry in zip(numbers, entries, strict=True)
                ),
            )
        return numbers

    def page(
        self,
        query: Query = EVERYTHING,
        *,
        mailbox: str | None = None,
        start: int = 0,
        limit: int = 50,
        before: datetime | None = None,
    ) -> Page:
        """Return those that match, newest first."""
        where, parameters = self._where(query, mailbox)
        if before is not None:
            where, parameters = f"{where} AND received < ?", [*parameters, microseconds(before)]
        statement = f"{_SELECT} WHERE {where} ORDER BY received DESC, seq DESC LIMIT ? OFFSET ?"
        with self.reading() as db:
            seq = self._last(db)
            found = self.run(db, statement, [*parameters, bounded(limit), bounded(start)]).fetchall()
            return Page(tuple(self._rows(db, found)), start, seq)

    def count(self, query: Query = EVERYTHING, *, mailbox: str | None = None) -> Count:
        """Return how many match."""
        where, parameters = self._where(query, mailbox)
        with self.reading() as db:
            if query == EVERYTHING:  # each from its index, which is as good as nothing to look through
                everything = self.run(db, f"SELECT count(*) FROM message WHERE {where}", parameters).fetchone()[0]
                unread = f"SELECT count(*) FROM message WHERE is_read = 0 AND {where}"
                return Count(everything, self.run(db, unread, parameters).fetchone()[0])
            both = f"SELECT count(*), coalesce(sum(1 - is_read), 0) FROM message WHERE {where}"
            return Count(*map(int, self.run(db, both, parameters).fetchone()))

    def get(self, id: str) -> Row | None:  # noqa: A002 - what it is
        """Return the message with this id."""
        with self.reading() as db:
            found = self.run(db, f"{_SELECT} WHERE id = ?", (storable(id),)).fetchall()
            return next(self._rows(db, found), None)

    def rows(self, numbers: Collection[int]) -> Mapping[int, Row]:
        """Return the messages with these seq that are there, by seq."""
        with self.reading() as db:
            found = self.run(db, f"{_SELECT} WHERE seq {self.among}", (self.list_of(numbers),)).fetchall()
            return {row.seq: row for row in self._rows(db, found)}

    def content(self, seq: int) -> bytes:
        """Return a message's exact octets. Raises `LookupError`."""
        with self.reading() as db:
            found = self.run(db, "SELECT octets FROM content WHERE seq = ?", (bounded(seq),)).fetchone()
        if found is None:
            raise LookupError(f"there is no message {seq}; it may have been deleted")
        return bytes(found[0])

    def mark(self, which: Which, *, read: bool) -> int:
        """Mark messages as read or unread; return how many were not so."""
        with self.writing() as db:
            meant = self._meant(db, which, "is_read = 0" if read else "is_read = 1")
            statement = f"UPDATE message SET is_read = ? WHERE seq {self.among}"
            self.run(db, statement, (int(read), self.list_of([seq for seq, _, _ in meant])))
            self._note_each(db, Kind.READ, meant, {"is_read": read})
        return len(meant)

    def delete(self, which: Which) -> int:
        """Delete messages; return how many."""
        with self.writing() as db:
            if which.ids is None and which.query == EVERYTHING:
                return self._truncate(db, which.mailbox)
            meant = self._meant(db, which)
            self._delete(db, [seq for seq, _, _ in meant])
            self._note_each(db, Kind.DELETE, meant, {})
        return len(meant)

    def prune(self, *, keep: int | None = None, before: datetime | None = None) -> int:
        """Delete the oldest, and forget old entries of the journal."""
        with self.writing() as db:
            if not self.may_prune(db):
                return 0
            old: set[int] = set()
            if before is not None:
                found = self.run(db, "SELECT seq FROM message WHERE received < ?", (microseconds(before),))
                old.update(seq for (seq,) in found.fetchall())
            if keep is not None:
                count = self.run(db, "SELECT count(*) FROM message").fetchone()[0]
                oldest = "SELECT seq FROM message ORDER BY received, seq LIMIT ?"
                found = self.run(db, oldest, (max(0, count - keep),))
                old.update(seq for (seq,) in found.fetchall())
            if old:
                self._delete(db, sorted(old))
            sessions = 0
            if before is not None:
                sessions += self.run(db, "DELETE FROM session WHERE began < ?", (microseconds(before),)).rowcount
            if keep is not None:
                first = "SELECT began FROM session ORDER BY began DESC LIMIT 1 OFFSET ?"
                if (row := self.run(db, first, (keep,)).fetchone()) is not None:
                    sessions += self.run(db, "DELETE FROM session WHERE began <= ?", (row[0],)).rowcount
            if old or sessions:
                self._note(db, [(Kind.PRUNE, None, {})])
            self._cut_journal(db)
        return len(old)

    # Tags

    def tag(self, which: Which, tags: Sequence[str]) -> int:
        """Give messages these tags and no others. Raises `InvalidValueError`."""
        wanted = unique(check_tag("tag", tag) for tag in tags)
        with self.writing() as db:
            meant = self._meant(db, which)
            self.run(db, f"DELETE FROM tag WHERE seq {self.among}", (self.list_of([seq for seq, _, _ in meant]),))
            self._put_tags(db, dict.fromkeys((seq for seq, _, _ in meant), wanted))
            self._note_each(db, Kind.TAGS, meant, {"tags": list(wanted)})
        return len(meant)

    def rename_tag(self, old: str, new: str | None, *, mailbox: str | None = None) -> None:
        """Give a tag another name, or none. Raises `LookupError` and `InvalidValueError`."""
        name = None if new is None else check_tag("tag", new)
        where, parameters = "folded = ?", []
        if mailbox is not None:
            where, parameters = f"{where} AND seq IN (SELECT seq FROM message WHERE mailbox = ?)", [storable(mailbox)]
        with self.writing() as db:
            there = f"SELECT 1 FROM tag WHERE {where} LIMIT 1"
            if self.run(db, there, (storable(old.lower()), *parameters)).fetchone() is None:
                raise LookupError(f"tag not found: {old}")
            if name is None:
                self.run(db, f"DELETE FROM tag WHERE {where}", (old.lower(), *parameters))
            else:
                is_other = name.lower() != old.lower()
                if is_other and self.run(db, there, (name.lower(), *parameters)).fetchone() is not None:
                    raise InvalidValueError("tag", name, "a name that no other tag has")
                spelled = f"SELECT name FROM tag WHERE folded = ? AND NOT ({where}) LIMIT 1"  # in other mailboxes
                spelling = self.run(db, spelled, (name.lower(), old.lower(), *parameters)).fetchone() or (name,)
                statement = f"UPDATE tag SET folded = ?, name = ? WHERE {where}"
                self.run(db, statement, (name.lower(), *spelling, old.lower(), *parameters))
            self._note(db, [(Kind.PRUNE, None, {} if mailbox is None else {"mailbox": mailbox})])

    def tags(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Return the tags in use, and how many messages have each."""
        where, parameters = self._where(EVERYTHING, mailbox)
        statement = f"SELECT min(name), count(*) FROM tag JOIN message USING (seq) WHERE {where} GROUP BY folded"
        with self.reading() as db:
            return dict(sorted(self.run(db, statement, parameters).fetchall(), key=lambda row: row[0].lower()))

    def servers(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Return the servers that messages came to, and how many came to each."""
        where, parameters = self._where(EVERYTHING, mailbox)
        with self.reading() as db:
            found = self.run(db, f"SELECT server, count(*) FROM message WHERE {where} GROUP BY server", parameters)
            return dict(sorted(found.fetchall()))

    def mailboxes(self) -> Mapping[str, int]:
        """Return the mailboxes with messages in them, and how many each has."""
        with self.reading() as db:
            counted = self.run(db, "SELECT mailbox, count(*) FROM message GROUP BY mailbox", ()).fetchall()
        return dict(sorted(counted))

    # Pieces

    def _where(self, query: Query, mailbox: str | None) -> tuple[str, list[str | int]]:
        where, parameters = condition(query)
        return (
            (where, parameters) if mailbox is None else (f"{where} AND mailbox = ?", [*parameters, storable(mailbox)])
        )

    def _meant(self, db: Any, which: Which, also: str = "1 = 1") -> list[tuple[int, str, str]]:
        """Return seq, id and mailbox of the messages meant that are so also."""
        where, parameters = self._where(which.query, which.mailbox)
        values: list[object] = list(parameters)
        if which.ids is not None:
            where += f" AND id {self.among}"
            values.append(self.list_of([storable(one) for one in which.ids]))
        statement = f"SELECT seq, id, mailbox FROM message WHERE {where} AND {also} ORDER BY seq"
        return [tuple(row) for row in self.run(db, statement, values).fetchall()]

    def _truncate(self, db: Any, mailbox: str | None) -> int:
        """Delete all messages, or all of a mailbox: one entry in the journal, however many there are."""
        if mailbox is None:
            count = self.run(db, "SELECT count(*) FROM message").fetchone()[0]
            for table in ("content", "words", "tag", "message"):
                self.run(db, f"DELETE FROM {table}")
        else:
            meant = self._meant(db, Which(mailbox=mailbox))
            self._delete(db, [seq for seq, _, _ in meant])
            count = len(meant)
        self._note(db, [(Kind.TRUNCATE, None, {"mailbox": mailbox})])
        return int(count)

    def _delete(self, db: Any, numbers: Collection[int]) -> None:
        for table in ("content", "words", "tag", "message"):
            self.run(db, f"DELETE FROM {table} WHERE seq {self.among}", (self.list_of(numbers),))

    def _put_tags(self, db: Any, tags: Mapping[int, Sequence[str]]) -> None:
        """Give messages tags more, each as it was spelled first."""
        names = {tag.lower(): tag for several in tags.values() for tag in several}
        if not names:
            return
        there = f"SELECT folded, name FROM tag WHERE folded {self.among}"
        names |= dict(self.run(db, there, (self.list_of(list(names)),)).fetchall())
        rows = [(seq, tag.lower(), names[tag.lower()]) for seq, several in tags.items() for tag in several]
        self.run_many(db, "INSERT INTO tag (seq, folded, name) VALUES (?, ?, ?)", rows)

    def _rows(self, db: Any, found: Sequence[Sequence[Any]]) -> Iterator[Row]:
        """Yield rows with their tags."""
        tags: dict[int, list[str]] = {row[0]: [] for row in found}
        if found:
            statement = f"SELECT seq, name FROM tag WHERE seq {self.among} ORDER BY folded"
            for seq, name in self.run(db, statement, (self.list_of(list(tags)),)).fetchall():
                tags[seq].append(name)
        for values in found:
            yield row_of(values, tags[values[0]])
