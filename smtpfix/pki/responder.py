"""`Responder`: it serves the CRLs, issuers' certificates and OCSP responses that certificates refer to.

HTTP on a loopback port, in threads of its own: a client may ask in the middle of a handshake, and of several at once.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from .certificates import Issued, Revocation
from .revocation import Ledger

_ADDRESS: Final = "127.0.0.1"
_PATIENCE: Final = 10.0
"""Seconds that a client may take over a request."""
_CLOSE_BOUND: Final = 1.0
"""Seconds that closing may take."""
_LARGEST: Final = 65_536
"""Octets of an OCSP request; usual ones have a hundred."""

_CRL_NAME: Final = "issuer.crl"
_ISSUER_NAME: Final = "issuer.cer"
_OCSP_NAME: Final = "ocsp"

_OCSP_REQUEST: Final = "application/ocsp-request"
_OCSP_RESPONSE: Final = "application/ocsp-response"
_CRL: Final = "application/pkix-crl"
_CERTIFICATE: Final = "application/pkix-cert"
"""Media types: RFC 6960 appendix A, and RFC 2585 section 4."""


class Responder:
    """One authority's; it listens once it is made. `now` tells the time that its statements are made at."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._ledgers: dict[bytes, Ledger] = {}
        self._lock = threading.RLock()  # a forgotten authority's is closed wherever its garbage is collected
        self._is_closing = False
        self._server = _Server((_ADDRESS, 0), _Handler)
        self._server.find = self._find
        self._thread = threading.Thread(target=self._serve, name="smtpfix responder", daemon=True)
        self._thread.start()

    def urls(self, issuer: Issued) -> Revocation:
        """Return the URLs that a certificate of this issuer's has."""
        with self._lock:
            self._ledgers.setdefault(issuer.octets, Ledger(issuer, self._now))
            number = list(self._ledgers).index(issuer.octets)
        base = f"http://{_ADDRESS}:{self._server.server_port}/{number}"
        return Revocation(crl=f"{base}/{_CRL_NAME}", ocsp=f"{base}/{_OCSP_NAME}", issuer=f"{base}/{_ISSUER_NAME}")

    def add(self, issuer: Issued, issued: Issued, *, revoked: bool) -> None:
        """Take note of a certificate that has the URLs of its issuer."""
        with self._lock:
            ledger = self._ledgers[issuer.octets]
        ledger.add(issued, revoked=revoked)

    def close(self) -> None:
        """Stop listening. Closing twice is fine."""
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
        with contextlib.suppress(OSError):  # the thread waits for a connection, and gets one
            socket.create_connection((_ADDRESS, self._server.server_port), _CLOSE_BOUND).close()
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_BOUND)
        self._server.server_close()

    def forked(self) -> None:
        """Let go of the socket in a forked child, whose authority says so: the parent goes on answering."""
        self._is_closing = True
        self._server.server_close()

    def _serve(self) -> None:
        while not self._is_closing:  # serve_forever would wake up again and again, and closing wait for that
            self._server.handle_request()

    def _find(self, number: str) -> Ledger | None:
        """Return the ledger with this number in its URLs."""
        with self._lock:
            return {str(place): ledger for place, ledger in enumerate(self._ledgers.values())}.get(number)


class _Server(ThreadingHTTPServer):
    find: Callable[[str], Ledger | None]
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Bind, without asking anybody for the host's name, as `http.server` does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = _ADDRESS, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is its own business, and a test's output nobody else's."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE
    server_version = "smtpfix"
    sys_version = ""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a CRL, an issuer, or an OCSP request in the URL, base64 after a slash (RFC 6960 appendix A.1)."""
        ledger, what, rest = self._asked()
        if ledger is not None and what == _CRL_NAME and not rest:
            self._answer(_CRL, ledger.crl())
        elif ledger is not None and what == _ISSUER_NAME and not rest:
            self._answer(_CERTIFICATE, ledger.issuer.octets)
        elif ledger is not None and what == _OCSP_NAME and rest:
            try:
                request = base64.b64decode(unquote(rest), validate=True)
            except ValueError:
                request = b""  # which is no request, as the answer says
            self._answer(_OCSP_RESPONSE, ledger.answer(request))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def do_POST(self) -> None:
        """Answer an OCSP request in the body."""
        ledger, what, rest = self._asked()
        length = self.headers.get("Content-Length", "")
        if ledger is None or what != _OCSP_NAME or rest:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif self.headers.get_content_type() != _OCSP_REQUEST:
            self.send_error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif not length.isdecimal():
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > _LARGEST:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._answer(_OCSP_RESPONSE, ledger.answer(self.rfile.read(int(length))))

    def _asked(self) -> tuple[Ledger | None, str, str]:
        """Return whose, what and the rest of the URL; also of one that names the host (RFC 9112 section 3.2.2)."""
        path = self.path if self.path.startswith("/") else urlsplit(self.path).path
        number, _, what = path[1:].partition("/")
        what, _, rest = what.partition("/")
        return self.server.find(number), what, rest

    def _answer(self, media_type: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")  # a certificate may be issued, or revoked, the next moment
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
