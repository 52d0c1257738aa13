"""A session as JSON: its facts and its transcript, without passwords and tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .session import AuthAttempt, Retrieval, Session
from .violation import Violation


def session_facts(session: Session) -> dict[str, Any]:
    """Return what was seen in a session, as ``smtpfix serve --json`` has it when it has ended."""
    return {
        "forwarded_by": None if session.client == session.peer else session.peer[0],
        "client_name": session.client_name,
        "duration": round(session.duration, 6),
        "end": session.end,
        "client_hello": _client_hello(session),
        "tls": _tls(session),
        "tls_failure": _tls_failure(session),
        "auth": [_auth(attempt) for attempt in session.auth],
        "injected": len(session.injected),
        "messages": session.message_count,
        "retrievals": [_retrieval(one) for one in session.retrievals],
        "refusal": session.refusal,
        "violations": violation_facts(session.violations),
    }


def session_dialogue(session: Session) -> list[dict[str, Any]]:
    """Return who said what and when: ``at`` in seconds, ``kind`` as `transcript.Kind` has it, and printable lines.

    What is printable needs no `sound_json`.
    """
    return [{"at": round(event.at, 6), "kind": event.kind, "lines": event.lines} for event in session.transcript]


def sound_json(value: Any) -> Any:
    """Return the value with undecodable octets escaped: many programs read no lone surrogate (RFC 8259 section 8.2)."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {key: sound_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sound_json(item) for item in value]
    return value


def violation_facts(violations: Iterable[Violation]) -> list[dict[str, str]]:
    """Return what was against the standards."""
    return [{"id": one.id, "explanation": one.explanation, "standard": one.standard} for one in violations]


def _client_hello(session: Session) -> dict[str, Any] | None:
    hello = session.client_hello
    if hello is None:
        return None
    return {
        "server_name": hello.server_name,
        "versions": hello.versions,
        "ciphers": [f"0x{number:04X}" for number in hello.ciphers],
        "alpn": hello.alpn,
    }


def _tls(session: Session) -> dict[str, Any] | None:
    tls = session.tls
    if tls is None:
        return None
    return {
        "version": tls.version,
        "cipher": tls.cipher,
        "server_name": tls.server_name,
        "client_certificate": tls.client_name,
        "started_by": tls.started_by,
    }


def _tls_failure(session: Session) -> dict[str, Any] | None:
    failure = session.tls_failure
    if failure is None:
        return None
    return {"reason": failure.reason, "alert": failure.alert, "alert_sender": failure.alert_sender}


def _auth(attempt: AuthAttempt) -> dict[str, Any]:
    return {
        "mechanism": attempt.mechanism,
        "user": attempt.user,
        "accepted": attempt.accepted,
        "in_clear": attempt.in_clear,
        "password_in_clear": attempt.in_clear and attempt.password is not None,
        "token_in_clear": attempt.in_clear and attempt.token is not None,
    }


def _retrieval(retrieval: Retrieval) -> dict[str, Any]:
    return {
        "user": retrieval.user,
        "folder": retrieval.folder,
        "uid": retrieval.uid,
        "size": retrieval.octets,
        "in_tls": retrieval.in_tls,
    }
