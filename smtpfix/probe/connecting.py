"""How the probe connects: it looks up the server's name and connects a socket, within a time limit.

Also says in words, `in_words`, what the operating system and TLS have to say about a failure.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from typing import Any, Final, TypeAlias

from .measurement import INTERNAL_ERROR, Probe
from .speaking import Deadline, Stopped

_FAMILIES: Final = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}
_Found: TypeAlias = list[tuple[Any, ...]]


def connected(settings: Probe, deadline: Deadline) -> socket.socket:
    """Return a socket that is connected to one of the addresses of the server's name. Raises `OSError`, `Stopped`."""
    error: OSError | None = None
    for family, kind, protocol, _, address in _looked_up(settings, deadline):
        timeout = deadline.left(settings.timeout)
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(address)
        except OSError as failure:
            connection.close()
            error = failure
        else:
            return connection
    raise error or Stopped(INTERNAL_ERROR, "the name has no address")


def _looked_up(settings: Probe, deadline: Deadline) -> _Found:
    """Return the name's addresses.

    The system's look-up cannot be told when to give up: it has a thread of its own, which nobody waits for any longer
    than there is time.
    """
    answers: queue.SimpleQueue[_Found | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        family = _FAMILIES[settings.ip_version]
        try:
            answers.put(socket.getaddrinfo(settings.host, settings.port, family, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    at_most = deadline.left(settings.timeout)
    threading.Thread(target=look_up, name="smtpfix probe's look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=at_most)
    except queue.Empty:
        deadline.left(at_most)
        raise Stopped(INTERNAL_ERROR, f"the name was not found in {settings.timeout:g} s") from None
    if isinstance(answer, UnicodeError):
        raise Stopped(INTERNAL_ERROR, "no host can have this name: a part of it is empty or too long") from answer
    if isinstance(answer, socket.gaierror):
        version = f" for IPv{settings.ip_version}" if settings.ip_version else ""
        raise Stopped(INTERNAL_ERROR, f"the name has no address{version}: {_lower(answer.strerror)}") from answer
    if isinstance(answer, OSError):
        raise answer
    return answer


def in_words(error: OSError | ValueError, timeout: float) -> str:
    """Return what went wrong, as a person would say it."""
    match error:
        case ssl.SSLError(reason=str(reason)):
            return f"TLS failed: {reason.lower().replace('_', ' ')}"
        case TimeoutError(errno=None):
            return f"timed out: nothing came for {timeout:g} s"
        case OSError(strerror=str(words)):
            return _lower(words)
        case UnicodeError():
            return "what there is to be said cannot be encoded: it has characters that are none"
    return "the connection failed"


def _lower(words: str | None) -> str:
    words = words or "the system does not say why"
    return words[:1].lower() + words[1:] if words[1:2].islower() else words
