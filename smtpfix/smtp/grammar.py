"""The grammar of commands, RFC 5321 section 4.1, letter by letter: what a client's line has against it.

Knows single lines, and nothing of when one is due. Strict servers refuse by it, and `behaviour` tells violations by it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from smtpfix.rules.reply import Reply
from smtpfix.safe_text import printable

from .replies import (
    LINE_TOO_LONG,
    MALFORMED_ADDRESS,
    MALFORMED_COMMAND,
    MALFORMED_SENDER,
    NO_ARGUMENT_ALLOWED,
    UNREADABLE_COMMAND,
    detailed,
)

_LONGEST: Final = 512
"""Octets of a command line with its CRLF, RFC 5321 section 4.5.3.1.4."""
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LABEL: Final = r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9\u0080-\U0010ffff-]*[A-Za-z0-9\u0080-\U0010ffff])?"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL: Final = r"\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+)\]"
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
        yield _fault("extra-space", f"more than one space behind {printable(head[:64])}", "RFC 5321 section 4.1.1")
        argument = argument.lstrip()
    path = argument
    if verb in _PATHS:
        path = yield from _path_faults(verb, argument)
    elif verb in _HELLO:
        pattern, expected = _HELLO[verb]
        if not argument.isascii() or not pattern.match(argument):
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
    if found is None:
        yield _fault("path-without-brackets", "a path without its angle brackets", "RFC 5321 section 4.1.2")
        path, _, parameters = rest.partition(" ")
    else:
        path, parameters = found[0], rest[found.end() :]
        match = pattern.match(path)
        if match is None or match.end() != len(path):
            yield Fault("malformed-path", f"{path[:64]!a} is no path", "RFC 5321 section 4.1.2", malformed)
        if parameters and not parameters.startswith(" "):
            yield _fault("malformed-command", f"no space behind {path[:64]!a}", "RFC 5321 section 4.1.2")
        parameters = parameters[1:]
    if parameters and "" in parameters.split(" "):
        yield _fault("extra-space", f"more than one space between the parameters of {verb}", "RFC 5321 section 4.1.2")
    return f"{keyword}{path}"


_SECTIONS: Final = {"MAIL": "RFC 5321 section 4.1.1.2", "RCPT": "RFC 5321 section 4.1.1.3"}


def _fault(name: str, explanation: str, standard: str, *, is_unreadable: bool = False) -> Fault:
    reply = UNREADABLE_COMMAND if is_unreadable else MALFORMED_COMMAND
    return Fault(name, explanation, standard, detailed(reply, f"Expected the grammar of {standard}: {explanation}"))
