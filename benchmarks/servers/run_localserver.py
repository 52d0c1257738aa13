"""pytest-localserver's SMTP server; it has no TLS."""

from __future__ import annotations

from collections.abc import Iterable

from control import Options, body_of, run
from pytest_localserver.smtp import Server


class Running:
    """A server, started as the fixture starts it."""

    def __init__(self, options: Options) -> None:
        if options.mode != "plain":
            raise SystemExit("pytest-localserver's SMTP server has no TLS")
        self._server = Server("127.0.0.1")
        self._server.start()
        self.port = self._server.addr[1]

    def contents(self) -> Iterable[bytes]:
        """Return each message's body: messages are kept parsed only."""
        return (body_of(message) for message in self._server.outbox)

    def clear(self) -> None:
        """Forget the messages."""
        self._server.outbox.clear()

    def close(self) -> None:
        """Stop."""
        self._server.stop()


if __name__ == "__main__":
    run(Running, packages=["pytest-localserver", "aiosmtpd"], keeps="body")
