"""Rule actions that change the EHLO reply and nothing else: `Hide` and `Advertise`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.rules.action import Action, Performance
from smtpfix.rules.notation import QUOTED, Form, octets, quoted

_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
"""``ehlo-keyword``, RFC 5321 section 4.1.1.1."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class EhloEdit(Action):
    """One change of the reply to EHLO."""

    __slots__ = ()

    stages = frozenset({"EHLO"})

    def edited(self, lines: list[str]) -> list[str]:
        """Return the lines of the reply, the greeting first, after the change."""
        raise NotImplementedError

    def play(self, performance: Performance) -> bool:
        """Change the reply."""
        performance.edit(self)
        return True


@dataclass(frozen=True, slots=True, init=False)
class Hide(EhloEdit):
    """Leave keywords out of the EHLO reply: ``Hide("STARTTLS")``. The commands still work.

    Raises `InvalidValueError`.
    """

    forms = (
        Form(
            "hide KEYWORD...: omits keywords from the reply to EHLO",
            r"hide((?:\s+\S+)+)",
            lambda match: Hide(*match[1].split()),
        ),
    )

    keywords: tuple[str, ...]
    """The keywords, in upper case."""

    def __init__(self, *keywords: str) -> None:
        if not keywords or not all(isinstance(one, str) and _KEYWORD.match(one) for one in keywords):
            raise InvalidValueError("Hide.keywords", list(keywords), "EHLO keywords such as STARTTLS")
        object.__setattr__(self, "keywords", tuple(one.upper() for one in keywords))

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"hide {' '.join(self.keywords)}"

    def edited(self, lines: list[str]) -> list[str]:
        """Return the lines of the reply, the greeting first, without these keywords."""
        return [lines[0], *(line for line in lines[1:] if re.split("[ =]", line)[0].upper() not in self.keywords)]


@dataclass(frozen=True, slots=True, init=False)
class Advertise(EhloEdit):
    """Add lines to the EHLO reply: ``Advertise("AUTH PLAIN", "XFANCY")``. The server does not change otherwise.

    Raises `InvalidValueError`.
    """

    forms = (
        Form(
            'advertise "LINE"...: adds lines to the reply to EHLO',
            rf"advertise(?:\s+{QUOTED})+",
            lambda match: Advertise(*(octets(line).decode() for line in re.findall(QUOTED, match[0]))),
        ),
    )

    lines: tuple[str, ...]
    """The lines, without reply codes."""

    def __init__(self, *lines: str) -> None:
        if not lines or not all(isinstance(one, str) and one and not _CONTROL.search(one) for one in lines):
            raise InvalidValueError("Advertise.lines", list(lines), "lines of text without control characters")
        object.__setattr__(self, "lines", lines)

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"advertise {' '.join(quoted(line.encode()) for line in self.lines)}"

    def edited(self, lines: list[str]) -> list[str]:
        """Return the lines of the reply and these."""
        return [*lines, *self.lines]
