"""A stand-in for MailOpen() of CONZEPT 16.

_MailSmtp has no TLS, _MailSmtpTls has it wherever the server offers STARTTLS, _MailSmtpS from the first byte. The
server needs a certificate, and any will do.
"""

from __future__ import annotations

import argparse
import smtplib
import ssl
import sys

import stand_in

VARIANTS = ("_MailSmtp", "_MailSmtpTls", "_MailSmtpS")


def unverified() -> ssl.SSLContext:
    """Return a context that takes any certificate, and any version of TLS there is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:!aNULL:@SECLEVEL=0")  # at its usual level OpenSSL 3 has nothing below TLS 1.2
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


def mail_open(options: argparse.Namespace) -> smtplib.SMTP:
    """Connect as the variant has it."""
    where = options.host, options.port
    if options.variant == "_MailSmtpS":
        return smtplib.SMTP_SSL(*where, "c16.local", timeout=options.timeout, context=unverified())
    client = smtplib.SMTP(*where, "c16.local", timeout=options.timeout)
    client.ehlo_or_helo_if_needed()
    if options.variant == "_MailSmtpTls" and client.has_extn("starttls"):
        client.starttls(context=unverified())
    return client


def send(options: argparse.Namespace) -> None:
    """Send one mail."""
    with stand_in.session(mail_open(options)) as client:
        if options.user:
            client.login(options.user, options.password)
        client.send_message(stand_in.message(options), options.sender, [options.recipient])


def main() -> int:
    """Read the options and send."""
    parser = stand_in.parser(__doc__ or "")
    parser.add_argument("--variant", choices=VARIANTS, default="_MailSmtp")
    options = parser.parse_args()
    return stand_in.end(lambda: send(options))


if __name__ == "__main__":
    sys.exit(main())
