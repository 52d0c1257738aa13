"""The grammar of commands (RFC 5321 section 4.1), to the letter: how a line breaks it.

Knows single lines, and nothing of when one is due. Strict servers refuse by it, and `behaviour` tells violations by it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from smtpfix.rules.reply import Reply
from smtpfix.safe_text import printable

from .arguments import has_display_name
from .replies import (
    LINE_TOO_LONG,
    MALFORMED_ADDRESS,
    MALFORMED_COMMAND,
    MALFORMED_SENDER,
    NO_ARGUMENT_ALLOWED,
    PATH_TOO_LONG,
    UNREADABLE_COMMAND,
    detailed,
)

_LONGEST: Final = 512
"""Octets of a command line with its CRLF, RFC 5321 section 4.5.3.1.4."""
_LONGEST_LOCAL_PART: Final = 64
_LONGEST_DOMAIN: Final = 255
_LONGEST_PATH: Final = 256
"""Octets, RFC 5321 sections 4.5.3.1.1 to 4.5.3.1.3."""
_ATOM: Final = r'[^\x00-\x20"(),.:;<>@\[\\\]\x7f]+'
"""Said by what may not stand there, as below: to compile a class of all that is outside ASCII takes Python 5 ms."""
_LETTER: Final = r"[^\x00-/:-@\[-`{-\x7f]"
"""Or a digit."""
_LABEL: Final = rf"{_LETTER}(?:[^\x00-,./:-@\[-`{{-\x7f]*{_LETTER})?"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})"
_LITERAL: Final = rf"\[(?:{_OCTET}(?:\.{_OCTET}){{3}}|[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+)\]"
"""``address-literal`` of RFC 5321 section 4.1.3; whether what follows ``IPv6:`` is an address comes later."""
_LOCAL_PART: Final = rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*")'
_MAILBOX: Final = rf"{_LOCAL_PART}@(?:{_DOMAIN}|{_LITERAL})"
"""``Mailbox`` of RFC 5321 section 4.1.2, with the characters that RFC 6531 section 3.3 adds."""
_ROUTE: Final = rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"

_HELLO: Final = {
    "EHLO": (re.compile(rf"(?:{_DOMAIN}|{_LITERAL})\Z"), "a domain or an address literal"),
    "LHLO": (re.compile(rf"(?:{_DOMAIN}|{_LITERAL})\Z"), "a domain or an address literal"),  # RFC 2033 section 4.1
    "HELO": (re.compile(rf"{_DOMAIN}\Z"), "a domain"),
}
_PATHS: Final = {
    "MAIL": (re.compile(rf"<(?:{_ROUTE}{_MAILBOX})?>"), "FROM:", MALFORMED_SENDER),
    "RCPT": (re.compile(rf"<(?:(?i:postmaster)|{_ROUTE}{_MAILBOX})>"), "TO:", MALFORMED_ADDRESS),
}
_BRACKETS: Final = re.compile(r"""<(?:"(?:[^"\\]|\\.)*"|[^"<>])*>""")
"""A path in angle brackets, whatever is in it."""
_XTEXT: Final = {"ENVID": "RFC 3461 section 4.4", "ORCPT": "RFC 3461 section 4.2", "AUTH": "RFC 4954 section 5"}
"""Parameters whose values are xtext, and where it says so: decoded, they are printable."""
_CONTROL: Final = re.compile(r"\+(?:0[0-8A-F]|1[0-9A-F]|7F)")
"""A control character in xtext (RFC 3461 section 4), but for the tab, which is white space."""
_ALONE: Final = frozenset({"DATA", "RSET", "QUIT", "STARTTLS"})
"""Commands without arguments: RFC 5321 section 4.1.1, and RFC 3207 section 4."""


class Fault(NamedTuple):
    """One thing that a line has against the grammar."""

    id: str
    """Its short name, such as ``space-before-path``."""
    explanation: str
    """What came, printable, so that it can stand in a reply whatever that was."""
    standard: str
    reply: Reply
    """What a strict server answers."""


def faults(line: bytes) -> Iterator[Fault]:
    """Yield what is wrong with a command line, given without its CRLF; an LF at its end is one that came alone."""
    if line.endswith(b"\n"):
        line = line[:-1]
        explanation = "a command ends with an LF without its CR"
        yield _fault("command-bare-line-feed", explanation, "RFC 5321 section 2.3.8", is_unreadable=True)
    text = line.decode("utf-8", "replace")
    if text.endswith((" ", "\t")):
        yield _fault("trailing-space", "white space at the end of a command", "RFC 5321 section 4.1.1")
        text = text.rstrip(" \t")
    head, _, argument = text.partition(" ")
    verb = head.upper()
    if argument.startswith(" "):
        yield _fault("extra-space", f"more than one space after {printable(head[:64])}", "RFC 5321 section 4.1.1")
        argument = argument.lstrip()
    path = argument
    if verb in _PATHS:
        path = yield from _path_faults(verb, argument)
    elif verb in _HELLO:
        pattern, expected = _HELLO[verb]
        if (
            not argument.isascii()
            or not pattern.match(argument)
            or len(argument) > _LONGEST_DOMAIN
            or _has_wrong_literal(argument)
        ):
            explanation = f"{verb} is followed by {expected}, and not by {argument[:64]!a}"
            yield _fault("malformed-client-name", explanation, "RFC 5321 section 4.1.1.1")
    elif argument and verb in _ALONE:
        standard = "RFC 3207 section 4" if verb == "STARTTLS" else "RFC 5321 section 4.1.1"
        yield Fault("unexpected-argument", f"{verb} takes no argument", standard, NO_ARGUMENT_ALLOWED)
    length = len(line) + 2 - len(argument.encode()) + len(path.encode())
    if verb != "AUTH" and length > _LONGEST:
        explanation = f"a command of {length} octets, {_LONGEST} are allowed, parameters apart"
        yield Fault("command-too-long", explanation, "RFC 5321 section 4.5.3.1.4", LINE_TOO_LONG)


def _path_faults(verb: str, argument: str) -> Generator[Fault, None, str]:
    """Yield what is wrong with the argument of MAIL or RCPT; return it without its parameters."""
    pattern, keyword, malformed = _PATHS[verb]
    if argument[: len(keyword)].upper() != keyword:
        yield _fault("malformed-command", f"{verb} is followed by {keyword}<address>", _SECTIONS[verb])
        return argument
    rest = argument[len(keyword) :]
    if rest.startswith((" ", "\t")):
        yield _fault("space-before-path", f"white space between {keyword} and the path", _SECTIONS[verb])
        rest = rest.lstrip()
    found = _BRACKETS.match(rest)
    if found is None and has_display_name(rest):
        explanation = f"a display name has no place in {keyword}<address>"
        yield _fault("display-name-in-path", explanation, "RFC 5321 section 4.1.2")
        return argument
    if found is None:
        yield _fault("path-without-brackets", "a path without its angle brackets", "RFC 5321 section 4.1.2")
        path, _, parameters = rest.partition(" ")
    else:
        path, parameters = found[0], rest[found.end() :]
        match = pattern.match(path)
        if match is None or match.end() != len(path) or _has_wrong_literal(path[:-1]):
            yield Fault("malformed-path", f"{path[:64]!a} is no path", "RFC 5321 section 4.1.2", malformed)
        else:
            yield from _lengths(path)
        if parameters and not parameters.startswith(" "):
            yield _fault("malformed-command", f"no space after {path[:64]!a}", "RFC 5321 section 4.1.2")
        parameters = parameters[1:]
    if parameters and "" in parameters.split(" "):
        yield _fault("extra-space", f"more than one space between the parameters of {verb}", "RFC 5321 section 4.1.2")
    for parameter in parameters.split(" ") if "+" in parameters else ():
        name, _, value = parameter.partition("=")
        if (standard := _XTEXT.get(name.upper())) and _CONTROL.search(value):
            yield _fault("malformed-parameter", f"{name.upper()} has a control character in its xtext", standard)
    return f"{keyword}{path}"


def _has_wrong_literal(text: str) -> bool:
    """Return whether a text ends with a literal for IPv6 that is no address (RFC 5321 section 4.1.3)."""
    if not text.endswith("]"):
        return False
    tag, _, address = text[text.rindex("[") + 1 : -1].partition(":")
    if tag.upper() != "IPV6":
        return False
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return True
    return "%" in address  # a scope, which Python knows and SMTP does not


def _lengths(path: str) -> Iterator[Fault]:
    """Yield what in a path of the grammar is too long; the first thing only."""
    mailbox = path[1:-1]
    if mailbox.startswith("@"):
        mailbox = mailbox.partition(":")[2]
    local_part, _, domain = mailbox.rpartition("@")
    for name, part, longest, section in (
        ("local part", local_part, _LONGEST_LOCAL_PART, "4.5.3.1.1"),
        ("domain", domain, _LONGEST_DOMAIN, "4.5.3.1.2"),
        ("path", path, _LONGEST_PATH, "4.5.3.1.3"),
    ):
        if (octets := len(part.encode())) > longest:
            explanation = f"a {name} of {octets} octets, {longest} are allowed"
            standard = f"RFC 5321 section {section}"
            yield Fault(
                "address-too-long", explanation, standard, detailed(PATH_TOO_LONG, f"{explanation} ({standard})")
            )
            return


_SECTIONS: Final = {"MAIL": "RFC 5321 section 4.1.1.2", "RCPT": "RFC 5321 section 4.1.1.3"}


def _fault(name: str, explanation: str, standard: str, *, is_unreadable: bool = False) -> Fault:
    reply = UNREADABLE_COMMAND if is_unreadable else MALFORMED_COMMAND
    return Fault(name, explanation, standard, detailed(reply, f"Expected the grammar of {standard}: {explanation}"))
