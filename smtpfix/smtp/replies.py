"""The replies of this server, each in one place, and the replies that may replace them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.later import compiled_later
from smtpfix.rules.reply import Reply
from smtpfix.suggesting import did_you_mean


class Detailed(Reply):
    """One of the replies below that tells more, such as the parameter that it is about."""

    __slots__ = ("standard",)

    standard: Reply
    """The one below."""


def detailed(standard: Reply, text: str) -> Detailed:
    """Return a reply below with a text that tells more; what a policy says in its place stands in for both."""
    reply = Detailed(standard.code, standard.enhanced, text)
    object.__setattr__(reply, "standard", standard)
    return reply


def plain(reply: Reply) -> Reply:
    """Return a reply as a value that equals every other with its codes and its text."""
    return reply if type(reply) is Reply else Reply(reply.code, reply.enhanced, reply.text)


# The texts of this server, each once. Enhanced status codes by RFC 3463 and the IANA registry of RFC 5248.
BYE: Final = Reply(221, "2.0.0", "Bye")
OK: Final = Reply(250, "2.0.0", "OK")
ACCEPTED: Final = Reply(250, "2.0.0", "OK, message captured")
AUTHENTICATED: Final = Reply(235, "2.7.0", "Authentication successful")
START_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
SENDER_ACCEPTED: Final = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_ACCEPTED: Final = Reply(250, "2.1.5", "Recipient OK")
HELLO: Final = Reply(250, None, "{hostname}")
CHUNK_ACCEPTED: Final = Reply(250, "2.0.0", "Octets received")
CANNOT_VERIFY: Final = Reply(252, "2.0.0", "Cannot VRFY user, but will accept message and attempt delivery")
HELP: Final = Reply(214, "2.0.0", "Commands")
START_CONTENT: Final = Reply(354, None, "End data with <CR><LF>.<CR><LF>")

IDLE_TOO_LONG: Final = Reply(421, "4.4.2", "Idle for too long, closing")
SHUTTING_DOWN: Final = Reply(421, "4.3.2", "Service shutting down, closing")
TOO_MANY_CONNECTIONS: Final = Reply(421, "4.7.0", "Too many connections")
TOO_MANY_MESSAGES: Final = Reply(421, "4.7.0", "Too many messages on this connection")
TOO_MANY_LOGINS: Final = Reply(421, "4.7.0", "Too many failed logins")
TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors")
MAIL_RATE_EXCEEDED: Final = Reply(450, "4.7.1", "Too much mail, try again later")
RECIPIENT_RATE_EXCEEDED: Final = Reply(450, "4.7.1", "Too many recipients, try again later")
GREYLISTED: Final = Reply(450, "4.7.1", "Greylisted, try again later")
LOCAL_ERROR: Final = Reply(451, "4.3.0", "Local error in processing")
NOT_KEPT: Final = Reply(451, "4.3.0", "The message could not be kept, try again later")
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Too many recipients")
TOO_MANY_DOMAINS: Final = Reply(452, "4.5.3", "Too many recipient domains")

LINE_TOO_LONG: Final = Reply(500, "5.5.2", "Command line too long")
AUTH_LINE_TOO_LONG: Final = Reply(500, "5.5.6", "Authentication exchange line is too long")
CONTENT_LINE_TOO_LONG: Final = Reply(500, "5.6.0", "Line too long (RFC 5321 section 4.5.3.1.6)")
EMPTY_LINE: Final = Reply(500, "5.5.2", "Expected a command, got an empty line")
CONTROL_CHARACTER: Final = Reply(500, "5.5.2", "Control character in the command line")
NOT_ASCII: Final = Reply(500, "5.5.2", "Command verbs are ASCII letters")
NOT_UTF8: Final = Reply(501, "5.5.4", "The argument is neither ASCII nor UTF-8")
NO_EHLO_IN_LMTP: Final = Reply(500, "5.5.1", "This is LMTP: send LHLO (RFC 2033 section 4.1)")
UNREADABLE_COMMAND: Final = Reply(500, "5.5.2", "Expected the grammar of a line")
UNKNOWN_COMMAND: Final = Reply(500, "5.5.1", "Command unrecognized")
NO_ARGUMENT_ALLOWED: Final = Reply(501, "5.5.4", "This command takes no argument")
MALFORMED_COMMAND: Final = Reply(501, "5.5.4", "Expected the grammar of a command")
EHLO_SYNTAX: Final = Reply(501, None, "Syntax: EHLO hostname")
HELO_SYNTAX: Final = Reply(501, None, "Syntax: HELO hostname")
MAIL_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
RCPT_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
VRFY_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: VRFY <address>")
MALFORMED_XCLIENT: Final = Reply(501, "5.5.4", "Malformed attribute of XCLIENT")
MALFORMED_PARAMETER: Final = Reply(501, "5.5.4", "Malformed parameter")
REPEATED_PARAMETER: Final = Reply(501, "5.5.4", "A parameter is given twice")
MALFORMED_VALUE: Final = Reply(501, "5.5.4", "A parameter has a malformed value")
CANNOT_HOLD: Final = Reply(501, "5.5.4", "A message cannot be held back for so long")
PATH_TOO_LONG: Final = Reply(501, "5.5.4", "Path too long (RFC 5321 section 4.5.3.1.3)")
AUTH_SYNTAX: Final = Reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
AUTH_CANCELLED: Final = Reply(501, "5.7.0", "Authentication cancelled")
MALFORMED_RESPONSE: Final = Reply(501, "5.5.2", "Malformed response of an authentication")
RESPONSE_TOO_EARLY: Final = Reply(501, "5.7.0", "The server speaks first in this mechanism")
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
TLS_FOR_REQUIRETLS: Final = Reply(530, "5.7.10", "REQUIRETLS is for messages inside TLS only: issue STARTTLS first")
ENCRYPTION_REQUIRED: Final = Reply(538, "5.7.11", "Encryption required for requested authentication mechanism")
BARE_LF: Final = Reply(550, "5.5.2", "Error: bare <LF> received")
BARE_CR: Final = Reply(550, "5.5.2", "Error: bare <CR> received")
UNDECLARED_8BIT: Final = Reply(550, "5.6.0", "improper use of 8-bit data in message body")
NUL_IN_CONTENT: Final = Reply(550, "5.6.0", "Error: NUL received")
NOT_AUTHORIZED: Final = Reply(550, "5.7.0", "Insufficient authorization")
ASCII_SENDER: Final = Reply(550, "5.6.7", "A sender outside ASCII needs the parameter SMTPUTF8")
TOO_MUCH_DATA: Final = Reply(552, "5.3.4", "Message size exceeds the limit")
MALFORMED_ADDRESS: Final = Reply(553, "5.1.3", "Malformed address")
MALFORMED_SENDER: Final = Reply(553, "5.1.7", "Malformed sender address")
ASCII_RECIPIENT: Final = Reply(553, "5.6.7", "A recipient outside ASCII needs MAIL with the parameter SMTPUTF8")
SPOKE_TOO_EARLY: Final = Reply(554, "5.5.0", "Error: SMTP protocol synchronization")
NO_PARAMETERS: Final = Reply(555, "5.5.4", "Parameters need EHLO")
UNKNOWN_PARAMETER: Final = Reply(555, "5.5.4", "Parameter not recognized or not implemented")

PLACEHOLDERS: Final = ("hostname", "client", "session_id", "queue_id", "date")
"""What the texts of `Policy.replies`, `Policy.greeting` and `Policy.ehlo_greet` may hold in braces: the server's name,
the client's IP address, an id for the session, one for this reply, and the date and time (RFC 5322 section 3.3)."""

PLACEHOLDER: Final = compiled_later(lambda: re.compile(r"\{(\w+)\}"))


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
            sentence = f"there is no reply {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}"
            raise InvalidValueError.saying(field_name, name, sentence)
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
