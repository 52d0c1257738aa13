"""From the options of `web_options` to the settings of the web server and its TLS context."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from smtpfix.errors import InvalidValueError
from smtpfix.pki.authority import Authority
from smtpfix.policy.mode import Mode
from smtpfix.policy.place import Place
from smtpfix.smtp.policy import Policy
from smtpfix.tls.contexts import load_files
from smtpfix.web.settings import WebSettings


def read_web(where: str | None, options: Mapping[str, Any]) -> WebSettings:
    """Return where and how mail is shown, by options as `web_options.NAMES` has them. Raises `InvalidValueError`."""
    names = {name.removeprefix("web_"): value for name, value in options.items() if name != "web_host"}
    return WebSettings.read(where, os.environ, hosts=tuple(options.get("web_host", ())), **names)


def https_context(settings: WebSettings, authority: Authority | None) -> ssl.SSLContext | None:
    """Return what HTTPS needs: the user's files, or a certificate of the authority; None for HTTP.

    Raises `InvalidValueError` for files that cannot be read.
    """
    if settings.certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            load_files(context, *settings.certificate)
        except InvalidValueError as error:
            raise InvalidValueError("--web-tls-cert and --web-tls-key", error.value, error.expected) from error
        return context
    if not settings.tls or authority is None:
        return None
    name = socket.gethostname() if settings.host in ("::", "0.0.0.0") else settings.host
    place = Place("localhost", name, "127.0.0.1", ("::1", *settings.hosts))
    return authority.server_context(Policy(Mode.IMPLICIT_TLS), place)
