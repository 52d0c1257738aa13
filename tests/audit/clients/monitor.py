"""A stand-in for the SMTP monitoring job: it opens a session, logs in, may send one mail, and prints what it measured.

With an empty --to it logs in and sends nothing. The reply code is 0 when all went well, -1 for an error of the job's
own or of the connection, and the mailer's reply code when the mailer said no. Its manual does not say which
certificates it trusts: this one trusts those of --cafile.
"""

from __future__ import annotations

import argparse
import contextlib
import smtplib
import ssl
import sys
import time
from collections.abc import Iterator

import stand_in

CONNECTIONS = ("plain", "starttls", "ssl-tls")
INTERNAL_ERROR = -1


class Figures(dict[str, float]):
    """Milliseconds, by what took them."""

    @contextlib.contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Note how long something takes, also when it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self[name] = (time.perf_counter() - start) * 1000


def trusted(options: argparse.Namespace) -> ssl.SSLContext:
    """Return a context that trusts --cafile."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.cafile:
        context.load_verify_locations(options.cafile)
    return context


def connect(options: argparse.Namespace) -> smtplib.SMTP:
    """Open a session: from the connection up to the reply to EHLO, inside TLS where the setting has TLS."""
    where = options.host, options.port
    if options.connection == "ssl-tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            *where, "monitor.local", timeout=options.timeout, context=trusted(options)
        )
    else:
        client = smtplib.SMTP(*where, "monitor.local", timeout=options.timeout)
    try:
        if options.connection == "starttls":
            client.starttls(context=trusted(options))
        client.ehlo_or_helo_if_needed()
    except BaseException:
        client.close()
        raise
    return client


def test(options: argparse.Namespace, figures: Figures) -> None:
    """Open a session, log in where there is a user, send one mail where there is a recipient."""
    with figures.measured("connection time"):
        client = connect(options)
    with stand_in.session(client):
        if options.user:
            with figures.measured("login time"):
                client.login(options.user, options.password)
        if options.recipient:
            with figures.measured("transfer time"):
                mail = stand_in.message(options, html=True)
                client.send_message(mail, options.sender, [options.recipient])


def reply_code(error: Exception) -> int:
    """Return the mailer's code, or that of an internal error."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next(iter(error.recipients.values()))[0]
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else INTERNAL_ERROR


def main() -> int:
    """Read the options, test the server, print the figures."""
    parser = stand_in.parser(__doc__ or "")
    parser.add_argument("--connection", choices=CONNECTIONS, default="plain")
    options = parser.parse_args()
    figures, code = Figures(), 0
    try:
        test(options, figures)
    except (OSError, smtplib.SMTPException) as error:
        code = reply_code(error)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    lines = [f"{name}: {milliseconds:.1f} ms\n" for name, milliseconds in figures.items()]
    sys.stdout.writelines([*lines, f"reply code: {code}\n", f"job error code: {int(code != 0)}\n"])
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main())
