"""The command line: commands and their options, with click. One module per command does the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from smtpfix.errors import InvalidValueError, SMTPFixError

from .audit_command import audit_command
from .certs_command import KEY_TYPE, certs_group
from .config import Kind, read_config, strangers
from .event_loop import LOOPS
from .options import DEFAULT_MEMORY, WAYS_TO_SAVE, read_options
from .pipe import NO_ROOM, complain, open_standard_streams, settle
from .probe_command import probe_command
from .usage import Commands, Serve, explained, with_source
from .web_command import web_command
from .web_options import web_options

_Command = TypeVar("_Command", bound=Callable[..., Any])
_DIRECTORY = click.Path(path_type=Path, resolve_path=True)
_FILE = click.Path(path_type=Path)


class _Lines(click.types.StringParamType):
    """Text of which an environment variable holds one a line: it may have spaces in it."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [line.strip() for line in rv.splitlines() if line.strip()]


def _switch(option: str, *name: str, **attributes: Any) -> Callable[[_Command], _Command]:
    """Return an option that can be taken back, where a file or the environment has it on."""
    return click.option(f"{option}/--no-{option.removeprefix('--')}", *name, **{"default": False, **attributes})


def _use_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Let a file say what neither the command line nor the environment does."""
    options = {}
    for parameter in context.command.params:
        if isinstance(parameter, click.Option):
            kind = Kind.SWITCH if parameter.is_flag else Kind.MANY if parameter.multiple else Kind.ONE
            options[parameter.opts[0].removeprefix("--")] = (str(parameter.name), kind)
    for text in strangers(os.environ, options):
        complain(text)
    if path is None:
        return
    del options["config"]
    found = read_config(path, {option: kind for option, (_, kind) in options.items()})
    context.default_map = {options[option][0]: value for option, value in found.items()}


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


@commands.command("serve", cls=Serve)
@click.option(
    "--config",
    metavar="FILE.toml",
    type=_FILE,
    is_eager=True,
    expose_value=False,
    callback=_use_config,
    help="Read options from a file, by name: listen = ['plain:2525'], any-user = true. Environment variables "
    "(SMTPFIX_SERVE_LISTEN, ...) override the file, and the command line overrides both.",
)
@click.option(
    "--listen",
    metavar="MODE[@HOST]:PORT",
    multiple=True,
    help="Start this server instead of the default four. Repeatable. MODE is plain, starttls, tls-required or "
    "implicit-tls. Port 0 picks a free port. Put an IPv6 HOST in brackets: starttls@[::1]:2525. For LMTP, write "
    "lmtp:2424, lmtp+starttls:2424, or lmtp+unix:PATH for a UNIX socket; for IMAP and POP3, imap:1143, "
    "imap+starttls:2143, pop3+implicit-tls:1995.",
)
@_switch(
    "--imap",
    help="Also start IMAP servers, from which clients read the mail that arrives: plain on 1143, starttls on 2143, "
    "tls-required on 3143, implicit-tls on 1993; with --conventional-ports, starttls on 143 and implicit-tls on 993.",
)
@_switch(
    "--pop3",
    help="Also start POP3 servers, from which clients read the mail that arrives: plain on 1110, starttls on 2110, "
    "tls-required on 3110, implicit-tls on 1995; with --conventional-ports, starttls on 110 and implicit-tls on 995.",
)
@_switch(
    "--conventional-ports",
    help="Start plain on 25, starttls on 587 and implicit-tls on 465 instead of the default four servers.",
)
@click.option(
    "--host",
    metavar="HOST",
    default="localhost",
    show_default=True,
    help="The address to listen on, unless --listen names one. 0.0.0.0 lets other machines connect.",
)
@click.option(
    "--hostname",
    metavar="NAME",
    multiple=True,
    help="The name or IP address of the server, for the greeting, the EHLO reply and the certificate. Repeatable: the "
    "certificate is valid for all of them.",
)
@click.option(
    "--user",
    metavar="NAME:PASSWORD",
    multiple=True,
    type=_Lines(),
    help="Let this user log in. Repeatable. '*' is the same as --any-user.",
)
@click.option(
    "--users",
    metavar="FILE",
    type=_FILE,
    help="Let the users in FILE log in: one NAME:PASSWORD per line, with passwords in clear or as 'htpasswd -m' and "
    "'htpasswd -s' write them.",
)
@click.option(
    "--token",
    metavar="NAME:TOKEN",
    multiple=True,
    type=_Lines(),
    help="Let this user log in with a bearer token, and offer XOAUTH2 and OAUTHBEARER. Repeatable.",
)
@_switch("--any-user", help="Accept any user with any password, and show who logged in.")
@click.option(
    "--mechanism",
    metavar="NAME",
    multiple=True,
    help="Offer this SASL mechanism instead of PLAIN and LOGIN: CRAM-MD5, SCRAM-SHA-256, ... Repeatable; the "
    "order is kept.",
)
@_switch("--require-auth", help="Reply 530 when a client that has not logged in sends mail.")
@_switch(
    "--auth-in-clear",
    default=None,
    help="Allow logins without TLS in every mode, or in none. Default: in mode plain only.",
)
@click.option(
    "--client-certificate",
    metavar="WHETHER",
    help="Ask TLS clients for a certificate made by 'smtpfix certs client': none, optional or required.",
)
@_switch("--proxy-protocol", help="Accept only connections that begin with a PROXY protocol header.")
@_switch("--xclient", help="Let any client say with XCLIENT who the original client is.")
@click.option(
    "--size-limit", metavar="OCTETS", type=int, help="The largest message to accept; reply 552 to larger ones."
)
@click.option(
    "--like",
    metavar="PROVIDER",
    help="Behave like a mail provider such as gmail, with its modes, and let any user log in; 'smtpfix providers' "
    "lists them. With --conventional-ports, use the ports that the provider documents.",
)
@click.option(
    "--old-devices",
    is_flag=True,
    help="Accept what old devices do: AUTH without EHLO or without TLS, lines and messages that end in LF, TLS 1.0, "
    "cipher suites without forward secrecy. Any user may log in.",
)
@click.option(
    "--limit",
    metavar="NAME=VALUE",
    multiple=True,
    help="Refuse what exceeds a limit, such as connections=1 or message_rate=30/minute. Repeatable; see docs/rules.md.",
)
@click.option(
    "--greylist",
    metavar="SECONDS",
    type=float,
    help="Reply 450 to the first attempt, and accept a retry after this many seconds.",
)
@click.option(
    "--offer",
    metavar="KEYWORD",
    multiple=True,
    help="Also offer an optional extension: CHUNKING, BINARYMIME, DSN, REQUIRETLS, LIMITS, ... Repeatable.",
)
@click.option(
    "--syntax",
    metavar="SYNTAX",
    help="How to treat commands that violate the grammar: strict refuses all of them, lenient accepts most, usual is "
    "in between.",
)
@click.option(
    "--authority",
    metavar="DIR",
    type=_DIRECTORY,
    help="Keep the certificate authority in DIR between runs, so that you import its ca.pem only once.",
)
@click.option("--key-type", metavar="TYPE", help=KEY_TYPE)
@click.option(
    "--save",
    metavar="DIR",
    type=_DIRECTORY,
    help="Write each message, octet for octet, and the transcript of each session to files in DIR.",
)
@click.option(
    "--save-as",
    metavar="WAY",
    default=WAYS_TO_SAVE[0],
    show_default=True,
    help="How --save stores messages: files, or a maildir that mail readers can open.",
)
@click.option(
    "--store",
    metavar="FILE|URL",
    help="Keep messages over restarts, each before it is accepted: in a file (SQLite), or in postgresql://…/DATABASE.",
)
@click.option(
    "--web",
    metavar="[ADDRESS:PORT]",
    is_flag=False,
    flag_value="",
    help="Show mail at http://localhost:8025, and serve the APIs of Mailpit and MailHog, whose environment names count "
    "(needs smtpfix[web]); without --store mail is in a temporary file.",
)
@web_options(also=" (see --authority)")
@click.option(
    "--mailbox-by",
    metavar="user|recipient|tag|server",
    help="Sort mail into mailboxes by this; with --web, /m/NAME/ before a path shows only that mailbox.",
)
@click.option("--keep", metavar="N", type=int, help="Keep no more than the newest N messages in the store.")
@click.option("--keep-for", metavar="TIME", help="Keep messages in the store for this long: 3d, 12h or 30m.")
@click.option(
    "--certificate",
    metavar="ID|FILE.toml",
    help="Present the certificate of a scenario: one that 'smtpfix certs list certificates' lists, or your own file.",
)
@click.option(
    "--certificate-file",
    metavar="CHAIN.pem",
    type=_FILE,
    help="Present your own certificate chain, leaf first. Requires --key-file.",
)
@click.option(
    "--key-file",
    metavar="KEY.pem",
    type=_FILE,
    help="The unencrypted key of the first certificate in --certificate-file.",
)
@click.option(
    "--scenario",
    metavar="ID|FILE.toml",
    help="Play a scenario of any kind: one that 'smtpfix scenarios' lists, or your own file.",
)
@click.option(
    "--rule",
    metavar="RULE",
    multiple=True,
    type=_Lines(),
    help="Change how a command is answered: 'RCPT *@slow.example: 450 4.2.1 Greylisted x1', 'imap: LOGIN: NO later'. "
    "Repeatable; see docs/rules.md.",
)
@click.option(
    "--rules",
    metavar="FILE.toml",
    type=_FILE,
    help="Read more rules from a file, rules = ['RULE', ...], and read it again on SIGHUP. They take precedence over "
    "those of --rule.",
)
@click.option("--tls-min", metavar="VERSION", help="The lowest TLS version: 1.0, 1.1, 1.2 (the default) or 1.3.")
@click.option(
    "--tls-max",
    metavar="VERSION",
    help="The highest TLS version. Default: 1.3. If it is below the default of --tls-min, it is also the lowest.",
)
@click.option(
    "--max-memory",
    metavar="MIB",
    type=int,
    default=DEFAULT_MEMORY,
    show_default=True,
    help="Keep at most this many MiB of messages and transcripts in memory, and drop the oldest first. Files that "
    "--save has written stay.",
)
@click.option(
    "--workers",
    metavar="N",
    type=int,
    default=1,
    show_default=True,
    help="Serve with N processes that share each port, for senders under load (Linux, FreeBSD); see docs/serve.md for "
    "what they cannot do together.",
)
@click.option(
    "--loop",
    metavar="NAME",
    default=LOOPS[0],
    show_default=True,
    help="The event loop to run on: uvloop (needs smtpfix[fast]), asyncio, or auto, which is uvloop where it is "
    "installed.",
)
@click.option(
    "--emit",
    metavar="STYLE",
    help="Print the settings with which an application reaches the first server, and everything else on stderr: env "
    "for a shell, docker for an env file, django, flask-mail, fastapi-mail, node, rails, spring, symfony, laravel, ... "
    "(see docs/outside.md).",
)
@_switch("--json", "as_json", help="Print each event as one line of JSON, for programs.")
@click.option(
    "--show",
    metavar="WHAT",
    help="Also print this part of each message: text, its plain text. Links are always printed.",
)
@_switch("--verbose", help="Print the whole conversation as it happens, without passwords and tokens.")
@click.option("--exit-after", metavar="N", type=int, help="Exit when N messages have been accepted.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=float,
    help="Exit after this many seconds, with status 1 if fewer messages than --exit-after asks for have arrived.",
)
@click.pass_context
def serve_command(context: click.Context, /, **options: Any) -> int:
    """Serve all four modes at once and show what clients do.

    \b
    Without --listen and --conventional-ports:
      1025  plain          no TLS
      1587  starttls       TLS when the client asks for it
      2587  tls-required   TLS before anything else
      1465  implicit-tls   TLS from the first octet

    Exit status: 0 if ended by --exit-after, --timeout alone, Ctrl-C or SIGTERM, or because nobody reads the output any
    more; 1 if --timeout passed before the messages of --exit-after arrived; 2 if it could not run.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from .serve import serve  # noqa: PLC0415 - help and errors need no rich

    if options["web"] is not None:
        from .environment import with_environment  # noqa: PLC0415 - as above

        options = with_environment(options, os.environ)
    try:
        options_read = read_options(**options)
    except InvalidValueError as error:
        raise with_source(error, context) from error
    if options_read.emit is None:
        return serve(options_read, sys.stdout)
    return serve(options_read, sys.stderr, settings=sys.stdout)


@commands.command("providers")
@click.argument("name", metavar="[PROVIDER]", required=False)
def providers_command(name: str | None) -> int:
    """List the mail providers that 'serve --like' knows, or show what is known of PROVIDER, with its sources."""
    from .providers import list_providers, show_provider  # noqa: PLC0415 - help and errors need no rich

    return list_providers(sys.stdout) if name is None else show_provider(sys.stdout, name)


@commands.command("scenarios")
@click.argument("name", metavar="[GROUP|ID|FILE.toml]", required=False)
@click.option("--protocol", metavar="PROTOCOL", default="smtp", show_default=True, help="smtp, imap or pop3.")
@click.option("--json", "as_json", is_flag=True, help="List them as JSON, one object per line.")
def scenarios_command(name: str | None, protocol: str, *, as_json: bool) -> int:
    """List the scenarios that servers can play, or those of GROUP, or show one: its rules or its certificates.

    'smtpfix serve --scenario ID' plays one, and 'smtpfix audit --scenario ID CLIENT' audits a client with it.
    """
    from .certs import list_or_show  # noqa: PLC0415 - help and errors need no rich

    return list_or_show(sys.stdout, name, protocol=protocol, as_json=as_json)


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
        return 2
    except SMTPFixError as error:
        click.echo(f"smtpfix: {error}", err=True)
        return 2
    except click.Abort:
        return 130
    except BrokenPipeError:  # nobody reads on, as in `smtpfix certs list | head`
        return 0
    return int(status or 0)
