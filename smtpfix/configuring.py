"""`Configuring`: the settings that make an application deliver to a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .policy.mode import Mode
    from .settings.account import Account
    from .smtp.policy import Policy


class Delivered(Protocol):
    """What `Configuring` needs to know about a server."""

    policy: Policy

    @property
    def host(self) -> str:
        """The name or address to connect to."""

    @property
    def port(self) -> int:
        """The port to connect to."""

    @property
    def mode(self) -> Mode:
        """When TLS begins."""

    @property
    def ca_file(self) -> Path:
        """The certificate to trust."""


class Configuring:
    """The part of a server that configures applications."""

    def url(
        self: Delivered,
        style: str = "smtp",
        *,
        user: str | None = None,
        password: str | None = None,
        host: str | None = None,
    ) -> str:
        """Return the URL of this server: ``smtp://ann:s3cret@localhost:2525``, or in another project's style.

        `style` is one of `smtpfix.settings.urls.URL_STYLES`. `user` logs in with its password: by default the first
        user that has one; ``""`` is nobody. `host` is the name to connect to, if it is not `Server.host`:
        ``host.docker.internal``, for example. Raises `InvalidValueError`, and `NotRunningError` before `start`.
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
        """Return the settings that make an application deliver here, under the names that its framework documents.

        `style` is one of `smtpfix.settings.styles.STYLES`. Some styles are environment variables, as text, including
        those that name the certificate to trust: ``env``, ``smtp``, ``mail``, ``symfony``, ``laravel`` and others. The
        rest are a framework's settings, with its own types: ``django``, ``flask-mail``, ``fastapi-mail``,
        ``nodemailer``, ``rails``, ``spring``. The other arguments and the errors are those of `url`.
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
