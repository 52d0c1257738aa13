"""The argument of MAIL and RCPT: a path and its ESMTP parameters (RFC 5321 section 4.1.2).

Knows syntax only. A plain address costs one regular expression; everything else is left to the engine's full parser.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from smtpfix.later import compiled_later
from smtpfix.rules.reply import Reply

from .replies import (
    MALFORMED_PARAMETER,
    MALFORMED_VALUE,
    REPEATED_PARAMETER,
    TOO_MUCH_DATA,
    UNKNOWN_PARAMETER,
    detailed,
)

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN: Final = re.compile(
    rf"(?i:(FROM:|TO:))\s*(<({_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)>)(?: +(.*))?\Z"
)
"""``FROM:<local@domain>`` with a dot-string and a domain of letters, digits and hyphens."""

_PATH: Final = compiled_later(
    lambda: re.compile(r"""(<(?:"(?:[^"\\]|\\.)*"|[^"<>])*>|[^\s<>]+)(?:\s+(.*))?\Z""", re.DOTALL)
)
"""Any path in angle brackets, whose quoted strings may hold some; or, against the standard, one without them."""

_SOURCE_ROUTE: Final = compiled_later(lambda: re.compile(r"@[^\s:,\"]+(?:,@[^\s:,\"]+)*:"))
"""``A-d-l`` of RFC 5321 section 4.1.2, with the colon after it."""

_PARAMETER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\s=]+))?\Z")
"""``esmtp-param`` of RFC 5321 section 4.1.2; 8-bit values are let through for RFC 6531."""


class PathArgument(NamedTuple):
    """What followed ``FROM:`` or ``TO:``."""

    path: str
    """The path as it came, with its angle brackets if it had any."""
    plain: str | None
    """The address, if it is one that needs no further parsing."""
    parameters: tuple[str, ...]
    """The parameters, verbatim."""

    @property
    def address(self) -> str:
        """The path without brackets, and without the source route that RFC 5321 appendix C wants stripped."""
        inner = self.path[1:-1].strip() if self.path[:1] == "<" else self.path
        return inner[match.end() :] if (match := _SOURCE_ROUTE.match(inner)) else inner


def split_path(keyword: str, argument: str | None) -> PathArgument | None:
    """Take ``FROM:<path> parameters`` apart; None if it is not of that form."""
    if argument is None:
        return None
    if match := _PLAIN.match(argument.rstrip()):
        found, path, address, parameters = match.groups()
        if found.upper() == keyword:
            return PathArgument(path, address, tuple(parameters.split()) if parameters else ())
    if argument[: len(keyword)].upper() != keyword:
        return None
    rest = argument[len(keyword) :].strip()
    if (match := _PATH.match(rest)) and (match[1][0] == "<" or not has_display_name(rest)):
        return PathArgument(match[1], None, tuple((match[2] or "").split()))
    return None


def has_display_name(text: str) -> bool:
    """Return whether a text that begins with no path is an address with a name: ``Ann Lee <ann@example.org>``."""
    name, opens, address = text.removeprefix("<").rpartition("<")
    return bool(opens) and "@" in address and ">" in address and bool(name.strip()) and not name.endswith("=")


def refuse_parameters(parameters: tuple[str, ...], known: Collection[str], size_limit: int | None) -> Reply | None:
    """Return the reply to parameters that are malformed, unknown or ask for too much; None if they are right.

    What is `known` is a keyword, or a keyword with the one value that there is beside the usual ones.
    """
    seen = set()
    for parameter in parameters:
        match = _PARAMETER.match(parameter)
        if match is None:
            return MALFORMED_PARAMETER
        keyword, value = match[1].upper(), match[2]
        is_whole = value is not None and parameter.upper() in known
        if keyword not in known and not is_whole:
            return detailed(UNKNOWN_PARAMETER, f"Parameter {keyword} not recognized or not implemented")
        if keyword in seen:
            return detailed(REPEATED_PARAMETER, f"Parameter {keyword} is given twice")
        seen.add(keyword)
        pattern, expected = _VALUES.get(keyword) or _optional(keyword)
        if not is_whole and not pattern.match(value or ""):
            if f"{keyword}=BINARYMIME" in known:
                expected += ", or BINARYMIME (RFC 3030 section 3)"
            return detailed(MALFORMED_VALUE, f"Parameter {keyword} has a malformed value, expected {expected}")
        if keyword == "SIZE" and size_limit is not None and int(value) > size_limit:
            return TOO_MUCH_DATA
    return None


def _optional(keyword: str) -> tuple[re.Pattern[str], str]:
    from .extensions import VALUES  # noqa: PLC0415 - few servers offer them

    return VALUES[keyword]


_VALUES: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "SIZE": (re.compile(r"[0-9]{1,20}\Z"), "octets, 1 to 20 digits (RFC 1870 section 3)"),
    "BODY": (compiled_later(lambda: re.compile(r"(?i:7BIT|8BITMIME)\Z")), "7BIT or 8BITMIME (RFC 6152 section 2)"),
    "SMTPUTF8": (re.compile(r"\Z"), "no value (RFC 6531 section 3.4)"),
    "AUTH": (
        compiled_later(lambda: re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})++\Z")),
        "<> or xtext (RFC 4954 section 5, RFC 3461 section 4)",
    ),
}
"""What each parameter's value has to look like, as a pattern and for people."""
