"""TLS that nobody should use any more, and chains that OpenSSL does not load, by tlslite-ng.

The only importer of tlslite-ng, which the extra ``smtpfix[legacy-tls]`` installs. It is written in Python and slow: a
handshake takes the server a tenth of a second.
"""

from __future__ import annotations

import contextlib
import errno
import ssl
import warnings
from collections.abc import Generator
from typing import Any, Final

from smtpfix.errors import InvalidValueError
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.policy.tls_profile import TLSProfile
from smtpfix.tls.facts import TLSInfo

from .contexts import version_bounds
from .side import TLSSide

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore where there is one
    from tlslite.constants import CipherSuite
    from tlslite.errors import TLSLocalAlert, TLSRemoteAlert
    from tlslite.handshakesettings import HandshakeSettings
    from tlslite.tlsconnection import TLSConnection
    from tlslite.utils.keyfactory import parsePEMKey
    from tlslite.x509certchain import X509CertChain

_VERSIONS: Final = {"SSLv3": (3, 0), "TLSv1": (3, 1), "TLSv1.1": (3, 2), "TLSv1.2": (3, 3), "TLSv1.3": (3, 4)}
_VERSION_NAMES: Final = {number: name for name, number in _VERSIONS.items()}
_BITS: Final = {"AES_256": 256, "CHACHA20": 256, "AES_128": 128, "RC4_128": 128, "3DES": 112}
"""Secret bits, by what is in a cipher suite's name."""

_GROUP_512: Final = (
    2,
    int(
        "d0978d91dc82fe0545792fa0ecfbce6eadc175906d891e659b8c2739302e40ff"
        "53d6d0f9b327a97227d0a925019d6ed5752cee5dbdf7bb8eaca8c70f650de93f",
        16,
    ),
)
"""Generator and prime of a Diffie-Hellman group that is public, and too small to keep anything secret."""

_WANTS_MORE: Final = 0
"""What tlslite's generators yield while there is nothing to read."""
_CLOSE_NOTIFY: Final = (1, 0)
"""Its level and description (RFC 8446 section 6.1)."""


class LegacyContext:
    """What a server shows: a PEM chain with its key, and settings after its policy and scenario.

    Raises `InvalidValueError` for what tlslite-ng cannot do: it checks no client certificates, picks servers by no
    names, knows no lists of OpenSSL's, and needs an RSA key for old cipher suites.
    """

    def __init__(self, policy: ServerPolicy, profile: TLSProfile, chain: bytes, key: bytes) -> None:
        if policy.client_certificate != "none":
            raise InvalidValueError("Policy.client_certificate", policy.client_certificate, "'none' with tlslite-ng")
        for name in ("client_certificate", "server_name", "ciphers", "dh", "staple"):
            if getattr(profile, name) is not None:
                raise InvalidValueError(f"{profile.where}: {name}", getattr(profile, name), "none with tlslite-ng")
        self.chain = X509CertChain()
        self.chain.parsePemList(chain.decode("ascii"))
        self.key = parsePEMKey(key.decode("ascii"), private=True, implementations=["python"])
        if profile.legacy is not None and self.key.key_type != "rsa":
            raise InvalidValueError(
                "Policy.certificate",
                str(policy.certificate),
                f"a chain whose leaf has an RSA key: {profile.legacy} knows no other",
            )
        self.settings = _settings(policy, profile)


def _settings(policy: ServerPolicy, profile: TLSProfile) -> Any:
    settings = HandshakeSettings()
    settings.minKeySize = 512
    if profile.legacy is None:
        lowest, highest = version_bounds(policy, profile)
    else:  # everything a client old enough for it may know
        lowest, highest = profile.min or "TLSv1", profile.max or "TLSv1.2"
    if profile.legacy == "ssl30":
        lowest = highest = "SSLv3"
        settings.useExtendedMasterSecret = settings.useEncryptThenMAC = False  # RFC 7627 and 7366 are for TLS
    elif profile.legacy == "rc4":
        settings.cipherNames = ["rc4"]
        settings.macNames = ["sha", "md5"]
    elif profile.legacy == "3des":
        settings.cipherNames = ["3des"]
    elif profile.legacy == "dh512":
        settings.keyExchangeNames = ["dhe_rsa"]
        settings.dhParams = _GROUP_512
    settings.minVersion, settings.maxVersion = _VERSIONS[lowest], _VERSIONS[highest]
    settings.versions = [
        number for number in reversed(_VERSIONS.values()) if _VERSIONS[lowest] <= number <= _VERSIONS[highest]
    ]
    return settings


class _Wire:
    """As much of a socket as tlslite-ng uses, in memory."""

    def __init__(self) -> None:
        self.incoming = bytearray()
        self.outgoing = bytearray()

    def recv(self, size: int) -> bytes:
        if not self.incoming:
            raise BlockingIOError(errno.EWOULDBLOCK, "nothing has come")
        data = bytes(self.incoming[:size])
        del self.incoming[:size]
        return data

    def send(self, data: bytes) -> int:
        self.outgoing += data
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.outgoing += data

    def close(self) -> None:
        """Do nothing: the channel closes."""


class _AnyGroup:
    """The Diffie-Hellman groups of a server that has one of its own and looks at none that clients name."""

    def __contains__(self, _group: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return False


class _Connection(TLSConnection):  # type: ignore[misc]  # tlslite-ng has no types
    @staticmethod
    def _groupNamesToList(settings: Any) -> Any:  # noqa: N802 - tlslite-ng's name
        """Let a group of the settings' own do for every client, as servers did before RFC 7919.

        tlslite-ng would take such a client's cipher suites away instead:
        https://github.com/tlsfuzzer/tlslite-ng/blob/v0.8.2/tlslite/tlsconnection.py#L3687
        """
        return _AnyGroup() if settings.dhParams else TLSConnection._groupNamesToList(settings)  # noqa: SLF001


class LegacyTLS(TLSSide):
    """One connection's TLS by tlslite-ng.

    It tells less than the ordinary stack: of alerts, those that end something; of the cipher suite, IANA's name;
    nothing of ALPN, which it does not answer, and nothing of client certificates, which it does not ask for. Sessions
    are never resumed.
    """

    def __init__(self, context: LegacyContext) -> None:
        super().__init__()
        self._chain = context.chain
        self._wire = _Wire()
        self._connection = _Connection(self._wire)
        self._shaking: Generator[Any, None, None] = self._connection.handshakeServerAsync(
            certChain=context.chain, privateKey=context.key, settings=context.settings
        )
        self._reading: Generator[Any, None, None] | None = None
        self._cipher_suite = ""
        self._version = ""

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what came from the network."""
        self._keep(data)
        self._wire.incoming += data

    def to_send(self) -> bytes:
        """Return what has to go to the network, also after a failure: the alert."""
        data = bytes(self._wire.outgoing)
        self._wire.outgoing.clear()
        return data

    def handshake(self) -> bool:
        """Go on with the handshake; return whether it is complete. Raises `HandshakeFailedError`."""
        if self._is_clear_text:  # of which tlslite-ng would wait for more, as if it were SSL 2.0
            raise self._failed("no TLS", code=None, certificate=None)
        try:
            for result in self._shaking:
                if result == _WANTS_MORE:
                    return False
        except Exception as error:
            why = self._told(error)
            raise self._failed(why, code=None, certificate=None) from error
        self._version = _VERSION_NAMES.get(self._connection.version, "")
        self._cipher_suite = CipherSuite.ietfNames.get(self._connection.session.cipherSuite, "")
        self.established = True
        return True

    def read_into(self, buffer: bytearray) -> bool:
        """Append decrypted octets to the buffer; return False once the client has said close_notify."""
        try:
            while not self._connection.closed:
                if self._reading is None:
                    self._reading = self._connection.readAsync(65_536)
                for result in self._reading:
                    if result == _WANTS_MORE:
                        return True  # the generator has what came of a record, and goes on from there
                    buffer += result
                self._reading = None
        except Exception as error:
            raise ssl.SSLError(self._told(error)) from error
        self.alert_seen("client", *_CLOSE_NOTIFY)
        return False

    def write(self, data: bytes) -> None:
        """Encrypt; `to_send` has the result."""
        self._finish(self._connection.writeAsync(data))

    def close(self) -> None:
        """Say close_notify (RFC 8446 section 6.1); `to_send` has it."""
        if not self._connection.closed:
            with contextlib.suppress(ssl.SSLError):
                self._finish(self._connection.closeAsync())
                self.alert_seen("server", *_CLOSE_NOTIFY)

    @property
    def server_certificate(self) -> bytes | None:
        """The certificate that the server showed on this connection, DER."""
        return bytes(self._chain.x509List[0].bytes)

    def info(self, started_by: str) -> TLSInfo:
        """Return the completed handshake as a value."""
        return TLSInfo(
            version=self._version,
            cipher=self._cipher_suite,
            cipher_bits=next((bits for part, bits in _BITS.items() if part in self._cipher_suite), 0),
            server_name=self.asked_name,
            alpn=None,
            resumed=False,
            client_certificate=None,
            client_name=None,
            started_by=started_by,
        )

    def _finish(self, generator: Generator[Any, None, None]) -> None:
        """Let a generator come to its end, which it does at once where nothing has to be waited for."""
        try:
            for _ in generator:
                pass
        except Exception as error:
            raise ssl.SSLError(self._told(error)) from error

    def _told(self, error: Exception) -> str:
        """Return why, and take note of the alert if it was one."""
        if isinstance(error, TLSLocalAlert | TLSRemoteAlert):
            sender = "server" if isinstance(error, TLSLocalAlert) else "client"
            self.alert_seen(sender, error.level, error.description)
        return str(error) or type(error).__name__
