"""A stand-in for an outgoing account of Niagara's EmailService.

Use Ssl, the default, is TLS from the first byte; Use Start Tls connects in clear and upgrades; they exclude each other,
and with neither nothing is encrypted. A certificate has to come from the system's or the user's trust store, or be a
self-signed one that was approved. Where its manual is silent it is careful: without STARTTLS it does not go on.
"""

from __future__ import annotations

import argparse
import smtplib
import ssl
import sys
import warnings

import stand_in

OLDER = "older"
"""A release without Tls Min Protocol: it negotiates SSL v3 or TLS."""
VERSIONS = {
    OLDER: ssl.TLSVersion.MINIMUM_SUPPORTED,
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def trusted(options: argparse.Namespace) -> ssl.SSLContext:
    """Return a context with both trust stores and the exemption, and with the lowest version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    for file in filter(None, (options.cafile, options.allowed_host)):
        context.load_verify_locations(file)
    if options.tls_min in (OLDER, "TLSv1", "TLSv1.1"):
        context.set_ciphers("DEFAULT:!aNULL:@SECLEVEL=0")  # at its usual level OpenSSL 3 has nothing below TLS 1.2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that old versions are deprecated is known here
        context.minimum_version = VERSIONS[options.tls_min]
    return context


def connect(options: argparse.Namespace) -> smtplib.SMTP:
    """Connect as the account's switches have it."""
    where = options.host, options.port
    if options.use_ssl:
        return smtplib.SMTP_SSL(*where, "station.local", timeout=options.timeout, context=trusted(options))
    client = smtplib.SMTP(*where, "station.local", timeout=options.timeout)
    if options.use_start_tls:
        client.starttls(context=trusted(options))  # raises where the server does not offer it
    return client


def log_in(client: smtplib.SMTP, options: argparse.Namespace) -> None:
    """Log in with a password, or with an access token as Microsoft 365 and Gmail want it."""
    if options.authenticator == "password":
        client.login(options.user, options.password)
        return
    client.ehlo_or_helo_if_needed()
    client.auth("XOAUTH2", lambda challenge=None: bearer(options) if challenge is None else "")


def bearer(options: argparse.Namespace) -> str:
    """Return what is said in SASL XOAUTH2."""
    return f"user={options.user}\x01auth=Bearer {options.password}\x01\x01"


def send(options: argparse.Namespace) -> None:
    """Send one mail."""
    with stand_in.session(connect(options)) as client:
        if options.user:
            log_in(client, options)
        client.send_message(stand_in.message(options), options.sender, [options.recipient])


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that accounts of either kind have."""
    found = stand_in.parser(description)
    found.add_argument("--use-ssl", action=argparse.BooleanOptionalAction, help="the default without --use-start-tls")
    found.add_argument("--use-start-tls", action=argparse.BooleanOptionalAction, default=False)
    found.add_argument("--tls-min", choices=VERSIONS, default="TLSv1.2", help="Tls Min Protocol")
    found.add_argument("--allowed-host", metavar="FILE", help="PEM; a self-signed certificate that was approved")
    found.add_argument("--authenticator", choices=("password", "oauth"), default="password")
    return found


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the options of the command line, in which one switch at the most is on."""
    options = parser.parse_args()
    if options.use_ssl and options.use_start_tls:
        parser.error("Use Ssl and Use Start Tls are mutually exclusive")
    if options.use_ssl is None:
        options.use_ssl = not options.use_start_tls
    return options


def main() -> int:
    """Read the options and send."""
    options = parsed(parser(__doc__ or ""))
    return stand_in.end(lambda: send(options))


if __name__ == "__main__":
    sys.exit(main())
