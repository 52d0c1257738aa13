"""What tests of the pytest plugin share, which run a child session over a test file."""

from __future__ import annotations

import importlib

# A child session in this process forgets what it imported, and cryptography cannot be imported twice: so it is here.
for name in ("aiosmtplib", "faker", "smtpfix.pki.authority", "smtpfix.server"):
    importlib.import_module(name)

SEND = """
def send(server, to="bob@example.org", text="hello"):
    with server.client() as client:
        if server.policy.users:
            client.login("ann", "s3cret")
        client.sendmail("ann@example.org", [to], f"Subject: hi\\r\\n\\r\\n{text}\\r\\n".encode())
"""
"""The client of a test file: it delivers one message, and logs in where the server has users."""
