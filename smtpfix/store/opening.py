"""It opens a store by a file name, or by the URL of a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

from smtpfix.errors import ExtraMissing
from smtpfix.extras import install

from .database import SQLStore


def open_store(where: str) -> SQLStore:
    """Open a store, and make it where there is none. Raises `StoreError` and `ExtraMissing`."""
    if where.startswith(("postgresql://", "postgres://")):
        try:
            from .postgres import PostgresStore  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ExtraMissing(f"PostgreSQL needs psycopg: {install('postgres')} ({error})") from error

        return PostgresStore(where)
    from .sqlite import SQLiteStore  # noqa: PLC0415 - each database only where it is used

    return SQLiteStore(Path(where))
