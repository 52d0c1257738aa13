"""One session of a probe, stage by stage, and what was found in it: `Session`."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from smtpfix.clock import monotonic

from .connecting import connected, in_words
from .content import stuffed, written
from .login import log_in
from .measurement import INTERNAL_ERROR, OK, Certificate, Connection, Probe, ProbeResult
from .secrets import Secrets
from .speaking import Deadline, Reply, Speaker, Stopped
from .trust import described

_READY: Final = 220
_GO_ON: Final = 354
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
    ) -> None:
        self._settings = settings
        self._deadline = deadline
        self._secrets = secrets
        self._context = context
        self._rejected = rejected
        """What OpenSSL made of the certificate before."""
        self._speaker: Speaker | None = None
        self._extensions: tuple[str, ...] = ()
        """What the last EHLO reply offers, keywords in upper case."""
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
        """Connect and begin TLS, up to the last reply to EHLO; return what speaks."""
        settings = self._settings
        with self._timed("connection_ms"):
            socket = connected(settings, self._deadline)
        speaker = self._speaker = Speaker(socket, settings.timeout, self._deadline, self._secrets)
        # Named by its address, so that nothing has to be looked up (RFC 5321 section 4.1.3).
        name = settings.ehlo_name or _literal(socket.getsockname()[0])
        if settings.connection is Connection.IMPLICIT_TLS:
            self._begin_tls(speaker)
        self._stage = "greeting"
        with self._timed("connection_ms"):
            greeting = speaker.read()
        if greeting.code != _READY:
            raise speaker.refused(greeting)
        self._found["greeting"] = self._secrets.text(greeting.text)
        self._found["software"] = _software(self._secrets.text(greeting.texts[0]))
        if settings.connection is Connection.STARTTLS:
            self._hello(speaker, name, "extensions_in_clear")
            self._stage = "starttls"
            if not self._offers("STARTTLS"):
                raise Stopped(INTERNAL_ERROR, "the server does not offer STARTTLS")
            reply = speaker.say("STARTTLS")
            if reply.code != _READY:
                raise speaker.refused(reply)
            self._begin_tls(speaker)
        self._hello(speaker, name, "extensions")
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

    def _hello(self, speaker: Speaker, name: str, field_name: str) -> None:
        self._stage = "ehlo"
        reply = speaker.say(f"EHLO {name}")
        lines = reply.texts[1:] if reply.is_positive else ()
        if reply.is_permanent:  # a server that does not know EHLO is greeted with HELO (RFC 5321 section 3.2)
            reply = speaker.say(f"HELO {name}")
        if not reply.is_positive:
            raise speaker.refused(reply)
        self._found[field_name] = tuple(map(self._secrets.text, lines))
        self._extensions = tuple(line.decode("ascii", "replace").upper() for line in lines)

    def _use(self, speaker: Speaker) -> None:
        """Log in and send, as far as the settings say so."""
        if self._settings.user:
            self._stage = "login"
            offered = [one for line in self._extensions for one in _mechanisms(line)]
            in_clear = self._settings.connection is Connection.PLAIN
            with self._timed("login_ms"):
                self._found["mechanism"] = log_in(speaker, self._settings, offered, in_clear=in_clear)
            self._found["logged_in"] = True
        if self._settings.recipient and self._settings.sender:
            self._stage = "transfer"
            self._transfer(speaker, self._settings.sender, self._settings.recipient)
            self._found["sent"] = True

    def _transfer(self, speaker: Speaker, sender: str, recipient: str) -> None:
        """Send one message."""
        content = stuffed(written(self._settings))
        parameter = "" if (sender + recipient).isascii() else " SMTPUTF8"
        if parameter and not self._offers("SMTPUTF8"):
            raise Stopped(INTERNAL_ERROR, "an address is not ASCII, and the server does not offer SMTPUTF8 (RFC 6531)")
        with self._timed("transfer_ms"):
            for command in (f"MAIL FROM:<{sender}>{parameter}", f"RCPT TO:<{recipient}>"):
                _done(speaker, speaker.say(command))
            if (reply := speaker.say("DATA")).code != _GO_ON:
                raise speaker.refused(reply)
            speaker.send(content)
            _done(speaker, speaker.read())

    # Underneath

    def _offers(self, keyword: str) -> bool:
        return any(line.split()[:1] == [keyword] for line in self._extensions)

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Add what something takes, also when it fails."""
        start = monotonic()
        try:
            yield
        finally:
            self._found[name] = self._found.get(name, 0.0) + (monotonic() - start) * 1000

    def _close(self, *, politely: bool) -> None:
        if self._speaker is None:
            return
        if politely:
            with contextlib.suppress(OSError, Stopped):
                self._speaker.say("QUIT")
        self._speaker.close()


def _done(speaker: Speaker, reply: Reply) -> None:
    if not reply.is_positive:
        raise speaker.refused(reply)


def _mechanisms(line: str) -> list[str]:
    """Return the SASL mechanisms that a line of an EHLO reply offers, in the old form ``AUTH=LOGIN`` too."""
    keyword, *mechanisms = line.replace("AUTH=", "AUTH ", 1).split() or [""]
    return mechanisms if keyword == "AUTH" else []


def _literal(address: str) -> str:
    """Return an address as a literal (RFC 5321 section 4.1.3)."""
    address = address.partition("%")[0]  # the zone is this machine's own
    return f"[IPv6:{address}]" if ipaddress.ip_address(address).version == 6 else f"[{address}]"  # noqa: PLR2004


def _software(greeting: str) -> str:
    """Return what a greeting says after the server's name and the protocol's."""
    words = greeting.split()[1:]
    return " ".join(words[1:] if words and words[0].upper() in ("SMTP", "ESMTP") else words)
