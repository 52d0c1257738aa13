"""How TLS begins on one connection, by STARTTLS or at once, and what a scenario has begin in its place.

Knows what came in clear behind STARTTLS; what is forgotten once TLS is there is `conversation`'s business.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from smtpfix.record.recorder import Recorder
from smtpfix.record.session import SessionEnd
from smtpfix.rules import reply as replies
from smtpfix.rules.reply import Reply
from smtpfix.rules.rule import HANDSHAKE
from smtpfix.tls.client_hello import parse_client_hello
from smtpfix.tls.facts import TLSFailure
from smtpfix.wire.channel import Channel

from .host import Host
from .player import Player
from .service import Service

if TYPE_CHECKING:
    from .tls_faults import Instead

_SHOWN: Final = 200
"""Octets of what was injected that the transcript keeps."""


class Upgrade:
    """One connection's."""

    def __init__(self, host: Host, service: Service, channel: Channel, recorder: Recorder, player: Player) -> None:
        self._host = host
        self._service = service
        self._channel = channel
        self._recorder = recorder
        self._player = player
        self._kept = b""
        self.began = 0.0
        """When the handshake began, by the monotonic clock."""
        self.instead: Instead | None = None
        """What takes the client's octets where the scenario has something else than a handshake."""

    def starttls(self, argument: str, forced: Reply | None) -> None:
        """Answer STARTTLS (RFC 3207 section 4); behind a 220 TLS begins."""
        channel = self._channel
        if channel.in_tls:
            own = replies.TLS_ALREADY_ON
        elif not self._service.policy.has("STARTTLS"):
            own = replies.NOT_IMPLEMENTED
        else:
            own = replies.NO_ARGUMENT_ALLOWED if argument else replies.START_TLS
        reply = forced or own
        self._host.send(reply)
        if own is replies.START_TLS and reply.code == replies.START_TLS.code:
            injected = bytes(channel.received)
            keeps = self._player.keeps_injected
            if injected:
                self._recorder.injected += injected
                what = "kept" if keeps else "discarded"
                self._recorder.note(
                    f"{what} what came behind STARTTLS in clear: {self._recorder.excerpt(injected, _SHOWN)}"
                )
            self._kept = injected if keeps else b""
            self.begin()

    def begin(self, begun: bytes = b"") -> bool:
        """Begin TLS, or what the scenario has instead; return False if that is going on in clear.

        TLS begins with the octets `begun`, which have come already.
        """
        fault = self._service.fault
        if fault == "clear-text":
            self._recorder.note("the server goes on in clear where TLS has to begin, as the scenario has it")
            return False
        if fault in ("stall", "close", "alert"):
            from .tls_faults import Instead  # noqa: PLC0415 - few scenarios need it

            self._channel.flush()
            self._channel.received[:] = begun
            self.instead = Instead(fault, self._channel, self._recorder)
            self._host.has_detour = True
            return True
        self.began = time.monotonic()
        gate = None
        if HANDSHAKE in self._service.rulebook.by_stage:
            from .handshake import Handshake  # noqa: PLC0415 - few rules stand there

            gate = Handshake(self._host, self._channel, self._recorder, self._player)
        self._channel.start_tls(self._service.new_tls(), begun, gate)
        return True

    def take_kept(self) -> bytes:
        """Return, once, what was injected in clear and a vulnerable server takes for commands."""
        kept, self._kept = self._kept, b""
        return kept

    def refuse_tls_in_clear(self) -> None:
        """Record a client that begins TLS where the server speaks in clear; the session ends."""
        recorder = self._recorder
        recorder.client_hello = parse_client_hello(bytes(self._channel.received))
        reason = "the client began TLS where the server speaks in clear"
        recorder.tls_failure = TLSFailure(reason=reason, alert=None, alert_sender=None, openssl_reason=None)
        recorder.note(reason)
        self._host.end(SessionEnd.TLS_ON_CLEAR_PORT)
