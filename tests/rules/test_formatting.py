"""`format_rule`: what it writes is read as the same rule, and what no text can say is an error."""

import re
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix import Decide, Delay, Edit, InvalidValueError, Raw, Reply, Rule
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.protocol import load_language
from smtpfix.policy.scenario import PROTOCOLS
from smtpfix.rules.text import format_rule, parse_rule
from smtpfix.smtp.language import LANGUAGE

from .test_text import ACTIONS


def values(rule):
    return [getattr(rule, item.name) for item in fields(rule) if item.init]


def reread(rule, language=LANGUAGE):
    return parse_rule(format_rule(rule, language), language)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_rule_of_the_catalogue_is_read_again_as_it_was(protocol):
    language = load_language(protocol)
    rules = [
        replace(rule) for one in scenario_ids(protocol=protocol) for rule in load_scenario(one).rules
    ]  # without the text that it was read from
    assert len(rules) > 10
    for rule in rules:
        assert rule.written is None
        assert values(reread(rule, language)) == values(rule)


@pytest.mark.parametrize("action", [action for _, action in ACTIONS], ids=repr)
def test_every_action_is_read_again_as_it_was(action):
    stage = next(iter(sorted(action.stages)), "RCPT")
    assert reread(Rule(stage, (action,))).actions == (action,)


@pytest.mark.parametrize(
    "conditions",
    [
        {"times": 3, "argument": "*@slow.example"},
        {"after": 2, "in_tls": True, "session": 4},
        {"in_tls": False, "probability": 0.25, "seed": 7},
        {"probability": 0.000001},
    ],
)
def test_every_condition_is_read_again_as_it_was(conditions):
    rule = Rule("MAIL", (Delay(0.5), Reply(450, "4.2.1", "later; again")), **conditions)
    assert values(reread(rule)) == values(rule)


def test_a_rule_that_was_read_is_written_as_it_was():
    text = "rcpt  ann@*:   delay 1;   450 4.2.1 Greylisted x1"
    assert format_rule(parse_rule(text, LANGUAGE), LANGUAGE) == text


@given(st.binary())
def test_any_octets_are_read_again(octets):
    assert reread(Rule("NOOP", (Raw(octets),))).actions == (Raw(octets),)


@given(st.text(), st.text())
def test_what_is_written_is_the_rule_or_it_is_an_error(argument, text):
    try:
        rule = Rule("MAIL", (Reply(450, "4.2.1", text), Delay(1)), argument=argument)
        written = format_rule(rule, LANGUAGE)
    except InvalidValueError:
        return
    assert values(parse_rule(written, LANGUAGE)) == values(rule)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Rule("RCPT", (Reply(450),), argument=re.compile("x")), "a glob"),
        (Rule("RCPT", (Reply(450),), argument=str.isupper), "a glob"),
        (Rule("RCPT", (Decide(lambda turn: None),)), "Decide is not"),
        (Rule("RCPT", (Reply(450),), argument="50%"), "a condition is meant"),
        (Rule("RCPT", (Edit(rb"\xff", b""), )), None),
        (Rule("RCPT", (Reply(450, None, "once x2"),)), "read as another rule"),
    ],
)  # fmt: skip
def test_what_no_text_can_say_is_an_error(rule, says):
    if says is None:
        assert reread(rule).actions == rule.actions
        return
    with pytest.raises(InvalidValueError, match=says):
        format_rule(rule, LANGUAGE)
