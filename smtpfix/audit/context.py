"""`context_for`: the TLS context of the built-in clients that are written in Python."""

from __future__ import annotations

import ssl

from .result import Trust
from .target import Target


def context_for(target: Target) -> ssl.SSLContext:
    """Return a context as `ssl.create_default_context` makes it; where one certificate is pinned, that one counts."""
    context = ssl.create_default_context(cafile=target.ca_file)
    if target.trust is Trust.PINNED:
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
