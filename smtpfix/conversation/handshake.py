"""A TLS handshake with a rule in it: before the server answers the ClientHello, or between two of its records.

Stands between `channel` and the TLS stack only where there is a rule for the stage ``HANDSHAKE``. While the rule's
actions are played the connection is in clear: octets go out as they are, and closing says no close_notify.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from smtpfix.rules.stages import HANDSHAKE
from smtpfix.tls.client_hello import has_begun
from smtpfix.tls.facts import TLSFailure
from smtpfix.tls.side import TLSSide

from .connection import Connection, Perform

if TYPE_CHECKING:
    from smtpfix.rules.action import Action

    from .upgrade import Upgrade

_HEADER: Final = 5
"""Octets of a record's header (RFC 8446 section 5.1)."""
_CHANGE_CIPHER_SPEC: Final = 20
_APPLICATION_DATA: Final = 23


class Handshake:
    """One connection's; a `channel.Gate`."""

    def __init__(self, connection: Connection[Any], upgrade: Upgrade) -> None:
        self._connection = connection
        self._upgrade = upgrade
        self._channel = connection.channel
        self._recorder = connection.recorder
        self._player = connection.player
        self._is_open = False
        self._left: int | None = None
        self._then: Callable[[Perform[Any]], None] | None = None

    def lets_in(self, tls: TLSSide) -> bool:
        """Ask the rules once the ClientHello has come whole; what cannot be one is left to the TLS stack."""
        if self._is_open:
            return True
        if has_begun(tls.first_octets):
            return False
        self._is_open = True
        hello = tls.client_hello
        if hello is None:
            return True
        self._recorder.client_hello = tls.hello_octets
        self._channel.suspend_tls()
        self._player.on_end = self._ended
        self._player.on_flight = self._hold_from
        self._connection.at_stage(HANDSHAKE, hello.server_name or "", lambda _: self._resume(tls))
        self._channel.flush()
        return False

    def lets_out(self, tls: TLSSide, data: bytes) -> bool:
        """Send what the server says up to where a rule wants it held back, and let the rule go on there."""
        if self._then is None:
            self._channel.write_out(data)
            return True
        cut = _before_finished(data) if self._left is None else self._left
        if cut is None or cut >= len(data):
            if self._left is not None:
                self._left -= len(data)
            self._channel.write_out(data)
            if tls.established:
                self._recorder.note("the handshake was over before a rule that breaks into it could")
            return True
        self._channel.write_out(data[:cut])
        self._recorder.note(f"held back {len(data) - cut} octets of the handshake, as a rule has it")
        self._channel.suspend_tls()
        self._player.on_end = self._ended
        then, self._then = self._then, None
        then(lambda _: self._resume(tls, data[cut:]))
        self._channel.flush()
        return False

    def _hold_from(self, octets: int | None, then: Callable[[Perform[Any]], None]) -> None:
        """Let so many octets out, or all before the server's Finished; then do what the rule says next."""
        self._left = octets
        self._then = then

    def _resume(self, tls: TLSSide, held_back: bytes = b"") -> None:
        """Go on with the handshake."""
        self._player.on_end = None
        self._channel.resume_tls(tls, held_back)

    def _ended(self, action: Action) -> None:
        """Record that there will be no TLS; where the connection stays, it goes on in clear."""
        self._upgrade.goes_on_in_clear = not action.ends
        reason = f"the server {action.in_handshake} in the TLS handshake, as a rule has it"
        failure = TLSFailure(reason=reason, alert=None, alert_sender=None, openssl_reason=None)
        self._recorder.tls_failure = failure
        self._recorder.note(reason)


def _before_finished(data: bytes) -> int | None:
    """Return where the record with the server's Finished begins; None if it is not in this flight.

    It is the last one of a flight that is encrypted: in TLS 1.3 the records call themselves application data (RFC 8446
    section 5.2), before it a change_cipher_spec stands in front of it (RFC 5246 section 7.1).
    """
    records = tuple(_records(data))
    if not records:
        return None
    kinds = [kind for kind, _ in records]
    is_last_encrypted = _APPLICATION_DATA in kinds or _CHANGE_CIPHER_SPEC in kinds[:-1]
    return records[-1][1] if is_last_encrypted else None


def _records(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the type of each record, and where it begins."""
    start = 0
    while start + _HEADER <= len(data):
        yield data[start], start
        start += _HEADER + int.from_bytes(data[start + 3 : start + _HEADER], "big")
