"""Standard output as a pipe: whether a reader is left, and how to leave it so that Python exits quietly."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TextIO


def reader_is_gone(stream: TextIO) -> bool:
    """Return whether the other end of the pipe is closed; False where that cannot be known without writing."""
    if not hasattr(select, "poll"):  # pragma: no cover - Windows
        return False
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)  # errors and hang-ups are reported unasked
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def settle(stream: TextIO) -> None:
    """Leave nothing in the buffer that the interpreter would fail to write, with a message, at its end.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def complain(text: str) -> None:
    """Say something on stderr if that can be done at once."""
    with contextlib.suppress(OSError, ValueError):
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(2, select.POLLOUT)
            if not any(event & select.POLLOUT for _, event in poll.poll(0)):
                return
        os.write(2, f"smtpfix: {text}\n".encode())
