"""The command line: commands and their options, by click. What they do is in one module a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from smtpfix.errors import SMTPFixError

from .audit_command import audit_command
from .certs_command import KEY_TYPE, certs_group
from .config import Kind, read_config, strangers
from .options import DEFAULT_MEMORY, WAYS_TO_SAVE, read_options
from .pipe import complain, settle
from .probe_command import probe_command

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
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SMTPFIX"},
    invoke_without_command=True,
)
@click.version_option(package_name="smtpfix")
@click.pass_context
def commands(context: click.Context) -> None:
    """Serve mail clients under test, with every server policy and every certificate they can meet."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@commands.command("serve")
@click.option(
    "--config",
    metavar="FILE.toml",
    type=_FILE,
    is_eager=True,
    expose_value=False,
    callback=_use_config,
    help="Read options from a file, by their names: listen = ['plain:2525'], any-user = true. The environment "
    "(SMTPFIX_SERVE_LISTEN, ...) overrules it, and the command line both.",
)
@click.option(
    "--listen",
    metavar="MODE[@HOST]:PORT",
    multiple=True,
    help="Serve this instead of the default four; repeatable. MODE is plain, starttls, tls-required or implicit-tls. "
    "Port 0 takes a free one; an IPv6 HOST stands in brackets: starttls@[::1]:2525. lmtp:2424 and lmtp+starttls:2424 "
    "speak LMTP, lmtp+unix:PATH on a UNIX socket; with imap:1143, imap+starttls:2143, pop3+implicit-tls:1995 clients "
    "read mail.",
)
@_switch(
    "--imap",
    help="Have what comes read by IMAP too: plain on 1143, starttls on 2143, tls-required on 3143, implicit-tls on "
    "1993; with --conventional-ports starttls on 143 and implicit-tls on 993.",
)
@_switch(
    "--pop3",
    help="Have what comes read by POP3 too: plain on 1110, starttls on 2110, tls-required on 3110, implicit-tls on "
    "1995; with --conventional-ports starttls on 110 and implicit-tls on 995.",
)
@_switch(
    "--conventional-ports",
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
    "--hostname",
    metavar="NAME",
    multiple=True,
    help="The server's own name or IP address, in greeting, EHLO reply and certificate; repeatable: the certificate "
    "holds all of them.",
)
@click.option(
    "--user",
    metavar="NAME:PASSWORD",
    multiple=True,
    type=_Lines(),
    help="Who may log in; repeatable. '*' is the same as --any-user.",
)
@click.option(
    "--users",
    metavar="FILE",
    type=_FILE,
    help="Who may log in, a NAME:PASSWORD line each; passwords in clear or as 'htpasswd -m' and '-s' write them.",
)
@click.option(
    "--token",
    metavar="NAME:TOKEN",
    multiple=True,
    type=_Lines(),
    help="Who may log in with a bearer token; repeatable. XOAUTH2 and OAUTHBEARER are offered then.",
)
@_switch("--any-user", help="Accept every user with every password, and say who came.")
@click.option(
    "--mechanism",
    metavar="NAME",
    multiple=True,
    help="Offer this SASL mechanism instead of PLAIN and LOGIN; repeatable, in this order: CRAM-MD5, SCRAM-SHA-256, …",
)
@_switch("--require-auth", help="Answer 530 to mail from clients that have not logged in.")
@_switch(
    "--auth-in-clear",
    default=None,
    help="Take logins outside TLS in every mode, or in none; without, in mode plain only.",
)
@click.option(
    "--client-certificate",
    metavar="WHETHER",
    help="Ask TLS clients for a certificate of 'smtpfix certs client': none, optional or required.",
)
@_switch("--proxy-protocol", help="Take connections with a PROXY protocol header, and no others.")
@_switch("--xclient", help="Let everybody say by XCLIENT who the client is.")
@click.option("--size-limit", metavar="OCTETS", type=int, help="Largest message; larger ones are answered 552.")
@click.option(
    "--like",
    metavar="PROVIDER",
    help="Be like a mail provider, with its modes and everybody's login: one of 'smtpfix providers', such as gmail. "
    "--conventional-ports are then its documented ones.",
)
@click.option(
    "--old-devices",
    is_flag=True,
    help="Take what old devices do: AUTH without EHLO or in clear, lines and contents that end in LF, TLS 1.0, cipher "
    "suites without forward secrecy. Everybody may log in.",
)
@click.option(
    "--limit",
    metavar="NAME=VALUE",
    multiple=True,
    help="Refuse what is too much, such as connections=1 or message_rate=30/minute; repeatable, see docs/rules.md.",
)
@click.option(
    "--greylist",
    metavar="SECONDS",
    type=float,
    help="Answer 450 to what comes first, and take it when it comes again after so many seconds.",
)
@click.option(
    "--offer",
    metavar="KEYWORD",
    multiple=True,
    help="Offer an optional extension too: CHUNKING, BINARYMIME, DSN, REQUIRETLS, LIMITS, ...; repeatable.",
)
@click.option(
    "--syntax",
    metavar="SYNTAX",
    help="What becomes of commands against the grammar: strict refuses all, lenient takes most; usual is in between.",
)
@click.option(
    "--authority",
    metavar="DIR",
    type=_DIRECTORY,
    help="Keep the certificate authority in DIR between runs, so that its ca.pem can be imported once.",
)
@click.option("--key-type", metavar="TYPE", help=KEY_TYPE)
@click.option(
    "--save",
    metavar="DIR",
    type=_DIRECTORY,
    help="Write each message, its exact octets, and each session's transcript to a file of its own in DIR.",
)
@click.option(
    "--save-as",
    metavar="WAY",
    default=WAYS_TO_SAVE[0],
    show_default=True,
    help="What DIR of --save is: files, or a maildir that mail readers open.",
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
@click.option("--web-host", metavar="NAME", multiple=True, help="Another name that --web may be reached by.")
@click.option("--keep", metavar="N", type=int, help="Keep no more than the newest N messages in the store.")
@click.option("--keep-for", metavar="TIME", help="Keep messages in the store for so long: 3d, 12h or 30m.")
@click.option(
    "--certificate",
    metavar="ID|FILE.toml",
    help="Show a certificate's scenario: one of 'smtpfix certs list certificates', or a scenario's file of your own.",
)
@click.option(
    "--certificate-file",
    metavar="CHAIN.pem",
    type=_FILE,
    help="Show a certificate of your own, the leaf first; with --key-file.",
)
@click.option(
    "--key-file", metavar="KEY.pem", type=_FILE, help="The unencrypted key of --certificate-file's first certificate."
)
@click.option("--scenario", metavar="ID", help="Show a scenario of another kind: one of 'smtpfix certs list'.")
@click.option(
    "--rule",
    metavar="RULE",
    multiple=True,
    type=_Lines(),
    help="Answer a command otherwise: 'RCPT *@slow.example: 450 4.2.1 Greylisted x1', 'imap: LOGIN: NO later'; "
    "repeatable, see docs/rules.md.",
)
@click.option(
    "--rules",
    metavar="FILE.toml",
    type=_FILE,
    help="Read more rules from a file, rules = ['RULE', ...], and again on SIGHUP; they are asked before --rule's.",
)
@click.option("--tls-min", metavar="VERSION", help="Lowest TLS version: 1.0, 1.1, 1.2 (the default) or 1.3.")
@click.option(
    "--tls-max",
    metavar="VERSION",
    help="Highest TLS version, 1.3 by default; below --tls-min's default it is the lowest as well.",
)
@click.option(
    "--max-memory",
    metavar="MIB",
    type=int,
    default=DEFAULT_MEMORY,
    show_default=True,
    help="Keep no more MiB of messages and transcripts in memory; the oldest go first. Files of --save stay.",
)
@click.option(
    "--emit",
    metavar="STYLE",
    help="Print how an application reaches the first server, and all else on stderr: env for a shell, docker for an "
    "env file, django, flask-mail, fastapi-mail, node, rails, spring, symfony, laravel, ...; see docs/outside.md.",
)
@_switch("--json", "as_json", help="Print one JSON object a line for each event, for programs.")
@_switch("--verbose", help="Print everything that is said, as it goes; passwords and tokens are struck out.")
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

    if options["web"] is not None:
        from .environment import with_environment  # noqa: PLC0415 - as above

        options = with_environment(options, os.environ)
    options_read = read_options(**options)
    if options_read.emit is None:
        return serve(options_read, sys.stdout)
    return serve(options_read, sys.stderr, settings=sys.stdout)


@commands.command("providers")
@click.argument("name", metavar="[PROVIDER]", required=False)
def providers_command(name: str | None) -> int:
    """List the mail providers that 'serve --like' knows, or show what is known of PROVIDER, with its sources."""
    from .providers import list_providers, show_provider  # noqa: PLC0415 - help and errors need no rich

    return list_providers(sys.stdout) if name is None else show_provider(sys.stdout, name)


commands.add_command(audit_command)
commands.add_command(certs_group)
commands.add_command(probe_command)


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
    except BrokenPipeError:  # nobody reads on, as in `smtpfix certs list | head`
        return 0
    finally:
        settle(sys.stdout)
    return int(status or 0)
