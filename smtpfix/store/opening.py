"""Opens a store by what people write: a file's name."""

from __future__ import annotations

from pathlib import Path

from .database import SQLStore


def open_store(where: str) -> SQLStore:
    """Open a store, and make it where there is none. Raises `StoreError`."""
    from .sqlite import SQLiteStore  # noqa: PLC0415 - each database only where it is used

    return SQLiteStore(Path(where))
