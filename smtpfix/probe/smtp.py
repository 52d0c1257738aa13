"""How the probe speaks SMTP (RFC 5321): replies, EHLO, AUTH, and one message."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from .content import stuffed, written
from .measurement import INTERNAL_ERROR, Probe
from .secrets import Secrets
from .speaking import Deadline, Reply, Speaker, Stopped

_READY: Final = 220
_GO_ON: Final = 354
_CODE: Final = 3


class SMTP(Speaker):
    """A client of an SMTP server."""

    hello_stage = "ehlo"
    starttls = "STARTTLS"
    logged_in = "235"
    login_command = "AUTH"
    longest_command = 510
    """RFC 5321 section 4.5.3.1.4."""

    def __init__(self, connected: socket.socket, settings: Probe, deadline: Deadline, secrets: Secrets) -> None:
        super().__init__(connected, settings, deadline, secrets)
        # Named by its address, so that nothing has to be looked up (RFC 5321 section 4.1.3).
        self._name = settings.ehlo_name or _literal(connected.getsockname()[0])

    def read(self) -> Reply:
        """Read one reply."""
        lines = self.last_reply = []
        texts = []
        while True:
            line = self._line()
            if not _is_reply(line):
                raise self._is_none("a code and a text", line)
            if line[:_CODE] != lines[0][:_CODE]:
                raise self._is_none("one code on all its lines", lines[0][:_CODE] + b" and " + line[:_CODE])
            texts.append(line[_CODE + 1 :].strip(b" \t\r\n"))
            if line[_CODE : _CODE + 1] != b"-":
                return Reply(line[:_CODE].decode(), tuple(texts))

    def greeted(self) -> str:
        """Read the greeting, which is 220."""
        if (greeting := self.read()).code != _READY:
            raise self.refused(greeting)
        self.software = _software(self.secrets.text(greeting.texts[0]))
        return self.secrets.text(greeting.text)

    def capabilities(self) -> tuple[bytes, ...]:
        """Say EHLO, or HELO where the server does not know it."""
        reply = self.say(f"EHLO {self._name}")
        lines = reply.texts[1:] if reply.is_positive else ()
        if reply.is_permanent:  # a server that does not know EHLO is greeted with HELO (RFC 5321 section 3.2)
            reply = self.say(f"HELO {self._name}")
        if not reply.is_positive:
            raise self.refused(reply)
        return lines

    def begin_tls(self) -> None:
        """Say STARTTLS, which is answered 220 (RFC 3207 section 4)."""
        if not self.offers(self.starttls):
            raise Stopped(INTERNAL_ERROR, "the server does not offer STARTTLS")
        if (reply := self.say(self.starttls)).code != _READY:
            raise self.refused(reply)

    def mechanisms(self) -> list[str]:
        """Return what AUTH is offered with."""
        return [one for line in self.offered for one in _mechanisms(line)]

    def content(self) -> bytes:
        """Return the message to send, as it goes over the wire. Raises `Stopped`."""
        if self._parameter and not self.offers("SMTPUTF8"):
            raise Stopped(INTERNAL_ERROR, "an address is not ASCII, and the server does not offer SMTPUTF8 (RFC 6531)")
        return stuffed(written(self._settings))

    def transfer(self, content: bytes) -> None:
        """Send the message. Raises `Stopped`."""
        commands = (f"MAIL FROM:<{self._settings.sender}>{self._parameter}", f"RCPT TO:<{self._settings.recipient}>")
        for command in commands:
            self._done(self.say(command))
        if (reply := self.say("DATA")).code != _GO_ON:
            raise self.refused(reply)
        self.send(content)
        self._done(self.read())

    @property
    def _parameter(self) -> str:
        return "" if f"{self._settings.sender}{self._settings.recipient}".isascii() else " SMTPUTF8"

    def leave(self) -> None:
        """Say QUIT."""
        self.say("QUIT")

    def _done(self, reply: Reply) -> None:
        if not reply.is_positive:
            raise self.refused(reply)


def _is_reply(line: bytes) -> bool:
    """Return whether a line has the form of RFC 5321 section 4.2: a code from 200 to 599, a hyphen or a blank, a text.

    Many servers leave the blank out where there is no text.
    """
    code, separator = line[:_CODE], line[_CODE : _CODE + 1]
    return len(code) == _CODE and code.isdigit() and code[:1] in b"2345" and separator in (b" ", b"-", b"\r", b"\n")


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
