"""`smtpfix providers` and `smtpfix scenarios` on the command line: what servers can play."""

from __future__ import annotations

import sys

import click


@click.command("providers")
@click.argument("name", metavar="[PROVIDER]", required=False)
def providers_command(name: str | None) -> int:
    """List the mail providers that 'serve --like' knows, or show what is known of PROVIDER, with its sources."""
    from .providers import list_providers, show_provider  # noqa: PLC0415 - help and errors need no rich

    return list_providers(sys.stdout) if name is None else show_provider(sys.stdout, name)


@click.command("scenarios")
@click.argument("name", metavar="[GROUP|ID|FILE.toml]", required=False)
@click.option("--protocol", metavar="PROTOCOL", default="smtp", show_default=True, help="smtp, imap or pop3.")
@click.option("--json", "as_json", is_flag=True, help="List them as JSON, one object per line.")
def scenarios_command(name: str | None, protocol: str, *, as_json: bool) -> int:
    """List the scenarios that servers can play, or those of GROUP, or show one: its rules or its certificates.

    'smtpfix serve --scenario ID' plays one, and 'smtpfix audit --scenario ID CLIENT' audits a client with it.
    """
    from .certs import list_or_show  # noqa: PLC0415 - help and errors need no rich

    return list_or_show(sys.stdout, name, protocol=protocol, as_json=as_json)
