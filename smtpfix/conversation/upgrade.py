"""How TLS begins on one connection, by a command or at once, and the faults that a scenario has instead.

Knows what came in clear after the command; what is forgotten once TLS is there is `conversation`'s business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from smtpfix.clock import monotonic
from smtpfix.record.session_end import SessionEnd
from smtpfix.rules.stages import HANDSHAKE

from .connection import Connection

if TYPE_CHECKING:
    from .tls_faults import Instead

_SHOWN: Final = 200
"""Octets of what was injected that the transcript keeps."""
_RECORD_HEADER: Final = 5


class Upgrade:
    """One connection's."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._kept = b""
        self.command = "connect"
        """The command that TLS began by; ``connect`` where there was none."""
        self.began = 0.0
        """When the handshake began, by the monotonic clock."""
        self.instead: Instead | None = None
        """What takes the client's octets where the scenario has something else than a handshake."""
        self.goes_on_in_clear = False
        """Whether the session goes on in clear where the client begins TLS, as an attacker has it."""

    def begin_by(self, command: str) -> None:
        """Begin TLS after the answer to a command that granted it.

        What came after the command in clear is discarded (RFC 3207 section 4.2), unless a rule keeps it.
        """
        self.command = command
        recorder = self._connection.recorder
        injected = bytes(self._connection.channel.received)
        keeps = self._connection.player.keeps_injected
        if injected:
            recorder.inject(injected)
            what = "kept" if keeps else "discarded"
            recorder.note(f"{what} what came after {command} in clear: {recorder.excerpt(injected, _SHOWN)}")
            recorder.is_wary = True  # the rest of a login may follow
        self._kept = injected if keeps else b""
        self.begin()

    def begin(self, begun: bytes = b"") -> bool:
        """Begin TLS, or what the scenario has instead; return False if that is going on in clear.

        TLS begins with the octets `begun`, which have come already.
        """
        connection = self._connection
        channel, service = connection.channel, connection.service
        fault = service.fault
        if fault == "clear-text":
            connection.recorder.note("the server goes on in clear where TLS has to begin, as the scenario has it")
            self.goes_on_in_clear = True
            return False
        if fault in ("stall", "close", "alert"):
            from .tls_faults import Instead  # noqa: PLC0415 - few scenarios need it

            channel.flush()
            channel.received[:] = begun
            self.instead = Instead(fault, channel, connection.recorder)
            connection.has_detour = True
            return True
        self.began = monotonic()
        gate = None
        if HANDSHAKE in service.rulebook.by_stage:
            from .handshake import Handshake  # noqa: PLC0415 - few rules stand there

            gate = Handshake(connection, self)
        channel.start_tls(service.new_tls(), begun, gate)
        return True

    def take_kept(self) -> bytes:
        """Return, once, what was injected in clear and a vulnerable server takes for commands."""
        kept, self._kept = self._kept, b""
        return kept

    def meet_tls_in_clear(self, buffer: bytearray) -> bool:
        """Take a TLS record where the server speaks in clear; return whether to read on.

        A ClientHello ends the session, or, where that goes on in clear, is answered like any line that is no command.
        The client's other records are passed over then.
        """
        connection, length = self._connection, 0
        if self.goes_on_in_clear:
            length = _RECORD_HEADER + int.from_bytes(buffer[3:_RECORD_HEADER], "big")
            if len(buffer) < length:
                return False
        recorder = connection.recorder
        if recorder.tls_failure is None:
            from smtpfix.tls.client_hello import hello_octets  # noqa: PLC0415 - few clients do so
            from smtpfix.tls.facts import TLSFailure  # noqa: PLC0415 - as above

            recorder.client_hello = hello_octets(buffer)
            reason = "the client began TLS where the server speaks in clear"
            recorder.tls_failure = TLSFailure(reason=reason, alert=None, alert_sender=None, openssl_reason=None)
            recorder.note(reason)
            if not self.goes_on_in_clear:
                connection.end(SessionEnd.TLS_ON_CLEAR_PORT)
                return False
            connection.not_a_line()
        del buffer[:length]
        return True
