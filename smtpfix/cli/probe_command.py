"""The command ``smtpfix probe`` and its options, with click; `probe` does the work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .usage import explained

_FILE = click.Path(path_type=Path)


class _ProbeCommand(click.Command):
    """With ``--nagios``, ends as a monitoring plugin does where options are wrong: a line on stdout, status 3."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_plugin, words = "--nagios" in args, tuple(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not is_plugin:
                raise
            from .probe import service  # noqa: PLC0415 - help needs no probe
            from .probe_nagios import State, line  # noqa: PLC0415 - nor this

            text = f"{explained(error)}; see '{ctx.command_path} --help'"
            click.echo(line(State.UNKNOWN, text, service(*words)))
            ctx.exit(State.UNKNOWN)


@click.command("probe", cls=_ProbeCommand)
@click.argument("where", metavar="[SCHEME://]HOST[:PORT]")
@click.option(
    "--connection",
    metavar="KIND",
    help="When TLS begins: plain (never; the default), starttls or implicit-tls (the default for smtps://, imaps:// and pop3s://).",
)
@click.option("-4", "ip_version", flag_value=4, type=int, help="Connect to IPv4 addresses only.")
@click.option("-6", "ip_version", flag_value=6, type=int, help="Connect to IPv6 addresses only.")
@click.option("--ehlo", "ehlo_name", metavar="NAME", help="The name to send in EHLO. Default: this machine's address.")
@click.option(
    "--user", metavar="NAME", help="Log in as NAME, once. Over a plain connection, the password is sent in clear."
)
@click.option(
    "--password",
    metavar="PASSWORD",
    help="The password. Other users of this machine can see it; prefer --password-file.",
)
@click.option("--password-file", metavar="FILE", type=_FILE, help="Read the password from the first line of FILE.")
@click.option(
    "--token", metavar="TOKEN", help="Log in with a bearer token instead of a password (OAUTHBEARER, XOAUTH2)."
)
@click.option("--token-file", metavar="FILE", type=_FILE, help="Read the token from the first line of FILE.")
@click.option(
    "--mechanism",
    metavar="NAME",
    help="Use this SASL mechanism to log in. Default: the best one that the server offers.",
)
@click.option("--from", "sender", metavar="ADDRESS", help="The sender of the message. Required with --to.")
@click.option("--to", "recipient", metavar="ADDRESS", help="Send one message to ADDRESS. Default: send nothing.")
@click.option("--subject", metavar="TEXT", help="The subject of the message.")
@click.option("--text", metavar="HTML", help="The content of the message.")
@click.option(
    "--ca-file", metavar="FILE", type=_FILE, help="Trust the certificates in FILE (PEM) instead of the system's."
)
@click.option("--name", metavar="NAME", help="The name that the certificate must be valid for. Default: HOST.")
@click.option("--no-verify", is_flag=True, help="Continue, and log in, even if the certificate cannot be verified.")
@click.option("--timeout", metavar="SECONDS", type=float, help="The time limit for each wait. Default: 10.")
@click.option("--deadline", metavar="SECONDS", type=float, help="The time limit for the whole probe. Default: 60.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.option("--prometheus", is_flag=True, help="Print the results in Prometheus's text format.")
@click.option("--nagios", is_flag=True, help="Print one line as a monitoring plugin does, and exit with 0, 1, 2 or 3.")
@click.option(
    "--warn",
    metavar="NAME=RANGE",
    multiple=True,
    help="With --nagios, warn outside a range: total=2 (at most 2 seconds), days=21: (at least 21 days). Repeatable.",
)
@click.option(
    "--critical",
    metavar="NAME=RANGE",
    multiple=True,
    help="With --nagios, the same for the critical state. Repeatable.",
)
def probe_command(**options: Any) -> int:
    """Measure a mail server: times, reply code, greeting, extensions, TLS, certificate.

    SCHEME is smtp (the default), smtps, imap, imaps, pop3 or pop3s. Without PORT, the conventional port is used: 25 for
    SMTP, 143 for IMAP, 110 for POP3; with implicit TLS 465, 993 and 995.

    Exit status: 0 if all went well, 1 if not, 2 if the probe could not run; with --nagios, that of a monitoring
    plugin.
    """
    from .probe import run  # noqa: PLC0415 - help and errors need no TLS

    return run(sys.stdout, **options)
