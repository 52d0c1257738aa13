"""`Configuring`: what an application is told so that it delivers to a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .policy.mode import Mode
    from .settings.account import Account
    from .smtp.policy import Policy


class Delivered(Protocol):
    """What has to be known of a server."""

    policy: Policy

    @property
    def host(self) -> str:
        """The name or address to connect to."""

    @property
    def port(self) -> int:
        """The port."""

    @property
    def mode(self) -> Mode:
        """When TLS begins."""

    @property
    def ca_file(self) -> Path:
        """What to trust."""


class Configuring:
    """A server, as far as applications are configured by it."""

    def url(
        self: Delivered,
        style: str = "smtp",
        *,
        user: str | None = None,
        password: str | None = None,
        host: str | None = None,
    ) -> str:
        """Return this server as a URL: ``smtp://ann:s3cret@localhost:2525``, or as another project spells it.

        `style` is one of `smtpfix.settings.urls.URL_STYLES`. `user` logs in, with its password: the first user that has
        one, unless named; ``""`` is nobody. `host` is what to connect to, where that has another name, such as
        ``host.docker.internal``. Raises `InvalidValueError`, and `NotRunningError` before `start`.
        """
        from .settings.urls import url  # noqa: PLC0415 - few servers are told to applications

        return url(_account(self, user, password, host), style)

    def environ(
        self: Delivered,
        style: str = "env",
        *,
        user: str | None = None,
        password: str | None = None,
        host: str | None = None,
    ) -> dict[str, Any]:
        """Return the settings of an application that is to deliver here, in the names that its framework documents.

        `style` is one of `smtpfix.settings.styles.STYLES`: environment variables, as text, with those that say what to
        trust (``env``, ``smtp``, ``mail``, ``symfony``, ``laravel``, …), or a framework's settings with its own types
        (``django``, ``flask-mail``, ``fastapi-mail``, ``nodemailer``, ``rails``, ``spring``). The rest is as for `url`.
        """
        from .settings.styles import find_style, settings  # noqa: PLC0415 - as above

        account = _account(self, user, password, host)
        if self.policy.uses_tls:
            account = replace(account, ca_file=self.ca_file)
        return settings(account, find_style(style))


def _account(server: Delivered, user: str | None, password: str | None, host: str | None) -> Account:
    from .settings.account import Account, credentials  # noqa: PLC0415 - as above

    policy = server.policy
    name, secret = credentials(policy.users, user, password, required=policy.require_auth)
    return Account(host or server.host, server.port, server.mode, policy.protocol, name, secret)
