"""The servers that run in this process, or ran recently, for test reports. It keeps no server alive."""

from __future__ import annotations

import itertools
import weakref
from typing import Any, Final


class Running:
    """What has been started, in that order, as long as somebody else has it."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._started: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def add(self, server: object) -> None:
        """Note that a server has been started, once more or for the first time."""
        self._started[next(self._numbers)] = server

    def forget(self, server: object) -> None:
        """Note that a server has closed and nobody asks for it any more."""
        for reference in self._started.valuerefs():
            if reference() is server:
                self._started.pop(reference.key, None)

    @property
    def servers(self) -> tuple[Any, ...]:
        """The servers, each once, the first to be started first."""
        found = [server for reference in self._started.valuerefs() if (server := reference()) is not None]
        return tuple(dict.fromkeys(found))


RUNNING: Final = Running()
"""The servers of this process."""
