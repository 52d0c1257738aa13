"""Where a `smtpfix serve --web` is, and how its own API is asked: HTTP with the standard library alone."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import math
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from .errors import InvalidValueError, RemoteError

_API: Final = "/api/smtpfix/v1"
_ANSWER: Final = 30.0
"""Seconds within which an answer has to come that waits for nothing."""
_LONGEST_TOLD: Final = 300
"""Characters of what a server says that an error has."""


class Place:
    """Where a server is, and how it is asked."""

    def __init__(self, url: str) -> None:
        """Read a URL. Raises `InvalidValueError` for anything that is no such URL."""
        expected = "a URL such as http://localhost:8025 or https://user:password@mail.example/m/suite-1"
        if not isinstance(url, str):
            raise InvalidValueError("connect", url, expected)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidValueError("connect", _without_credentials(url), expected)
        self._is_secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port if port is not None else 443 if self._is_secure else 80
        self._path = quote(unquote(parts.path.rstrip("/")), safe="/@+:~!$&'()*,;=")
        self._headers = {"Accept": "application/json"}
        if parts.username is not None:
            known = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(known.encode()).decode()
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.shown = f"{parts.scheme}://{host}:{self._port}{self._path}/"

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        """Return the status, the JSON and the head of an answer; None for the JSON of one without."""
        status, got, body = self._exchange(method, path, query or {}, headers or {}, _ANSWER)
        if status == http.HTTPStatus.NOT_MODIFIED:
            return status, None, got
        return status, self._read(status, body, got.get("Location", "")), got

    def wait(self, since: int, seconds: float) -> None:
        """Return as soon as a message has come after an entry of the journal, or the time is over."""
        query = {"since": since, "timeout": f"{max(0.0, math.ceil(seconds * 1000) / 1000):.3f}"}
        status, _, body = self._exchange("GET", "/messages/wait", query, {}, seconds + _ANSWER)
        if status != http.HTTPStatus.REQUEST_TIMEOUT:
            self._read(status, body)

    def raw(self, id_: str) -> bytes | None:
        """Return the octets of a message; None where there is none."""
        status, _, body = self._exchange("GET", f"/messages/{quote(id_, safe='')}/raw", {}, {}, _ANSWER)
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        if status != http.HTTPStatus.OK:
            self._read(status, body)
        return body

    def _exchange(
        self, method: str, path: str, query: Mapping[str, object], headers: Mapping[str, str], timeout: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        target = f"{self._path}{_API}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            with contextlib.closing(self._connection(timeout)) as connection:
                connection.request(method, target, headers={**self._headers, **headers})
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # a name that can be none is a UnicodeError
            why = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, ssl.SSLCertVerificationError):
                why += "; SSL_CERT_FILE names a file with the certificates to trust"
            raise RemoteError(f"{self.shown} does not answer ({why}): expected `smtpfix serve --web` there") from error

    @contextlib.contextmanager
    def understood(self) -> Iterator[None]:
        """Raise `RemoteError` for JSON that says something else than smtpfix does."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise RemoteError(
                f"{self.shown} answers JSON of another kind: expected the API of `smtpfix serve --web` there"
            ) from error

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._is_secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def _read(self, status: int, body: bytes, location: str = "") -> Any:
        """Return an answer's JSON. Raises `RemoteError` for what is no success, and for what smtpfix does not say."""
        if status == http.HTTPStatus.UNAUTHORIZED:
            how = "http://NAME:PASSWORD@…, with %40 for @, %2F for / and %25 for %"
            raise RemoteError(f"{self.shown} needs other credentials: put them into the URL, {how}")
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(body)
            if isinstance(answer, dict) and http.HTTPStatus.OK <= status < http.HTTPStatus.MULTIPLE_CHOICES:
                return answer
            if isinstance(answer, dict) and isinstance(answer.get("error"), str):
                raise RemoteError(f"{self.shown} answers {status}: {answer['error'][:_LONGEST_TOLD]}")
        if location:
            where = _without_credentials(" ".join(location.split()))[:_LONGEST_TOLD]
            raise RemoteError(f"{self.shown} answers {status} and leads to {where!r}: give the URL where the page is")
        told = " ".join(body[:_LONGEST_TOLD].decode("utf-8", "replace").split())
        raise RemoteError(f"{self.shown} answers {status} {told!r}: expected the API of `smtpfix serve --web` there")


def _without_credentials(url: str) -> str:
    before, at, behind = url.rpartition("@")
    return f"{before.partition('://')[0]}://…@{behind}" if at else url
