"""A message in Mailpit's JSON: its summary in lists, the whole of it, its parts, and its headers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from smtpfix.mail.bodies import content_id_of, filename_of, octets_of
from smtpfix.mail.header_values import decoded, sound, unfolded, words
from smtpfix.mail.mime import Part, split
from smtpfix.mail.parsing import parse_headers
from smtpfix.mail.stepwise import search
from smtpfix.mail.violations import END_OF_HEADERS
from smtpfix.store.parts import Listed, Role, listed
from smtpfix.store.row import Address, Row

MOST_HEADERS: Final = 1_000
LONGEST_HEADER: Final = 65_536


def timestamp(moment: datetime) -> str:
    """Return a time as RFC 3339 has it; in UTC with ``Z``."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def address(one: Address) -> dict[str, str]:
    """Return an address."""
    return {"Name": one.name, "Address": one.address}


def addresses(several: Sequence[Address]) -> list[dict[str, str]]:
    """Return a list of addresses; an empty one where there is none, and never null."""
    return [address(one) for one in several]


def summary(row: Row) -> dict[str, Any]:
    """Return a message as lists and events have it."""
    return {
        "ID": row.id,
        "MessageID": row.message_id or made_message_id(row),
        "Read": row.is_read,
        "From": address(row.sender),
        "To": addresses(row.to),
        "Cc": addresses(row.cc),
        "Bcc": addresses(row.bcc),
        "ReplyTo": addresses(row.reply_to),
        "Subject": row.subject,
        "Created": timestamp(row.received),
        "Username": row.username,
        "Tags": list(row.tags),
        "Size": row.size,
        "Attachments": row.attachments,
        "Snippet": row.snippet,
    }


def whole(row: Row, content: bytes) -> dict[str, Any]:
    """Return all of a message."""
    parts = tuple(listed(split(content)[0]))
    headers = Headers(content)
    return {
        "ID": row.id,
        "MessageID": row.message_id or made_message_id(row),
        "From": address(row.sender),
        "To": addresses(row.to),
        "Cc": addresses(row.cc),
        "Bcc": addresses(row.bcc),
        "ReplyTo": addresses(row.reply_to),
        "ReturnPath": row.reverse_path or row.sender.address,
        "Subject": row.subject,
        "ListUnsubscribe": list_unsubscribe(headers.text("list-unsubscribe"), headers.text("list-unsubscribe-post")),
        "Date": _date(headers.text("date")) or timestamp(row.received),
        "Tags": list(row.tags),
        "Username": row.username,
        "Text": said_by(parts, Role.TEXT),
        "HTML": said_by(parts, Role.HTML),
        "Size": len(with_added_headers(row, content)),
        "Inline": [_attachment(one) for one in parts if one.role is Role.INLINE],
        "Attachments": [_attachment(one) for one in parts if one.role is Role.ATTACHMENT],
    }


def said_by(parts: Sequence[Listed], role: Role) -> str:
    """Return the text of all parts of a role, decoded, its line ends as they came."""
    found = (one.part for one in parts if one.role is role)
    said = "".join(decoded(octets_of(part), part.parameters.get("charset", "ascii")) for part in found)
    return said.encode("utf-8", "replace").decode()


def _attachment(one: Listed) -> dict[str, Any]:
    octets = octets_of(one.part)
    return {
        "PartID": one.part_id,
        "FileName": sound(one.name),
        "ContentType": one.part.media_type,
        "ContentID": sound(content_id_of(one.part) or ""),
        "Size": len(octets),
        "Checksums": {
            "MD5": hashlib.md5(octets, usedforsecurity=False).hexdigest(),
            "SHA1": hashlib.sha1(octets, usedforsecurity=False).hexdigest(),
            "SHA256": hashlib.sha256(octets).hexdigest(),
        },
    }


def part_of(content: bytes, part_id: str) -> tuple[Part, str] | None:
    """Return the part at a place in the tree that is no multipart, and its file name or Content-ID."""
    part = split(content)[0]
    if part_id != "0" or _has_parts(part):
        for number in part_id.split(".", _DEEPEST)[:_DEEPEST]:
            if not number.isascii() or not number.isdecimal() or not _has_parts(part):
                return None
            if not 1 <= int(number[:6]) <= len(part.parts):
                return None
            part = part.parts[int(number[:6]) - 1]
    return None if _has_parts(part) else (part, sound(filename_of(part) or content_id_of(part) or ""))


_DEEPEST: Final = 60


def _has_parts(part: Part) -> bool:
    return part.media_type.startswith("multipart/") and bool(part.parts)


class Headers:
    """A message's header fields as they stand, in order."""

    def __init__(self, content: bytes) -> None:
        end = search(END_OF_HEADERS, content)
        parsed = parse_headers(content[: end.end()] if end else content)
        self.fields = tuple(
            (sound(name), sound(unfolded(str(value)[:LONGEST_HEADER])))
            for name, value in tuple(parsed.raw_items())[:MOST_HEADERS]
        )

    def text(self, name: str) -> str:
        """Return the first value of a name, decoded; ``""`` without one."""
        return next((words(value) for known, value in self.fields if known.lower() == name), "")


def canonical(name: str) -> str:
    """Return a header's name as Go writes it, such as ``Message-Id``."""
    return "-".join(piece[:1].upper() + piece[1:].lower() for piece in name.split("-"))


def grouped(content: bytes) -> dict[str, list[str]]:
    """Return the values of each header."""
    found: dict[str, list[str]] = {}
    for name, value in Headers(content).fields:
        found.setdefault(canonical(name), []).append(value)
    return found


def made_message_id(row: Row) -> str:
    """Return the Message-ID of a message that has none."""
    return f"{row.id}@smtpfix"


def with_added_headers(row: Row, content: bytes) -> bytes:
    """Return a message with what a server adds on receipt: Return-Path, and what is missing of Message-ID and Bcc.

    All text in it is one line, whatever the envelope says. The message itself follows it, octet by octet.
    """
    fields = Headers(content).fields
    there = {name.lower(): value for name, value in reversed(fields)}
    added = []
    if there.get("return-path", "\0").strip("<> ") != row.reverse_path:
        added.append(f"Return-Path: <{one_line(row.reverse_path)}>")
    if not there.get("message-id"):
        added.append(f"Message-ID: <{made_message_id(row)}>")
    unnamed = [one.address for one in row.bcc if one.address in row.recipients]
    if unnamed and "bcc" not in there:
        added.append(f"Bcc: {', '.join(map(one_line, unnamed))}")
    return "".join(f"{line}\r\n" for line in added).encode() + content


def one_line(text: str) -> str:
    """Return a text without what ends a line, and without NUL."""
    return "".join(one if one >= " " and one != "\x7f" and one not in "\x85\u2028\u2029" else " " for one in text)


def _date(text: str) -> str:
    try:
        moment = parsedate_to_datetime(text[:100])
    except (ValueError, OverflowError, TypeError, IndexError):
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat().replace("+00:00", "Z")


# List-Unsubscribe


def list_unsubscribe(text: str, post: str) -> dict[str, Any]:
    """Return what a List-Unsubscribe header (RFC 2369) offers, and what is wrong with it."""
    header = text.strip()
    links: list[str] = []
    errors = _unsubscribe_errors(_without_comments(header), links) if header else []
    return {"Header": header, "Links": links, "Errors": ", ".join(errors), "HeaderPost": post if header else ""}


def _unsubscribe_errors(text: str, links: list[str]) -> list[str]:
    """Return what is wrong, and put what is right into `links`."""
    pieces = text.split("<")
    found = [piece.partition(">") for piece in pieces[1:]]
    if not found or not all(end for _, end, _ in found):
        return [f'"{text}" no valid unsubscribe links found']
    if pieces[0].strip() or found[-1][2].strip():
        return [f'"{text}" should be enclosed in <>']
    if len(found) > _MOST_LINKS:
        return [f'"{text}" should include a maximum of one email and one HTTP link']
    if any(behind.strip() != "," for _, _, behind in found[:-1]):
        return [f'"{text}" <> should be split with a comma and optional spaces']
    errors, seen = [], set()
    for link, _, _ in found:
        scheme = link.partition(":")[0].lower()
        kind = "http" if scheme in ("http", "https") else scheme
        if any(one.isspace() for one in link):
            errors.append(f'"{link}" should not contain spaces')
        elif kind not in ("http", "mailto"):
            errors.append(f'"{link}" should start with either http(s):// or mailto:')
        elif kind in seen:
            errors.append(f'"{link}" should only contain one {"mailto:" if kind == "mailto" else "HTTP link"}')
        else:
            seen.add(kind)
            links.append(link)
    return errors


_MOST_LINKS: Final = 2


def _without_comments(text: str) -> str:
    return "".join(_outside(text)).strip()


def _outside(text: str) -> Iterator[str]:
    first, *others = text.split("(")
    yield first
    for piece in others:
        _, end, behind = piece.partition(")")
        if end:
            yield behind
