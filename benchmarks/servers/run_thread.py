"""No server at all: a thread with an event loop, which is what peers start before anything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from control import Options, run


class Running:
    """A thread with a running loop."""

    port = 0

    def __init__(self, _options: Options) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def contents(self) -> Iterable[bytes]:
        """Return nothing."""
        return ()

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


if __name__ == "__main__":
    run(Running, packages=[], keeps="nothing")
