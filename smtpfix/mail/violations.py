"""Violations in how a message arrived: in its octets, its envelope and its transfer.

Knows octets and addresses; `message` asks it with what it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from smtpfix.record.violation import Violation
from smtpfix.safe_text import printable

from .header_values import normal
from .header_violations import HEADER_VIOLATIONS
from .stepwise import longest_line, matches, search

BARE_LF: Final = re.compile(rb"(?<!\r)\n")
BARE_CR: Final = re.compile(rb"\r(?!\n)")
END_LIKE: Final = re.compile(
    rb"(?:(?P<nul>\r\n\x00)|(?P<cr>\r)|(?<!\r)(?P<lf>\n))\.(?=(?P<crlf_>\r\n)|(?P<cr_>\r)|(?P<lf_>\n))"
)
"""A dot alone on what some servers take for a line, where the line does not begin behind CRLF."""
_END_LIKE_PARTS: Final = {"nul": "CRLF NUL", "cr": "CR", "lf": "LF", "crlf_": "CRLF", "cr_": "CR", "lf_": "LF"}
_BEFORE_DOT: Final = (b"\r.", b"\n.", b"\0.")
"""Without one of these, nothing is like an end."""
END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
_LONGEST_LINE: Final = 998
_SHOWN: Final = 5

MESSAGE_VIOLATIONS: Final = (
    *("bare-line-feed", "bare-carriage-return", "smuggled-end-of-data", "line-too-long", "dot-not-stuffed"),
    "malformed-end-of-data",
    *("address-without-smtputf8", "headers-without-smtputf8", "body-without-8bitmime", "bcc-in-headers"),
    *HEADER_VIOLATIONS,
)
"""Every `Violation.id` of a message."""


def in_message(
    content: bytes,
    *,
    addresses: Iterable[str],
    mail_parameters: Iterable[str],
    unstuffed_lines: int,
    ended_by: str = "",
    ends: Sequence[str],
    bcc: Sequence[str],
    not_bcc: Sequence[str],
) -> Iterator[Violation]:
    """Yield what is wrong with a message on its way in.

    `addresses` are all of the envelope's. `ended_by` is what ended it, if that was not CRLF.CRLF. `ends` is what
    `end_like` found. `bcc` are those in its Bcc headers, `not_bcc` the recipients who are not.
    """
    declared = {parameter.upper() for parameter in mail_parameters}
    if "BODY=BINARYMIME" not in declared:  # RFC 3030 section 3: there, CR and LF need not end lines
        yield from _lines(content)
    if ended_by:
        yield Violation(
            "malformed-end-of-data",
            f"the content ended with {ended_by}, where CRLF.CRLF is due",
            "RFC 5321 section 4.1.1.4",
        )
    if ends:
        yield Violation(
            "smuggled-end-of-data",
            f"the content has {', '.join(ends)}, which some servers take for its end: what follows would be commands",
            "RFC 5321 section 4.1.1.4",
        )
    if unstuffed_lines:
        lines = "1 line that begins" if unstuffed_lines == 1 else f"{unstuffed_lines} lines that begin"
        yield Violation(
            "dot-not-stuffed",
            f"{lines} with a dot came without a second one, so the dot is lost",
            "RFC 5321 section 4.5.2",
        )
    yield from _undeclared(content, addresses, declared)
    if bcc and not_bcc:
        yield Violation(
            "bcc-in-headers",
            f"the headers name {_listed(bcc)} in Bcc to {_listed(not_bcc)}",
            "RFC 5322 section 3.6.3",
        )


def _lines(content: bytes) -> Iterator[Violation]:
    """Yield what is wrong with how lines end, and how long they are."""
    if not _has_whole_line_ends(content):
        if (line := _line_of(BARE_LF, content)) is not None:
            yield Violation("bare-line-feed", f"an LF without its CR ends line {line}", "RFC 5321 section 2.3.8")
        if (line := _line_of(BARE_CR, content)) is not None:
            yield Violation("bare-carriage-return", f"a CR without its LF is in line {line}", "RFC 5321 section 2.3.8")
    number, longest = longest_line(content)
    if longest > _LONGEST_LINE:
        yield Violation(
            "line-too-long",
            f"line {number} has {longest} octets, {_LONGEST_LINE} are allowed",
            "RFC 5321 section 4.5.3.1.6",
        )


def _has_whole_line_ends(content: bytes) -> bool:
    """Return whether each CR has its LF, and each LF its CR; faster than a look for one that has not."""
    return content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")


def end_like(content: bytes, unstuffed: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of what is in a content and may pass for its end, such as ``LF.CRLF``, each once.

    Servers that take one for CRLF.CRLF read what follows as commands (SMTP smuggling; CVE-2023-51764, CVE-2023-51765,
    CVE-2023-51766). `unstuffed` are those after CRLF, ``CRLF.LF`` and ``CRLF.CR``, which the content does not show: a
    dot there was stuffed, or has been taken away.
    """
    found = dict.fromkeys(unstuffed)
    if max(map(content.rfind, _BEFORE_DOT)) < 0:
        return tuple(found)
    for match in matches(END_LIKE, content):
        parts = [_END_LIKE_PARTS[name] for name, octets in match.groupdict().items() if octets is not None]
        found[".".join(parts)] = None
    return tuple(found)


def _undeclared(content: bytes, addresses: Iterable[str], parameters: set[str]) -> Iterator[Violation]:
    """Yield what is outside ASCII without the MAIL parameter that says so."""
    if "SMTPUTF8" in parameters:
        return
    beyond = [address for address in addresses if not address.isascii()]
    if beyond:
        yield Violation(
            "address-without-smtputf8",
            f"{_listed(beyond)} is outside ASCII, and MAIL came without SMTPUTF8",
            "RFC 6531 section 3.4",
        )
    if content.isascii():
        return
    end = search(END_OF_HEADERS, content)
    body = content[end.end() :] if end else b""
    if not (content[: end.start()] if end else content).isascii():
        yield Violation(
            "headers-without-smtputf8",
            "the headers have octets outside ASCII, and MAIL came without SMTPUTF8",
            "RFC 6531 section 3.4",
        )
    if not body.isascii() and not parameters & {"BODY=8BITMIME", "BODY=BINARYMIME"}:
        yield Violation(
            "body-without-8bitmime",
            "the body has octets outside ASCII, and MAIL came without BODY=8BITMIME",
            "RFC 6152 section 3",
        )


def _line_of(pattern: re.Pattern[bytes], content: bytes) -> int | None:
    """Return the number of the first line where it is found; None if it is nowhere."""
    match = search(pattern, content)
    return None if match is None else content.count(b"\n", 0, match.start()) + 1


def without(addresses: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses that are not among the others, in order; a domain's case says nothing (RFC 5321 2.4)."""
    known = {normal(address) for address in others}
    return tuple(address for address in addresses if normal(address) not in known)


def _listed(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
    return ", ".join(printable(address) for address in addresses[:_SHOWN]) + more
