"""Rules as lines of text: ``RCPT *@slow.example: 450 4.2.1 Greylisted x1``.

What the command line, rules files and scenarios are written in::

    STAGE [ARGUMENT] [CONDITION]...: ACTION [; ACTION]... [xN]

ARGUMENT is a glob; the conditions are in a table of their own, `written_conditions`; xN is how often the rule answers.
An ACTION is an answer of the protocol, such as SMTP's ``450 4.2.1
Greylisted`` (with `` / `` between the lines of a longer one), or one of the forms that the actions' classes have.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Final, NamedTuple

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import one_of

from .action import Action, Answer
from .language import Language
from .notation import Form
from .rule import Rule
from .written_conditions import take_conditions, write_conditions

_TIMES: Final = re.compile(r"\s+x([0-9]{1,9})\s*\Z")
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|.', re.DOTALL)


class Grammar(NamedTuple):
    """How the rules of one protocol are written."""

    stage: re.Pattern[str]
    """The stage that a rule begins with."""
    beginning: re.Pattern[str]
    """How an action begins."""
    forms: Mapping[str, tuple[Form, ...]]
    """How actions are written, by their first word."""


@functools.cache
def grammar(language: Language) -> Grammar:
    """Return how the rules of a protocol are written."""
    stages = "|".join(map(re.escape, sorted(language.stages, key=len, reverse=True)))
    forms: dict[str, tuple[Form, ...]] = {}
    for kind in language.actions:
        for form in kind.forms:
            forms[form.word] = (*forms.get(form.word, ()), form)
    beginnings = "|".join((language.answer_pattern, *forms))
    return Grammar(
        re.compile(rf"({stages})(?=[\s:]|\Z)", re.IGNORECASE),
        re.compile(rf"\s*(?:{beginnings})(?![\w.])", re.IGNORECASE),
        forms,
    )


def parse_rule(text: str, language: Language) -> Rule:
    """Read a rule. Raises `InvalidValueError`, which quotes the part that makes no sense and says what would."""
    head, colon, tail = _split_head(text)
    if not colon:
        raise _without_colon(text)
    written = grammar(language)
    stage = written.stage.match(head)
    if stage is None:
        word = head.split(maxsplit=1)[0] if head.strip() else ""
        raise InvalidValueError("rule", text, f"a stage first, {one_of(word, language.stages)}")
    argument, conditions = take_conditions(head[stage.end() :], text)
    if times := _TIMES.search(tail):
        tail = tail[: times.start()]
        conditions["times"] = int(times[1])
        if _TIMES.search(tail):
            sentence = f"{text!r} says twice how often it answers; write xN once, at its end"
            raise InvalidValueError.saying("rule", text, sentence)
    actions = tuple(_action(part.strip(), text, language) for part in _split_actions(tail, written.beginning))
    rule = Rule(stage[1], actions, argument=argument or None, **conditions)
    language.check(rule)
    object.__setattr__(rule, "written", text.strip())
    return rule


def format_rule(rule: Rule, language: Language) -> str:
    """Return a rule as text, from which `parse_rule` makes the same one.

    Raises `InvalidValueError` where no text can say it: a function, a compiled pattern.
    """
    if rule.written is not None:
        return rule.written
    if rule.argument is not None and not isinstance(rule.argument, str):
        raise InvalidValueError("rule", rule, "an argument that a text can say: a glob")
    head = " ".join((rule.stage, *([rule.argument] if rule.argument else ()), *write_conditions(rule)))
    times = f" x{rule.times}" if rule.times is not None else ""
    written = (language.write_answer(one) if isinstance(one, Answer) else one.as_text() for one in rule.actions)
    text = f"{head}: {'; '.join(written)}{times}"
    if not _is_same(parse_rule(text, language), rule):
        raise InvalidValueError("rule", rule, "what a text can say; this one would be read as another rule")
    return text


def _is_same(one: Rule, other: Rule) -> bool:
    return all(getattr(one, item.name) == getattr(other, item.name) for item in fields(Rule) if item.init)


def _without_colon(text: str) -> InvalidValueError:
    """Return what to say of a text without a colon that white space follows."""
    form = "a rule is STAGE [ARGUMENT] [CONDITIONS]: ACTIONS"
    if ":" in text:
        written = text.replace(":", ": ", 1)
        return InvalidValueError.saying(
            "rule", text, f"{text!r} has no space after its colon; write {written!r}: {form}"
        )
    stage, space, rest = text.strip().partition(" ")
    advice = f"write {f'{stage}: {rest}'!r}" if space else "say what is to be done"
    return InvalidValueError.saying("rule", text, f"{text!r} has no colon; {advice}: {form}")


def _split_head(text: str) -> tuple[str, str, str]:
    """Split at the first colon with white space after it: addresses and IPv6 literals may hold others."""
    match = re.search(r":(?=\s|\Z)", text.strip())
    if match is None:
        return text, "", ""
    stripped = text.strip()
    return stripped[: match.start()], ":", stripped[match.end() :]


def _split_actions(text: str, beginning: re.Pattern[str]) -> list[str]:
    """Split at the semicolons after which an action begins: replies may hold others."""
    parts = [""]
    for piece in _TOKENS.findall(text):
        if piece == ";" and beginning.match(text, len(";".join(parts)) + 1):
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _action(text: str, rule: str, language: Language) -> Action:
    answer = language.parse_answer(text)
    if answer is not None:
        return answer
    forms = grammar(language).forms
    word = text.split(" ", maxsplit=1)[0].lower()
    for form in forms.get(word, ()):
        if match := re.fullmatch(form.pattern, text, re.IGNORECASE | re.DOTALL):
            try:
                return form.build(match)
            except InvalidValueError:
                raise
            except ValueError as error:  # octets that are no text, a surrogate, a number of 5,000 digits
                raise InvalidValueError(f"rule {rule!r}, action", text, f"{form.shown} ({error})") from error
    known = " or ".join(form.shown for form in forms.get(word, ()))
    expected = known or f"{language.answer_example}, or {one_of(word, forms)}"
    raise InvalidValueError(f"rule {rule!r}, action", text, expected)
