"""A client of the send figures: smtplib, as most people's code uses it.

Usage: sendmail.py MODE PORT CALLS MESSAGE-FILE; prints the median milliseconds of a `sendmail` on an open connection,
and of connecting, sending and quitting.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import statistics
import sys
import time
from pathlib import Path


def connect(mode: str, port: int, context: ssl.SSLContext) -> smtplib.SMTP:
    """Return a connected client."""
    if mode == "implicit-tls":
        return smtplib.SMTP_SSL("127.0.0.1", port, local_hostname="localhost", timeout=30, context=context)
    client = smtplib.SMTP("127.0.0.1", port, local_hostname="localhost", timeout=30)
    if mode == "starttls":
        client.starttls(context=context)
    return client


def main() -> None:
    """Measure."""
    mode, port, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    message = Path(sys.argv[4]).read_bytes().replace(b"\n", b"\r\n") + b"\r\n"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sends, wholes = [], []
    with connect(mode, port, context) as client:
        client.sendmail("ann@example.org", ["bob@example.org"], message)
        for _ in range(calls):
            began = time.perf_counter()
            client.sendmail("ann@example.org", ["bob@example.org"], message)
            sends.append(time.perf_counter() - began)
    for _ in range(calls):
        began = time.perf_counter()
        with connect(mode, port, context) as client:
            client.sendmail("ann@example.org", ["bob@example.org"], message)
        wholes.append(time.perf_counter() - began)
    print(
        json.dumps(
            {
                "send": statistics.median(sends) * 1e3,
                "whole": statistics.median(wholes) * 1e3,
                "messages": 1 + len(sends) + len(wholes),
            }
        )
    )


if __name__ == "__main__":
    main()
