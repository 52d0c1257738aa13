"""TLS with a stapled OCSP response (RFC 6066 section 8), by pyOpenSSL, because `ssl` cannot staple.

The only importer of pyOpenSSL, which the extra ``smtpfix[stapling]`` installs.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from OpenSSL import SSL, crypto

from smtpfix.errors import InvalidValueError
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.policy.tls_profile import TLSProfile
from smtpfix.tls.facts import TLSInfo

from .contexts import DH_GROUPS, EVERYTHING, version_bounds, with_file
from .side import TLSSide

_VERSIONS: Final = {
    "TLSv1": SSL.TLS1_VERSION,
    "TLSv1.1": SSL.TLS1_1_VERSION,
    "TLSv1.2": SSL.TLS1_2_VERSION,
    "TLSv1.3": SSL.TLS1_3_VERSION,
}
_READ: Final = 65_536
_NAMES: Final = {
    "C": "countryName",
    "ST": "stateOrProvinceName",
    "L": "localityName",
    "O": "organizationName",
    "OU": "organizationalUnitName",
    "CN": "commonName",
}
"""Attributes of a subject as `ssl` calls them, by the names of RFC 4514 section 3."""


def stapling_context(
    policy: ServerPolicy, profile: TLSProfile, chain: bytes, key: bytes, response: bytes, client_authority: str
) -> SSL.Context:
    """Return a context that shows a PEM chain and staples a DER response where a client asks for one.

    `client_authority` is whose client certificates are taken, PEM. Raises `InvalidValueError` for ciphers that
    pyOpenSSL's OpenSSL does not know, and for a scenario that refuses server names, which pyOpenSSL cannot.
    """
    if profile.server_name is not None:
        raise InvalidValueError(f"{profile.where}: server_name", profile.server_name, "none where there is a staple")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    lowest, highest = version_bounds(policy, profile)
    context.set_min_proto_version(_VERSIONS[lowest])
    context.set_max_proto_version(_VERSIONS[highest])
    # pyOpenSSL does not tell whether a session was resumed: none is.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    try:  # at level 0, since weak certificates may be what is wanted
        context.set_cipher_list(f"{profile.ciphers or EVERYTHING}:@SECLEVEL=0".encode())
    except SSL.Error as error:
        raise InvalidValueError(
            f"{profile.where}: ciphers", profile.ciphers, "suites that pyOpenSSL's OpenSSL knows"
        ) from error
    with_file(chain, context.use_certificate_chain_file)
    with_file(key, context.use_privatekey_file)
    if profile.dh is not None:
        with_file(DH_GROUPS[profile.dh], context.load_tmp_dh)
    requires = profile.client_certificate or policy.client_certificate
    if requires != "none":
        with_file(client_authority.encode(), context.load_verify_locations)
        context.set_verify(
            SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if requires == "required" else 0), _certificate_seen
        )
    if policy.alpn:
        context.set_alpn_select_callback(_chooser([name.encode() for name in policy.alpn]))
    context.set_info_callback(_told)
    context.set_ocsp_server_callback(lambda _connection, _data: response)
    return context


def _told(connection: SSL.Connection, where: int, value: int) -> None:
    """Take note of an alert: its level and description are the two octets of the value."""
    if where & SSL.SSL_CB_ALERT:
        sender = "client" if where & SSL.SSL_CB_READ else "server"
        connection.get_app_data().alert_seen(sender, value >> 8, value & 0xFF)


def _certificate_seen(connection: SSL.Connection, certificate: Any, _error: int, depth: int, good: int) -> bool:
    if depth == 0:
        connection.get_app_data().certificate_seen(certificate)
    return bool(good)


def _chooser(known: Sequence[bytes]) -> Callable[[SSL.Connection, list[bytes]], Any]:
    def choose(_connection: SSL.Connection, offered: list[bytes]) -> Any:
        """Return the first protocol that both know; where there is none, TLS goes on without, as with `ssl`."""
        return next((name for name in known if name in offered), SSL.NO_OVERLAPPING_PROTOCOLS)

    return choose


class StaplingTLS(TLSSide):
    """One connection's TLS by pyOpenSSL.

    It tells the same as the ordinary stack, but for two things: sessions are never resumed, and a client certificate
    that was refused is recorded only where the certificate itself was at fault, not the chain above it.
    """

    def __init__(self, context: SSL.Context) -> None:
        super().__init__()
        self._connection = SSL.Connection(context, None)
        self._connection.set_app_data(self)
        self._connection.set_accept_state()
        self._certificate: bytes | None = None

    def certificate_seen(self, certificate: Any) -> None:
        """Take note of the client's certificate while OpenSSL decides on it."""
        self._certificate = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what came from the network."""
        self._keep(data)
        if data:
            self._connection.bio_write(bytes(data))

    def to_send(self) -> bytes:
        """Return what has to go to the network, also after a failure: the alert."""
        found = bytearray()
        with contextlib.suppress(SSL.WantReadError):  # which is how an empty buffer reads
            while True:
                found += self._connection.bio_read(_READ)
        return bytes(found)

    def handshake(self) -> bool:
        """Go on with the handshake; return whether it is complete. Raises `HandshakeFailedError`."""
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            why = _reason(error)
            raise self._failed(
                why, code=why.replace(" ", "_").upper() or None, certificate=self._certificate
            ) from error
        self.established = True
        return True

    def read_into(self, buffer: bytearray) -> bool:
        """Append decrypted octets to the buffer; return False once the client has said close_notify."""
        try:
            while True:
                buffer += self._connection.recv(_READ)
        except SSL.WantReadError:
            return True
        except SSL.ZeroReturnError:
            return False
        except SSL.Error as error:
            raise ssl.SSLError(_reason(error)) from error

    def write(self, data: bytes) -> None:
        """Encrypt; `to_send` has the result."""
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise ssl.SSLError(_reason(error)) from error

    def close(self) -> None:
        """Say close_notify (RFC 8446 section 6.1); `to_send` has it."""
        with contextlib.suppress(SSL.Error):
            self._connection.shutdown()

    @property
    def server_certificate(self) -> bytes | None:
        """The certificate that the server showed on this connection, DER."""
        certificate = self._connection.get_certificate()
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) if certificate else None

    def info(self, started_by: str) -> TLSInfo:
        """Return the completed handshake as a value."""
        connection = self._connection
        certificate = connection.get_peer_certificate()
        return TLSInfo(
            version=connection.get_protocol_version_name(),
            cipher=connection.get_cipher_name() or "",
            cipher_bits=connection.get_cipher_bits() or 0,
            server_name=self.asked_name,
            alpn=connection.get_alpn_proto_negotiated().decode("ascii") or None,
            resumed=False,
            client_certificate=crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) if certificate else None,
            client_name=_subject(certificate) if certificate else None,
            started_by=started_by,
        )


def _reason(error: SSL.Error) -> str:
    """Return OpenSSL's words for what came first, as `ssl` does."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(queue[0][2]) if queue else " ".join(map(str, error.args))


def _subject(certificate: crypto.X509) -> str | None:
    """Return a certificate's subject in one line."""
    names = ((one.rfc4514_attribute_name, one.value) for one in certificate.to_cryptography().subject)
    return ", ".join(f"{_NAMES.get(name, name)}={value}" for name, value in names) or None
