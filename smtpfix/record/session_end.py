"""How a connection ended: `SessionEnd`."""

from __future__ import annotations

from enum import StrEnum


class SessionEnd(StrEnum):
    """How a connection ended."""

    QUIT = "quit"
    """The client said QUIT (RFC 5321 section 4.1.1.10)."""
    CLIENT_CLOSED = "client closed"
    """The client closed the connection without QUIT."""
    RESET = "connection reset"
    """The connection broke: reset by the client."""
    HANDSHAKE_FAILED = "TLS handshake failed"
    """`Session.tls_failure` says why."""
    TLS_ON_CLEAR_PORT = "TLS on a clear port"
    """The client began with a ClientHello where the server speaks first in clear."""
    CLEAR_INSTEAD_OF_TLS = "clear text instead of TLS"
    """The client sent clear text where its TLS handshake has to begin: on connect, or after STARTTLS."""
    NO_PROXY_HEADER = "no PROXY protocol header"
    """The connection did not begin with the header that `Policy.proxy_protocol` calls for, or with a malformed one."""
    TIMEOUT = "timeout"
    """The client was silent for longer than the policy allows."""
    REFUSED = "closed with 421"
    """A 421 was sent, which closes the connection (RFC 5321 section 3.8)."""
    DISCONNECTED = "disconnected by a rule"
    """A rule closed the connection."""
    TRUNCATED = "closed without close_notify"
    """The scenario had the server close the connection without TLS's close_notify (RFC 8446 section 6.1)."""
    ERROR = "ended by an error in a function or an observer"
    """Code that the server was given has raised an exception, and the client was answered 451: no fault of its own."""
    SERVER_CLOSED = "server closed"
    """The server was closed while the client was connected."""
