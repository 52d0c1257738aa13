"""Where `smtpfix serve` listens: the ports of each mode, and what ``--listen`` says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.mode import Mode
from smtpfix.smtp.policy import Policy
from smtpfix.smtp.providers import Provider

DEFAULT_PORTS: Final = {Mode.PLAIN: 1025, Mode.STARTTLS: 1587, Mode.TLS_REQUIRED: 2587, Mode.IMPLICIT_TLS: 1465}
"""Unprivileged, and as near to the conventional ones as possible."""

CONVENTIONAL_PORTS: Final = {Mode.PLAIN: 25, Mode.STARTTLS: 587, Mode.IMPLICIT_TLS: 465}
"""RFC 5321 section 4.5.4.2, RFC 6409 section 3.1, RFC 8314 section 7.3."""

_LISTENER: Final = re.compile(r"(?P<mode>[^@:]+)(?:@(?:\[(?P<ipv6>[^][]+)]|(?P<host>[^][@:]+)))?:(?P<port>[0-9]{1,5})")


def at_ports(base: Policy, ports: Iterable[tuple[Mode, int]]) -> list[Policy]:
    """Return a server's policy for each mode, at its port."""
    return [base.replace(mode, port=port) for mode, port in ports]


def conventional(provider: Provider | None) -> Iterable[tuple[Mode, int]]:
    """Return the documented ports of a provider, or those that every server has, and the mode of each."""
    if provider is None:
        return CONVENTIONAL_PORTS.items()
    return [(Mode(mode), port) for port, mode in provider.ports.items()]


def unprivileged(provider: Provider | None) -> Iterable[tuple[Mode, int]]:
    """Return a port for each mode that a provider has, or for every mode there is."""
    modes = DEFAULT_PORTS if provider is None else {Mode(mode) for mode in provider.ports.values()}
    return [(mode, port) for mode, port in DEFAULT_PORTS.items() if mode in modes]


def listener(base: Policy, text: str) -> Policy:
    """Return the policy of a server for MODE[@HOST]:PORT, or for lmtp+unix:PATH.

    Raises `InvalidValueError`, which names the option.
    """
    expected = "MODE[@HOST]:PORT, such as plain:2525, starttls@[::1]:2525 or lmtp+starttls:2424, or lmtp+unix:PATH"
    scheme, _, path = text.partition(":")
    if scheme == "lmtp+unix":
        try:
            return base.replace(Mode.PLAIN, protocol="lmtp", unix_socket=path)
        except InvalidValueError as error:
            raise InvalidValueError("--listen", text, f"{expected}, with PATH {error.expected}") from error
    match = _LISTENER.fullmatch(text)
    if match is None:
        raise InvalidValueError("--listen", text, expected)
    mode, port = match["mode"], int(match["port"])
    if mode == "lmtp" or mode.startswith("lmtp+"):
        base = base.replace(protocol="lmtp")
        mode = mode[len("lmtp+") :] if "+" in mode else Mode.PLAIN
    try:
        return base.replace(mode, host=match["ipv6"] or match["host"] or base.host, port=port)
    except InvalidValueError as error:
        part = error.field.removeprefix("Policy.").upper()
        raise InvalidValueError("--listen", text, f"{expected}, with {part} {error.expected}") from error
