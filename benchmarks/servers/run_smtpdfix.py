"""smtpdfix, started as its fixture starts it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import portpicker
from control import Options, body_of, run
from smtpdfix.configuration import Config
from smtpdfix.controller import AuthController
from smtpdfix.fixture import _Authenticator


class Running:
    """A controller; the certificate is the one every peer shows, not the RSA one its fixture makes."""

    def __init__(self, options: Options) -> None:
        os.environ["SMTPD_USE_STARTTLS"] = str(options.mode == "starttls")
        os.environ["SMTPD_USE_SSL"] = str(options.mode == "implicit-tls")
        os.environ["SMTPD_SSL_CERTIFICATE_FILE"] = options.certificate
        os.environ["SMTPD_SSL_KEY_FILE"] = options.key
        if not options.certificate:
            del os.environ["SMTPD_SSL_CERTIFICATE_FILE"], os.environ["SMTPD_SSL_KEY_FILE"]
        config = Config()
        self.port = portpicker.pick_unused_port()
        self._controller = AuthController(
            hostname="127.0.0.1", port=self.port, config=config, authenticator=_Authenticator(config)
        )
        self._controller.start()

    def contents(self) -> Iterable[bytes]:
        """Return each message's body: its header section has lines of smtpdfix's own."""
        return (body_of(message) for message in self._controller.messages)

    def clear(self) -> None:
        """Forget the messages."""
        self._controller._messages.clear()  # noqa: SLF001 - `messages` is a copy

    def close(self) -> None:
        """Stop."""
        self._controller.stop()


if __name__ == "__main__":
    run(Running, packages=["smtpdfix", "aiosmtpd"], keeps="body")
