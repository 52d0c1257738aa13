"""The command line: commands and their options, by click. What they do is in one module a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from smtpfix.errors import SMTPFixError

from .audit_command import audit_command
from .options import DEFAULT_MEMORY, read_options
from .pipe import settle
from .probe_command import probe_command

_DIRECTORY = click.Path(path_type=Path, resolve_path=True)
_FILE = click.Path(path_type=Path)
_KEY_TYPE = "Keys of the authority and below it: ecdsa or rsa; without, what DIR has, and ecdsa for a new one."


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
    "Port 0 takes a free one; an IPv6 HOST stands in brackets: starttls@[::1]:2525. lmtp:2424 and lmtp+starttls:2424 "
    "speak LMTP, lmtp+unix:PATH on a UNIX socket.",
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
@click.option(
    "--token",
    metavar="NAME:TOKEN",
    multiple=True,
    help="Who may log in with a bearer token; repeatable. XOAUTH2 and OAUTHBEARER are offered then.",
)
@click.option("--any-user", is_flag=True, help="Accept every user with every password, and say who came.")
@click.option(
    "--mechanism",
    metavar="NAME",
    multiple=True,
    help="Offer this SASL mechanism instead of PLAIN and LOGIN; repeatable, in this order: CRAM-MD5, SCRAM-SHA-256, …",
)
@click.option("--require-auth", is_flag=True, help="Answer 530 to mail from clients that have not logged in.")
@click.option("--proxy-protocol", is_flag=True, help="Take connections with a PROXY protocol header, and no others.")
@click.option("--xclient", is_flag=True, help="Let everybody say by XCLIENT who the client is.")
@click.option("--size-limit", metavar="OCTETS", type=int, help="Largest message; larger ones are answered 552.")
@click.option(
    "--like",
    metavar="PROVIDER",
    help="Be like a mail provider, with its modes and everybody's login: one of 'smtpfix providers', such as gmail. "
    "--conventional-ports are then its documented ones.",
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
@click.option("--key-type", metavar="TYPE", help=_KEY_TYPE)
@click.option(
    "--save",
    metavar="DIR",
    type=_DIRECTORY,
    help="Write each message, its exact octets, and each session's transcript to a file of its own in DIR.",
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
    help="Answer a command otherwise: 'RCPT *@slow.example: 450 4.2.1 Greylisted x1'; repeatable, see docs/rules.md.",
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


@commands.group("certs", invoke_without_command=True)
@click.pass_context
def certs_group(context: click.Context) -> None:
    """List the catalogue of scenarios, show their certificates, write them for other servers."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@certs_group.command("list")
@click.argument("group", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each scenario.")
@click.option("--markdown", is_flag=True, help="Print tables in Markdown, as in docs/scenarios.md.")
def certs_list_command(**options: Any) -> int:
    """List the scenarios, or those of GROUP.

    Groups are certificates, tls, stripping, injection, auth, replies, timing and delivery.
    """
    from .certs import list_scenarios  # noqa: PLC0415 - help and errors need no certificates

    return list_scenarios(sys.stdout, **options)


@certs_group.command("show")
@click.argument("name", metavar="ID|FILE.toml")
def certs_show_command(name: str) -> int:
    """Show a scenario: what is expected, and each certificate, decoded.

    Names and addresses are those of 'smtpfix serve' without options, and the keys are new ones each time.
    """
    from .certs import show  # noqa: PLC0415 - as above

    return show(sys.stdout, name)


@certs_group.command("write")
@click.argument("names", metavar="ID|GROUP|FILE.toml...", nargs=-1, required=True)
@click.option("--out", metavar="DIR", type=_FILE, required=True, help="Where to write; made if it is not there.")
@click.option("--hostname", metavar="NAME", help="The server's name, instead of localhost and mx.smtpfix.test.")
@click.option("--address", metavar="IP", help="The server's IP address, instead of 127.0.0.1.")
@click.option("--pkcs12", metavar="PASSWORD", help="Write ID.p12 too: key and chain, PKCS#12.")
@click.option(
    "--truststore", metavar="PASSWORD", help="Write ID-truststore.p12 too: what to trust, a PKCS#12 that Java reads."
)
@click.option(
    "--authority",
    metavar="DIR",
    type=_DIRECTORY,
    help="Issue from the authority kept in DIR, so that its ca.pem can be imported once.",
)
@click.option("--key-type", metavar="TYPE", help=_KEY_TYPE)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def certs_write_command(**options: Any) -> int:
    """Write scenarios' certificates for other servers: ID-chain.pem, ID-key.pem, ID-ca.pem.

    ID-chain.pem is what the server has to send, ID-key.pem its key, and ID-ca.pem what a careful client trusts.
    """
    from .export import WriteOptions, write  # noqa: PLC0415 - as above

    return write(sys.stdout, WriteOptions(**options))


@certs_group.command("ca")
@click.option("--out", "file", metavar="FILE", type=_FILE, required=True, help="Where to write the root, PEM.")
@click.option("--authority", "directory", metavar="DIR", type=_DIRECTORY, help="The authority kept in DIR.")
@click.option("--key-type", metavar="TYPE", help=_KEY_TYPE)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def certs_ca_command(**options: Any) -> int:
    """Write the root that clients have to trust."""
    from .export import write_root  # noqa: PLC0415 - as above

    return write_root(sys.stdout, **options)


commands.add_command(audit_command)
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
