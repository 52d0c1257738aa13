"""What a session makes of a proxy's word: the PROXY protocol header before all else, and the XCLIENT command.

Knows whom the session belongs to from then on; syntax is `proxy`'s and `xclient`'s.
"""

from __future__ import annotations

import time
from typing import Final

from smtpfix.conversation.host import Host
from smtpfix.errors import InvalidValueError
from smtpfix.record.recorder import Recorder
from smtpfix.record.session import SessionEnd
from smtpfix.record.xclient import XClient
from smtpfix.rules import reply as replies
from smtpfix.rules.reply import Reply
from smtpfix.safe_text import printable
from smtpfix.smtp.policy import Policy
from smtpfix.wire.proxy_header import Malformed, parse_header

from .xclient import parse_attributes

_SHOWN: Final = 120
"""Octets of what came instead of a header that the transcript keeps."""


class HeaderFirst:
    """Waits for one connection's PROXY protocol header: nothing is said before it has come."""

    def __init__(self, host: Host, recorder: Recorder) -> None:
        self._host = host
        self._recorder = recorder
        self.began = time.monotonic()
        """When the connection began, by the monotonic clock."""

    def take(self, buffer: bytearray) -> bool:
        """Take the header off what has come; return whether it was there. What is none ends the session."""
        recorder = self._recorder
        header = parse_header(bytes(buffer))
        if header is None:
            return False
        if isinstance(header, Malformed):
            recorder.note(f"no PROXY protocol header: {header.reason}; got {recorder.excerpt(bytes(buffer), _SHOWN)}")
            self._host.end(SessionEnd.NO_PROXY_HEADER)
            return False
        del buffer[: header.size]
        recorder.proxy = header
        if header.source is not None:
            recorder.client = header.source
        recorder.note(f"{printable(str(header))}, forwarded by {recorder.peer[0]} port {recorder.peer[1]}")
        return True

    def give_up(self) -> None:
        """End a session whose header does not come in time."""
        self._recorder.note("no PROXY protocol header came in time")
        self._host.end(SessionEnd.TIMEOUT)


def take_xclient(argument: str, forced: Reply | None, host: Host, policy: Policy, recorder: Recorder) -> None:
    """Answer XCLIENT; where it is taken, the session begins anew, with a greeting."""
    said = recorder.xclient or XClient()
    own = None
    if not policy.xclient:
        own = replies.NOT_AUTHORIZED
    elif host.engine.has_sender:
        own = replies.NO_XCLIENT_IN_TRANSACTION
    else:
        try:
            said = parse_attributes(argument, said)
        except InvalidValueError as error:
            own = Reply(501, "5.5.4", f"{error.field}: expected {error.expected}")
    if own is not None:
        host.send(forced or own)
        return
    recorder.xclient = said
    recorder.client = said.client(recorder.client)
    recorder.note(f"{printable(str(said))}, forwarded by {recorder.peer[0]} port {recorder.peer[1]}")
    host.forget(said.user)
    if said.greeted_as is not None:
        recorder.client_name = said.greeted_as
        host.engine.assume_greeting(said.greeted_as, extended=said.proto == "ESMTP")
    if forced is not None:
        host.send(forced)
    else:
        host.greet()
