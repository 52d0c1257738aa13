"""The command line: commands and their options, with click. One module per command does the work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, cast

import click

from smtpfix.errors import SMTPFixError

from .audit_command import audit_command
from .certs_command import certs_group
from .list_commands import providers_command, scenarios_command
from .pipe import NO_ROOM, complain, open_standard_streams, settle
from .probe_command import probe_command
from .serve_command import serve_command
from .usage import Commands, explained
from .web_command import web_command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SMTPFIX"},
    invoke_without_command=True,
)
@click.version_option(package_name="smtpfix")
@click.pass_context
def commands(context: click.Context) -> None:
    """Serve mail clients under test, with every server policy and every certificate they can meet."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


commands.add_command(serve_command)
commands.add_command(providers_command)
commands.add_command(scenarios_command)
commands.add_command(audit_command)
commands.add_command(certs_group)
commands.add_command(probe_command)
commands.add_command(web_command)


_FAILED: Final = 2
"""The exit status of what could not be done."""


def _asked(arguments: Sequence[str] | None) -> str:
    """Return the command that a line begins with: of an option without its value, click does not say whose it is."""
    words, command = ["smtpfix"], cast("click.Command", commands)
    for word in sys.argv[1:] if arguments is None else arguments:
        if not isinstance(command, click.Group) or word not in command.commands:
            break
        words.append(word)
        command = command.commands[word]
    return " ".join(words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; what is wrong is said in one line on stderr."""
    open_standard_streams()
    status, error = 0, None
    try:
        status = _run(arguments)
    except OSError as raised:
        if raised.errno not in NO_ROOM or raised.filename is not None:
            raise
        error = raised
    finally:
        error = settle(sys.stdout) or error
    if error is not None and status != _FAILED:  # otherwise it has been said
        complain(f"cannot write what is to be shown: {error.strerror}")
        return _FAILED
    return status


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = commands.main(arguments, standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else _asked(arguments)
        click.echo(f"smtpfix: {explained(error)}; see '{command} --help'", err=True)
        return _FAILED
    except SMTPFixError as error:
        click.echo(f"smtpfix: {error}", err=True)
        return _FAILED
    except click.Abort:
        return 130
    except BrokenPipeError:  # nobody reads on, as in `smtpfix certs list | head`
        return 0
    return int(status or 0)
