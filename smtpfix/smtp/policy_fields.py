"""`PolicyFields`: the fields of `Policy` as typed keyword arguments, for type checkers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import ssl

    from smtpfix.login.mechanisms import Users
    from smtpfix.policy.limits import Limits
    from smtpfix.policy.mode import Mode, ModeName
    from smtpfix.rules.reply import Reply


class PolicyFields(TypedDict, total=False):
    """The fields of `Policy`, for annotations such as ``**fields: Unpack[PolicyFields]``."""

    mode: Mode | ModeName
    users: Users
    auth_in_clear: bool | None
    mechanisms: Sequence[str]
    mechanisms_in_clear: Sequence[str] | None
    certificate: str | Path | tuple[str | Path, str | Path] | tuple[bytes, bytes] | bytes | ssl.SSLContext
    scenario: str | Path | None
    tls_min: str
    tls_max: str
    client_certificate: Literal["none", "optional", "required"]
    alpn: Sequence[str]
    host: str
    port: int
    hostname: str
    other_names: Sequence[str]
    proxy_protocol: bool
    command_limit: int
    timeout: float
    handshake_timeout: float
    max_messages: int
    max_sessions: int
    max_events: int
    max_transcript_octets: int
    max_octets: int
    require_auth: bool
    hello_required: bool
    old_ciphers: bool
    protocol: Literal["smtp", "lmtp"]
    unix_socket: str | Path | None
    xclient: bool
    hide: Collection[str]
    offer: Collection[str]
    syntax: Literal["strict", "usual", "lenient"]
    capabilities: Sequence[str] | None
    ehlo_greet: str
    greeting: str
    replies: Mapping[str, Reply | str] | None
    refuse: Collection[str]
    limits: Limits | None
    greylist: float | None
    size_limit: int | None
    line_limit: int | None
    max_recipients: int
    max_recipient_domains: int | None
    max_hold: int
