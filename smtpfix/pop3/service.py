"""What all conversations of a POP3 server share: the reply to CAPA, and the last login of each user."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from smtpfix.conversation.metering import Ledger
from smtpfix.conversation.service import Service
from smtpfix.policy.limits import Limits

from .policy import CAPABILITIES, Pop3Policy
from .replies import TOO_MANY_CONNECTIONS

if TYPE_CHECKING:
    from smtpfix.record.recorder import Recorder

_MOST: Final = 100_000
"""Users whose last login is known."""


class LoginLedger(Ledger):
    """When users have last logged in, for `Pop3Policy.login_delay`."""

    def __init__(self, delay: float) -> None:
        super().__init__(Limits())
        self._delay = delay
        self._last: dict[str, float] = {}

    def is_too_soon(self, user: str) -> bool:
        """Return whether a user's last login was too short a time ago; if not, this is the last one now."""
        now = self.now
        last = self._last.get(user)
        if last is not None and now - last < self._delay:
            return True
        self._last[user] = now
        if len(self._last) > _MOST:
            del self._last[next(iter(self._last))]
        return False


@dataclass(eq=False, repr=False)
class Pop3Service(Service):
    """One server's."""

    policy: Pop3Policy

    @cached_property
    def ledger(self) -> LoginLedger | None:
        """When users have logged in; None where they may do so at any time."""
        return None if self.policy.login_delay is None else LoginLedger(self.policy.login_delay)

    def turning_away(self, recorder: Recorder) -> bytes:  # noqa: ARG002 - as `Service` has it
        """Return a reply in the place of the greeting, where the server would have greeted in clear."""
        return b"" if self.tls_on_connect else TOO_MANY_CONNECTIONS.encode()

    def capabilities(self, *, in_tls: bool, has_certificate: bool, logged_in: bool) -> list[str]:
        """Return what CAPA lists for a client in this state (RFC 2449 section 5)."""
        policy = self.policy
        may_log_in = policy.allows_auth(in_tls=in_tls)
        mechanisms = policy.mechanisms_for(in_tls=in_tls, has_certificate=has_certificate) if may_log_in else ()
        found = []
        for name in CAPABILITIES:
            if not policy.has(name):
                continue
            if name == "SASL":
                found += [f"SASL {' '.join(mechanisms)}"] if mechanisms else []
            elif name == "EXPIRE":
                found.append(f"EXPIRE {policy.expire}")
            elif name == "USER":
                found += [name] if may_log_in else []
            elif name == "STLS":
                found += [name] if not in_tls and not logged_in else []
            else:
                found.append(name)
        if policy.login_delay is not None:
            found.append(f"LOGIN-DELAY {round(policy.login_delay)}")
        return found
