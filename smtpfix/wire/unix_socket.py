"""`SocketFile`: a listening UNIX socket and its file, which only its owner can use; `remove` deletes it."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Final

from smtpfix.errors import ListenError

_BACKLOG: Final = 1024
_PROBE: Final = 1.0
"""Seconds that somebody who listens has to let us in; whoever is too busy for that listens too."""


class SocketFile:
    """The file of one socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def listen(self) -> socket.socket:
        """Return a socket that listens there, having replaced one that nobody listens on. Raises `ListenError`."""
        if not hasattr(socket, "AF_UNIX"):  # pragma: no cover - Windows
            raise ListenError(f"cannot listen on {self._path}: this system's Python has no UNIX sockets; use a port")
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind(opened)
            self._path.chmod(0o600)  # nobody can have connected yet
            self._identity = _identity(self._path)
            opened.listen(_BACKLOG)
            opened.setblocking(False)
        except BaseException as error:
            opened.close()
            self.remove()
            if isinstance(error, OSError) and not isinstance(error, ListenError):
                raise ListenError(error.errno, self._explained(error)) from error
            raise
        return opened

    def remove(self) -> None:
        """Remove the file, if it is still this one's."""
        if self._identity is not None and self._identity == _identity(self._path):
            self._path.unlink(missing_ok=True)
        self._identity = None

    def _bind(self, opened: socket.socket) -> None:
        try:
            opened.bind(str(self._path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not self._is_stale():
                raise
            self._path.unlink(missing_ok=True)
            opened.bind(str(self._path))

    def _is_stale(self) -> bool:
        """Return whether it is a socket that a program has left behind."""
        try:
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise ListenError(
                    errno.EEXIST, f"cannot listen on {self._path}: there is something else than a socket; choose a path"
                )
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
                visitor.settimeout(_PROBE)
                visitor.connect(str(self._path))
        except FileNotFoundError:  # whoever had it is gone by now
            return True
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
        return False

    def _explained(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            what = "another program does; stop it or choose another path"
        elif error.errno == errno.ENOENT:
            what = f"there is no directory {self._path.parent}; make it first"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            what = f"the directory {self._path.parent}, or a socket in it, is not yours to write; choose another path"
        elif error.errno is None:
            what = f"{error}: systems take about 100 octets; choose a shorter path"
        else:
            what = error.strerror or str(error)
        return f"cannot listen on {self._path}: {what}"


def _identity(path: Path) -> tuple[int, int] | None:
    """Return which file is there: its device and its number; None: there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
