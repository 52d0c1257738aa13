"""aiosmtpd's `SMTP` as the parser of addresses that are not plain, driven synchronously.

Imported only where such an address comes: most sessions have none, and aiosmtpd with what it imports costs more than
the rest of SMTP. Its ``smtp_*`` coroutines run to their end on the spot, since `push` only collects.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import threading
from collections.abc import Coroutine
from typing import Any, Final, cast

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SMTPEnvelope
from aiosmtpd.smtp import Session as SMTPSession

from .replies import MALFORMED_ADDRESS

_SENDER: Final = "<>"
"""A reverse-path that lets recipients come; aiosmtpd takes an empty one for none."""


class _NoLoop:
    """Stands for the loop that a constructor wants: none of the commands waits for anything."""

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=_NO_LOOP)


_NO_LOOP: Final = cast("asyncio.AbstractEventLoop", _NoLoop())


class _Here(threading.local):
    """What each thread has of its own: its judge, and whether that is at work."""

    working = False
    judge: _Judge | None = None


_here: Final = _Here()


def _is_somebody_elses(_record: logging.LogRecord) -> bool:
    return not _here.working


# aiosmtpd logs every command, which would land in the caplog of tests that have nothing to do with it. Only what a
# judge logs is left out: an aiosmtpd of the user's own logs as ever.
logging.getLogger("mail.log").addFilter(_is_somebody_elses)


class _Judge(SMTP):
    """An aiosmtpd without a transport, a reader and a task."""

    def __init__(self) -> None:
        # The class's own is shared between, and emptied by, all instances.
        self.command_size_limits = collections.defaultdict(int)
        super().__init__(object(), enable_SMTPUTF8=True, hostname="localhost", auth_require_tls=False, loop=_NO_LOOP)
        self._pushed: list[str | bytes] = []

    async def push(self, status: Any) -> None:
        """Collect a reply instead of sending it."""
        self._pushed.append(status)

    def code(self, verb: str, argument: str) -> int:
        """Return the code of the reply to a command that has its place in a transaction."""
        self.session = SMTPSession(_NO_LOOP)
        self.session.host_name, self.session.extended_smtp = "client", True
        self.envelope = SMTPEnvelope()
        if verb == "RCPT":
            self.envelope.mail_from = _SENDER
        self._pushed = []
        command: Coroutine[Any, Any, None] = getattr(self, f"smtp_{verb}")(argument)
        try:
            command.send(None)
        except StopIteration:
            return int(self._pushed[-1][:3])
        command.close()  # pragma: no cover - none of them waits for anything
        raise RuntimeError("a command did not run to its end")  # pragma: no cover


def judge(verb: str, argument: str) -> int:
    """Return the code of aiosmtpd's reply to MAIL, RCPT or VRFY with an address.

    Its parser is the standard library's, and can fail anyhow. Its result is not used: it decodes RFC 2047 words, in
    which a CRLF may hide, and drops quotes and comments.
    """
    _here.working = True
    if (judging := _here.judge) is None:
        judging = _here.judge = _Judge()
    try:
        return judging.code(verb, argument)
    except Exception:  # noqa: BLE001 - whatever it is, the address is malformed
        return MALFORMED_ADDRESS.code
    finally:
        _here.working = False
