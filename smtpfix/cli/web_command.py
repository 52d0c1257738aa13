"""The command ``smtpfix web`` and its options, with click; `web` does the work."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from smtpfix.errors import InvalidValueError

from .option_names import named
from .web_options import web_options


@click.command("web")
@click.option(
    "--store",
    metavar="FILE|URL",
    help="The store to show, which others write: a file (SQLite), or postgresql://…/DATABASE. Default: MP_DATABASE.",
)
@click.option(
    "--listen", metavar="[ADDRESS:]PORT", help="Where to serve the page. Default: MP_UI_BIND_ADDR, or localhost:8025."
)
@web_options(also=", kept in --authority")
@click.option(
    "--authority",
    metavar="DIR",
    type=click.Path(path_type=Path, resolve_path=True),
    help="Keep the certificate authority of --web-tls in DIR between runs.",
)
@click.option("--timeout", metavar="SECONDS", type=float, help="Exit after this many seconds.")
def web_command(
    store: str | None, listen: str | None, authority: Path | None, timeout: float | None, **options: Any
) -> int:
    """Show the mail of a store, and serve the APIs of Mailpit and MailHog, in a process of its own.

    The servers that write the store, 'smtpfix serve --store', are then not slowed down by who reads.
    """
    from .environment import database  # noqa: PLC0415 - help and errors need none of this
    from .web import show  # noqa: PLC0415 - as above
    from .web_settings import read_web  # noqa: PLC0415 - as above

    where = store or database(os.environ)
    if not where:
        raise InvalidValueError("--store", "nothing", "a file, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    if timeout is not None and not timeout > 0:
        raise InvalidValueError("--timeout", timeout, "seconds, more than 0")
    with named({"--web": "--listen"}):
        settings = read_web(listen or "", options)
    return show(where, settings, sys.stdout, authority=authority, timeout=timeout)
