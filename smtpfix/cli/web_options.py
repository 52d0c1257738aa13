"""The options that `smtpfix serve --web` and `smtpfix web` share, with click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FILE: Final = click.Path(path_type=Path)


def _options(*, also: str) -> tuple[Callable[[Any], Any], ...]:
    return (
        click.option("--web-host", metavar="NAME", multiple=True, help="Another host name for the page."),
        click.option(
            "--web-read-only/--no-web-read-only",
            default=False,
            help="Let nobody change rules and scenarios or start audits on the page.",
        ),
        click.option(
            "--web-mailbox-auth",
            metavar="FILE",
            type=_FILE,
            help="Who may use only one mailbox: one line MAILBOX/NAME:PASSWORD each.",
        ),
        click.option(
            "--web-tls/--no-web-tls",
            default=False,
            help=f"Serve the page over HTTPS, with a certificate of smtpfix's own authority{also}.",
        ),
        click.option(
            "--web-tls-cert",
            metavar="CHAIN.pem",
            type=_FILE,
            help="Serve the page over HTTPS with your own certificate chain, leaf first. Requires --web-tls-key.",
        ),
        click.option(
            "--web-tls-key", metavar="KEY.pem", type=_FILE, help="The unencrypted key of the certificate for HTTPS."
        ),
        click.option(
            "--release-to",
            metavar="HOST:PORT",
            help="Let the page and the APIs release single messages to this server only: HOST:PORT, or "
            "smtp+starttls:// or smtps:// with USER:PASSWORD@HOST:PORT.",
        ),
        click.option(
            "--release-allow",
            metavar="PATTERN",
            multiple=True,
            help="Release them only to recipients such as *@example.org. Repeatable. Default: to any.",
        ),
        click.option(
            "--webhook", metavar="URL", help="POST a summary of each new message to URL, at most one per second."
        ),
        click.option(
            "--link-check/--no-link-check",
            default=False,
            help="Let the page and the APIs check the links of a message, in public networks only.",
        ),
    )


NAMES: Final = (
    *("web_host", "web_read_only", "web_mailbox_auth", "web_tls", "web_tls_cert", "web_tls_key"),
    *("release_to", "release_allow", "webhook", "link_check"),
)
"""What the options are called in Python."""


def web_options(*, also: str = "") -> Callable[[_Command], _Command]:
    """Return a decorator that adds the options to a command; `also` says more of the authority."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(_options(also=also)):
            command = option(command)
        return command

    return decorate
