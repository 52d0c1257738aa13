"""The command ``smtpfix audit`` and its options, with click; `audit` does the work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

_DIRECTORY = click.Path(path_type=Path, resolve_path=True)
_FILE = click.Path(path_type=Path)


class _AuditCommand(click.Command):
    """Knows whether ``--`` stood before the client: what follows it is a command, also where a client is called so."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.obj = "--" in args
        return super().parse_args(ctx, args)


@click.command("audit", cls=_AuditCommand)
@click.argument("client", metavar="CLIENT | -- COMMAND...", nargs=-1)
@click.option(
    "--protocol",
    metavar="PROTOCOL",
    help="What the client speaks: smtp, or imap or pop3 for one that reads mail. Default: smtp.",
)
@click.option(
    "--mode",
    help="When the client is meant to use TLS: implicit, starttls-required, opportunistic or none. Default: "
    "starttls-required.",
)
@click.option("--trust", help="What it is meant to trust: pki, pinned (one certificate) or none. Default: pki.")
@click.option(
    "--credentials",
    metavar="USER:PASSWORD",
    help="What it is meant to log in with. Default: no login, or ann if it reads mail.",
)
@click.option(
    "--mechanisms",
    metavar="NAME,...",
    help="The mechanisms it can log in with: SCRAM-SHA-256, say, or XOAUTH2 with USER:TOKEN. Default: PLAIN and LOGIN.",
)
@click.option("--expect-staple", is_flag=True, help="It demands a stapled OCSP response: every server has one.")
@click.option("--group", multiple=True, metavar="GROUP", help="Run a whole group of scenarios. Repeatable.")
@click.option("--scenario", multiple=True, metavar="ID", help="Run this scenario, or your own FILE.toml. Repeatable.")
@click.option("--everything", is_flag=True, help="Run all groups, not only the default set.")
@click.option(
    "--env", multiple=True, metavar="NAME=VALUE", help="Set this environment variable for the command. Repeatable."
)
@click.option(
    "--template",
    metavar="FILE",
    type=_FILE,
    help="Fill in the placeholders of FILE and put the copy into each run's directory; {template} is its path.",
)
@click.option(
    "--stdin",
    metavar="FILE",
    help="Let the command read FILE as its standard input, which can be {message}. Default: nothing.",
)
@click.option("--here", is_flag=True, help="Run the command in this directory instead of a new one for each run.")
@click.option(
    "-j", "--jobs", metavar="N", type=int, help="How many runs to do at a time. Default: the number of processors."
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=float,
    help="How long one run may take. Default: 10, or 600 with --wait.",
)
@click.option(
    "--grade",
    metavar="GRADE",
    help="Exit with status 0 if the client reaches this grade: a (authenticated), b (gaps), c "
    "(unauthenticated), d (opportunistic) or e (plaintext). Default: the best that the mode can reach.",
)
@click.option(
    "--language",
    metavar="LANGUAGE",
    help="The language or program that the client is, for fixes in its own terms: python, go, java, node, php, ...",
)
@click.option("--json", "json_file", metavar="FILE", type=_FILE, help="Write all findings as JSON, for programs.")
@click.option(
    "--junit", "junit_file", metavar="FILE", type=_FILE, help="Write the report as JUnit XML, for CI systems."
)
@click.option("--html", "html_file", metavar="FILE", type=_FILE, help="Write the report as one HTML page, for people.")
@click.option(
    "--sarif", "sarif_file", metavar="FILE", type=_FILE, help="Write the report as SARIF 2.1.0, for code scanning."
)
@click.option(
    "--artifact",
    metavar="FILE",
    help="With --sarif: the file in your repository to show results at, such as the program.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    type=_FILE,
    help="Show only what changed since the --json FILE of an earlier audit, and exit with 1 if anything is worse.",
)
@click.option(
    "--family",
    metavar="FAMILY/VARIANT",
    help="Compare with what a client's manual documents, and declare that: tmail-c/other-port, "
    "conzept16/_MailSmtpTls, ...; or a family's file of your own.",
)
@click.option(
    "--ports",
    metavar="PORTS",
    help="Where servers listen: free, conventional (25, 587 or 465, for clients that choose TLS by the port; with "
    "--protocol imap 143 or 993, with pop3 110 or 995), or a number. "
    "Default: free, or conventional with --wait.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="Wait for a client that cannot be started from here, such as a controller, and say when it is to send or "
    "to read.",
)
@click.option(
    "--host", metavar="HOST", help="With --wait: the address to listen on; 0.0.0.0 lets other machines connect."
)
@click.option(
    "--hostname",
    metavar="NAME",
    help="The name or IP address that the client connects to; it must lead to this machine.",
)
@click.option(
    "--authority",
    metavar="DIR",
    type=_DIRECTORY,
    help="Keep the certificate authority in DIR between audits, so that you import its ca.pem only once.",
)
@click.option(
    "--key-type",
    metavar="TYPE",
    help="The kind of key of the authority and its certificates: ecdsa or rsa. Default: that of DIR, or ecdsa for "
    "a new one.",
)
@click.pass_context
def audit_command(context: click.Context, /, **options: Any) -> int:
    """Find out what a mail client accepts, refuses, leaks or silently downgrades.

    CLIENT is a built-in one: smtplib, smtplib-unverified, aiosmtplib, curl, msmtp or swaks; with --protocol imap
    imaplib, curl, fetchmail or getmail, with --protocol pop3 poplib, curl, fetchmail or getmail. COMMAND is a program
    of yours that sends one mail; with --protocol imap or pop3 it reads all mail in the inbox of {user}, and may delete
    what it has read. It is run once for each scenario, without a shell, with these placeholders filled in, also in
    --env, --template and --stdin:

    \b
      {host} {port}         where to connect to
      {address}             the IP address of {host}
      {cafile}              a PEM file with what to trust
      {fingerprint}         the SHA-256 of its certificate
      {user} {password}     what to log in with
      {sender} {recipient}  the envelope; {recipients} with commas
      {message}             a file with the message
      {subject}             a word of this run's
      {name}                what to say in EHLO
      {patience}            seconds to wait for a silent server
      {mode} {workdir}      the declared mode, and the run's own directory

    Other braces are doubled. What the servers saw decides; what the client says of itself is only compared.

    Exit status: 0 where the grade is reached and no flag is raised; 1 where not; 2 where the grade is not known; 130
    after Ctrl-C, which shows and writes what is known by then. With --scenario or --group and no --grade, 0 is that
    every scenario passed. With --baseline 0 is nothing worse, and 1 is worse.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from .audit import AuditOptions, run_audit  # noqa: PLC0415 - help and errors need no servers

    return run_audit(AuditOptions(is_command=bool(context.obj), **options), sys.stdout, sys.stdin)
