"""Where `smtpfix serve` listens: the ports of each mode, and the value of ``--listen``."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from smtpfix.errors import InvalidValueError
from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.smtp.policy import Policy
from smtpfix.smtp.providers import Provider
from smtpfix.suggesting import nearest

DEFAULT_PORTS: Final = {Mode.PLAIN: 1025, Mode.STARTTLS: 1587, Mode.TLS_REQUIRED: 2587, Mode.IMPLICIT_TLS: 1465}
"""Unprivileged, and as near to the conventional ones as possible."""

CONVENTIONAL_PORTS: Final = {Mode.PLAIN: 25, Mode.STARTTLS: 587, Mode.IMPLICIT_TLS: 465}
"""RFC 5321 section 4.5.4.2, RFC 6409 section 3.1, RFC 8314 section 7.3."""


class Ports(NamedTuple):
    """Where the servers of a protocol listen that mail is read by."""

    unprivileged: Mapping[Mode, int]
    conventional: Mapping[Mode, int]


READERS: Final = {
    "imap": Ports(
        {Mode.PLAIN: 1143, Mode.STARTTLS: 2143, Mode.TLS_REQUIRED: 3143, Mode.IMPLICIT_TLS: 1993},
        {Mode.STARTTLS: 143, Mode.IMPLICIT_TLS: 993},
    ),
    "pop3": Ports(
        {Mode.PLAIN: 1110, Mode.STARTTLS: 2110, Mode.TLS_REQUIRED: 3110, Mode.IMPLICIT_TLS: 1995},
        {Mode.STARTTLS: 110, Mode.IMPLICIT_TLS: 995},
    ),
}
"""The protocols that mail is read by: RFC 9051 section 2.1, RFC 1939 section 3, RFC 8314 sections 7.1 and 7.2."""

_REACHED_AT: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_MOMENT: Final = 0.5
"""Seconds that a server has to greet."""
_GREETING: Final = 512
"""Octets of a greeting that are read."""

PolicyT = TypeVar("PolicyT", bound=ServerPolicy)

_LISTENER: Final = re.compile(r"(?P<mode>[^@:]+)(?:@(?:\[(?P<ipv6>[^][]+)]|(?P<host>[^][@:]+)))?:(?P<port>[0-9]{1,5})")


def at_ports(base: PolicyT, ports: Iterable[tuple[Mode, int]]) -> list[PolicyT]:
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


def listener(base: Policy, readers: Mapping[str, ServerPolicy], text: str) -> ServerPolicy:
    """Return the policy of a server for MODE[@HOST]:PORT, or for lmtp+unix:PATH.

    `readers` are the policies of protocols that mail is read by, which stand in front of the mode. Raises
    `InvalidValueError`, which names the option.
    """
    expected = (
        "MODE[@HOST]:PORT, such as plain:2525, starttls@[::1]:2525, lmtp+starttls:2424 or imap+implicit-tls:1993, or "
        "lmtp+unix:PATH"
    )
    scheme, _, path = text.partition(":")
    if scheme == "lmtp+unix":
        try:
            return base.replace(Mode.PLAIN, protocol="lmtp", unix_socket=path)
        except InvalidValueError as error:
            raise InvalidValueError("--listen", text, f"{expected}; PATH is {error.expected}") from error
    match = _LISTENER.fullmatch(text)
    if match is None:
        hint = f" (did you mean 'plain:{text}'?)" if text.isdecimal() else ""
        hint = hint or (f" (did you mean '{text}:0', on a free port?)" if _is_mode(text) else "")
        raise InvalidValueError("--listen", text, f"{expected}{hint}")
    mode, port = match["mode"], int(match["port"])
    if mode == "lmtp" or mode.startswith("lmtp+"):
        base = base.replace(protocol="lmtp")
        mode = mode[len("lmtp+") :] if "+" in mode else Mode.PLAIN
    protocol, _, rest = mode.partition("+")
    wanted: ServerPolicy = readers.get(protocol, base)
    mode = (rest or Mode.PLAIN) if protocol in readers else mode
    try:
        return wanted.replace(mode, host=match["ipv6"] or match["host"] or base.host, port=port)
    except InvalidValueError as error:
        part = error.field.rpartition(".")[2].upper()
        if part == "MODE" and not rest and (near := nearest(mode, (*readers, "lmtp"))):
            raise InvalidValueError("--listen", text, f"{expected} (did you mean '{near[0]}:{port}'?)") from error
        raise error.renamed(f"--listen {text}: {part}") from error


def greets_as_smtpfix(host: str, port: int) -> bool:
    """Return whether what listens there greets as this package's servers do; within a second."""
    address = _REACHED_AT.get(host, host)
    try:
        with socket.create_connection((address, port), timeout=_MOMENT) as connection:
            return b"smtpfix" in connection.recv(_GREETING)
    except OSError:
        return False


def _is_mode(text: str) -> bool:
    protocol, _, mode = text.rpartition("+")
    return protocol in ("", "lmtp", *READERS) and mode in (*Mode, "lmtp", *READERS)
