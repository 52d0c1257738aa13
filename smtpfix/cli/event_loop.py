"""The event loop of `smtpfix serve`: uvloop if it is installed, otherwise asyncio's. Only this imports uvloop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from smtpfix.errors import ExtraMissing, InvalidValueError
from smtpfix.wire.loop import LOOP_THREAD

UVLOOP: Final = "uvloop"
LOOPS: Final = ("auto", UVLOOP, "asyncio")
"""``--loop``; the first is the default: uvloop where it is installed."""


def check_loop(name: str) -> None:
    """Raise `InvalidValueError` for a name that is none of `LOOPS`."""
    if name not in LOOPS:
        raise InvalidValueError("--loop", name, f"one of {', '.join(LOOPS)}")


@contextmanager
def event_loop(name: str) -> Iterator[str]:
    """Let servers that start meanwhile run on this loop, and return which it is: ``uvloop`` or ``asyncio``.

    Raises `ExtraMissing` where it has to be uvloop and that is not installed.
    """
    if name == "asyncio":
        yield name
        return
    try:
        import uvloop  # noqa: PLC0415 - an extra, and it costs 20 ms
    except ImportError as error:
        if name == UVLOOP:
            raise ExtraMissing(f"--loop uvloop needs uvloop: pip install 'smtpfix[fast]' ({error})") from error
        yield "asyncio"
        return
    with LOOP_THREAD.made_by(uvloop.new_event_loop):
        yield UVLOOP
