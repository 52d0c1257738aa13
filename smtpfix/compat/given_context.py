"""`GivenContext`: an authority whose servers show what a TLS context of the user's own has."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable

from smtpfix.pki.authority import Authority
from smtpfix.policy.place import Place
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.tls.side import TLS, TLSSide, watch


class GivenContext(Authority):
    """Issues nothing to servers: they have the context."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._given = context
        watch(context)

    def tls_factory(self, policy: ServerPolicy, place: Place) -> Callable[[], TLSSide]:  # noqa: ARG002 - whatever they say
        """Return what makes the TLS side of each connection."""
        return functools.partial(TLS, self._given)
