"""Standard output as a pipe: whether a reader is left, and how to leave it so that Python exits quietly."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from typing import Final, TextIO

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a file says that takes no more octets."""


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


def open_standard_streams() -> None:
    """Open what is closed of standard input, output and error, on nothing: a socket would get its descriptor."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest descriptor that is free
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - as Python's


def settle(stream: TextIO) -> OSError | None:
    """Leave nothing in the buffer that the interpreter would fail to write, with a message, at its end.

    Return why it could not be written; None where it could, and where nobody reads on.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    try:
        stream.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        return None if isinstance(error, BrokenPipeError) else error
    return None


def complain(text: str) -> None:
    """Say something on stderr if that can be done at once."""
    with contextlib.suppress(OSError, ValueError):
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(2, select.POLLOUT)
            if not any(event & select.POLLOUT for _, event in poll.poll(0)):
                return
        os.write(2, f"smtpfix: {text}\n".encode())
