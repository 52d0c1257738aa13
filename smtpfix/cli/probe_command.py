"""The command ``smtpfix probe`` and its options, by click; what it does is `probe`'s."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

_FILE = click.Path(path_type=Path)


class _ProbeCommand(click.Command):
    """With ``--nagios``, ends as a monitoring plugin does where options are wrong: a line on stdout, status 3."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_plugin = "--nagios" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not is_plugin:
                raise
            from .probe_nagios import State, line  # noqa: PLC0415 - help needs no probe

            click.echo(line(State.UNKNOWN, f"{error.format_message().rstrip('.')}; see '{ctx.command_path} --help'"))
            ctx.exit(State.UNKNOWN)


@click.command("probe", cls=_ProbeCommand)
@click.argument("where", metavar="[SCHEME://]HOST[:PORT]")
@click.option(
    "--connection",
    metavar="KIND",
    help="When TLS begins: plain (never; the default), starttls or implicit-tls (the default for imaps:// and pop3s://).",
)
@click.option("-4", "ip_version", flag_value=4, type=int, help="Connect to IPv4 addresses only.")
@click.option("-6", "ip_version", flag_value=6, type=int, help="Connect to IPv6 addresses only.")
@click.option("--ehlo", "ehlo_name", metavar="NAME", help="What it calls itself; its address without.")
@click.option("--user", metavar="NAME", help="Log in, once; over a plain connection the password travels in clear.")
@click.option("--password", metavar="PASSWORD", help="Other users of the machine can read a command line.")
@click.option("--password-file", metavar="FILE", type=_FILE, help="Read the password from a file's first line.")
@click.option("--token", metavar="TOKEN", help="A bearer token in the password's place (OAUTHBEARER, XOAUTH2).")
@click.option("--token-file", metavar="FILE", type=_FILE, help="Read the token from a file's first line.")
@click.option("--mechanism", metavar="NAME", help="Log in by this SASL mechanism, not the best that is offered.")
@click.option("--from", "sender", metavar="ADDRESS", help="Whom the message is from; with --to.")
@click.option("--to", "recipient", metavar="ADDRESS", help="Send one message to ADDRESS; without, send nothing.")
@click.option("--subject", metavar="TEXT", help="The message's subject.")
@click.option("--text", metavar="HTML", help="The message's content.")
@click.option("--ca-file", metavar="FILE", type=_FILE, help="The certificates to trust, PEM, instead of the system's.")
@click.option("--name", metavar="NAME", help="The name that the certificate has to be for; HOST without.")
@click.option("--no-verify", is_flag=True, help="Go on, login included, where the certificate cannot be verified.")
@click.option("--timeout", metavar="SECONDS", type=float, help="For each wait; 10 by default.")
@click.option("--deadline", metavar="SECONDS", type=float, help="For all of it; 60 by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.option("--prometheus", is_flag=True, help="Print Prometheus's text format.")
@click.option("--nagios", is_flag=True, help="Print a monitoring plugin's line, and end with 0, 1, 2 or 3.")
@click.option(
    "--warn",
    metavar="NAME=RANGE",
    multiple=True,
    help="With --nagios, what is well: total=2 (at most 2 seconds), days=21: (at least 21 days); repeatable.",
)
@click.option("--critical", metavar="NAME=RANGE", multiple=True, help="The same, and worse; repeatable.")
def probe_command(**options: Any) -> int:
    """Measure a mail server: times, reply code, greeting, extensions, TLS, certificate.

    SCHEME is smtp (the default), imap, imaps, pop3 or pop3s. Without PORT, the conventional port is used: 25 for SMTP,
    143 for IMAP, 110 for POP3; with implicit TLS 465, 993 and 995.

    Exit status: 0 when all went well, 1 when not, 2 when it could not run; with --nagios those of monitoring plugins.
    """
    from .probe import run  # noqa: PLC0415 - help and errors need no TLS

    return run(sys.stdout, **options)
