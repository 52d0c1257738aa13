"""Rules: which one answers which command, how often, and what cannot be a rule."""

import re
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtpfix
from smtpfix.errors import InvalidValueError
from smtpfix.policy.protocol import load_language
from smtpfix.policy.scenario import PROTOCOLS
from smtpfix.rules.action import Action
from smtpfix.rules.actions import Delay, Disconnect
from smtpfix.rules.reply import Reply
from smtpfix.rules.rule import Rule
from smtpfix.rules.rulebook import Rulebook, Script
from smtpfix.rules.stages import ANY
from smtpfix.smtp.language import END_OF_DATA, LANGUAGE

WAIT = (Reply(450, "4.2.1", "Greylisted"),)


@pytest.mark.parametrize(
    ("written", "stage"),
    [("MAIL", "MAIL"), ("mail", "MAIL"), (" rcpt ", "RCPT"), ("end of data", END_OF_DATA), ("end_of_data", END_OF_DATA)]
    + [(stage, stage) for stage in LANGUAGE.stages],
)
def test_a_stage_may_be_written_in_any_case_and_with_spaces(written, stage):
    assert Rule(written, (Delay(1),)).stage == stage


@pytest.mark.parametrize("stage", ["", "-", "DATA.", "**", "MÄIL"])
def test_what_can_be_no_stage_is_refused(stage):
    with pytest.raises(InvalidValueError, match=r"Rule\.stage: expected a stage's name"):
        Rule(stage, WAIT)


@pytest.mark.parametrize("stage", ["BURL", "MAIL FROM", "RCPTO", None, 250])
def test_a_stage_that_the_protocol_does_not_have_is_refused_where_the_rule_meets_it(stage):
    rulebook, known, unknown = Rulebook(LANGUAGE), Rule("MAIL", WAIT), Rule(stage, WAIT)
    for meet in (lambda: rulebook.add(unknown), lambda: rulebook.replace((known, unknown))):
        with pytest.raises(InvalidValueError, match=r"Rule\.stage: expected one of CONNECT, HANDSHAKE, .*, UNKNOWN"):
            meet()
    assert rulebook.script.rules == ()


@pytest.mark.parametrize(
    "actions",
    [(Reply(250),), (Delay(1),), (Disconnect(),), (Delay(1), Reply(450), Delay(1), Disconnect()), [Reply(250)]],
)
def test_any_actions_with_at_most_one_reply_make_a_rule(actions):
    assert Rule("MAIL", actions).actions == tuple(actions)


@pytest.mark.parametrize(
    "actions",
    [(), [], None, Reply(250), (Reply(250), Reply(450)), ("450 no",), (Reply,), (None,), (action for action in WAIT)],
)
def test_what_are_no_actions_is_refused(actions):
    with pytest.raises(InvalidValueError, match=r"Rule\.actions: .*(Reply, Raw, Repeat|one Reply|into a tuple)"):
        Rule("MAIL", actions)


@pytest.mark.parametrize("times", [1, 1000, None])
def test_a_rule_answers_some_times_or_for_ever(times):
    assert Rule("MAIL", WAIT, times).times == times


@pytest.mark.parametrize("times", [0, -1, 1.0, "1", True])
def test_a_count_below_one_or_of_another_kind_is_refused(times):
    with pytest.raises(InvalidValueError, match=r"Rule\.times: expected a whole number from 1 up, or None"):
        Rule("MAIL", WAIT, times)


@pytest.mark.parametrize(
    ("pattern", "argument", "applies"),
    [
        (None, "", True),
        (None, "TO:<ann@slow.example>", True),
        ("*@slow.example", "TO:<ann@slow.example>", True),
        ("*@slow.example", "TO:<ANN@Slow.Example> NOTIFY=NEVER", True),
        ("*@slow.example", "TO:<ann@fast.example>", False),
        ("*@slow.example", "TO:<ann@slow.example.org>", False),
        ("ann@*", "TO:<joann@slow.example>", False),
        ("to:*", "TO:<ann@slow.example>", True),
        ("", "FROM:<>", True),
        ("", "FROM:<ann@slow.example>", False),
        ("PLAIN*", "PLAIN dGVzdA==", True),
        ("PLAIN*", "LOGIN", False),
        ("[ab]@*", "TO:<b@slow.example>", True),
        ("[ab]@*", "TO:<c@slow.example>", False),
        (re.compile(r"ann@"), "TO:<joann@slow.example>", True),
        (re.compile(r"^ann@"), "TO:<ann@slow.example>", False),
        (re.compile(r"ANN", re.IGNORECASE), "TO:<ann@slow.example>", True),
        (re.compile(r"ANN"), "TO:<ann@slow.example>", False),
    ],
)
def test_the_argument_decides_whether_a_rule_applies(pattern, argument, applies):
    assert Rule("RCPT", WAIT, argument=pattern).applies_to(argument) is applies


@pytest.mark.parametrize("argument", [b"*@slow.example", re.compile(b"ann"), 1, ["*"]])
def test_an_argument_that_could_never_match_text_is_refused(argument):
    with pytest.raises(
        InvalidValueError, match=r"Rule\.argument: expected a glob, a compiled pattern of text, a function or None"
    ):
        Rule("RCPT", WAIT, argument=argument)


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text())
def test_any_glob_can_be_asked_about_any_argument(glob, argument):
    assert Rule("*", WAIT, argument=glob).applies_to(argument) in (True, False)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="<>*?[", exclude_categories=["Cs"]), min_size=1))
def test_a_glob_without_wildcards_is_met_by_the_address_itself(address):
    rule = Rule("RCPT", WAIT, argument=address)
    assert rule.applies_to(f"TO:<{address}> X=1")
    assert not rule.applies_to(f"TO:<{address}!>")


def test_the_latest_rule_is_asked_first():
    older, newer = Rule("MAIL", WAIT), Rule("MAIL", WAIT)
    script = Script(LANGUAGE).with_rule(older).with_rule(newer)
    assert script.rules == (newer, older)
    assert script.by_stage["MAIL"] == (newer, older)
    assert script.without([newer]).rules == (older,)
    assert "RCPT" not in script.by_stage


def test_a_star_covers_every_command_and_nothing_beside_them():
    script = Script(LANGUAGE, (Rule(ANY, WAIT),))
    assert set(script.by_stage) == set(LANGUAGE.stages) - LANGUAGE.beside
    assert {"CONNECT", "GREETING", END_OF_DATA} < LANGUAGE.beside


def test_a_set_of_rules_takes_the_place_of_some_others_or_of_all_at_once():
    book = Rulebook(LANGUAGE)
    kept, old, new, newer = (Rule(stage, WAIT) for stage in ("MAIL", "RCPT", "DATA", "NOOP"))
    book.replace((kept, old))
    assert book.script.rules == (kept, old)
    book.replace((newer, new), instead_of=(old,))
    assert book.script.rules == (newer, new, kept)
    assert "RCPT" not in book.by_stage
    book.replace((kept, new, kept), instead_of=())
    assert book.script.rules == (kept, new, newer)
    book.replace(())
    assert book.script.rules == ()
    assert not book.by_stage


def test_two_rules_that_look_the_same_are_still_two():
    first, second = Rule("MAIL", WAIT), Rule("MAIL", WAIT)
    assert first != second
    assert Script(LANGUAGE, (first, second)).without([first]).rules == (second,)


def test_an_empty_rulebook_answers_nothing():
    rulebook = Rulebook(LANGUAGE)
    assert rulebook.pick("MAIL", "") is None
    assert not rulebook.by_stage


def test_a_spent_rule_leaves_the_next_one_to_answer():
    rulebook = Rulebook(LANGUAGE)
    always, twice = Rule("MAIL", WAIT), Rule("MAIL", WAIT, times=2)
    rulebook.add(always)
    rulebook.add(twice)
    assert [rulebook.pick("MAIL", "") for _ in range(4)] == [twice, twice, always, always]
    assert (rulebook.fired(twice), rulebook.fired(always)) == (2, 2)


def test_only_commands_with_the_right_argument_use_a_rule_up():
    rulebook = Rulebook(LANGUAGE)
    rule = Rule("RCPT", WAIT, times=1, argument="*@slow.example")
    rulebook.add(rule)
    assert rulebook.pick("RCPT", "TO:<ann@fast.example>") is None
    assert rulebook.pick("RCPT", "TO:<ann@slow.example>") is rule
    assert rulebook.pick("RCPT", "TO:<ann@slow.example>") is None


def test_a_rule_for_another_stage_does_not_answer():
    rulebook = Rulebook(LANGUAGE)
    rule = Rule("RCPT", WAIT)
    rulebook.add(rule)
    assert rulebook.pick("MAIL", "") is None
    assert rulebook.pick("RCPT", "") is rule


def test_a_command_nobody_knows_is_answered_by_a_star_only():
    rulebook = Rulebook(LANGUAGE)
    star = Rule(ANY, WAIT)
    rulebook.add(star)
    rulebook.add(Rule("MAIL", WAIT))
    assert rulebook.pick("XFROBNICATE", "") is star
    rulebook.remove(star)
    assert rulebook.pick("XFROBNICATE", "") is None


def test_rules_can_be_taken_out_one_by_one_or_all_at_once():
    rulebook = Rulebook(LANGUAGE)
    rules = [Rule("MAIL", WAIT) for _ in range(3)]
    for rule in rules:
        rulebook.add(rule)
    rulebook.remove(rules[1], Rule("MAIL", WAIT))
    assert rulebook.script.rules == (rules[2], rules[0])
    rulebook.clear()
    assert rulebook.script.rules == ()
    assert rulebook.pick("MAIL", "") is None


def test_a_rulebook_s_own_rules_stay_when_the_others_go_and_begin_anew_when_it_is_reset():
    own = (Rule("MAIL", WAIT, times=1), Rule("MAIL", WAIT, after=1))
    rulebook = Rulebook(LANGUAGE, own)
    rulebook.add(Rule("MAIL", WAIT))
    rulebook.clear()
    assert rulebook.script.rules == own
    answers = [rulebook.pick("MAIL", "") for _ in range(3)]
    assert answers == [own[0], None, own[1]]
    rulebook.reset()
    assert rulebook.unused == own
    assert [rulebook.pick("MAIL", "") for _ in range(3)] == answers


def test_chance_begins_anew_when_a_rulebook_is_reset():
    rulebook = Rulebook(LANGUAGE, [Rule("MAIL", WAIT, probability=0.5, seed=7)])
    answers = [rulebook.pick("MAIL", "") is None for _ in range(20)]
    rulebook.reset()
    assert [rulebook.pick("MAIL", "") is None for _ in range(20)] == answers


def test_threads_together_never_fire_a_rule_more_often_than_allowed():
    rulebook = Rulebook(LANGUAGE)
    rule = Rule("MAIL", WAIT, times=50)
    rulebook.add(rule)
    picked = []
    start = threading.Barrier(4)

    def ask():
        start.wait()
        picked.extend(rulebook.pick("MAIL", "") for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert picked.count(rule) == 50
    assert picked.count(None) == 150
    assert rulebook.fired(rule) == 50


def test_every_action_of_each_protocol_has_a_public_name():
    public = {getattr(smtpfix, name) for name in smtpfix.__all__}
    known = {kind for protocol in PROTOCOLS for kind in load_language(protocol).actions}
    assert {kind for kind in public if isinstance(kind, type) and issubclass(kind, Action)} == known
