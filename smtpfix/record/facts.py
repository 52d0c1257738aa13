"""A session as JSON: what was seen in it, and its dialogue, without a password or a token."""

from __future__ import annotations

from typing import Any

from .session import AuthAttempt, Session


def session_facts(session: Session) -> dict[str, Any]:
    """Return what was seen in a session, as ``smtpfix serve --json`` has it when it has ended."""
    tls, failure = session.tls, session.tls_failure
    return {
        "forwarded_by": None if session.client == session.peer else session.peer[0],
        "client_name": session.client_name,
        "duration": round(session.duration, 6),
        "end": session.end,
        "tls": None
        if tls is None
        else {
            "version": tls.version,
            "cipher": tls.cipher,
            "server_name": tls.server_name,
            "client_certificate": tls.client_name,
            "started_by": tls.started_by,
        },
        "tls_failure": None
        if failure is None
        else {"reason": failure.reason, "alert": failure.alert, "alert_sender": failure.alert_sender},
        "auth": [_auth(attempt) for attempt in session.auth],
        "injected": len(session.injected),
        "messages": session.message_count,
        "refusal": session.refusal,
    }


def session_dialogue(session: Session) -> list[dict[str, Any]]:
    """Return who said what and when: ``at`` in seconds, ``kind`` as `transcript.Kind` has it, and printable lines."""
    return [{"at": round(event.at, 6), "kind": event.kind, "lines": event.lines} for event in session.transcript]


def sound_json(value: Any) -> Any:
    """Return the value with undecodable octets escaped: many programs read no lone surrogate (RFC 8259 section 8.2)."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {key: sound_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sound_json(item) for item in value]
    return value


def _auth(attempt: AuthAttempt) -> dict[str, Any]:
    return {
        "mechanism": attempt.mechanism,
        "user": attempt.user,
        "accepted": attempt.accepted,
        "in_clear": attempt.in_clear,
        "password_in_clear": attempt.in_clear and attempt.password is not None,
        "token_in_clear": attempt.in_clear and attempt.token is not None,
    }
