"""A database, as the statements of a store see it: connections, transactions, and how databases differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, Final

from smtpfix.errors import StoreError

from .schema import STEP_TABLE, STEPS, Types, steps_from

_MOST: Final = 2**62


class Database(ABC):
    """A database that speaks SQL; each kind of it is one of these."""

    where: str
    """Where it is, without passwords."""
    is_new: bool = False
    """Whether there was no store before this one was opened."""
    among: ClassVar[str]
    """Says in SQL that what stands before it is one of a parameter's values."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Any]:
        """Lend a connection for a read. Raises `StoreError` for whatever goes wrong inside."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Any]:
        """Lend a connection in a transaction that nobody else writes beside, and commit it.

        Whatever goes wrong inside undoes all of it; what the database refuses is a `StoreError`.
        """

    @abstractmethod
    def list_of(self, values: Collection[str | int]) -> object:
        """Return values as a parameter of `among`."""

    @abstractmethod
    def run(self, db: Any, statement: str, parameters: Sequence[object] = ()) -> Any:
        """Execute a statement and return its cursor."""

    @abstractmethod
    def run_many(self, db: Any, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute a statement for each of some rows."""

    def without_waiting(self, db: Any) -> AbstractContextManager[object]:  # noqa: ARG002 - for databases far away
        """Execute statements without waiting for what each of them says, as far as nobody asks."""
        return nullcontext()

    def take_steps(self, db: Any, types: Types) -> bool:
        """Lead a database to the last schema, in a transaction; return whether there was anything to do."""
        self.run(db, STEP_TABLE)
        step = (self.run(db, "SELECT step FROM smtpfix_schema").fetchone() or (0,))[0]
        self.is_new = step == 0
        statements = steps_from(step, types, self.where)
        for statement in statements:
            self.run(db, statement)
        if statements:
            self.run(db, "DELETE FROM smtpfix_schema")
            self.run(db, "INSERT INTO smtpfix_schema VALUES (?)", (len(STEPS),))
        return bool(statements)

    def may_prune(self, db: Any) -> bool:  # noqa: ARG002 - for databases that several processes prune
        """Return whether nobody else prunes."""
        return True


def bounded(number: int) -> int:
    """Return a number that somebody asks for as every database takes it."""
    return max(0, min(number, _MOST))


@contextmanager
def as_store_errors(errors: tuple[type[Exception], ...], where: str, what: str, secret: str = "") -> Iterator[None]:
    """Raise what a database raises as a `StoreError`, in one line, and without a secret."""
    try:
        yield
    except errors as error:
        said = " ".join(str(error).split())
        raise StoreError(f"cannot {what} {where}: {said.replace(secret, '…') if secret else said}") from error
