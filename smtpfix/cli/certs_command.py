"""The commands of ``smtpfix certs`` and their options, with click; `certs` and `export` do the work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .usage import Commands

_DIRECTORY = click.Path(path_type=Path, resolve_path=True)
_FILE = click.Path(path_type=Path)
KEY_TYPE = "The type of all keys: ecdsa or rsa. Default: that of the authority in DIR, or ecdsa for a new one."
"""What ``--key-type`` says of itself."""


@click.group("certs", cls=Commands, invoke_without_command=True)
@click.pass_context
def certs_group(context: click.Context) -> None:
    """List the catalogue of scenarios, show their certificates, write them for other servers."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@certs_group.command("list")
@click.argument("group", required=False)
@click.option(
    "--protocol",
    default="smtp",
    show_default=True,
    help="List those that servers of this protocol can show: smtp, imap or pop3.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line for each scenario.")
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
    """Show a scenario: what is expected, and each certificate, decoded, or its rules.

    Names and addresses are those of 'smtpfix serve' without options, and the keys are new ones each time.
    """
    from .certs import show  # noqa: PLC0415 - as above

    return show(sys.stdout, name)


@certs_group.command("write")
@click.argument("names", metavar="ID|GROUP|FILE.toml...", nargs=-1, required=True)
@click.option(
    "--out", metavar="DIR", type=_FILE, required=True, help="The directory to write to; created if it does not exist."
)
@click.option("--hostname", metavar="NAME", help="The server's name, instead of localhost and mx.smtpfix.test.")
@click.option("--address", metavar="IP", help="The server's IP address, instead of 127.0.0.1.")
@click.option("--pkcs12", metavar="PASSWORD", help="Also write ID.p12: key and chain as PKCS#12.")
@click.option(
    "--truststore",
    metavar="PASSWORD",
    help="Also write ID-truststore.p12: what to trust, as PKCS#12 that Java can read.",
)
@click.option(
    "--authority",
    metavar="DIR",
    type=_DIRECTORY,
    help="Issue from the authority kept in DIR, so that you import its ca.pem only once.",
)
@click.option("--key-type", metavar="TYPE", help=KEY_TYPE)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def certs_write_command(**options: Any) -> int:
    """Write scenarios' certificates for other servers: ID-chain.pem, ID-key.pem, ID-ca.pem.

    ID-chain.pem is what the server has to send, ID-key.pem its key, and ID-ca.pem what a careful client trusts.
    """
    from .export import WriteOptions, write  # noqa: PLC0415 - as above

    return write(sys.stdout, WriteOptions(**options))


@certs_group.command("ca")
@click.option(
    "--out",
    "file",
    metavar="FILE",
    type=_FILE,
    required=True,
    help="Where to write the root: as PEM, or as the suffix .der or .p12 says.",
)
@click.option("--authority", "directory", metavar="DIR", type=_DIRECTORY, help="The authority kept in DIR.")
@click.option("--key-type", metavar="TYPE", help=KEY_TYPE)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def certs_ca_command(**options: Any) -> int:
    """Write the root that clients have to trust.

    FILE.der is DER; FILE.p12 is PKCS#12 with the password 'smtpfix', for devices that take nothing else; all else is
    PEM.
    """
    from .export import write_root  # noqa: PLC0415 - as above

    return write_root(sys.stdout, **options)


@certs_group.command("client")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--authority",
    "directory",
    metavar="DIR",
    type=_DIRECTORY,
    required=True,
    help="Issue from the authority kept in DIR, the same that 'smtpfix serve --authority' uses.",
)
@click.option(
    "--out", metavar="DIR", type=_FILE, required=True, help="The directory to write to; created if it does not exist."
)
@click.option("--pkcs12", metavar="PASSWORD", help="Also write NAME.p12: key and chain as PKCS#12.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def certs_client_command(**options: Any) -> int:
    """Issue certificates for clients: NAME-chain.pem, NAME-key.pem.

    NAME is a host name, an e-mail address or an IP address; by it a server knows the client.
    """
    from .export import write_clients  # noqa: PLC0415 - as above

    return write_clients(sys.stdout, **options)
