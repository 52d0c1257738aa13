"""A captured message: `Envelope` apart from content, exact octets, and what a test wants to read of them.

Parses only when asked, never while a connection is served.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any, Protocol

from smtpfix.record.session import Session
from smtpfix.record.violation import Violation
from smtpfix.rules.reply import Reply
from smtpfix.safe_text import printable

from .envelope import USUAL, Envelope, Transfer
from .parsing import LONGEST_VALUE, MAX_PARTS, decoded, links_in_html, parse, plain_subject, urls_in_text
from .violations import BARE_CR, BARE_LF, END_OF_HEADERS, end_like, in_message, without


class SessionSource(Protocol):
    """Where a message gets its session from: the recorder that still writes it."""

    number: int

    def session(self) -> Session:
        """Return the session as it stands now."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message that is meant to be saved, not shown."""

    filename: str | None
    content_type: str
    """Media type in lower case, such as ``application/pdf``."""
    content: bytes = field(repr=False)
    """The octets with the transfer encoding removed."""


@dataclass(frozen=True, slots=True, eq=False)
class CapturedMessage:
    """One message as it arrived.

    Everything but `envelope` and `content` is read from `content` when asked for, and survives broken mail: what cannot
    be read is ``""``, None or empty.
    """

    number: int
    """1 for the inbox's first message, and so on."""
    envelope: Envelope
    content: bytes = field(repr=False)
    """The exact octets after dot-unstuffing (RFC 5321 section 4.5.2); nothing added, dropped or re-serialised."""
    received: datetime
    """When its final dot came, UTC."""
    reply: Reply | None
    """What the server answered at the final dot; None when a rule or the client closed the connection instead.
    In LMTP the first positive one of `replies`, or the first where none is."""
    in_tls: bool
    """Whether it came inside TLS."""
    user: str | None
    """The user the client had authenticated as; None without AUTH."""
    _source: SessionSource = field(repr=False)
    _transfer: Transfer = field(default=USUAL, repr=False)
    _parsed: EmailMessage | None = field(default=None, init=False, repr=False)
    _headers: EmailMessage | None = field(default=None, init=False, repr=False)

    @property
    def session(self) -> Session:
        """The session it came in, as it stands now."""
        return self._source.session()

    @property
    def session_number(self) -> int:
        """`Session.number` of `session`, without the cost of making one."""
        return self._source.number

    @property
    def accepted(self) -> bool:
        """Whether the client was told that it was accepted; in LMTP, for one recipient at least."""
        return self.reply is not None and self.reply.is_positive

    @property
    def replies(self) -> tuple[Reply | None, ...]:
        """What was answered for each recipient of the envelope, in order, as it stands now; None without a reply.

        LMTP has a reply for each (RFC 2033 section 4.2); in SMTP `reply` is everybody's.
        """
        return (self.reply,) * len(self.to) if self._transfer.replies is None else tuple(self._transfer.replies)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Octets of each chunk, where it came by BDAT (RFC 3030 section 2); empty where it came by DATA."""
        return self._transfer.chunks

    @property
    def accepted_recipients(self) -> tuple[str, ...]:
        """The recipients the client was told have it."""
        return tuple(to for to, reply in zip(self.to, self.replies, strict=True) if reply and reply.is_positive)

    @property
    def refused_recipients(self) -> tuple[str, ...]:
        """The recipients of the envelope that were refused at the final dot, or got no reply."""
        return tuple(to for to, reply in zip(self.to, self.replies, strict=True) if not (reply and reply.is_positive))

    # Whom to and from

    @property
    def to(self) -> tuple[str, ...]:
        """The envelope's recipients; the To header is in `headers`."""
        return self.envelope.recipients

    @property
    def reverse_path(self) -> str:
        """The envelope's reverse-path, ``""`` for the null one."""
        return self.envelope.reverse_path

    @property
    def sender(self) -> str:
        """The first address in the From header, without its display name."""
        addresses = getattr(self._value("From"), "addresses", ())
        return str(addresses[0].addr_spec) if addresses else ""

    @property
    def addressees(self) -> tuple[str, ...]:
        """The addresses in the To, Cc and Bcc headers, and in their Resent- counterparts, each once."""
        return self._addresses("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")

    @property
    def blind_recipients(self) -> tuple[str, ...]:
        """The envelope's recipients that no header names, as a Bcc done well has it (RFC 5322 section 3.6.3)."""
        return without(self.to, self.addressees)

    def _addresses(self, *names: str) -> tuple[str, ...]:
        # The header registry would take a second for 3,000 addresses, and does not read those in UTF-8 (RFC 6532).
        found: list[str] = []
        for name, value in self.headers.raw_items():
            if name.lower() in names:
                with contextlib.suppress(Exception):  # as below: hostile input
                    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                    found += (address for _, address in getaddresses([text]) if address)
        return tuple(dict.fromkeys(found))

    # What it says

    @property
    def message_id(self) -> str:
        """The Message-ID header with its angle brackets (RFC 5322 section 3.6.4); ``""`` without one."""
        return (self.header("Message-ID") or "").strip()

    @property
    def headers(self) -> EmailMessage:
        """The header section, parsed without the body: ``message.headers["X-Id"]`` is None where there is none."""
        if self._headers is None:
            end = END_OF_HEADERS.search(self.content)
            section = self.content[: end.end()] if end else self.content
            object.__setattr__(self, "_headers", parse(section, headers_only=True))
        assert self._headers is not None  # noqa: S101 - set just above
        return self._headers

    @property
    def subject(self) -> str:
        """The Subject header, decoded; ``""`` without one."""
        if self._headers is None and (plain := plain_subject(self.content)) is not None:
            return plain
        return self.header("Subject") or ""

    def header(self, name: str) -> str | None:
        """Return the first header of this name, decoded; None if there is none.

        One of more than `LONGEST_VALUE` octets is returned as it stands, unfolded.
        """
        value = self._value(name)
        return None if value is None else str(value)

    def _value(self, name: str) -> Any:
        raw = next((value for key, value in self.headers.raw_items() if key.lower() == name.lower()), None)
        if raw is None or len(raw) > LONGEST_VALUE:
            return None if raw is None else "".join(raw.splitlines()).strip()
        try:
            return self.headers[name]
        except Exception:  # noqa: BLE001 - the standard library's parser raises many things on hostile input
            return None

    @property
    def parsed(self) -> EmailMessage:
        """The whole message as `email.message.EmailMessage` with ``email.policy.default``.

        A message of more than `MAX_PARTS` parts, or one that cannot be taken apart, keeps its body in one piece.
        """
        if self._parsed is None:
            boundary_lines = self.content.count(b"\n--") + self.content.count(b"\r--")  # to the parser, CR ends a line
            object.__setattr__(self, "_parsed", parse(self.content, headers_only=boundary_lines > MAX_PARTS))
        assert self._parsed is not None  # noqa: S101 - set just above
        return self._parsed

    @property
    def text(self) -> str:
        r"""The plain-text body, decoded, with ``\n`` line ends; ``""`` without one."""
        return self._body("plain")

    @property
    def html(self) -> str:
        r"""The HTML body, decoded, with ``\n`` line ends; ``""`` without one."""
        return self._body("html")

    def _body(self, kind: str) -> str:
        try:
            part = self.parsed.get_body((kind,))
            return decoded(part) if part is not None else ""
        except Exception:  # noqa: BLE001 - as above
            return ""

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The attachments, in order."""
        found = []
        try:
            for part in self.parsed.walk():
                if part.is_multipart() or not (part.is_attachment() or part.get_filename()):
                    continue
                content = part.get_payload(decode=True)
                found.append(
                    Attachment(
                        part.get_filename(), part.get_content_type(), content if isinstance(content, bytes) else b""
                    )
                )
        except Exception:  # noqa: BLE001, S110 - as above: what was found up to here is the answer
            pass
        return tuple(found)

    @property
    def links(self) -> tuple[str, ...]:
        """The http, https and mailto links of the HTML body, then the http and https URLs of the text, each once."""
        return tuple(dict.fromkeys((*links_in_html(self.html), *urls_in_text(self.text))))

    # How it was on the wire

    @property
    def stuffed_lines(self) -> int:
        """Lines that came with the dot at their beginning doubled (RFC 5321 section 4.5.2)."""
        return self._transfer.dots.stuffed

    @property
    def unstuffed_lines(self) -> int:
        """Lines that came with a single dot at their beginning: it was taken away, and is not in `content`."""
        return self._transfer.dots.unstuffed

    @property
    def size(self) -> int:
        """Octets of content."""
        return len(self.content)

    @property
    def longest_line(self) -> int:
        """Octets of the longest line without its CRLF; more than 998 is against RFC 5321 section 4.5.3.1.6."""
        return max(map(len, self.content.split(b"\r\n")))

    @property
    def has_bare_line_feeds(self) -> bool:
        """Whether an LF came without its CR, against RFC 5321 section 2.3.8."""
        return BARE_LF.search(self.content) is not None

    @property
    def has_bare_carriage_returns(self) -> bool:
        """Whether a CR came without its LF, against RFC 5321 section 2.3.8."""
        return BARE_CR.search(self.content) is not None

    @property
    def end_like_sequences(self) -> tuple[str, ...]:
        """What came in the content and some servers take for its end: ``LF.LF``, ``CR.CRLF``, ``CRLF NUL.CRLF``, ….

        A client that lets one through lets whoever writes the text append messages of his own (SMTP smuggling).
        """
        return end_like(self.content, self._transfer.dots.ends)

    @property
    def is_8bit(self) -> bool:
        """Whether an octet is outside ASCII, which needs BODY=8BITMIME (RFC 6152) or SMTPUTF8 (RFC 6531)."""
        return not self.content.isascii()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What is against the standards in how it came: line ends and lengths, dots, undeclared 8-bit, Bcc shown.

        A Bcc header is shown when a recipient it does not name got it: a copy for those it names may have one.
        """
        bcc = self._addresses("bcc", "resent-bcc")
        found = in_message(
            self.content,
            addresses=(self.reverse_path, *self.to),
            mail_parameters=self.envelope.mail_parameters,
            unstuffed_lines=self.unstuffed_lines,
            ends=() if self.chunks else self.end_like_sequences,  # in a chunk no dot ends anything
            bcc=bcc,
            not_bcc=without(self.to, bcc),
        )
        return tuple(found)

    def __str__(self) -> str:
        """Return the message in one line, as failed waits list it."""
        to = ", ".join(self.to[:3]) + (f" and {len(self.to) - 3} more" if len(self.to) > 3 else "")  # noqa: PLR2004
        path = f"from {printable(self.reverse_path) or '<>'} to {printable(to)}"
        return f"message {self.number}: {path}, subject {self.subject!r}"


Headers = Mapping[str, Any]
"""Type of the ``headers`` criterion: header name to matcher."""
