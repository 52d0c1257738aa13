"""A hosts file in a mount namespace, so that the server's name leads a command to this machine.

Linux only, by util-linux' unshare(1), and only where that is allowed. The machine's own hosts file is never written.
"""

from __future__ import annotations

import functools
import ipaddress
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from smtpfix.resolver import DOMAIN

_HOSTS: Final = Path("/etc/hosts")
_WAYS: Final = (("--map-current-user", "--keep-caps"), ("--map-root-user",))
"""How the program sees its user: as it is, or else as root."""
_MOUNT: Final = 'mount --bind "$0" /etc/hosts && exec "$@"'
_PROBE: Final = 5.0
"""Seconds that trying may take."""


def is_needed(host: str) -> bool:
    """Return whether a name is one that this machine's look-ups do not know."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost"
    return False


def why_not(host: str, address: str) -> str | None:
    """Return why a command cannot be led by a name to an address; None if it can."""
    if _way() is not None or _is_known(host) or _leads_to(host, address):
        return None
    return (
        f"the client has to find {host}, which no name server knows, and this system lets no user have a hosts file of "
        f"their own (unshare --user --mount); put '{address} {host}' into {_HOSTS} and run it again, or name a host "
        f"that leads to {address} with --hostname"
    )


def wrapped(arguments: Sequence[str], host: str, address: str, folder: Path) -> list[str]:
    """Return a command line under which a program finds the host at the address."""
    way = _way()
    if way is None:
        return list(arguments)
    file = folder / "hosts"
    file.write_bytes(_HOSTS.read_bytes().rstrip(b"\n") + f"\n{address} {host}\n".encode())
    return [*_unshare(way), str(file), *arguments]


def _unshare(way: Sequence[str]) -> list[str]:
    return ["unshare", "--user", *way, "--mount", "--", "/bin/sh", "-c", _MOUNT]


@functools.cache
def _way() -> tuple[str, ...] | None:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return None
    for way in _WAYS:
        try:
            done = subprocess.run(  # noqa: S603 - nothing but a try
                [*_unshare(way), str(_HOSTS), "true"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PROBE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return way
    return None


@functools.cache
def _leads_to(host: str, address: str) -> bool:
    """Return whether this machine's look-ups lead a name to an address; none knows those under smtpfix.test."""
    if host == DOMAIN or host.endswith(f".{DOMAIN}"):
        return False
    try:
        return any(found[4][0] == address for found in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False


@functools.cache
def _is_known(host: str) -> bool:
    """Return whether the machine's own hosts file knows a name."""
    try:
        lines = _HOSTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(host in line.partition("#")[0].split()[1:] for line in lines)
