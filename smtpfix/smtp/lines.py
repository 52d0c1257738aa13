"""Lines that are no commands: empty ones, lines with control characters, lines that break the grammar."""

from __future__ import annotations

import re
from typing import Final

from smtpfix.rules.reply import Reply

from . import replies

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def malformed(line: bytes, head: bytes) -> Reply | None:
    """Return the reply to a line that is no command whatever its verb, `head`; None if it may be one."""
    if not line.strip():
        return replies.EMPTY_LINE
    if _CONTROL.search(line):
        return replies.CONTROL_CHARACTER
    if line.isascii():
        return None
    if not head.isascii():
        return replies.NOT_ASCII
    try:
        line.decode()
    except UnicodeDecodeError:
        return replies.NOT_UTF8
    return None


def against_grammar(line: bytes) -> Reply | None:
    """Return a strict server's reply to a line; None if the grammar has nothing against it."""
    from .grammar import faults  # noqa: PLC0415 - few servers are strict

    fault = next(faults(line), None)
    return None if fault is None else fault.reply
