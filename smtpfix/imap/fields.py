"""Header fields and their addresses, as ENVELOPE and SEARCH need them (RFC 9051 section 7.5.2).

`mail.header_values` reads what a test wants to know of a message; here nothing is decoded, and display names count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_FIELD: Final = re.compile(rb"^([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?+", re.MULTILINE)
_LINE_END: Final = re.compile(rb"\r?\n")
_PIECE: Final = re.compile(
    rb'"((?:[^"\\]++|\\.)*+)"?+|\[[^\[\]]*+\]?+|([<>@,;:])|[^\s"<>@,;:()\[\]]++|(\s++)|.', re.DOTALL
)
"""A quoted string, also one that does not end; a domain literal; a separator; an atom; white space; anything else."""
_IN_COMMENT: Final = re.compile(rb"\\.|[()]|[^\\()]++|\\", re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_ATOM: Final = r"[^\x00-\x20\"<>@,;:()\[\]\\]"
_USUAL: Final = re.compile(rf"(?:((?:{_ATOM}++[ \t]++)*+)<)?+({_ATOM}++)@({_ATOM}++)(?(1)>)".encode())
"""One address with nothing in it that is quoted or a comment: ``Ann Lee <ann@example.org>`` or ``ann@example.org``."""


class Address(NamedTuple):
    """One address, or the beginning of a group, which has no host, or its end, which has no mailbox either."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


GROUP_END: Final = Address(None, None, None, None)


def raw_fields(section: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield each header field: its name in lower case, its value unfolded, and all its octets with the line end."""
    for match in _FIELD.finditer(section):
        name, value, octets = match.group(1, 2, 0)
        if b"\n" in value:
            value = _LINE_END.sub(b"", value)
        yield name.lower(), value.strip(), octets


def addresses(value: bytes) -> list[Address]:
    """Return the addresses in a list of mailboxes and groups (RFC 5322 section 3.4)."""
    if (usual := _USUAL.fullmatch(value)) is not None:
        name, mailbox, host = usual.groups()
        return [Address(b" ".join(name.split()) or None if name else None, None, mailbox, host)]
    found: list[Address] = []
    words: list[tuple[str, bytes]] = []
    in_brackets = in_group = False

    def finish() -> None:
        if (address := _address(words)) is not None:
            found.append(address)
        words.clear()

    for kind, text in _pieces(value):
        if in_brackets:
            in_brackets = kind != ">"
            words.append((kind, text))
        elif kind == "<":
            in_brackets = True
            words.append((kind, text))
        elif kind == ":" and not in_group:
            found.append(Address(None, None, _phrase(words), None))
            words.clear()
            in_group = True
        elif kind == ",":
            finish()
        elif kind == ";":
            finish()
            if in_group:
                found.append(GROUP_END)
            in_group = False
        else:
            words.append((kind, text))
    finish()
    if in_group:
        found.append(GROUP_END)
    return found


def _pieces(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the pieces of a value with their kinds: ``quoted``, ``space``, ``comment``, ``word`` or a character."""
    at = 0
    while at < len(value):
        if value.startswith(b"(", at):
            end = _comment_end(value, at)
            yield "comment", value[at + 1 : end - 1] if value.endswith(b")", at + 1, end) else value[at + 1 : end]
            at = end
            continue
        match = _PIECE.match(value, at)
        assert match is not None  # noqa: S101 - the pattern takes anything
        at = match.end()
        if match[1] is not None:
            yield "quoted", _ESCAPED.sub(rb"\1", match[1])
        elif match[2] is not None:
            yield match[2].decode("ascii"), match[2]
        elif match[3] is not None:
            yield "space", b" "
        else:
            yield "word", match[0]


def _comment_end(value: bytes, at: int) -> int:
    depth = 0
    while at < len(value):
        match = _IN_COMMENT.match(value, at)
        assert match is not None  # noqa: S101 - as above
        at = match.end()
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if not depth:
            break
    return at


def _phrase(words: list[tuple[str, bytes]]) -> bytes:
    """Return words as one text, with one blank wherever there was white space between them."""
    return b" ".join(b"".join(b" " if kind in ("space", "comment") else text for kind, text in words).split())


def _address(words: list[tuple[str, bytes]]) -> Address | None:
    kinds = [kind for kind, _ in words]
    name: bytes | None
    route: bytes | None = None
    if "<" in kinds:
        opens = kinds.index("<")
        name = _phrase(words[:opens])
        inner = [word for word in words[opens + 1 :] if word[0] not in ("space", "comment", "<", ">")]
        if inner and inner[0][0] == "@" and ":" in (inner_kinds := [kind for kind, _ in inner]):
            colon = inner_kinds.index(":")
            route, inner = b"".join(text for _, text in inner[:colon]), inner[colon + 1 :]
    else:
        name = next((text for kind, text in reversed(words) if kind == "comment"), b"")
        inner = [word for word in words if word[0] not in ("space", "comment")]
    if not inner and not name:
        return None
    signs = [place for place, (kind, _) in enumerate(inner) if kind == "@"]
    at = signs[-1] if signs else len(inner)
    mailbox = b"".join(text for _, text in inner[:at])
    host = b"".join(text for _, text in inner[at + 1 :])
    return Address(name or None, route, mailbox, host)
