"""`Reply`, and the reply texts of this server.

Knows the form of a reply (RFC 5321 section 4.2, RFC 2034 section 4) and nothing of when one is due.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Final

from smtpfix.errors import InvalidValueError

from .action import Answer

_ENHANCED: Final = re.compile(r"[245]\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\Z")
"""RFC 3463 section 2: class "." subject "." detail, no leading zeros, up to three digits."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""What a reply cannot hold: control characters, and surrogates, which have no UTF-8."""


@dataclass(frozen=True, slots=True)
class Reply(Answer):
    r"""A reply to send: ``Reply(450, "4.2.1", "Greylisted")``.

    A text of several lines, separated by ``\n``, becomes a multi-line reply (RFC 5321 section 4.2.1).
    A 421 also closes the connection (RFC 5321 section 3.8).

    Raises `InvalidValueError` for a code outside 200 to 599, an enhanced status code of another class than the code,
    or control characters in the text.
    """

    code: int
    """Reply code, RFC 5321 section 4.2.2."""
    enhanced: str | None = None
    """Enhanced status code, RFC 3463; None sends none. 3yz replies have none (RFC 2034 section 4)."""
    text: str = ""
    """Text for humans."""
    _octets: tuple[bytes, bytes] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.code, bool) or not isinstance(self.code, int) or not 200 <= self.code <= 599:  # noqa: PLR2004
            raise InvalidValueError("Reply.code", self.code, "a reply code from 200 to 599")
        if self.enhanced is not None:
            if not isinstance(self.enhanced, str) or not _ENHANCED.match(self.enhanced):
                raise InvalidValueError("Reply.enhanced", self.enhanced, 'an enhanced status code such as "4.2.1"')
            if self.enhanced[0] != str(self.code)[0]:
                raise InvalidValueError(
                    "Reply.enhanced", self.enhanced, f"the class of the reply code {self.code} (RFC 2034 section 4)"
                )
        if not isinstance(self.text, str) or _CONTROL.search(self.text):
            raise InvalidValueError("Reply.text", self.text, "text without control characters, lines separated by \\n")

    @property
    def is_positive(self) -> bool:
        """True for 2yz and 3yz replies (RFC 5321 section 4.2.1)."""
        return self.code < 400  # noqa: PLR2004 - the class boundary itself

    @property
    def ends_session(self) -> bool:
        """True for 421 (RFC 5321 section 3.8)."""
        return self.code == 421  # noqa: PLR2004 - as the docstring says

    def encode(self, *, enhanced: bool = True) -> bytes:
        """Return the octets of the reply with every CRLF; without its enhanced status code when told so."""
        octets = self._octets
        if octets is None:  # the same objects ever after, so that a thousand transcripts hold them once
            octets = (_encode(self, enhanced=False), _encode(self, enhanced=True))
            object.__setattr__(self, "_octets", octets)
        return octets[enhanced]

    def __str__(self) -> str:
        """Return the reply as one line, as reports show it."""
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text.replace("\n", " / "))))


def _encode(reply: Reply, *, enhanced: bool) -> bytes:
    prefix = f"{reply.enhanced} " if enhanced and reply.enhanced else ""
    *first, last = reply.text.split("\n")
    lines = [f"{reply.code}-{prefix}{line}" for line in first]
    # The space stands also without text: RFC 5321 section 4.2 wants it, and "334 " needs it (RFC 4954 section 4).
    lines.append(f"{reply.code} {prefix}{last}" if last else f"{reply.code} {reply.enhanced if prefix else ''}")
    return "".join(line + "\r\n" for line in lines).encode()


# The texts of this server, each once. Enhanced status codes by RFC 3463 and the IANA registry of RFC 5248.
BYE: Final = Reply(221, "2.0.0", "Bye")
OK: Final = Reply(250, "2.0.0", "OK")
ACCEPTED: Final = Reply(250, "2.0.0", "OK, message captured")
AUTHENTICATED: Final = Reply(235, "2.7.0", "Authentication successful")
START_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
SENDER_ACCEPTED: Final = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_ACCEPTED: Final = Reply(250, "2.1.5", "Recipient OK")
START_CONTENT: Final = Reply(354, None, "End data with <CR><LF>.<CR><LF>")

IDLE_TOO_LONG: Final = Reply(421, "4.4.2", "Idle for too long, closing")
TOO_MANY_CONNECTIONS: Final = Reply(421, "4.7.0", "Too many connections")
TOO_MANY_MESSAGES: Final = Reply(421, "4.7.0", "Too many messages on this connection")
TOO_MANY_LOGINS: Final = Reply(421, "4.7.0", "Too many failed logins")
TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors")
MAIL_RATE_EXCEEDED: Final = Reply(450, "4.7.1", "Too much mail, try again later")
RECIPIENT_RATE_EXCEEDED: Final = Reply(450, "4.7.1", "Too many recipients, try again later")
GREYLISTED: Final = Reply(450, "4.7.1", "Greylisted, try again later")
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Too many recipients")

LINE_TOO_LONG: Final = Reply(500, "5.5.2", "Command line too long")
AUTH_LINE_TOO_LONG: Final = Reply(500, "5.5.6", "Authentication exchange line is too long")
CONTENT_LINE_TOO_LONG: Final = Reply(500, "5.6.0", "Line too long (RFC 5321 section 4.5.3.1.6)")
EMPTY_LINE: Final = Reply(500, "5.5.2", "Expected a command, got an empty line")
CONTROL_CHARACTER: Final = Reply(500, "5.5.2", "Control character in the command line")
NOT_ASCII: Final = Reply(500, "5.5.2", "Command verbs are ASCII letters")
NOT_UTF8: Final = Reply(501, "5.5.4", "The argument is neither ASCII nor UTF-8")
NO_EHLO_IN_LMTP: Final = Reply(500, "5.5.1", "This is LMTP: send LHLO (RFC 2033 section 4.1)")
UNKNOWN_COMMAND: Final = Reply(500, "5.5.1", "Command unrecognized")
NO_ARGUMENT_ALLOWED: Final = Reply(501, "5.5.4", "This command takes no argument")
AUTH_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
AUTH_CANCELLED: Final = Reply(501, "5.7.0", "Authentication cancelled")
NOT_BASE64: Final = Reply(501, "5.5.2", "Cannot decode base64")
NOT_IMPLEMENTED: Final = Reply(502, "5.5.1", "Command not implemented")
TLS_ALREADY_ON: Final = Reply(503, "5.5.1", "TLS is already active")
ALREADY_AUTHENTICATED: Final = Reply(503, "5.5.1", "Already authenticated")
HELO_FIRST: Final = Reply(503, "5.5.1", "Send EHLO first")
LHLO_FIRST: Final = Reply(503, "5.5.1", "Send LHLO first")
NO_AUTH_IN_TRANSACTION: Final = Reply(503, "5.5.1", "AUTH is not permitted during a mail transaction")
NO_XCLIENT_IN_TRANSACTION: Final = Reply(503, "5.5.1", "XCLIENT is not permitted during a mail transaction")
NESTED_MAIL: Final = Reply(503, "5.5.1", "Nested MAIL command")
MAIL_FIRST: Final = Reply(503, "5.5.1", "Send MAIL first")
RCPT_FIRST: Final = Reply(503, "5.5.1", "Send RCPT first")
RSET_FIRST: Final = Reply(503, "5.5.1", "A chunk was refused before: send RSET first")
NO_DATA_AFTER_BDAT: Final = Reply(503, "5.5.1", "This transaction has begun with BDAT: go on with BDAT, or send RSET")
NO_DATA_FOR_BINARY: Final = Reply(503, "5.5.1", "BODY=BINARYMIME is for BDAT only: send RSET first")
BDAT_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: BDAT size [LAST]")
UNKNOWN_MECHANISM: Final = Reply(504, "5.5.4", "Unrecognized authentication mechanism")
TLS_REQUIRED: Final = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTH_REQUIRED: Final = Reply(530, "5.7.0", "Authentication required")
BAD_CREDENTIALS: Final = Reply(535, "5.7.8", "Authentication credentials invalid")
ENCRYPTION_REQUIRED: Final = Reply(538, "5.7.11", "Encryption required for requested authentication mechanism")
NOT_AUTHORIZED: Final = Reply(550, "5.7.0", "Insufficient authorization")
TOO_MUCH_DATA: Final = Reply(552, "5.3.4", "Message size exceeds the limit")
MALFORMED_ADDRESS: Final = Reply(553, "5.1.3", "Malformed address")
MALFORMED_SENDER: Final = Reply(553, "5.1.7", "Malformed sender address")

PLACEHOLDERS: Final = ("hostname", "client", "session_id", "queue_id", "date")
"""What the texts of `Policy.replies`, `Policy.greeting` and `Policy.ehlo_greet` may hold in braces: the server's name,
the client's IP address, an id for the session, one for this reply, and the date and time (RFC 5322 section 3.3)."""

PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


@cache
def standard_replies() -> Mapping[str, Reply]:
    """Return the replies above by their names in small letters: ``bad_credentials``, ``too_much_data``."""
    return MappingProxyType({name.lower(): value for name, value in globals().items() if isinstance(value, Reply)})


def check_placeholders(field_name: str, text: str) -> None:
    """Raise `InvalidValueError` for a placeholder that nothing can fill in."""
    for name in PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            expected = "only the placeholders " + ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            raise InvalidValueError(field_name, f"{{{name}}}", expected)


def check_replies(field_name: str, replies: object) -> dict[str, Reply]:
    """Return what is said in the place of standard replies, by their names; a text alone keeps the codes.

    A reply that means something to this server keeps its code: a positive one, and 421. Raises `InvalidValueError`.
    """
    if not isinstance(replies, Mapping):
        raise InvalidValueError(field_name, replies, "a mapping of names of replies to a Reply or a text")
    known = standard_replies()
    found = {}
    for name, value in replies.items():
        where = f"{field_name}[{name!r}]"
        if name not in known:
            raise InvalidValueError(field_name, name, "only the names " + ", ".join(known))
        old = known[name]
        new = Reply(old.code, old.enhanced, value) if isinstance(value, str) else value
        if not isinstance(new, Reply):
            raise InvalidValueError(where, value, "a Reply, or its text")
        is_bound = old.is_positive or old.code == 421  # noqa: PLR2004 - RFC 5321 section 3.8
        if new.code != old.code if is_bound else new.is_positive or new.code == 421:  # noqa: PLR2004 - as above
            raise InvalidValueError(
                where, new, f"a reply {old.code}" if is_bound else "a reply 4yz or 5yz, but not 421"
            )
        check_placeholders(where, new.text)
        found[name] = new
    return found
