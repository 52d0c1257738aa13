"""A captured message: its `Envelope`, its exact octets, and what a test wants to read in them.

It is parsed only on request, never while a connection is served, and in time that is linear in its size.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from smtpfix.errors import InvalidValueError
from smtpfix.later import Later
from smtpfix.rules.reply import Reply
from smtpfix.safe_text import printable

from . import stepwise
from .answered import Answered
from .envelope import USUAL, Envelope, Transfer

if TYPE_CHECKING:
    from email.message import EmailMessage

    from smtpfix.record.session import Session
    from smtpfix.record.violation import Violation

    from . import bodies, header_values, header_violations, links, mime, parsing, violations
    from .bodies import Attachment
    from .mime import Part
else:
    bodies = Later("mail.bodies")
    header_values = Later("mail.header_values")
    header_violations = Later("mail.header_violations")
    links = Later("mail.links")
    mime = Later("mail.mime")
    parsing = Later("mail.parsing")
    violations = Later("mail.violations")

_LONGEST_SHOWN: Final = 320
"""Characters of an address or a subject in a line; the longest address has so many (RFC 5321 section 4.5.3.1)."""


class SessionSource(Protocol):
    """The source of a message's session: the recorder that still writes the session."""

    number: int

    def session(self) -> Session:
        """Return the session as it is now."""


class _NoSession:
    """Stands for the session of a message that came in none."""

    number = 0

    def session(self) -> Session:
        raise LookupError("the message was read from a file, or put into an account: it came in no session")


NO_SESSION: Final[SessionSource] = _NoSession()
"""The source for messages that arrived in no session."""


class Readings:
    """What was read of a message, so that it is read once; most messages are never read."""

    __slots__ = ("attached", "headers", "parts", "violations", "whole")

    def __init__(self) -> None:
        self.headers: EmailMessage | None = None
        self.whole: tuple[EmailMessage, str | None] | None = None
        self.parts: tuple[Part, tuple[str, ...]] | None = None
        self.attached: tuple[tuple[Attachment, ...], tuple[Attachment, ...]] | None = None
        self.violations: tuple[Violation, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CapturedMessage(Answered):
    """One message as it arrived.

    Everything except `envelope` and `content` is read from `content` on request. Broken mail raises no errors: what
    cannot be read is ``""``, None or empty.
    """

    number: int
    """Its number in the inbox. The first message has number 1."""
    envelope: Envelope
    """The reverse-path and the recipients, as in MAIL and RCPT."""
    content: bytes = field(repr=False)
    """The exact octets after dot-unstuffing (RFC 5321 section 4.5.2). Nothing is added, dropped or re-serialised."""
    received: datetime
    """When the final dot arrived, in UTC; for an attempt without content, when it was first refused."""
    reply: Reply | None
    """The server's reply to the final dot. None if a rule or the client closed the connection instead. In LMTP, the
    first positive one of `replies`, or the first one if none is positive."""
    in_tls: bool
    """Whether the message arrived inside TLS."""
    user: str | None
    """The user that the client had authenticated as; None without AUTH."""
    _source: SessionSource = field(repr=False)
    _transfer: Transfer = field(default=USUAL, repr=False)
    _kept: Readings | None = field(default=None, init=False, repr=False)

    @classmethod
    def from_file(cls, path: str | Path) -> CapturedMessage:
        """Read a message from a file, such as one that ``smtpfix serve --save`` wrote. Raises `OSError`.

        A file has no envelope, so the headers From, To, Cc and Bcc provide one. Its `number` is 0, its `reply` is None,
        and `session` raises `LookupError`. If every line ends with LF alone, as in a text file, `content` has CRLF
        instead, as a client would send it.
        """
        path = Path(path)
        content = path.read_bytes()
        if b"\r" not in content:
            content = content.replace(b"\n", b"\r\n")
        return unsent(content, datetime.fromtimestamp(path.stat().st_mtime, UTC))

    @property
    def session(self) -> Session:
        """The session in which the message arrived, as it is now. Raises `LookupError` if there was none."""
        return self._source.session()

    @property
    def session_number(self) -> int:
        """The `Session.number` of `session`, without the cost of building a `Session`."""
        return self._source.number

    @property
    def weight(self) -> int:
        """Octets of its content and envelope: what it costs to keep the message."""
        octets = len(self.content) + self.envelope.octets
        if refused := self._transfer.refused:
            octets += sum(recipient.octets for recipient in refused)
        return octets

    @property
    def chunks(self) -> tuple[int, ...]:
        """Octets of each chunk, if the message arrived by BDAT (RFC 3030 section 2); empty if it arrived by DATA."""
        return self._transfer.chunks

    # Whom to and from

    @property
    def reverse_path(self) -> str:
        """The envelope's reverse-path; ``""`` for the null reverse-path."""
        return self.envelope.reverse_path

    @property
    def sender(self) -> str:
        """The first address in the From header, without its display name."""
        return next(header_values.addresses(self._raw("From") or ""), "")

    @property
    def addressees(self) -> tuple[str, ...]:
        """The addresses in the To, Cc and Bcc headers and in their Resent- counterparts, each once."""
        return self._addresses("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")

    @property
    def blind_recipients(self) -> tuple[str, ...]:
        """The envelope's recipients that no header names, as with a correct Bcc (RFC 5322 section 3.6.3)."""
        return violations.without(self.to, self.addressees)

    def _addresses(self, *names: str) -> tuple[str, ...]:
        values = (value for name, value in self.headers.raw_items() if name.lower() in names)
        return tuple(dict.fromkeys(address for value in values for address in header_values.addresses(value)))

    # What it says

    @property
    def message_id(self) -> str:
        """The Message-ID header with its angle brackets (RFC 5322 section 3.6.4); ``""`` without one."""
        return (self.header("Message-ID") or "").strip()

    @property
    def headers(self) -> EmailMessage:
        """The header section, parsed without the body. ``message.headers["X-Id"]`` is None without such a header."""
        readings = self._readings
        if readings.headers is None:
            end = stepwise.search(violations.END_OF_HEADERS, self.content)
            section = self.content[: end.end()] if end else self.content
            readings.headers = parsing.parse_headers(section)
        return readings.headers

    @property
    def subject(self) -> str:
        """The Subject header, decoded; ``""`` without one."""
        plain = parsing.plain_subject(self.content)
        return (self.header("Subject") or "") if plain is None else plain

    def header(self, name: str) -> str | None:
        """Return the first header with this name, decoded; None without one.

        Values of up to `LONGEST_VALUE` characters are normalised by the standard library, dates for example.
        """
        raw = self._raw(name)
        if raw is None:
            return None
        if len(raw) <= parsing.LONGEST_VALUE:
            with contextlib.suppress(Exception):  # its parser raises many things on hostile input
                return str(self.headers[name])
        return header_values.words(header_values.unfolded(raw))

    def raw_header(self, name: str) -> str | None:
        """Return the first header with this name exactly as sent, with folds and encoded words; None without one.

        Octets outside ASCII are decoded as UTF-8.
        """
        raw = self._raw(name)
        return None if raw is None else header_values.sound(raw)

    @property
    def one_click_unsubscribe(self) -> str | None:
        """The https URL for unsubscribing with one click (RFC 8058 section 3.1).

        None unless List-Unsubscribe contains it and List-Unsubscribe-Post declares it, both unencoded.
        """
        post = header_values.unfolded(self._raw("List-Unsubscribe-Post") or "")
        if post.lower() != "list-unsubscribe=one-click":
            return None
        places = header_values.unfolded(self._raw("List-Unsubscribe") or "").split("<")[1:]
        urls = ("".join(place.partition(">")[0].split()) for place in places)
        return next((url for url in urls if url.lower().startswith("https://")), None)

    def _raw(self, name: str) -> str | None:
        """Return the first header of this name as it stands."""
        return next((value for key, value in self.headers.raw_items() if key.lower() == name.lower()), None)

    @property
    def parsed(self) -> EmailMessage:
        """The whole message as `email.message.EmailMessage` with ``email.policy.default``.

        If the standard library cannot parse the body in reasonable time, the body stays in one piece, and `truncated`
        says so. A single header may still take the standard library long; `header` avoids that.
        """
        return self._whole[0]

    @property
    def _readings(self) -> Readings:
        readings = self._kept
        if readings is None:
            readings = Readings()
            object.__setattr__(self, "_kept", readings)
        return readings

    @property
    def _whole(self) -> tuple[EmailMessage, str | None]:
        readings = self._readings
        if readings.whole is None:
            readings.whole = parsing.parse(self.content)
        return readings.whole

    @property
    def _parts(self) -> tuple[Part, tuple[str, ...]]:
        readings = self._readings
        if readings.parts is None:
            readings.parts = mime.split(self.content)
        return readings.parts

    @property
    def truncated(self) -> tuple[str, ...]:
        """What was left out, or left in one piece, so that reading the message stays fast; empty for most messages.

        One line of text each: too many parts, parts that are nested too deeply, or a body that `parsed` has in one
        piece.
        """
        reason = self._whole[1]
        return (*self._parts[1], *(() if reason is None else (f"parsed has the body in one piece: {reason}",)))

    @property
    def text(self) -> str:
        r"""The plain-text body, decoded, with ``\n`` line ends; ``""`` without one."""
        return bodies.body_text(self._parts[0], "plain")

    @property
    def html(self) -> str:
        r"""The HTML body, decoded, with ``\n`` line ends; ``""`` without one."""
        return bodies.body_text(self._parts[0], "html")

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The attachments, in order. A message inside the message is one; parts shown inside the text are not."""
        return self._attached[0]

    @property
    def inlines(self) -> tuple[Attachment, ...]:
        """The parts shown inside the text that have a name or a Content-ID, such as images of an HTML body."""
        return self._attached[1]

    @property
    def _attached(self) -> tuple[tuple[Attachment, ...], tuple[Attachment, ...]]:
        readings = self._readings
        if readings.attached is None:
            found = tuple(bodies.attachments(self._parts[0]))
            saved = tuple(one for one in found if not one.is_inline)
            readings.attached = (saved, tuple(one for one in found if one.is_inline))
        return readings.attached

    def part(self, wanted: str) -> Attachment | None:
        """Return the first part with a media type, ``text/calendar``, or named by a ``cid:`` URL; None without one.

        The parts of a message inside the message do not count. Raises `InvalidValueError` for anything else.
        """
        if "/" not in wanted and not wanted.lower().startswith("cid:"):
            raise InvalidValueError("CapturedMessage.part", wanted, "a media type such as text/calendar, or a cid: URL")
        return bodies.part_of(self._parts[0], wanted)

    @property
    def links(self) -> tuple[str, ...]:
        """The http, https and mailto links of the HTML body, then the http and https URLs of the text, each once.

        Links of the HTML body are those of ``<a>`` and ``<area>``.
        """
        return tuple(dict.fromkeys((*links.links_in_html(self.html), *links.urls_in_text(self.text))))

    # How it was on the wire

    @property
    def stuffed_lines(self) -> int:
        """How many lines arrived with their leading dot doubled (RFC 5321 section 4.5.2)."""
        return self._transfer.dots.stuffed

    @property
    def unstuffed_lines(self) -> int:
        """How many lines arrived with a single leading dot. The server removed it, so it is not in `content`."""
        return self._transfer.dots.unstuffed

    @property
    def size(self) -> int:
        """The length of `content` in octets."""
        return len(self.content)

    @property
    def longest_line(self) -> int:
        """The length of the longest line in octets, without its CRLF. RFC 5321 section 4.5.3.1.6 allows 998."""
        return max(map(len, self.content.split(b"\r\n")))

    @property
    def has_bare_line_feeds(self) -> bool:
        """Whether `content` has an LF without a CR, which RFC 5321 section 2.3.8 forbids."""
        return violations.BARE_LF.search(self.content) is not None

    @property
    def has_bare_carriage_returns(self) -> bool:
        """Whether `content` has a CR without an LF, which RFC 5321 section 2.3.8 forbids."""
        return violations.BARE_CR.search(self.content) is not None

    @property
    def end_like_sequences(self) -> tuple[str, ...]:
        """Sequences in the content that some servers take for its end: ``LF.LF``, ``CR.CRLF``, ``CRLF NUL.CRLF``, ….

        If a client sends one, whoever writes the text can append messages of their own (SMTP smuggling).
        """
        return violations.end_like(self.content, self._transfer.dots.ends)

    @property
    def is_8bit(self) -> bool:
        """Whether an octet is outside ASCII, which requires BODY=8BITMIME (RFC 6152) or SMTPUTF8 (RFC 6531)."""
        return not self.content.isascii()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """How the message breaks the standards: line ends and lengths, dots, undeclared 8-bit data, Bcc, headers.

        `recommendations` has what a standard only recommends. A Bcc header is a violation if a recipient that it does
        not name received it: the copy for those whom it names may have one.
        """
        readings = self._readings
        if readings.violations is None:
            readings.violations = tuple(self._found_violations())
        return readings.violations

    @property
    def recommendations(self) -> tuple[Violation, ...]:
        """What the standards recommend and this message lacks, such as a Message-ID."""
        return tuple(header_violations.recommended(self.headers.raw_items()))

    def _found_violations(self) -> Iterator[Violation]:
        if self.refused_before_content:
            return
        bcc = self._addresses("bcc", "resent-bcc")
        yield from violations.in_message(
            self.content,
            addresses=(self.reverse_path, *self.to),
            mail_parameters=self.envelope.mail_parameters,
            unstuffed_lines=self.unstuffed_lines,
            ended_by=self._transfer.ended_by,
            ends=() if self.chunks else self.end_like_sequences,  # in a chunk no dot ends anything
            bcc=bcc,
            not_bcc=violations.without(self.to, bcc),
        )
        inside = (part.fields for part in itertools.islice(self._parts[0].walk(), 1, None))
        yield from header_violations.in_headers(self.headers.raw_items(), inside)

    def __str__(self) -> str:
        """Return the message in one line, as failed waits list it."""
        to = ", ".join(map(_shown, self.to[:3]))
        more = f" and {len(self.to) - 3} more" if len(self.to) > 3 else ""  # noqa: PLR2004
        path = f"from {_shown(self.reverse_path) or '<>'} to {to}{more}"
        if self.refused_before_content:
            return f"attempt {path if to else path.removesuffix(' to ')}, refused before its content"
        return f"message {self.number}: {path}, subject {_shown(repr(self.subject))}"

    def __repr__(self) -> str:
        """Return the same line in brackets: a list of messages, or a failed assertion, says which they are."""
        return f"<{self}>"


def unsent(content: bytes, received: datetime) -> CapturedMessage:
    """Return a message that arrived in no session; its headers provide the envelope."""
    read = CapturedMessage(0, Envelope("", ()), content, received, None, in_tls=False, user=None, _source=NO_SESSION)
    return replace(read, envelope=Envelope(read.sender, read.addressees))


def _shown(text: str) -> str:
    """Return a text that can be shown in a line, or its beginning."""
    return printable(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")


Headers = Mapping[str, Any]
"""Type of the ``headers`` criterion: header name to matcher."""
