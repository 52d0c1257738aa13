"""The faults that a scenario has instead of a TLS handshake: stall, close, or a fatal alert."""

from __future__ import annotations

from typing import Final

from smtpfix.policy.tls_profile import FAULTS
from smtpfix.record.recorder import Recorder
from smtpfix.record.session_end import SessionEnd
from smtpfix.tls.client_hello import hello_octets
from smtpfix.tls.facts import Alert, TLSFailure
from smtpfix.wire.channel import Channel

_ALERT: Final = bytes.fromhex("15 0303 0002 02 28")
"""A fatal alert handshake_failure in a record of its own (RFC 8446 sections 5.1 and 6)."""
_RECORD_HEADER: Final = 5


class Instead:
    """Takes the client's first flight, and what comes after it where the connection stays open."""

    def __init__(self, fault: str, channel: Channel, recorder: Recorder) -> None:
        self._fault = fault
        self._channel = channel
        self._recorder = recorder
        self.is_done = False
        """Whether the ClientHello has come, and was answered as the scenario has it."""

    def take(self, buffer: bytearray) -> None:
        """Take what has come; act once the whole first record is there."""
        if self.is_done:
            buffer.clear()
            return
        length = _RECORD_HEADER + int.from_bytes(buffer[3:_RECORD_HEADER], "big")
        if len(buffer) < _RECORD_HEADER or len(buffer) < length:
            return
        self.is_done = True
        recorder = self._recorder
        recorder.client_hello = hello_octets(buffer)
        buffer.clear()
        is_alert = self._fault == "alert"
        reason = f"the server {FAULTS[self._fault]}, as the scenario has it"
        recorder.tls_failure = TLSFailure(
            reason=reason,
            alert="handshake_failure" if is_alert else None,
            alert_sender="server" if is_alert else None,
            openssl_reason=None,
        )
        recorder.note(reason)
        if is_alert:
            recorder.alerts.append(Alert("server", "handshake_failure", is_fatal=True))
            self._channel.write(_ALERT)
        if self._fault != "stall":
            recorder.finish(SessionEnd.HANDSHAKE_FAILED)
            self._channel.close()
