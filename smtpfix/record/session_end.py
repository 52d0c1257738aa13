"""`SessionEnd`: how a connection ended."""

from __future__ import annotations

from enum import StrEnum


class SessionEnd(StrEnum):
    """How a connection ended."""

    QUIT = "quit"
    """The client said QUIT (RFC 5321 section 4.1.1.10)."""
    CLIENT_CLOSED = "client closed"
    """The client closed the connection without QUIT."""
    RESET = "connection reset"
    """The client reset the connection."""
    HANDSHAKE_FAILED = "TLS handshake failed"
    """The TLS handshake failed; `Session.tls_failure` has the reason."""
    TLS_ON_CLEAR_PORT = "TLS on a clear port"
    """The client began with a ClientHello on a port where the server speaks first, in clear."""
    CLEAR_INSTEAD_OF_TLS = "clear text instead of TLS"
    """The client sent clear text instead of a TLS handshake, on connect or after STARTTLS."""
    NO_PROXY_HEADER = "no PROXY protocol header"
    """The connection began without the header that `Policy.proxy_protocol` requires, or with a malformed one."""
    TIMEOUT = "timeout"
    """The client was silent for longer than the policy's `timeout`."""
    REFUSED = "closed with 421"
    """The server sent 421 and closed the connection (RFC 5321 section 3.8)."""
    DISCONNECTED = "disconnected by a rule"
    """A rule closed the connection."""
    TRUNCATED = "closed without close_notify"
    """The scenario made the server close the connection without a close_notify (RFC 8446 section 6.1)."""
    ERROR = "ended by an error in a function or an observer"
    """A function or an observer that the server was given raised an exception. The client was answered 451; it did
    nothing wrong."""
    SERVER_CLOSED = "server closed"
    """The server closed while the client was connected."""
