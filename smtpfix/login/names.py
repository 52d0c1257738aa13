"""The names of the SASL mechanisms, and `ANY_USER`: what policies are made of, whether anybody logs in or not."""

from __future__ import annotations

from enum import Enum
from typing import Final


class AnyUser(Enum):
    """Type of `ANY_USER`."""

    ANY_USER = "any user"


ANY_USER: Final = AnyUser.ANY_USER
"""As `Policy.users`: accept every user, password and token, and record them."""

SCRAM_PLUS: Final = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")
"""The mechanisms that bind to the TLS channel."""

SCRAM: Final = ("SCRAM-SHA-1", "SCRAM-SHA-256", *SCRAM_PLUS)
"""The mechanisms of `sasl_scram`, which need the extra ``smtpfix[scram]``."""

MECHANISM_NAMES: Final = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS", *SCRAM)
"""Every mechanism there is."""

ASKING: Final = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
"""The mechanisms that show the server a password or a token, which a function can be asked about."""

DEFAULT_MECHANISMS: Final = ("PLAIN", "LOGIN")
"""The mechanisms offered unless the policy says otherwise, in this order."""
