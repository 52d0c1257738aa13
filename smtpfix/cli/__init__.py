"""The command line: commands and their options. What they do is in one module a command; the only importer of click."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from smtpfix.errors import SMTPFixError

from .options import read_options
from .pipe import settle

_DIRECTORY = click.Path(path_type=Path, resolve_path=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="smtpfix")
@click.pass_context
def commands(context: click.Context) -> None:
    """Serve mail clients under test, with every server policy and every certificate they can meet."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@commands.command("serve")
@click.option(
    "--listen",
    metavar="MODE[@HOST]:PORT",
    multiple=True,
    help="Serve this instead of the default four; repeatable. MODE is plain, starttls, tls-required or implicit-tls. "
    "Port 0 takes a free one; an IPv6 HOST stands in brackets: starttls@[::1]:2525.",
)
@click.option(
    "--conventional-ports",
    is_flag=True,
    help="Serve plain on 25, starttls on 587 and implicit-tls on 465 instead of the default four.",
)
@click.option(
    "--host",
    metavar="HOST",
    default="localhost",
    show_default=True,
    help="Where to listen unless --listen says so; 0.0.0.0 lets other machines in.",
)
@click.option(
    "--hostname", metavar="NAME", help="The server's own name or IP address, in greeting, EHLO reply and certificate."
)
@click.option(
    "--user", metavar="NAME:PASSWORD", multiple=True, help="Who may log in; repeatable. '*' is the same as --any-user."
)
@click.option("--any-user", is_flag=True, help="Accept every user with every password, and say who came.")
@click.option("--require-auth", is_flag=True, help="Answer 530 to mail from clients that have not logged in.")
@click.option("--size-limit", metavar="OCTETS", type=int, help="Largest message; larger ones are answered 552.")
@click.option(
    "--authority",
    metavar="DIR",
    type=_DIRECTORY,
    help="Keep the certificate authority in DIR between runs, so that its ca.pem can be imported once.",
)
@click.option(
    "--save",
    metavar="DIR",
    type=_DIRECTORY,
    help="Write each message, its exact octets, and each session's transcript to a file of its own in DIR.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each event, for programs.")
@click.option("--exit-after", metavar="N", type=int, help="End once N messages have been accepted.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=float,
    help="End after so many seconds; with status 1 if --exit-after's messages have not come.",
)
def serve_command(**options: Any) -> int:
    """Serve all four modes at once and show what clients do.

    \b
    Without --listen and --conventional-ports:
      1025  plain          TLS never
      1587  starttls       TLS when the client asks for it
      2587  tls-required   TLS before anything else
      1465  implicit-tls   TLS from the first octet

    Exit status: 0 when ended by --exit-after, --timeout alone, Ctrl-C or SIGTERM, or when nobody reads the output any
    more; 1 when --timeout passed before --exit-after's messages came; 2 when it could not run.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from .serve import serve  # noqa: PLC0415 - help and errors need no rich

    return serve(read_options(**options), sys.stdout)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; what is wrong is said in one line on stderr."""
    try:
        status = commands.main(arguments, standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "smtpfix"
        click.echo(f"smtpfix: {error.format_message().rstrip('.')}; see '{command} --help'", err=True)
        return 2
    except SMTPFixError as error:
        click.echo(f"smtpfix: {error}", err=True)
        return 2
    except click.Abort:
        return 130
    finally:
        settle(sys.stdout)
    return int(status or 0)
