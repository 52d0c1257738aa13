"""`PROTOCOLS`: the protocols of clients under test, with the policy class of each."""

from __future__ import annotations

from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.imap.policy import ImapPolicy
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.pop3.policy import Pop3Policy
from smtpfix.smtp.policy import Policy
from smtpfix.suggesting import one_of

_POLICIES: Final[dict[str, type[ServerPolicy]]] = {"smtp": Policy, "imap": ImapPolicy, "pop3": Pop3Policy}
PROTOCOLS: Final = tuple(_POLICIES)
READER: Final = ("ann", "s3cret-of-the-audit")
"""Whom a client that reads mail logs in as, and with what password, where nobody has said so."""


def policy_class(protocol: str) -> type[ServerPolicy]:
    """Return the policy of servers that speak this."""
    return _POLICIES[protocol]


def check_protocol(protocol: str) -> None:
    """Raise `InvalidValueError` for what no client under test speaks."""
    if protocol not in PROTOCOLS:
        raise InvalidValueError("protocol", protocol, one_of(protocol, PROTOCOLS))
