"""How the probe speaks IMAP (RFC 9051): tagged commands, CAPABILITY, ID, AUTHENTICATE and LOGIN."""

from __future__ import annotations

from typing import Final

from .measurement import INTERNAL_ERROR, Connection
from .speaking import Reply, Speaker, Stopped

_TAGGED: Final = ("OK", "NO", "BAD")
_GREETINGS: Final = ("OK", "PREAUTH", "BYE")
_DIGITS: Final = 10
"""Of a number of 32 bits."""
_CLIENT_ID: Final = 'ID ("name" "smtpfix")'
_MOST_STRINGS: Final = 60
"""Of the answer to ID: 30 fields and their values (RFC 2971 section 3.3)."""
_LONGEST_QUOTED: Final = 1_000
"""Characters of a string that is sent in quotes; what is longer is a literal."""


class IMAP(Speaker):
    """A client of an IMAP server."""

    hello_stage = "capabilities"
    starttls = "STARTTLS"
    logged_in = "OK"
    login_command = "AUTHENTICATE"
    longest_command = 8_000
    """RFC 7162 section 4 asks servers for 8,192."""
    _number = 0
    _is_over = False
    _untagged: tuple[bytes, ...] = ()
    """The untagged responses before the last reply, without their ``* ``."""

    @property
    def _tag(self) -> str:
        return f"P{self._number}"

    def say(self, line: str) -> Reply:
        """Send a command with a tag of its own and read up to the response with the same tag."""
        self._number += 1
        return self.answer(f"{self._tag} {line}")

    def read(self) -> Reply:
        """Read up to the tagged response, to BYE, or to what asks for more."""
        self.last_reply = []
        untagged = []
        while True:
            line = self._response()
            words = line.rstrip(b"\r\n")
            if words[:1] == b"+":
                return Reply("+", (words[1:].strip(),))
            if words[:2] == b"* ":
                untagged.append(words[2:])
                status, text = _status(words[2:])
                if status == "BYE":
                    self._is_over = True
                    return Reply(status, (text,))
                continue
            tag, _, response = words.partition(b" ")
            status, text = _status(response)
            if tag != self._tag.encode() or status not in _TAGGED:
                raise self._is_none(f"{self._tag} and one of {', '.join(_TAGGED)}", line)
            self._untagged = tuple(untagged)
            return Reply(status, (text,))

    def _response(self) -> bytes:
        """Take one response and return it as one line: literals in it (RFC 9051 section 4.3) become quoted strings."""
        line = self._line()
        parts: list[bytes] = []
        while (parts or line[:2] == b"* ") and (left := _announced(line)) is not None:
            parts.append(line[: line.rindex(b"{")])
            literal = []
            while left > 0:
                line = self._line()
                literal.append(line[:left])
                left -= len(line)
            parts.append(_quoted(b"".join(literal)))
            line = line[left:] if left else self._line()
        return b"".join((*parts, line))

    def greeted(self) -> str:
        """Read the greeting, which is an untagged OK; the software is known by ID."""
        self.last_reply = []
        line = self._line()
        status, text = _status(line[2:].rstrip(b"\r\n"))
        if line[:2] != b"* " or status not in _GREETINGS:
            raise self._is_none(f"* and one of {', '.join(_GREETINGS)}", line)
        if status == "BYE":
            self._is_over = True
            raise self.refused(Reply(status, (text,)))
        if status == "PREAUTH" and (self._settings.user or self._settings.connection is Connection.STARTTLS):
            reason = "the client is logged in already, so that neither STARTTLS nor a login is possible"
            raise Stopped(INTERNAL_ERROR, f"PREAUTH {self.secrets.text(text)} ({reason})")
        return self.secrets.text(_without_code(text))

    def capabilities(self) -> tuple[bytes, ...]:
        """Say CAPABILITY, whose answer is one untagged response."""
        if not (reply := self.say("CAPABILITY")).is_positive:
            raise self.refused(reply)
        lines = [line.split() for line in self._untagged]
        return tuple(word for words in lines if words and words[0].upper() == b"CAPABILITY" for word in words[1:])

    def identity(self) -> tuple[tuple[str, str], ...]:
        """Say ID (RFC 2971) where it is offered; a server that does not answer it is measured all the same."""
        if not self.offers("ID") or not self.say(_CLIENT_ID).is_positive:
            return ()
        answer = next((line for line in self._untagged if line[:3].upper() == b"ID "), b"")
        shown = [self.secrets.text(one) for one in _strings(answer[3:])]
        fields = tuple(zip(shown[::2], shown[1::2], strict=False))
        known = {name.lower(): value for name, value in fields}
        self.software = " ".join(filter(None, (known.get("name"), known.get("version"))))
        return fields

    def mechanisms(self) -> list[str]:
        """Return what is offered as ``AUTH=``."""
        return [word.removeprefix("AUTH=") for word in self.offered if word.startswith("AUTH=")]

    def takes_initial_response(self) -> bool:
        """Return whether the server has SASL-IR (RFC 4959), which IMAP4rev2 has in itself."""
        return self.offers("SASL-IR") or self.offers("IMAP4REV2")

    def log_in_without_sasl(self) -> str:
        """Say LOGIN, whose arguments are quoted or, where they cannot be, literals (RFC 9051 section 4.3)."""
        if self.offers("LOGINDISABLED"):
            raise Stopped(INTERNAL_ERROR, "the server does not offer a login: it says LOGINDISABLED")
        lines = ["LOGIN"]
        user, password = self._settings.user or "", self._settings.password or ""
        self.secrets.learn(_escaped(password))
        for argument in (user, password):
            if argument.isascii() and argument.isprintable() and len(argument) <= _LONGEST_QUOTED:
                lines[-1] += f' "{_escaped(argument)}"'
            else:
                lines[-1] += f" {{{len(argument.encode())}}}"
                lines.append(argument)
        reply = self.say(lines[0])
        for line in lines[1:]:
            if not reply.wants_more:
                break
            reply = self.answer(line)
        if not reply.is_positive:
            raise self.refused(reply)
        return "LOGIN command"

    def leave(self) -> None:
        """Say LOGOUT, unless the server has said goodbye itself."""
        if not self._is_over:
            self.say("LOGOUT")


def _announced(line: bytes) -> int | None:
    """Return the octets of the literal that a line announces at its end; None: it does not."""
    _, brace, size = line.rstrip(b"\r\n").rpartition(b"{")
    digits = size.removesuffix(b"}")
    is_size = brace and digits != size and digits.isdigit() and len(digits) <= _DIGITS
    return int(digits) if is_size else None


def _escaped(text: str) -> str:
    """Return what stands between the quotes of a quoted string."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(octets: bytes) -> bytes:
    return f'"{_escaped(octets.decode("latin-1"))}"'.encode("latin-1")


def _strings(listed: bytes) -> list[bytes]:
    """Return the strings of a parenthesized list, as many as may be in it and up to what is none; of NIL, nothing."""
    found: list[bytes] = []
    at = 1 if listed[:1] == b"(" else len(listed)
    while len(found) < _MOST_STRINGS:
        while listed[at : at + 1] == b" ":
            at += 1
        if listed[at : at + 3].upper() == b"NIL":
            found.append(b"")
            at += 3
            continue
        if listed[at : at + 1] != b'"':
            break
        string = bytearray()
        at += 1
        while (octet := listed[at : at + 1]) not in (b'"', b""):
            at += octet == b"\\"
            string += listed[at : at + 1]
            at += 1
        if not octet:
            break
        at += 1
        found.append(bytes(string))
    return found


def _without_code(text: bytes) -> bytes:
    """Return a response's text for people, without the response code before it (RFC 9051 section 7.1)."""
    code, bracket, rest = text.partition(b"]")
    return rest.strip() if bracket and code[:1] == b"[" else text


def _status(response: bytes) -> tuple[str, bytes]:
    """Return the status of a response, in upper case, and its text."""
    word, _, text = response.partition(b" ")
    return word.decode("ascii", "replace").upper(), text.strip()
