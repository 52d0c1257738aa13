"""Your own certificate: it is loaded into contexts, and its chain is the one that is sent.

A context keeps its chain to itself, so it is asked for it as a client would: in memory, without a connection.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.own_certificate import PEM

from .contexts import load_files, with_file
from .side import watch

if TYPE_CHECKING:
    from smtpfix.policy.server_policy import ServerPolicy

_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
_FLIGHTS: Final = 4
"""How often each side of a handshake says something, at the most."""


def load_own(context: ssl.SSLContext, policy: ServerPolicy) -> None:
    """Put a policy's files or PEM octets into a context. Raises `InvalidValueError`."""
    if (files := policy.certificate_files) is not None:
        load_files(context, *files)
        return
    certificate = policy.certificate
    assert isinstance(certificate, PEM)  # noqa: S101 - the policy's normal form
    try:
        with_file(certificate, lambda path: context.load_cert_chain(path, password=""))
    except (ssl.SSLError, OSError) as error:
        raise InvalidValueError(
            "Policy.certificate", certificate, f"a PEM chain, the leaf first, and its unencrypted key ({error})"
        ) from error
    context.chain_pem = bytes(certificate)  # type: ignore[attr-defined]


def own_context(policy: ServerPolicy) -> ssl.SSLContext | None:
    """Return the context that a policy's user has made, such as can be served; None: there is none."""
    context = policy.certificate
    if not isinstance(context, ssl.SSLContext):
        return None
    watch(context)
    context.chain_pem = shown_chain(context)  # type: ignore[attr-defined]
    return context


def own_octets(policy: ServerPolicy) -> tuple[bytes, bytes]:
    """Return chain and key, PEM. Raises `InvalidValueError` for a context, which gives out no key."""
    if (files := policy.certificate_files) is not None:
        return files[0].read_bytes(), files[1].read_bytes()
    certificate = policy.certificate
    if isinstance(certificate, PEM):
        return certificate, certificate
    raise InvalidValueError(
        "Policy.certificate",
        certificate,
        f"files or PEM octets: {policy.scenario} needs another TLS stack than Python's",
    )


def trusted_pem(policy: ServerPolicy) -> str:
    """Return the last certificate that is shown, PEM: a root, or the nearest to it that there is.

    Raises `InvalidValueError` where a context does not show what it has.
    """
    certificate = policy.certificate
    if isinstance(certificate, ssl.SSLContext):
        text = shown_chain(certificate).decode("ascii")
    else:
        text = own_octets(policy)[0].decode("ascii", "replace")
    if _CERTIFICATE not in text:
        raise InvalidValueError(
            "Policy.certificate", certificate, "a context that shows its certificate to every client, or PEM octets"
        )
    begin = text.rindex(_CERTIFICATE)
    return text[begin : text.index("-----END CERTIFICATE-----", begin)] + "-----END CERTIFICATE-----\n"


def shown_chain(context: ssl.SSLContext) -> bytes:
    """Return what a server's context shows to a client, PEM, the leaf first; nothing, where there is no handshake."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_FLIGHTS):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLError):
                side.do_handshake()
    # The public method is there from Python 3.13 on. Neither asks that the handshake be complete, as it is not where
    # the server waits for a client certificate.
    chain = client._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]  # noqa: SLF001
    return "".join(one.public_bytes() for one in chain).encode("ascii")
