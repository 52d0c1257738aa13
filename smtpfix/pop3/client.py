"""A connected `poplib` client that trusts the server, for `Server.client`."""

from __future__ import annotations

import poplib

from smtpfix.conversation.protocol import Contact
from smtpfix.errors import InvalidValueError
from smtpfix.policy.mode import Mode


def connect(contact: Contact, *, timeout: float) -> poplib.POP3:
    """Return a client that is in TLS wherever the mode knows TLS, and has not logged in.

    Raises `InvalidValueError` where the server waits for a PROXY protocol header, which poplib cannot send.
    """
    if contact.policy.proxy_protocol:
        expected = "False for Server.client(): poplib sends no PROXY protocol header; use a socket of your own"
        raise InvalidValueError("Pop3Policy.proxy_protocol", True, expected)
    if contact.mode is Mode.IMPLICIT_TLS:
        return poplib.POP3_SSL(contact.host, contact.port, timeout=timeout, context=contact.ssl_context())
    client = poplib.POP3(contact.host, contact.port, timeout=timeout)
    if contact.policy.has_starttls:
        try:
            client.stls(context=contact.ssl_context())
        except BaseException:
            client.close()
            raise
    return client
