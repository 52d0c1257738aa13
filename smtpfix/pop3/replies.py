"""The replies of a POP3 server: `Reply`, the standard ones, and `Err`, which rules use beside `Ok`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from smtpfix.rules.action import Answer
from smtpfix.rules.status import Ok, Status


@dataclass(frozen=True, slots=True)
class Reply(Answer):
    """A status indicator, a text, and the lines of a longer reply (RFC 1939 section 3)."""

    sign: str
    """``+OK``, ``-ERR``, or ``+`` in front of a challenge (RFC 5034 section 4)."""
    text: str = ""
    code: str = ""
    """The response code (RFC 2449 section 8), without its brackets."""
    body: bytes | None = None
    """The lines after the first, dots doubled, with the final one; None where there are none."""
    is_message: bool = False
    """Whether these are a message's."""

    @property
    def is_positive(self) -> bool:
        """Whether the command was performed."""
        return self.sign != "-ERR"

    def line(self) -> bytes:
        """Return the first line with its CRLF."""
        if self.sign == "+":  # whose space stands also in front of an empty challenge
            return f"+ {self.text}\r\n".encode()
        code = f" [{self.code}]" if self.code else ""
        text = f" {self.text}" if self.text else ""
        return f"{self.sign}{code}{text}\r\n".encode("utf-8", "surrogateescape")

    def encode(self) -> bytes:
        """Return all of its octets."""
        return self.line() + (self.body or b"")

    def __str__(self) -> str:
        return self.line().decode("utf-8", "replace").strip()


class Err(Status):
    """The answer that the command was not performed: ``Err("locked", "IN-USE")`` (RFC 1939 section 3)."""

    __slots__ = ()
    word = "-ERR"

    @property
    def is_positive(self) -> bool:
        """False."""
        return False


def ok(text: str = "", body: bytes | None = None, *, is_message: bool = False) -> Reply:
    """Return a positive reply."""
    return Reply("+OK", text, body=body, is_message=is_message)


def err(text: str, code: str = "") -> Reply:
    """Return a negative reply."""
    return Reply("-ERR", text, code)


def worded(answer: Answer, *, with_codes: bool = True) -> Reply:
    """Return an answer as a reply; a rule's `Ok` and `Err` are as they were given."""
    if isinstance(answer, Reply):
        return answer if with_codes or not answer.code else replace(answer, code="")
    assert isinstance(answer, Ok | Err)  # noqa: S101 - there is no other
    return Reply("+OK" if answer.is_positive else "-ERR", answer.text, answer.code)


def lines(*rows: str) -> bytes:
    """Return the lines of a longer reply, with the final dot; none of them begins with one."""
    return "".join(f"{row}\r\n" for row in (*rows, ".")).encode("ascii")


def stuffed(content: bytes) -> bytes:
    """Return content as it is sent: dots at the beginning of lines doubled, with the final one (RFC 1939 section 3)."""
    if content.startswith(b"."):
        content = b"." + content
    content = content.replace(b"\r\n.", b"\r\n..")
    return content + (b".\r\n" if not content or content.endswith(b"\r\n") else b"\r\n.\r\n")


UNKNOWN_COMMAND: Final = err("unknown command")
LINE_TOO_LONG: Final = err("the line is too long")
AUTH_LINE_TOO_LONG: Final = err("the line is too long: the login is over")
NO_ARGUMENT: Final = err("this command takes no argument")
NO_NUMBER: Final = err("expected the number of a message")
NO_SUCH_MESSAGE: Final = err("there is no such message")
NO_LINES: Final = err("expected the numbers of a message and of lines: TOP 1 10")
LOG_IN_FIRST: Final = err("log in first")
LOGGED_IN: Final = err("you have logged in already")
USER_FIRST: Final = err("USER first")
USER_NEEDED: Final = err("expected a user: USER ann")
APOP_FORM: Final = err("expected a user and a digest: APOP ann c4c9334bac560ecc979e58001b3e22fb")
GO_ON: Final = ok("now the password")
TLS_FIRST: Final = err("no login outside TLS: STLS first", "AUTH")
NO_LOGIN: Final = err("nobody can log in here", "AUTH")
BAD_CREDENTIALS: Final = err("wrong user or password", "AUTH")
CANCELLED: Final = err("the login was cancelled")
NOT_BASE64: Final = err("expected base64")
UNKNOWN_MECHANISM: Final = err("no such mechanism here")
AUTH_FORM: Final = err("expected a mechanism: AUTH PLAIN")
IN_USE: Final = err("another session has the maildrop", "IN-USE")
LOGIN_DELAY: Final = err("it is too soon after the last login", "LOGIN-DELAY")
START_TLS: Final = ok("begin TLS")
NO_STLS: Final = err("no STLS here")
TLS_ALREADY_ON: Final = err("TLS is on already")
UTF8: Final = ok("UTF-8 from here on")
UNKNOWN_LANGUAGE: Final = err("there is no such language here")
TOO_MANY_CONNECTIONS: Final = err("too many connections", "SYS/TEMP")
LOCAL_ERROR: Final = err("something has failed here that is not the client's", "SYS/TEMP")
"""RFC 3206 section 4."""
BYE: Final = ok("bye")
