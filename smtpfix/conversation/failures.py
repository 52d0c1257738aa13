"""`Failures`: the exceptions of the functions and observers that one server was given.

Knows exceptions; what the client is told is the conversation's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from smtpfix.errors import CallbackFailed

if TYPE_CHECKING:
    from smtpfix.mail.message import CapturedMessage
    from smtpfix.record.session import Session
    from smtpfix.record.transcript import Event

OBSERVER: Final = "the observer"

_MOST: Final = 100
"""Failures that are kept: each holds a traceback with all its frames."""


class Failures:
    """Exceptions, from any thread, that nobody has been told of yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[CallbackFailed] = []
        self._count = 0

    def forked(self) -> None:
        """Begin anew in a forked child, where another thread may have held the lock."""
        self._lock = threading.Lock()

    def note(self, what: str, session: int, error: BaseException) -> CallbackFailed:
        """Keep an exception that somebody's code has raised in a session, and return it as what it means here."""
        import traceback  # noqa: PLC0415 - most servers fail nowhere

        (line,) = traceback.format_exception_only(error)[-1:] or [type(error).__name__]
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}, " if frames else ""
        failure = CallbackFailed(f"{what} raised {line.strip()} ({where}session {session})")
        failure.__cause__ = error
        with self._lock:
            self._count += 1
            if len(self._kept) < _MOST:
                self._kept.append(failure)
        return failure

    def tell(self, told: Callable[[Any, Session], None], server: object, session: Session) -> bool:
        """Tell an observer of a session; return whether that went well."""
        try:
            told(server, session)
        except BaseException as error:  # noqa: BLE001 - also pytest.fail; nothing may leave the loop
            self.note(OBSERVER, session.number, error)
            return False
        return True

    def tell_of_event(self, told: Callable[[Any, int, Event], None], server: object, number: int, event: Event) -> None:
        """Tell an observer of what was said in a session."""
        try:
            told(server, number, event)
        except BaseException as error:  # noqa: BLE001 - as above
            self.note(OBSERVER, number, error)

    def tell_of_message(
        self, told: Callable[[Any, CapturedMessage], None], server: object, message: CapturedMessage
    ) -> None:
        """Tell an observer of a message. Raises `OSError` as it does, and `CallbackFailed` for everything else."""
        try:
            told(server, message)
        except OSError:
            raise
        except BaseException as error:
            raise self.note(OBSERVER, message.session_number, error) from error

    def explain(self, error: BaseException | None) -> None:
        """Let an exception that leaves a server's with statement say what went wrong before; then nothing is left."""
        if error is not None and (failure := self._take()) is not None:
            for note in (str(failure), *getattr(failure, "__notes__", ())):
                error.add_note(f"smtpfix: {note}")

    def tell_all(self) -> None:
        """Raise the first one, with notes about the others, and forget them all."""
        if (failure := self._take()) is not None:
            raise failure

    def _take(self) -> CallbackFailed | None:
        with self._lock:
            kept, count = self._kept, self._count
            self._kept, self._count = [], 0
        if not kept:
            return None
        first, *others = kept
        for other in others:
            first.add_note(str(other))
        if count > len(kept):
            first.add_note(f"and {count - len(kept)} more")
        return first
