"""Rules as text: any text is a rule or an `InvalidValueError`, and what it says can be written down and read again."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal

import fuzzing
import pytest
from hypothesis import given

from smtpfix import InvalidValueError, Rule
from smtpfix.policy.rules_file import RulesFile
from smtpfix.rules.actions import (
    Delay,
    Disconnect,
    Drip,
    Flight,
    KeepInjected,
    NoReply,
    Raw,
    Repeat,
    Reset,
    Stall,
    Throttle,
)
from smtpfix.rules.edits import After, Before, Cut, Edit
from smtpfix.rules.reply import Reply
from smtpfix.rules.text import parse_rule
from smtpfix.smtp.edits import Advertise, Hide
from smtpfix.smtp.language import LANGUAGE

GOOD = fuzzing.texts("rules")
BAD = {
    "octets that are no text": r'EHLO: advertise "\xff"',
    "a number that Python does not read": f"DATA: throttle {'9' * 5000}",
    "a surrogate": 'MAIL: raw "\ud800"',
}
WORDS = [
    *LANGUAGE.stages,
    *(form.word for kind in LANGUAGE.actions for form in kind.forms),
    *(
        " ",
        ":",
        ": ",
        ";",
        "; ",
        '"',
        "\\",
        "\\x",
        "\\xff",
        " in tls",
        " in clear",
        " session 2",
        " after 3",
        " octets",
        " probability 0.5",
        " seed 7",
    ),
    *(" x2", " every 1", "250", " / ", "9" * 5000, "\t", "\n", "\0", "\ud800", "\u0663", "*", "<", "[", "é"),
]
FILE = f"rules = {json.dumps(list(GOOD.values())[:3])}\n[plain]\nrules = [\n  'NOOP: 250 ok',\n]\n[starttls]\n"


def parsed(text):
    """Return the rule that a text is; None for the error that is documented."""
    with contextlib.suppress(InvalidValueError):
        return parse_rule(text, LANGUAGE)
    return None


# A rule, written down


def values(rule):
    names = ("stage", "argument", "in_tls", "session", "after", "octets", "actions", "times", "probability", "seed")
    return {name: getattr(rule, name) for name in names}


def quoted(octets):
    return '"' + "".join(f"\\x{octet:02x}" for octet in octets) + '"'


def number(value):
    return "9" * 400 if value == float("inf") else format(Decimal(value), "f")


def written(action):
    """Return an action as it is written, each kind in its own way."""
    match action:
        case Reply(code, enhanced, text):
            return " ".join(filter(None, (str(code), enhanced, text.replace("\n", " / "))))
        case Raw(octets, performs):
            return f"{'answer' if performs else 'raw'} {quoted(octets)}"
        case Repeat(octets, times):
            return f"repeat {times or ''} {quoted(octets)}"
        case Delay(seconds):
            return f"delay {number(seconds)}"
        case Drip(octets, every):
            return f"drip {octets} every {number(every)}"
        case Throttle(octets):
            return f"throttle {octets}"
        case Flight(octets):
            return f"flight {octets or ''}".strip()
        case Disconnect(notify):
            return "disconnect" if notify else "truncate"
        case Hide(keywords):
            return " ".join(("hide", *keywords))
        case Before(octets) | After(octets):
            return f"{type(action).__name__} {quoted(octets)}"
        case Edit(pattern, by):
            return 'edit "{}" {}'.format(pattern.decode().replace('"', '\\"'), quoted(by))
        case Cut(octets):
            return f"cut {octets}"
        case Advertise(lines):
            return " ".join(("advertise", *(quoted(line.encode()) for line in lines)))
    return {NoReply: "no reply", KeepInjected: "keep injected", Stall: "stall", Reset: "reset"}[type(action)]


def text_of(rule):
    parts = [rule.stage, rule.argument or "", f"after {rule.after}", f"after {rule.octets} octets"]
    parts += [f"session {rule.session}"] if rule.session is not None else []
    parts += ["in tls" if rule.in_tls else "in clear"] if rule.in_tls is not None else []
    parts += [f"probability {rule.probability:.9f} seed {rule.seed}"] if rule.probability < 1 else []
    times = f" x{rule.times}" if rule.times is not None else ""
    return f"{' '.join(parts)}: {'; '.join(map(written, rule.actions))}{times}"


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_the_seeds_are_rules(text):
    rule = parse_rule(text, LANGUAGE)
    assert values(parse_rule(text_of(rule), LANGUAGE)) == values(rule)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_python_cannot_take_is_an_error_that_quotes_the_rule(text):
    with pytest.raises(InvalidValueError, match=r"^rule '.*', action: expected "):
        parse_rule(text, LANGUAGE)


@fuzzing.budget(400)
@given(fuzzing.mutants([*GOOD.values(), *BAD.values()], WORDS))
def test_any_text_is_a_rule_that_can_be_written_down_or_an_error_of_ours(text):
    rule = parsed(text)
    if rule is not None:
        assert values(parse_rule(text_of(rule), LANGUAGE)) == values(rule)


@fuzzing.budget(100)
@given(text=fuzzing.mutants([FILE], ["rules", "[plain]", "[[plain]]", "'''", "=", "\n", "[" * 3000, *WORDS]))
def test_any_file_of_rules_is_rules_or_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = RulesFile.read(path).for_server("smtp", "plain")
    except InvalidValueError as error:
        found = str(error)
    assert found.startswith(str(path)) if isinstance(found, str) else all(isinstance(one, Rule) for one in found)
