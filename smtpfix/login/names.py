"""The names of the SASL mechanisms, and `ANY_USER`."""

from __future__ import annotations

from enum import Enum
from typing import Final


class AnyUser(Enum):
    """The type of `ANY_USER`."""

    ANY_USER = "any user"


ANY_USER: Final = AnyUser.ANY_USER
"""For `Policy.users`: accept every user with any password or token, and record them."""

SCRAM_PLUS: Final = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")
"""The mechanisms that bind to the TLS channel (RFC 5802 section 6)."""

SCRAM: Final = ("SCRAM-SHA-1", "SCRAM-SHA-256", *SCRAM_PLUS)
"""The mechanisms of `sasl_scram`, which need the extra ``smtpfix[scram]``."""

MECHANISM_NAMES: Final = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS", *SCRAM)
"""Every mechanism that exists here."""

ASKING: Final = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
"""The mechanisms that reveal a password or a token to the server, which can pass it to a function."""

DEFAULT_MECHANISMS: Final = ("PLAIN", "LOGIN")
"""The mechanisms that a server offers by default, in this order."""
