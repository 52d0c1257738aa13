"""It measures any mail server as a monitoring job does: what it says, its times, its certificate.

`probe` opens a session, begins TLS, may log in and may send one message. It is a client, and knows no server of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .measurement import Connection, Probe, ProbeResult
from .secrets import Secrets
from .session import Session
from .speaking import Deadline
from .trust import unverified, verifying


def probe(settings: Probe, *, when_silent: Callable[[], None] | None = None) -> ProbeResult:
    """Measure a server; errors are in the result. Raises `InvalidValueError` for a CA file that cannot be used.

    `when_silent` is called, in another thread, if the server has not greeted after two seconds.
    """
    deadline = Deadline(settings.deadline)
    secrets = Secrets(settings.password or settings.token)
    if settings.connection is Connection.PLAIN:
        return Session(settings, deadline, secrets, when_silent=when_silent).run()
    result = Session(settings, deadline, secrets, verifying(settings), when_silent=when_silent).run()
    if result.certificate is None or result.certificate.verify_code == 0:
        return result
    # A handshake that was broken off shows no certificate: look again, and go on only where that was asked for.
    again = Session(settings, deadline, secrets, unverified(), result.certificate).run(goes_on=not settings.verify)
    if not settings.verify:
        return again
    if again.tls_version is None:
        return result
    return replace(result, certificate=again.certificate, tls_version=again.tls_version, cipher=again.cipher)
