"""smtpfix with its full record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from control import Options, run

from smtpfix import Policy, Server
from smtpfix.pki.authority import Authority
from smtpfix.wire.loop import LOOP_THREAD

AUTHORITY = Authority()


class Running:
    """A server; the certificate is its own authority's, of the same kind as the peers'."""

    def __init__(self, options: Options) -> None:
        policy = Policy(
            options.mode,
            size_limit=None,
            max_messages=options.max_messages,
            max_sessions=options.max_sessions,
        )
        self._server = Server(policy, authority=AUTHORITY).start()
        self.port = self._server.port

    def contents(self) -> Iterable[bytes]:
        """Return each message's octets."""
        return (message.content for message in self._server.inbox.messages)

    def clear(self) -> None:
        """Forget the messages."""
        self._server.inbox.clear()

    def close(self) -> None:
        """Stop."""
        self._server.close()


@contextlib.contextmanager
def hold() -> Iterator[None]:
    """Keep the loop's thread between servers, as the pytest plugin does."""
    LOOP_THREAD.hold()
    try:
        yield
    finally:
        LOOP_THREAD.release()


if __name__ == "__main__":
    with AUTHORITY:
        run(Running, packages=["smtpfix", "aiosmtpd"], keeps="content", hold=hold)
