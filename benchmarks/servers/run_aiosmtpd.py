"""Stock aiosmtpd with a handler that keeps each envelope and accepts it."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

from aiosmtpd.controller import Controller
from control import Options, free_port, run


class Keep:
    """Keeps envelopes."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a message."""
        self.envelopes.append(envelope)
        return "250 2.0.0 OK"


class Running:
    """A controller, as its manual shows it."""

    def __init__(self, options: Options) -> None:
        context = None
        if options.mode != "plain":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.certificate, options.key)
        self._keep = Keep()
        self.port = free_port()
        self._controller = Controller(
            self._keep,
            hostname="127.0.0.1",
            port=self.port,
            server_hostname="mx.example.test",
            ssl_context=context if options.mode == "implicit-tls" else None,
            tls_context=context if options.mode == "starttls" else None,
            data_size_limit=None,
        )
        self._controller.start()

    def contents(self) -> Iterable[bytes]:
        """Return each message's octets."""
        return (envelope.content for envelope in self._keep.envelopes)

    def clear(self) -> None:
        """Forget the messages."""
        self._keep.envelopes.clear()

    def close(self) -> None:
        """Stop."""
        self._controller.stop()


if __name__ == "__main__":
    run(Running, packages=["aiosmtpd"], keeps="content")
