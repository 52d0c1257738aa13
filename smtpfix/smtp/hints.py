"""Hints for an SMTP client that misses STARTTLS or AUTH: why the server lacks it, and what to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from smtpfix.policy.mode import Mode
from smtpfix.record.session import Session
from smtpfix.record.session_end import SessionEnd

from .policy import Policy

_BEFORE_MAIL: Final = frozenset({"EHLO", "HELO", "LHLO", "STARTTLS", "NOOP", "RSET", "QUIT"})
"""What a client says that has not come to its mail: it may have missed something in the reply to EHLO."""


def on_extensions(session: Session, policy: Policy) -> Iterator[str]:
    """Yield a hint for each that the client asked for in vain, or may have missed: it left without saying so."""
    verbs = {event.verb for event in session.transcript if event.verb}
    if policy.scenario is not None:  # it may hide what the policy has, and that is the point
        return
    in_tls = session.tls is not None
    has_failed = not in_tls and (session.tls_failure is not None or session.end is SessionEnd.CLEAR_INSTEAD_OF_TLS)
    has_left = not has_failed and not verbs.isdisjoint({"EHLO", "LHLO"}) and verbs <= _BEFORE_MAIL
    if "STARTTLS" in verbs and policy.mode is Mode.IMPLICIT_TLS:
        yield "the client said STARTTLS inside TLS, which in mode implicit-tls is already on"
    elif not in_tls and not policy.has_starttls and ("STARTTLS" in verbs or has_left):
        yield _missed("STARTTLS", was_said="STARTTLS" in verbs) + (
            'in mode plain there is none; use mode "starttls", or have the client use no TLS'
            if policy.mode is Mode.PLAIN
            else "Policy.hide or Policy.capabilities leaves it out"
        )
    is_refused = "AUTH" in verbs and not any(attempt.accepted for attempt in session.auth)
    if is_refused or (has_left and (in_tls or "STARTTLS" not in verbs)):
        reason = _why_no_auth(policy, in_tls=in_tls)
        if reason:
            yield _missed("AUTH", was_said=is_refused) + reason


def _missed(extension: str, *, was_said: bool) -> str:
    return f"the client said {extension}: " if was_said else f"the client sent no mail; if it needs {extension}: "


def _why_no_auth(policy: Policy, *, in_tls: bool) -> str:
    """Return why clients in this state cannot log in; empty where they can."""
    if policy.users is None:
        return 'there is none without users; name some, users={"ann": "s3cret"} or users=ANY_USER'
    if not policy.has_auth:
        return "Policy.hide, Policy.capabilities or Policy.mechanisms leaves it out"
    if policy.allows_auth(in_tls=in_tls):
        return ""
    if in_tls or not policy.uses_tls or policy.auth_in_clear is not None:
        return "Policy.auth_in_clear or Policy.mechanisms leaves it out here"
    return (
        f"in mode {policy.mode} it is offered inside TLS only; have the client say STARTTLS first, "
        "or set auth_in_clear=True"
    )
