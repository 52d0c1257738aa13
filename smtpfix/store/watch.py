"""Listeners to changes, and the thread that looks for changes by other processes while there is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

Look: TypeAlias = Callable[[Callable[[], None], threading.Event], None]
"""Looks for changes until the event is set, and calls the other argument for them; in a thread of its own."""


class Watch:
    """The listeners of one store."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._listeners: dict[object, Callable[[], None]] = {}
        self._looking: tuple[threading.Thread, threading.Event] | None = None

    def listen(self, wake: Callable[[], None]) -> _Listening:
        """Tell somebody of each change from now on."""
        listening = _Listening(self)
        with self._lock:
            self._listeners[listening] = wake
            if self._looking is None:
                ended = threading.Event()
                thread = threading.Thread(
                    target=self._look, args=(self.wake, ended), name="smtpfix store watch", daemon=True
                )
                self._looking = (thread, ended)
                thread.start()
        return listening

    def wake(self) -> None:
        """Tell all."""
        for wake in tuple(self._listeners.values()):
            wake()

    def close(self) -> None:
        """Tell nobody any more."""
        with self._lock:
            self._listeners.clear()
        self._rest()

    def leave(self, listening: object) -> None:
        """Tell this one no more."""
        with self._lock:
            self._listeners.pop(listening, None)
        self._rest()

    def _rest(self) -> None:
        """End the thread where nobody listens."""
        with self._lock:
            if self._listeners or self._looking is None:
                return
            (thread, ended), self._looking = self._looking, None
        ended.set()
        if thread is not threading.current_thread():
            thread.join()


class _Listening:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def close(self) -> None:
        self._watch.leave(self)
