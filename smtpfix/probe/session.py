"""`Session`: one session of a probe, stage by stage, and its results."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from smtpfix.clock import monotonic

from .connecting import connected, in_words
from .imap import IMAP
from .login import log_in
from .measurement import INTERNAL_ERROR, OK, Certificate, Connection, Probe, ProbeResult, Protocol
from .pop3 import POP3
from .secrets import Secrets
from .smtp import SMTP
from .speaking import Deadline, Speaker, Stopped
from .trust import described

_CLIENTS: Final[dict[Protocol, type[Speaker]]] = {Protocol.SMTP: SMTP, Protocol.IMAP: IMAP, Protocol.POP3: POP3}
_SILENCE: Final = 2.0
"""Seconds in which servers have greeted, as a rule."""
_ERROR_SHOWN: Final = 500


class Session:
    """One connection, and what was found on it."""

    def __init__(
        self,
        settings: Probe,
        deadline: Deadline,
        secrets: Secrets,
        context: ssl.SSLContext | None = None,
        rejected: Certificate | None = None,
        *,
        when_silent: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._deadline = deadline
        self._secrets = secrets
        self._context = context
        self._rejected = rejected
        """What OpenSSL made of the certificate before."""
        self._when_silent = when_silent
        self._speaker: Speaker | None = None
        self._stage = "connect"
        self._found: dict[str, Any] = {}

    def run(self, *, goes_on: bool = True) -> ProbeResult:
        """Open a session; with `goes_on`, also log in and send, as far as the settings say so."""
        started, code, text = datetime.now(UTC), OK, ""
        try:
            with self._timed("total_ms"):
                speaker = self._open()
                if goes_on:
                    self._use(speaker)
            self._stage = ""
        except ssl.SSLCertVerificationError as error:
            self._found["certificate"] = Certificate(error.verify_code, error.verify_message)
            code, text = INTERNAL_ERROR, f"the certificate is not trusted: {error.verify_message}"
        except Stopped as error:
            code, text = error.reply_code, str(error)
        except (OSError, ValueError) as error:  # ValueError: of names and codecs
            late = self._deadline.has_passed
            text = self._deadline.text if late else in_words(error, self._settings.timeout)
            code = INTERNAL_ERROR
        finally:
            lines = self._speaker.last_reply if self._speaker is not None else []
            self._found["last_reply"] = tuple(map(self._secrets.octets, lines))
            self._close(politely=code != INTERNAL_ERROR)
        shown = self._secrets.text(text)[:_ERROR_SHOWN]
        return ProbeResult(self._settings, started, code, self._stage, shown, **self._found)

    # The stages

    def _open(self) -> Speaker:
        """Connect and begin TLS, up to what the server offers then; return what speaks."""
        settings = self._settings
        with self._timed("connection_ms"):
            socket = connected(settings, self._deadline)
        client = _CLIENTS[settings.protocol]
        speaker = self._speaker = client(socket, settings, self._deadline, self._secrets)
        if settings.connection is Connection.IMPLICIT_TLS:
            self._begin_tls(speaker)
        self._stage = "greeting"
        with self._timed("connection_ms"), self._noticing_silence():
            self._found["greeting"] = speaker.greeted()
        self._found["software"] = speaker.software
        if settings.connection is Connection.STARTTLS:
            self._hello(speaker, "extensions_in_clear")
            self._stage = "starttls"
            speaker.begin_tls()
            self._begin_tls(speaker)
        self._hello(speaker, "extensions")
        self._found["server_id"] = speaker.identity()
        self._found["software"] = speaker.software
        return speaker

    def _begin_tls(self, speaker: Speaker) -> None:
        """Shake hands, and forget what the server said in clear."""
        self._stage = "tls"
        if self._context is None:  # pragma: no cover - for type checkers
            raise AssertionError("there is a context")
        name = self._settings.name or self._settings.host
        with self._timed("tls_ms"):
            secured = self._context.wrap_socket(speaker.waits(), server_hostname=name)
        speaker.secured(secured)
        self._found["tls_version"] = secured.version()
        self._found["cipher"] = (secured.cipher() or ("",))[0]
        verdict = self._rejected or Certificate(0, "")
        self._found["certificate"] = described(secured.getpeercert(binary_form=True) or b"", verdict)

    def _hello(self, speaker: Speaker, field_name: str) -> None:
        self._stage = speaker.hello_stage
        lines = speaker.capabilities()
        self._found[field_name] = tuple(map(self._secrets.text, lines))
        speaker.offered = tuple(line.decode("ascii", "replace").upper() for line in lines)
        self._found["software"] = speaker.software

    def _use(self, speaker: Speaker) -> None:
        """Log in and send, as far as the settings say so."""
        if self._settings.user:
            self._stage = "login"
            in_clear = self._settings.connection is Connection.PLAIN
            with self._timed("login_ms"):
                self._found["mechanism"] = log_in(speaker, self._settings, in_clear=in_clear)
            self._found["logged_in"] = True
        if self._settings.recipient and isinstance(speaker, SMTP):
            self._stage = "transfer"
            content = speaker.content()
            with self._timed("transfer_ms"):
                speaker.transfer(content)
            self._found["sent"] = True

    # Underneath

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Add what something takes, also when it fails."""
        start = monotonic()
        try:
            yield
        finally:
            self._found[name] = self._found.get(name, 0.0) + (monotonic() - start) * 1000

    @contextlib.contextmanager
    def _noticing_silence(self) -> Iterator[None]:
        """Let it be known soon that a server does not greet: it may well wait for TLS."""
        if self._when_silent is None or self._settings.connection is Connection.IMPLICIT_TLS:
            yield
            return
        timer = threading.Timer(_SILENCE, self._when_silent)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _close(self, *, politely: bool) -> None:
        if self._speaker is None:
            return
        if politely:
            with contextlib.suppress(OSError, Stopped):
                self._speaker.leave()
        self._speaker.close()
