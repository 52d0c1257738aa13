"""The parts of a message for FETCH: sections, ENVELOPE and BODYSTRUCTURE (RFC 9051 sections 6.4.5 and 7.5.2).

All of it is read off the octets by `mail.mime`, and nothing is written anew: sections and sizes agree to the octet.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection, Sequence
from typing import Final

from smtpfix.mail.header_values import from_base64, outside_comments, raw_parameters
from smtpfix.mail.mime import Part

from .fields import Address, addresses, raw_fields
from .writing import in_parentheses, string

_MESSAGES: Final = frozenset(("message/rfc822", "message/global"))
_AS_THEY_ARE: Final = frozenset(("", "7bit", "8bit", "binary"))
_TRAILING_SPACE: Final = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
_COMMA: Final = re.compile(rb"[\s,]+")


# Sections


def header(part: Part) -> bytes:
    """Return a part's header section, with the empty line at its end."""
    return part.content[part.start : part.body]


def message_in(part: Part) -> Part | None:
    """Return the message that a part holds; None where it holds none."""
    return part.parts[0] if part.media_type in _MESSAGES and part.parts else None


def _inside(part: Part) -> tuple[Part, ...]:
    """Return the parts of a multipart."""
    return part.parts if part.media_type.startswith("multipart/") else ()


def part_at(root: Part, numbers: Sequence[int]) -> Part | None:
    """Return the part of these numbers, as section 6.4.5.1 counts them; None where there is none."""
    here: Part | None = root
    is_message = True
    """Whether `here` is a message, whose only part, where it is no multipart, is number 1."""
    for number in numbers:
        assert here is not None  # noqa: S101 - it returns as soon as it is
        if not is_message and (inner := message_in(here)) is not None:
            here, is_message = inner, True
        parts = _inside(here)
        if parts:
            here = parts[number - 1] if number <= len(parts) else None
        elif not (is_message and number == 1):
            here = None
        is_message = False
        if here is None:
            return None
    return here


def span(root: Part, numbers: Sequence[int], kind: str) -> tuple[int, int] | None:
    """Return where the octets of ``BODY[numbers.kind]`` begin and end; None where there is no such part.

    `kind` is one of ``""``, ``HEADER``, ``TEXT`` and ``MIME``.
    """
    part = part_at(root, numbers)
    if part is None:
        return None
    if kind == "MIME":
        return part.start, part.body
    if not kind:
        return (part.body, part.end) if numbers else (root.start, root.end)
    message = message_in(part) if numbers else part
    if message is None:
        return None
    return (message.body, message.end) if kind == "TEXT" else (message.start, message.body)


def chosen_fields(section: bytes, names: Collection[bytes], *, keeps: bool) -> bytes:
    """Return the header fields of these names, or all others, with the empty line after them (section 6.4.5.1)."""
    wanted = {name.lower() for name in names}
    return b"".join(octets for name, _, octets in raw_fields(section) if (name in wanted) is keeps) + b"\r\n"


def without_encoding(part: Part) -> bytes | None:
    """Return a part's body without its transfer encoding (RFC 2045 section 6); None where that is not known."""
    encoding = part.value("transfer-encoding").main
    if encoding == "base64":
        return from_base64(part.octets)
    if encoding == "quoted-printable":  # white space at the end of a line goes, RFC 2045 section 6.7
        return binascii.a2b_qp(_TRAILING_SPACE.sub(b"", part.octets))
    return part.octets if encoding in _AS_THEY_ARE else None


# ENVELOPE


def envelope(message: Part) -> bytes:
    """Return a message's envelope structure; sender and reply-to are those of From where they are missing."""
    values: dict[bytes, bytes] = {}
    for name, value, _ in raw_fields(header(message)):
        if name in values and name in _OF_ADDRESSES:
            values[name] += b", " + value
        else:
            values.setdefault(name, value)
    lists = {name: _address_list(values.get(name)) for name in _OF_ADDRESSES}
    for name in (b"sender", b"reply-to"):
        if lists[name] == b"NIL":
            lists[name] = lists[b"from"]
    return in_parentheses(
        (
            *(string(values.get(name)) for name in (b"date", b"subject")),
            *lists.values(),
            *(string(values.get(name)) for name in (b"in-reply-to", b"message-id")),
        )
    )


_OF_ADDRESSES: Final = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")


def _address_list(value: bytes | None) -> bytes:
    found = addresses(value) if value is not None else ()
    return b"(%b)" % b"".join(map(_written, found)) if found else b"NIL"


def _written(address: Address) -> bytes:
    return in_parentheses(map(string, address))


# BODYSTRUCTURE


def body_structure(part: Part, *, extended: bool) -> bytes:
    """Return a part's body structure, with extension data or, as BODY wants it, without."""
    parts = _inside(part)
    if parts:
        inner = b"".join(body_structure(one, extended=extended) for one in parts)
        more = b" %b %b" % (_parameters(part), _extension(part)) if extended else b""
        return b"(%b %b%b)" % (inner, string(_octets(part.media_type.partition("/")[2])), more)
    media_type = part.media_type
    if media_type.startswith("multipart/"):  # without a part it is none: the grammar has no form for that
        media_type = "text/plain"
    main, _, subtype = media_type.partition("/")
    encoding = part.value("transfer-encoding").main or "7bit"
    facts = [
        string(_octets(main)),
        string(_octets(subtype)),
        _parameters(part),
        *(string(_field(part, name)) for name in ("id", "description")),
        string(_octets(encoding)),
        b"%d" % len(part.octets),
    ]
    if (message := message_in(part)) is not None:
        facts += [envelope(message), body_structure(message, extended=extended), _line_count(part)]
    elif main == "text":
        facts.append(_line_count(part))
    if extended:
        facts += [string(_field(part, "md5")), _extension(part)]
    return in_parentheses(facts)


def _line_count(part: Part) -> bytes:
    body = part.octets
    return b"%d" % (body.count(b"\n") + (body[-1:] not in (b"", b"\n")))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _field(part: Part, name: str) -> bytes | None:
    value = part.fields.get(name)
    return None if value is None else b" ".join(_octets(value).split())


def _parameters(part: Part) -> bytes:
    given = part.fields.get("type")
    if given is None or part.media_type != part.value("type").main:  # the default of RFC 2045 section 5.2
        return b'("charset" "us-ascii")' if part.media_type == "text/plain" else b"NIL"
    return _pairs(given)


def _pairs(value: str) -> bytes:
    """Write a value's parameters as they stand, neither decoded nor put together (RFC 2231 is the client's)."""
    pairs = [string(_octets(text)) for pair in raw_parameters(value) for text in pair]
    return in_parentheses(pairs) if pairs else b"NIL"


def _extension(part: Part) -> bytes:
    """Return disposition, language and location."""
    disposition = part.fields.get("disposition")
    shown = b"NIL"
    if disposition is not None:
        main = outside_comments(disposition).partition(";")[0].strip()
        shown = b"(%b %b)" % (string(_octets(main)), _pairs(disposition))
    language = _field(part, "language")
    tags = [string(tag) for tag in _COMMA.split(language) if tag] if language else []
    spoken = in_parentheses(tags) if tags else b"NIL"
    return b"%b %b %b" % (shown, spoken, string(_field(part, "location")))
