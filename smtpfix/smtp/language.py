"""`LANGUAGE`: what rules know about SMTP: its stages, the edits of its EHLO reply, and its replies as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smtpfix.errors import InvalidValueError
from smtpfix.later import compiled_later
from smtpfix.rules.action import Action
from smtpfix.rules.language import Language
from smtpfix.rules.reply import Reply
from smtpfix.rules.stages import ANY, AUTH_ANSWER, BESIDE_COMMANDS, CONNECT, GREETING, HANDSHAKE, UNKNOWN
from smtpfix.suggesting import did_you_mean

from .keywords import EXTENSIONS, OPTIONAL_EXTENSIONS

if TYPE_CHECKING:
    from smtpfix.rules.rule import Rule

CONTENT: Final = "CONTENT"
"""The stage inside the content, once so many octets of it have come; its argument is the reverse-path."""
END_OF_DATA: Final = "END-OF-DATA"
"""The stage at the final dot or the last chunk, when the whole content has been read."""
BDAT: Final = "BDAT"
"""The stage at the end of each chunk of a server that has CHUNKING (RFC 3030 section 2), with `END_OF_DATA` after the
last one. Of any other server it is a command like others."""

_HIDDEN: Final = frozenset(
    (
        *(*EXTENSIONS, *OPTIONAL_EXTENSIONS, "XCLIENT", "ETRN", "ATRN", "TURN", "VRFY", "EXPN", "VERB", "ONEX"),
        *(
            "CHECKPOINT",
            "BURL",
            "CLIENTID",
            "CONNEG",
            "CONPERM",
            "NO-SOLICITING",
            "MTRK",
            "SUBMITTER",
            "RRVS",
            "UTF8SMTP",
        ),
    )
)
"""What servers say of themselves: here, and in the registry of RFC 5321 section 2.2.2."""
_REPLY: Final = compiled_later(lambda: re.compile(r"([0-9]{3})(?:\s+([245]\.[0-9]{1,3}\.[0-9]{1,3}))?(?:\s+(.*))?\Z"))


class SMTPLanguage(Language):
    """SMTP's, and LMTP's, where LHLO is EHLO."""

    stages = (
        *(CONNECT, HANDSHAKE, GREETING, "EHLO", "HELO", "STARTTLS", "AUTH", AUTH_ANSWER),
        *("MAIL", "RCPT", "DATA", CONTENT, BDAT, END_OF_DATA),
        *("RSET", "NOOP", "VRFY", "EXPN", "HELP", "XCLIENT", "QUIT", UNKNOWN, ANY),
    )
    beside = BESIDE_COMMANDS | {CONTENT, END_OF_DATA}
    counting = frozenset({CONTENT})
    answer = Reply
    answer_pattern = "[0-9]{3}"
    answer_example = "a reply such as 450 4.2.1 Greylisted"

    @property
    def own_actions(self) -> tuple[type[Action], ...]:
        """The edits of the reply to EHLO."""
        from .edits import Advertise, Hide  # noqa: PLC0415 - servers without rules are the most

        return (Hide, Advertise)

    def parse_answer(self, text: str) -> Reply | None:
        """Read a reply, with `` / `` between the lines of a longer one; None for a text that is none."""
        match = _REPLY.match(text)
        return None if match is None else Reply(int(match[1]), match[2], (match[3] or "").replace(" / ", "\n"))

    def check(self, rule: Rule) -> None:
        """Raise `InvalidValueError` for a rule that makes no sense in SMTP."""
        super().check(rule)
        from smtpfix.rules.decisions import Decide  # noqa: PLC0415 - servers without rules are the most

        _check_hidden(rule)

        if rule.stage == CONTENT and any(
            (action.stands_for_answer and not isinstance(action, Reply | Decide)) or action.changes_answer
            for action in rule.actions
        ):
            expected = (
                "no NoReply at the stage CONTENT, where no reply is due, to give or to change; "
                "END-OF-DATA is where one is"
            )
            raise InvalidValueError("Rule.actions", rule.actions, expected)


def _check_hidden(rule: Rule) -> None:
    """Raise `InvalidValueError` for a keyword to hide that no server has, and that nobody would miss."""
    from .edits import Hide  # noqa: PLC0415 - as above

    for keyword in (one for action in rule.actions if isinstance(action, Hide) for one in action.keywords):
        if keyword not in _HIDDEN and not keyword.startswith("X"):
            known = (*EXTENSIONS, *OPTIONAL_EXTENSIONS)
            sentence = (
                f"no server says {keyword!r} of itself{did_you_mean(keyword, known)}; there are {', '.join(known)}"
            )
            raise InvalidValueError.saying("Hide.keywords", keyword, f"{sentence}, and names of your own begin with X")


LANGUAGE: Final = SMTPLanguage()


def parse_reply(text: str) -> Reply:
    """Read a reply, such as ``450 4.2.1 Greylisted``. Raises `InvalidValueError`."""
    reply = LANGUAGE.parse_answer(text)
    if reply is None:
        raise InvalidValueError("reply", text, LANGUAGE.answer_example)
    return reply
