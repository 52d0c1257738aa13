"""What may help an SMTP client that misses STARTTLS or AUTH: why the server does not have it, and what to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from smtpfix.policy.mode import Mode
from smtpfix.record.session import Session, SessionEnd

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
    is_gone = not has_failed and not verbs.isdisjoint({"EHLO", "LHLO"}) and verbs <= _BEFORE_MAIL
    if "STARTTLS" in verbs and policy.mode is Mode.IMPLICIT_TLS:
        yield "the client said STARTTLS inside TLS: in mode implicit-tls it is on from the connect on"
    elif not in_tls and not policy.has_starttls and ("STARTTLS" in verbs or is_gone):
        reason = (
            'a server in mode plain does not have it: use mode "starttls", or have the client use no TLS'
            if policy.mode is Mode.PLAIN
            else "Policy.hide or Policy.capabilities leaves it out"
        )
        yield _begun("STARTTLS", was_said="STARTTLS" in verbs) + reason
    is_logged_in = any(attempt.accepted for attempt in session.auth)
    if ("AUTH" in verbs and not is_logged_in) or is_gone:
        reason = _why_no_auth(policy, in_tls=in_tls)
        if reason:
            yield _begun("AUTH", was_said="AUTH" in verbs) + reason


def _begun(extension: str, *, was_said: bool) -> str:
    if was_said:
        return f"the client said {extension}: "
    return f"the client sent no mail. If it is because {extension} was not offered: "


def _why_no_auth(policy: Policy, *, in_tls: bool) -> str:
    """Return why clients in this state cannot log in; empty where they can."""
    if policy.users is None:
        return 'the policy names no users, Policy(users={"ann": "s3cret"}) or users=ANY_USER does'
    if not policy.has_auth:
        return "Policy.hide, Policy.capabilities or Policy.mechanisms leaves it out"
    if policy.allows_auth(in_tls=in_tls):
        return ""
    if in_tls or not policy.uses_tls or policy.auth_in_clear is not None:
        return "Policy.auth_in_clear or Policy.mechanisms leaves it out here"
    return (
        f"in mode {policy.mode} it is there inside TLS only: have the client say STARTTLS first, "
        "or allow it by auth_in_clear=True"
    )
