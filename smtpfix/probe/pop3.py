"""How the probe speaks POP3 (RFC 1939): CAPA, STLS, AUTH, USER and PASS; never APOP, for which MD5 has to be safe."""

from __future__ import annotations

from .measurement import INTERNAL_ERROR
from .speaking import Reply, Speaker, Stopped


class POP3(Speaker):
    """A client of a POP3 server."""

    hello_stage = "capabilities"
    starttls = "STLS"
    logged_in = "+OK"
    login_command = "AUTH"
    longest_command = 253
    """RFC 2449 section 4."""
    _capabilities: tuple[bytes, ...] | None = None
    """None: the server does not know CAPA."""

    def read(self) -> Reply:
        """Read a status line, or what asks for more (RFC 5034 section 4)."""
        self.last_reply = []
        line = self._line()
        status, _, text = line.rstrip(b"\r\n").partition(b" ")
        if status not in (b"+OK", b"-ERR", b"+"):
            raise self._is_none("+OK or -ERR", line)
        return Reply(status.decode(), (text.strip(),))

    def greeted(self) -> str:
        """Read the greeting; the software is known by CAPA."""
        if not (greeting := self.read()).is_positive:
            raise self.refused(greeting)
        return self.secrets.text(greeting.text)

    def capabilities(self) -> tuple[bytes, ...]:
        """Say CAPA (RFC 2449 section 5); servers need not know it."""
        reply = self.say("CAPA")
        if reply.wants_more:
            raise self.refused(reply)
        self._capabilities = tuple(self._lines()) if reply.is_positive else None
        for line in self._capabilities or ():
            keyword, _, software = line.partition(b" ")
            if keyword.upper() == b"IMPLEMENTATION":  # RFC 2449 section 6.9
                self.software = self.secrets.text(software)
        return self._capabilities or ()

    def _lines(self) -> list[bytes]:
        """Read the lines after a status line, up to the final dot."""
        lines = []
        while (line := self._line().rstrip(b"\r\n")) != b".":
            lines.append(line.removeprefix(b"."))
        return lines

    def mechanisms(self) -> list[str]:
        """Return what SASL is offered with (RFC 5034 section 3)."""
        return [one for line in self.offered if line.split()[:1] == ["SASL"] for one in line.split()[1:]]

    def log_in_without_sasl(self) -> str:
        """Say USER and PASS, where CAPA offers USER or is not known."""
        if self._capabilities is not None and not self.offers("USER"):
            return ""
        if not (self._settings.password or "").isprintable():
            raise Stopped(INTERNAL_ERROR, "the password has control characters, which PASS cannot carry")
        for command in (f"USER {self._settings.user}", f"PASS {self._settings.password}"):
            if not (reply := self.say(command)).is_positive:
                raise self.refused(reply)
        return "USER and PASS"

    def leave(self) -> None:
        """Say QUIT."""
        self.say("QUIT")
