r"""Rules as one line of text: ``RCPT *@slow.example: 450 4.2.1 Greylisted x1``.

What the command line, rules files and scenarios are written in::

    STAGE [ARGUMENT] [in tls | in clear] [session N] [after N] [after N octets]: ACTION [; ACTION]... [xN]

ARGUMENT is a glob; xN is how often the rule answers. An ACTION is a reply, as ``450 4.2.1 Greylisted`` (with `` / ``
between the lines of a longer one), or one of `FORMS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from smtpfix.errors import InvalidValueError

from .actions import (
    Action,
    Advertise,
    Delay,
    Disconnect,
    Drip,
    Flight,
    Hide,
    KeepInjected,
    NoReply,
    Raw,
    Repeat,
    Reset,
    Stall,
    Throttle,
)
from .reply import Reply
from .rule import STAGES, Rule

FORMS: Final[Mapping[str, str]] = {
    "raw": r'raw "OCTETS" with \r, \n, \xNN and \\: sent instead of a reply, the command has no effect',
    "answer": 'answer "OCTETS": the same, and the command takes effect',
    "repeat": 'repeat [TIMES] "OCTETS": sent so often, without a number until the client leaves',
    "no": "no reply: the command takes effect, nothing is said",
    "delay": "delay SECONDS",
    "drip": "drip OCTETS every SECONDS: sends slowly from here on",
    "throttle": "throttle OCTETS: reads no more than so many a second from here on",
    "hide": "hide KEYWORD...: leaves keywords out of the reply to EHLO",
    "advertise": 'advertise "LINE"...: adds lines to the reply to EHLO',
    "keep": "keep injected: takes what came behind STARTTLS in clear for commands",
    "flight": "flight [OCTETS]: shakes hands up to so many octets, or up to the server's Finished; then what follows",
    "stall": "stall: says nothing more",
    "disconnect": "disconnect",
    "truncate": "truncate: disconnects without TLS's close_notify",
    "reset": "reset: breaks off with a TCP reset",
}
"""By its first word, how each action but a reply is written."""

_QUOTED: Final = r'"((?:[^"\\]|\\.)*)"'
_STAGES: Final = "|".join(map(re.escape, sorted(STAGES, key=len, reverse=True)))
_STAGE: Final = re.compile(rf"({_STAGES})(?=[\s:]|\Z)", re.IGNORECASE)
_CONDITION: Final = re.compile(
    r"\s+(?:in\s+(tls|clear)|(session|after)\s+([0-9]{1,9})|after\s+([0-9]{1,9})\s+octets)\Z", re.IGNORECASE
)
_TIMES: Final = re.compile(r"\s+x([0-9]{1,9})\s*\Z")
_REPLY: Final = re.compile(r"([0-9]{3})(?:\s+([245]\.[0-9]{1,3}\.[0-9]{1,3}))?(?:\s+(.*))?\Z")
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|.', re.DOTALL)
_BEGINNING: Final = re.compile(rf"\s*(?:[0-9]{{3}}|{'|'.join(FORMS)})(?![\w.])", re.IGNORECASE)
_ESCAPE: Final = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPED: Final = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\", b'"': b'"'}
_NUMBER: Final = r"([0-9]+(?:\.[0-9]+)?)"


def parse_rule(text: str) -> Rule:
    """Read a rule. Raises `InvalidValueError`, which quotes the part that makes no sense and says what would."""
    head, colon, tail = _split_head(text)
    if not colon:
        expected = "STAGE [ARGUMENT] [CONDITIONS]: ACTIONS, a space behind the colon, and here is no colon"
        raise InvalidValueError("rule", text, expected)
    stage = _STAGE.match(head)
    if stage is None:
        raise InvalidValueError("rule", text, "a stage first, one of " + ", ".join(STAGES))
    argument, conditions = _conditions(head[stage.end() :].rstrip())
    if times := _TIMES.search(tail):
        tail = tail[: times.start()]
        conditions["times"] = int(times[1])
    actions = tuple(_action(part.strip(), text) for part in _split_actions(tail))
    return Rule(stage[1], actions, argument=argument.strip() or None, **conditions)


def parse_reply(text: str) -> Reply:
    """Read a reply, such as ``450 4.2.1 Greylisted``, `` / `` between the lines. Raises `InvalidValueError`."""
    match = _REPLY.match(text)
    if match is None:
        raise InvalidValueError("reply", text, "a reply such as 450 4.2.1 Greylisted")
    return Reply(int(match[1]), match[2], (match[3] or "").replace(" / ", "\n"))


def _split_head(text: str) -> tuple[str, str, str]:
    """Split at the first colon with white space behind it: addresses and IPv6 literals may hold others."""
    match = re.search(r":(?=\s|\Z)", text.strip())
    if match is None:
        return text, "", ""
    stripped = text.strip()
    return stripped[: match.start()], ":", stripped[match.end() :]


def _conditions(rest: str) -> tuple[str, dict[str, Any]]:
    """Take the conditions off the end of what stands behind the stage; return the argument and them."""
    found: dict[str, Any] = {}
    rest = " " + rest
    while match := _CONDITION.search(rest):
        if match[1]:
            found["in_tls"] = match[1].lower() == "tls"
        elif match[4]:
            found["octets"] = int(match[4])
        else:
            found[match[2].lower()] = int(match[3])
        rest = rest[: match.start()]
    return rest, found


def _split_actions(text: str) -> list[str]:
    """Split at the semicolons behind which an action begins: replies may hold others."""
    parts = [""]
    for piece in _TOKENS.findall(text):
        if piece == ";" and _BEGINNING.match(text, len(";".join(parts)) + 1):
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _action(text: str, rule: str) -> Action:
    if _REPLY.match(text):
        return parse_reply(text)
    word = text.split(" ", maxsplit=1)[0].lower()
    for pattern, build in _BUILDERS.get(word, ()):
        if match := re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL):
            return build(match)
    expected = FORMS.get(word) or "a reply such as 450 4.2.1 Greylisted, or one of " + ", ".join(FORMS)
    raise InvalidValueError(f"rule {rule!r}, action", text, expected)


def _octets(quoted: str) -> bytes:
    def unescape(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes((int(code[1:], 16),)) if len(code) > 1 else _ESCAPED.get(code, match[0])

    return _ESCAPE.sub(unescape, quoted.encode())


def _lines(match: re.Match[str]) -> Advertise:
    return Advertise(*(_octets(line).decode() for line in re.findall(_QUOTED, match[0])))


_BUILDERS: Final[Mapping[str, tuple[tuple[str, Callable[[re.Match[str]], Action]], ...]]] = {
    "raw": ((rf"raw\s+{_QUOTED}", lambda match: Raw(_octets(match[1]))),),
    "answer": ((rf"answer\s+{_QUOTED}", lambda match: Raw(_octets(match[1]), performs=True)),),
    "repeat": (
        (rf"repeat\s+{_QUOTED}", lambda match: Repeat(_octets(match[1]))),
        (rf"repeat\s+([0-9]{{1,9}})\s+{_QUOTED}", lambda match: Repeat(_octets(match[2]), int(match[1]))),
    ),
    "no": ((r"no\s+reply", lambda _: NoReply()),),
    "delay": ((rf"delay\s+{_NUMBER}", lambda match: Delay(float(match[1]))),),
    "drip": ((rf"drip\s+([0-9]+)\s+every\s+{_NUMBER}", lambda match: Drip(int(match[1]), float(match[2]))),),
    "throttle": ((r"throttle\s+([0-9]+)", lambda match: Throttle(int(match[1]))),),
    "hide": ((r"hide((?:\s+\S+)+)", lambda match: Hide(*match[1].split())),),
    "advertise": ((rf"advertise(?:\s+{_QUOTED})+", _lines),),
    "keep": ((r"keep\s+injected", lambda _: KeepInjected()),),
    "flight": (
        ("flight", lambda _: Flight()),
        (r"flight\s+([0-9]{1,9})", lambda match: Flight(int(match[1]))),
    ),
    "stall": (("stall", lambda _: Stall()),),
    "disconnect": (("disconnect", lambda _: Disconnect()),),
    "truncate": (("truncate", lambda _: Disconnect(notify=False)),),
    "reset": (("reset", lambda _: Reset()),),
}
