"""A stand-in for TMAIL_C of Siemens controllers: the remote port alone decides how it uses TLS.

465 is SMTPS. Any other port is STARTTLS, and where the server has no TLS, both go on unsecured, the login included. The
server's certificate has to come from the imported CA. Where its manual is silent it is careful: it compares names.
"""

from __future__ import annotations

import argparse
import smtplib
import ssl
import sys

import stand_in

SMTPS_PORT = 465


def trusted(options: argparse.Namespace) -> ssl.SSLContext:
    """Return a context that trusts the imported CA and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.cafile:
        context.load_verify_locations(options.cafile)
    return context


def connect(options: argparse.Namespace) -> smtplib.SMTP:
    """Connect, and begin TLS as the port has it."""
    where = options.host, options.port
    if options.as_port == SMTPS_PORT:
        return smtplib.SMTP_SSL(*where, "plc.local", timeout=options.timeout, context=trusted(options))
    client = smtplib.SMTP(*where, "plc.local", timeout=options.timeout)
    client.ehlo_or_helo_if_needed()
    if client.has_extn("starttls"):
        client.starttls(context=trusted(options))
    return client


def send(options: argparse.Namespace) -> None:
    """Send one mail."""
    with stand_in.session(connect(options)) as client:
        if options.user:
            client.login(options.user, options.password)
        client.send_message(stand_in.message(options), options.sender, [options.recipient])


def main() -> int:
    """Read the options and send."""
    parser = stand_in.parser(__doc__ or "")
    parser.add_argument("--as-port", type=int, help="what --port counts as, where 465 itself cannot be listened on")
    options = parser.parse_args()
    options.as_port = options.as_port or options.port
    return stand_in.end(lambda: send(options))


if __name__ == "__main__":
    sys.exit(main())
