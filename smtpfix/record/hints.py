"""`hints`: why a client failed, if the reason is known, in one sentence each.

Knows what every protocol shares, which is TLS; the protocol's `Reading` knows the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.resolver import DOMAIN

from .reading import Reading
from .session import Session
from .session_end import SessionEnd

_DISTRUST: Final = ("unknown_ca", "bad_certificate", "certificate_unknown")
"""Alerts of clients that do not know the authority: OpenSSL's, that of Go's library, and that of Java's."""
_SAID_NOTHING: Final = (SessionEnd.CLIENT_CLOSED, SessionEnd.RESET, SessionEnd.HANDSHAKE_FAILED, SessionEnd.TIMEOUT)


def hints(sessions: Iterable[Session], policy: ServerPolicy, reading: Reading) -> tuple[str, ...]:
    """Return what may help, each hint once; empty where nothing is known to have gone wrong."""
    found: dict[str, None] = {}
    for session in sessions:
        found.update(dict.fromkeys(_on_tls(session, policy, reading.at_once)))
        found.update(dict.fromkeys(reading.hints(session, policy)))
    return tuple(found)


def where_to_connect(host: str, port: int, address: str) -> tuple[str, ...]:
    """Return what may help where nobody has connected."""
    hint = f"nobody connected to {host}, port {port}: give the client server.host and server.port"
    if host == DOMAIN or host.endswith(f".{DOMAIN}"):
        hint += (
            f"; names under {DOMAIN} are known in this process only, while smtpfix.resolving is on: "
            f"another one connects to {address}"
        )
    return (hint,)


def _on_tls(session: Session, policy: ServerPolicy, at_once: str) -> Iterator[str]:
    refused = next((alert.name for alert in session.alerts if alert.sender == "client" and alert.name in _DISTRUST), "")
    if refused and (policy.is_good or policy.chain_scenario.expected == "accept"):
        yield (
            f"the client did not trust the server's certificate (alert {refused}): "
            "let it trust server.ca_file, or use server.ssl_context()"
        )
    if session.end is SessionEnd.TLS_ON_CLEAR_PORT:
        yield (
            f"the client began TLS at once, and a server in mode {session.mode} speaks in clear first: "
            'use mode "implicit-tls", or have the client connect in clear'
            + (" and say STARTTLS" if session.mode.has_starttls else "")
        )
    if session.end is SessionEnd.CLEAR_INSTEAD_OF_TLS and session.mode is Mode.IMPLICIT_TLS:
        yield (
            "the client spoke in clear, and a server in mode implicit-tls waits for its TLS handshake: have the client "
            f'use TLS from the start ({at_once}), or use mode "plain" or "starttls"'
        )
    elif session.mode is Mode.IMPLICIT_TLS and session.client_hello is None and session.end in _SAID_NOTHING:
        yield (
            "the client said nothing, and a server in mode implicit-tls waits for its TLS handshake: a client that "
            'waits for a greeting in clear needs mode "plain" or "starttls", or TLS from the start'
        )
    elif session.end is SessionEnd.CLEAR_INSTEAD_OF_TLS:
        yield "the client went on in clear after the server had said that TLS may begin: it has to start the handshake"
