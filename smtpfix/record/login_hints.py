"""Hints for a client that came to read mail and never logged in: why STARTTLS or a login was missing."""

from __future__ import annotations

from collections.abc import Iterator

from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy

from .reading import Reading
from .session import Session
from .session_end import SessionEnd
from .transcript import Kind

_LEFT = (SessionEnd.QUIT, SessionEnd.CLIENT_CLOSED, SessionEnd.RESET)


def on_login(session: Session, policy: ServerPolicy, reading: Reading, starttls: str) -> Iterator[str]:
    """Yield a hint for what the client asked for in vain, or may have missed: it left without saying so.

    `starttls` is the command that begins TLS.
    """
    if policy.scenario is not None or any(attempt.accepted for attempt in session.auth):
        return  # a scenario may hide what the policy has, and that is the point
    in_tls = session.tls is not None
    has_failed = not in_tls and (session.tls_failure is not None or session.end is SessionEnd.CLEAR_INSTEAD_OF_TLS)
    has_left = not has_failed and session.end in _LEFT and not session.auth
    asked = any(one.kind is Kind.CLIENT and reading.verb(one.data) == starttls for one in session.transcript)
    if asked and policy.mode is Mode.IMPLICIT_TLS:
        yield f"the client said {starttls} inside TLS, which in mode implicit-tls is already on"
    elif not in_tls and not policy.has_starttls and (asked or has_left):
        reason = (
            'in mode plain there is none; use mode "starttls", or have the client use no TLS'
            if policy.mode is Mode.PLAIN
            else f"{type(policy).__name__}.hide leaves it out"
        )
        yield _missed(starttls, was_said=asked) + reason
    if (session.auth or has_left) and not policy.allows_auth(in_tls=in_tls):
        yield _missed("a login", was_said=bool(session.auth)) + _why_no_login(policy, starttls)


def _missed(what: str, *, was_said: bool) -> str:
    if was_said:
        return f"the client asked for {what}: "
    return f"the client left without a login; if it needs {what}: "


def _why_no_login(policy: ServerPolicy, starttls: str) -> str:
    if policy.users is None:
        return 'there is none without users; name some, users={"ann": "s3cret"} or users=ANY_USER'
    if policy.auth_in_clear is not None or not policy.has_starttls:
        return f"{type(policy).__name__}.auth_in_clear leaves it out here"
    return (
        f"in mode {policy.mode} there is one inside TLS only; have the client say {starttls} first, "
        "or set auth_in_clear=True"
    )
