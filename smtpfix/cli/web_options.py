"""The options that `smtpfix serve --web` and `smtpfix web` share, by click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FILE: Final = click.Path(path_type=Path)


def _options(*, also: str) -> tuple[Callable[[Any], Any], ...]:
    return (
        click.option("--web-host", metavar="NAME", multiple=True, help="Another name that the page may be reached by."),
        click.option(
            "--web-read-only/--no-web-read-only",
            default=False,
            help="Let nobody change rules and scenarios by the page, nor start audits.",
        ),
        click.option(
            "--web-mailbox-auth",
            metavar="FILE",
            type=_FILE,
            help="Who may use one mailbox and no other, a line MAILBOX/NAME:PASSWORD each.",
        ),
        click.option(
            "--web-tls/--no-web-tls",
            default=False,
            help=f"Serve the page by HTTPS, with a certificate of smtpfix's own authority{also}.",
        ),
        click.option(
            "--web-tls-cert",
            metavar="CHAIN.pem",
            type=_FILE,
            help="Serve the page by HTTPS with your own certificate chain, leaf first. Requires --web-tls-key.",
        ),
        click.option(
            "--web-tls-key", metavar="KEY.pem", type=_FILE, help="The unencrypted key of the certificate for HTTPS."
        ),
        click.option(
            "--release-to",
            metavar="HOST:PORT",
            help="Let the page and the APIs send single messages on, to this server and no other: HOST:PORT, or "
            "smtp+starttls:// or smtps:// with USER:PASSWORD@HOST:PORT.",
        ),
        click.option(
            "--release-allow",
            metavar="PATTERN",
            multiple=True,
            help="Send them to recipients such as *@example.org only. Repeatable. Default: to any.",
        ),
        click.option(
            "--webhook", metavar="URL", help="POST a summary of each new message to URL, one a second at the most."
        ),
        click.option(
            "--link-check/--no-link-check",
            default=False,
            help="Let the page and the APIs ask for the links of a message, in public networks only.",
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
