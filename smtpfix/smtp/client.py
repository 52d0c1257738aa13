"""A connected `smtplib` client that trusts the server, for `Server.client`."""

from __future__ import annotations

import smtplib

from smtpfix.conversation.protocol import Contact
from smtpfix.errors import InvalidValueError
from smtpfix.policy.mode import Mode


def connect(contact: Contact, *, timeout: float) -> smtplib.SMTP:
    """Return a client that is in TLS wherever the mode knows TLS; for LMTP one that says LHLO.

    Raises `InvalidValueError` where the server waits for a PROXY protocol header, which smtplib cannot send.
    """
    policy = contact.policy
    if policy.proxy_protocol:
        expected = "False for Server.client(): smtplib sends no PROXY protocol header; use a socket of your own"
        raise InvalidValueError("Policy.proxy_protocol", True, expected)
    is_lmtp = policy.protocol == "lmtp"
    if contact.mode is Mode.IMPLICIT_TLS:
        over_tls = smtplib.SMTP_SSL(
            contact.host, contact.port, local_hostname="localhost", timeout=timeout, context=contact.ssl_context()
        )
        if is_lmtp:
            over_tls.ehlo_msg = smtplib.LMTP.ehlo_msg
        return over_tls
    kind = smtplib.LMTP if is_lmtp else smtplib.SMTP
    client = kind(contact.host, contact.port, local_hostname="localhost", timeout=timeout)
    if policy.has_starttls:
        try:
            client.starttls(context=contact.ssl_context())
        except BaseException:
            client.close()
            raise
    return client
