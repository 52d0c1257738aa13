"""`smtpfix web`: the page and the APIs alone, in a process of their own, for a store that others write."""

from __future__ import annotations

import math
import os
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, TextIO

from smtpfix.clock import monotonic
from smtpfix.errors import ListenError, SMTPFixError
from smtpfix.pki.authority import Authority
from smtpfix.store.opening import open_store
from smtpfix.web.runner import WebServer
from smtpfix.web.settings import WebSettings

from .environment import without_effect
from .events import Reason
from .pipe import complain, reader_is_gone
from .signals import signals
from .web_settings import https_context

_TICK: Final = 0.2
"""Seconds between two looks for signals, which interrupt no wait on Windows, and for the output's reader."""


class CannotShowError(SMTPFixError):
    """It cannot start; the text is one line for people."""


def show(
    where: str, settings: WebSettings, stream: TextIO, *, authority: Path | None = None, timeout: float | None = None
) -> int:
    """Serve a store over HTTP until something ends it, and return the exit status; in the main thread.

    Raises `StoreError` for a store that cannot be opened, and `CannotShowError`.
    """
    ended = threading.Event()

    def end(_: Reason) -> None:
        ended.set()

    with signals(end, None), ExitStack() as opened:
        store = opened.enter_context(closing(open_store(where)))
        try:
            own = opened.enter_context(Authority(authority)) if settings.tls and settings.certificate is None else None
            web = WebServer(store, settings, tls=https_context(settings, own))
            opened.enter_context(web)
        except ListenError as error:
            raise CannotShowError(error.strerror or str(error)) from error
        if store.is_new:  # as when it starts before the servers; or the name is a wrong one
            shown = store.where if "://" in store.where else Path(store.where).absolute()
            complain(f"there was no store at {shown}; it is new and empty until smtpfix serve uses the same --store")
        warn(settings)
        print(f"[http] accessible via {web.url}", file=stream, flush=True)  # in the words that scripts wait for
        if own is not None:
            print(f"CA file for clients to trust: {own.ca_file}", file=stream, flush=True)
        deadline = monotonic() + (math.inf if timeout is None else timeout)
        while not ended.wait(min(_TICK, max(0.0, deadline - monotonic()))):
            if monotonic() >= deadline or reader_is_gone(stream):
                break
    return 0


def warn(settings: WebSettings) -> None:
    """Say on standard error what in the environment changes nothing, and who can read the mail."""
    if names := without_effect(os.environ):
        complain(f"these names in the environment have no effect: {', '.join(names)}")
    if settings.is_open and not settings.is_local:
        complain(
            f"anyone who can reach {settings.host} can read the mail: set MP_UI_AUTH=NAME:PASSWORD to prevent that"
        )
