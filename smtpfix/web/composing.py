"""From the JSON of `POST /api/v1/send` to the octets of a message: text, HTML and attachments in MIME.

Nothing that is asked for adds a line to the head: what would is refused. Text and HTML come back exactly as they came.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

from .exchange import BadRequestError, lowered, text, texts

_TAKEN: Final = frozenset(
    (
        "to",
        "from",
        "cc",
        "bcc",
        "reply-to",
        "date",
        "subject",
        "content-type",
        "mime-version",
        "content-transfer-encoding",
    )
)
"""Headers that the rest of the request says."""
_LONGEST_LINE: Final = 998
"""RFC 5322 section 2.1.1."""
_MOST_ADDRESSES: Final = 10_000
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
"""How files begin."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part: its head, and its body as it stands."""

    head: tuple[str, ...]
    body: bytes


def compose(asked: Mapping[str, Any]) -> tuple[str, tuple[str, ...], bytes]:
    """Return the reverse-path, the recipients and the octets of a message. Raises `BadRequestError`."""
    sender_name, sender = _mailbox("From", asked.get("from"))
    lists = {name: [_mailbox(name, one) for one in _list(asked, key)] for key, name in _LISTS.items()}
    blind = [_checked("Bcc", one) for one in texts(asked, "bcc")]
    recipients = [address for name in ("To", "Cc") for _, address in lists[name]] + blind
    if len(recipients) > _MOST_ADDRESSES:
        raise BadRequestError(f"invalid recipients: expected {_MOST_ADDRESSES:,} at most")
    tags = [_line("Tags", tag) for tag in texts(asked, "tags")]
    head = [_header("From", [_shown(sender_name, sender)])]
    head += [_header(name, [_shown(*one) for one in several]) for name, several in lists.items() if several]
    if blind:
        head.append(_header("Bcc", blind))
    head.append(f"Subject: {_words(_line('Subject', text(asked, 'subject')))}")
    head.append(f"Date: {format_datetime(datetime.now(UTC))}")
    if tags:
        head.append(_header("X-Tags", [_words(tag) for tag in tags]))
    given = [(str(name), value) for name, value in _object(asked, "headers").items()]
    head += _own_headers(given, has_tags=bool(tags))
    if not any(name.lower() == "message-id" for name, _ in given):
        head.append(f"Message-ID: <{secrets.token_hex(16)}@smtpfix>")
    head.append("MIME-Version: 1.0")
    piece = _body(asked)
    lines = "".join(f"{line}\r\n" for line in (*head, *piece.head))
    return sender, tuple(recipients), lines.encode() + b"\r\n" + piece.body


_LISTS: Final = {"to": "To", "cc": "Cc", "replyto": "Reply-To"}


# The head


def _list(asked: Mapping[str, Any], key: str) -> list[Any]:
    found = asked.get(key, [])
    if not isinstance(found, list):
        raise BadRequestError(f"invalid {key}: expected a list of objects with Email and Name")
    return found


def _object(asked: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = asked.get(key, {})
    if not isinstance(found, dict):
        raise BadRequestError(f"invalid {key}: expected an object")
    return found


def _mailbox(field: str, value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        raise BadRequestError(f"invalid {field} address: expected an object with Email and Name")
    value = lowered(value)
    return _line(field, text(value, "name")), _checked(field, text(value, "email"))


def _checked(field: str, address: str) -> str:
    local_part, at, domain = address.rpartition("@")
    if not at or not local_part or not domain or any(one <= " " or one in '<>,;"\x7f' for one in address):
        raise BadRequestError(f"invalid {field} address: {address[:_LONGEST_LINE]!r}")
    return _line(field, address)


def _line(field: str, value: str) -> str:
    """Return a text that is one line. Raises `BadRequestError`."""
    if any(
        (one < " " and one != "\t") or one in "\x7f\x85\u2028\u2029" or "\ud800" <= one <= "\udfff" for one in value
    ):
        raise BadRequestError(f"invalid {field}: expected one line of text without control characters")
    return value


def _header(name: str, items: Iterable[str]) -> str:
    """Return a field with one item a line, so that no line becomes too long."""
    return f"{name}: " + ",\r\n ".join(items)


def _shown(name: str, address: str) -> str:
    if not name:
        return address
    if not name.isascii():
        return f"{_words(name)} <{address}>"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def _words(value: str) -> str:
    """Return a text as it may stand in a header: in encoded words (RFC 2047) where it has other than ASCII."""
    if value.isascii() and len(value) < _LONGEST_LINE // 2 and "=?" not in value:
        return value
    return Header(value, "utf-8", maxlinelen=75).encode(linesep="\r\n")


def _own_headers(given: Iterable[tuple[str, Any]], *, has_tags: bool) -> Iterator[str]:
    for name, value in given:
        if name.lower() in _TAKEN or (has_tags and name.lower() == "x-tags"):
            raise BadRequestError(f'cannot overwrite header: "{name[:_LONGEST_LINE]}"')
        if not name or not all("!" <= one <= "~" and one != ":" for one in name):
            raise BadRequestError(f"invalid header: {name[:_LONGEST_LINE]!r}: expected a name of printable characters")
        if not isinstance(value, str):
            raise BadRequestError(f"invalid header: {name}: expected a string")
        yield f"{name}: {_words(_line(name, value))}"


# The body


def _body(asked: Mapping[str, Any]) -> _Piece:
    plain, html = text(asked, "text"), text(asked, "html")
    shown = [_text("plain", plain)] if plain or not html else []
    if html:
        shown.append(_text("html", html))
    body = shown[0] if len(shown) == 1 else _multipart("alternative", shown)
    attached = [_attached(_object({"a": one}, "a")) for one in _list(asked, "attachments")]
    inline = [piece for piece, is_inline in attached if is_inline]
    others = [piece for piece, is_inline in attached if not is_inline]
    if inline:
        body = _multipart("related", [body, *inline])
    return _multipart("mixed", [body, *others]) if others else body


def _text(subtype: str, value: str) -> _Piece:
    octets = value.encode("utf-8", "replace")
    is_short = all(len(line) <= _LONGEST_LINE for line in octets.split(b"\n"))
    if value.isascii() and is_short and "\0" not in value:  # as it is: a line end more is a difference
        head = (f"Content-Type: text/{subtype}; charset=utf-8", "Content-Transfer-Encoding: 7bit")
        return _Piece(head, octets)
    head = (f"Content-Type: text/{subtype}; charset=utf-8", "Content-Transfer-Encoding: base64")
    return _Piece(head, _in_lines(octets))


def _attached(asked: Mapping[str, Any]) -> tuple[_Piece, bool]:
    asked = lowered(asked)
    name, content_id = _line("Filename", text(asked, "filename")), _line("ContentID", text(asked, "contentid"))
    encoded = text(asked, "content").rpartition(",")[2]  # data: URLs have something before it
    try:
        octets = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(f'error decoding base64 attachment "{name}": {error}') from error
    media_type = _line("ContentType", text(asked, "contenttype")) or _guessed(octets)
    if not media_type.isascii() or "/" not in media_type:
        raise BadRequestError(f'invalid ContentType of "{name}": expected a media type such as application/pdf')
    file = f"filename*=utf-8''{quote(name, safe='')}"
    if name.isascii() and len(name) < _LONGEST_LINE // 2:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        file = f'filename="{escaped}"'
    disposition = "inline" if content_id else "attachment"
    head = [f"Content-Type: {media_type}", f"Content-Disposition: {disposition}; {file}"]
    if content_id:
        head.append(f"Content-ID: <{content_id.strip('<>')}>")
    return _Piece((*head, "Content-Transfer-Encoding: base64"), _in_lines(octets)), bool(content_id)


def _guessed(octets: bytes) -> str:
    for magic, media_type in _MAGIC:
        if octets.startswith(magic):
            return media_type
    return "text/plain; charset=utf-8" if octets.isascii() and b"\0" not in octets else "application/octet-stream"


def _in_lines(octets: bytes) -> bytes:
    return base64.encodebytes(octets).rstrip(b"\n").replace(b"\n", b"\r\n")


def _multipart(subtype: str, pieces: Iterable[_Piece]) -> _Piece:
    boundary = f"smtpfix-{secrets.token_hex(16)}"  # nobody can know it beforehand
    body = bytearray()
    for piece in pieces:
        body += f"--{boundary}\r\n".encode() + "".join(f"{line}\r\n" for line in piece.head).encode()
        body += b"\r\n" + piece.body + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return _Piece((f'Content-Type: multipart/{subtype}; boundary="{boundary}"',), bytes(body))
