"""A connected `imaplib` client that trusts the server, for `Server.client`."""

from __future__ import annotations

import imaplib

from smtpfix.conversation.protocol import Contact
from smtpfix.errors import InvalidValueError
from smtpfix.policy.mode import Mode


def connect(contact: Contact, *, timeout: float) -> imaplib.IMAP4:
    """Return a client that is in TLS wherever the mode knows TLS, and has not logged in.

    Raises `InvalidValueError` where the server waits for a PROXY protocol header, which imaplib cannot send.
    """
    if contact.policy.proxy_protocol:
        expected = "False for Server.client(): imaplib sends no PROXY protocol header; use a socket of your own"
        raise InvalidValueError("ImapPolicy.proxy_protocol", True, expected)
    if contact.mode is Mode.IMPLICIT_TLS:
        context = contact.ssl_context()
        return imaplib.IMAP4_SSL(contact.host, contact.port, ssl_context=context, timeout=timeout)
    client = imaplib.IMAP4(contact.host, contact.port, timeout=timeout)
    if contact.policy.has_starttls:
        try:
            client.starttls(contact.ssl_context())
        except BaseException:
            client.shutdown()
            raise
    return client
