"""Rules as one line of text: what can be written, and what is said of what cannot."""

import re

import pytest

from smtpfix import (
    Advertise,
    After,
    Before,
    Cut,
    Delay,
    Disconnect,
    Drip,
    Edit,
    Flight,
    Hide,
    InvalidValueError,
    KeepInjected,
    NoReply,
    Raw,
    Repeat,
    Reply,
    Reset,
    Stall,
    Throttle,
)
from smtpfix.rules.text import grammar, parse_rule
from smtpfix.smtp.language import LANGUAGE

ACTIONS = [
    ("450 4.2.1 Greylisted", Reply(450, "4.2.1", "Greylisted")),
    ("450 Greylisted", Reply(450, None, "Greylisted")),
    ("450", Reply(450)),
    ("250 first / second", Reply(250, None, "first\nsecond")),
    (r'raw "220 go\r\n250 \x00\\\"evil\"\n"', Raw(b'220 go\r\n250 \x00\\"evil"\n')),
    ('raw ""', Raw(b"")),
    (r'raw "a; b"', Raw(b"a; b")),
    (r'answer "354 go\n"', Raw(b"354 go\n", performs=True)),
    (r'repeat "250-more\r\n"', Repeat(b"250-more\r\n")),
    ('repeat 9000 "x"', Repeat(b"x", 9000)),
    ("no reply", NoReply()),
    ("delay 0.5", Delay(0.5)),
    ("drip 2 every 0.1", Drip(2, 0.1)),
    ("throttle 1000", Throttle(1000)),
    ("hide STARTTLS size", Hide("STARTTLS", "SIZE")),
    ('advertise "AUTH PLAIN" "X"', Advertise("AUTH PLAIN", "X")),
    (r'before "250-a\r\n"', Before(b"250-a\r\n")),
    (r'after "b\x20"', After(b"b ")),
    (r'edit "SIZE \d+" "SIZE 7"', Edit(rb"SIZE \d+", b"SIZE 7")),
    (r'edit "say \"(.)\"" "\1;"', Edit(rb'say "(.)"', rb"\1;")),
    ("cut 300", Cut(300)),
    ("keep injected", KeepInjected()),
    ("flight", Flight()),
    ("flight 600", Flight(600)),
    ("stall", Stall()),
    ("disconnect", Disconnect()),
    ("truncate", Disconnect(notify=False)),
    ("RESET", Reset()),
]


@pytest.mark.parametrize(("text", "action"), ACTIONS, ids=[text for text, _ in ACTIONS])
def test_each_action_can_be_written(text, action):
    stage = {Hide: "EHLO", Advertise: "EHLO", KeepInjected: "STARTTLS", Flight: "HANDSHAKE"}.get(type(action), "MAIL")
    rule = parse_rule(f"{stage}: {text}", LANGUAGE)
    assert rule.stage == stage
    assert rule.actions == (action,)
    assert (rule.times, rule.argument, rule.after, rule.in_tls, rule.session) == (None, None, 0, None, None)


def test_every_form_is_tried_here():
    written = set(grammar(LANGUAGE).forms)
    assert {text.split(" ")[0].lower() for text, _ in ACTIONS} - {"450", "250"} == written


def test_conditions_and_several_actions():
    rule = parse_rule(
        "rcpt *@slow.example in tls session 2 after 3: delay 1; 450 4.2.1 Grey; listed; DELAYED; stall x1",
        LANGUAGE,
    )
    assert rule.stage == "RCPT"
    assert rule.actions == (Delay(1), Reply(450, "4.2.1", "Grey; listed; DELAYED"), Stall())
    assert rule.argument == "*@slow.example"
    assert (rule.in_tls, rule.session, rule.after, rule.times) == (True, 2, 3, 1)


def test_chance_and_its_seed_are_written_as_they_stand_in_a_rule():
    rule = parse_rule("RCPT *@slow.example probability 0.25 seed 7 session 2: 450", LANGUAGE)
    assert (rule.argument, rule.probability, rule.seed, rule.session) == ("*@slow.example", 0.25, 7, 2)
    assert parse_rule("RCPT probability 0.5: 450", LANGUAGE).seed is not None
    assert parse_rule("RCPT: 450", LANGUAGE).probability == 1


def test_a_rule_that_was_read_knows_its_text():
    assert parse_rule(" NOOP: 451 x1\n", LANGUAGE).written == "NOOP: 451 x1"


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        ("RCPT probability: 450", "probability 0.5"),
        ("RCPT probability 50%: 450", "probability 0.5"),
        ("RCPT probability=0.5: 450", "probability 0.5"),
        ("RCPT probabilty 0.5: 450", "probability 0.5"),
        ("RCPT chance 0.5: 450", "probability 0.5"),
        ("RCPT 50%: 450", "probability 0.5"),
        ("RCPT probability 0.5 *@slow.example: 450", "probability 0.5"),
        ("RCPT sesion 2: 450", "session N"),
        ("RCPT session two: 450", "session N"),
        ("RCPT after -1: 450", "after N"),
        ("RCPT in TLSv1.3: 450", "in tls or in clear"),
        ("RCPT in_tls: 450", "in tls or in clear"),
        ("RCPT x2: 450", "xN, after the actions"),
        ("RCPT times 2: 450", "xN, after the actions"),
    ],
)
def test_a_mistyped_condition_is_an_error_that_says_how_it_is_written_and_no_pattern(head, shown):
    with pytest.raises(InvalidValueError, match=f"argument: expected {re.escape(shown)}, where a condition is meant"):
        parse_rule(head, LANGUAGE)


@pytest.mark.parametrize(
    "argument", ["*@after.example", "session@*", "[s]ession", "*SIZE=*", "LOGIN 2", "<in@*> BODY=7BIT", "rafter"]
)
def test_what_only_resembles_a_condition_is_an_argument(argument):
    assert parse_rule(f"MAIL {argument} after 1: 450", LANGUAGE).argument == argument


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("RCPT session 1 session 2: 450", "each condition once"),
        ("RCPT in clear in tls: 450", "each condition once"),
        ("RCPT seed 7: 450", "probability 0.5 with a seed"),
        ("RCPT probability 0: 450", "a number above 0"),
        ("RCPT probability 1.5: 450", "a number above 0 and up to 1"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(head, expected):
    with pytest.raises(InvalidValueError, match=expected):
        parse_rule(head, LANGUAGE)


@pytest.mark.parametrize(
    ("text", "octets", "after", "argument"),
    [
        ("CONTENT after 1000 octets: disconnect", 1000, 0, None),
        ("content ann@* after 1000 Octets after 2: disconnect", 1000, 2, "ann@*"),
        ("CONTENT after 3: disconnect", 0, 3, None),
        ("CONTENT: disconnect", 0, 0, None),
    ],
)
def test_a_mark_inside_the_content_is_a_condition_of_its_own(text, octets, after, argument):
    rule = parse_rule(text, LANGUAGE)
    assert (rule.octets, rule.after, rule.argument) == (octets, after, argument)


def test_the_example_of_the_documentation():
    rule = parse_rule("RCPT *@slow.example: 450 4.2.1 Greylisted x1", LANGUAGE)
    assert rule.actions == (Reply(450, "4.2.1", "Greylisted"),)
    assert (rule.argument, rule.times) == ("*@slow.example", 1)


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("EHLO [IPv6:::1]: 550 no", "[IPv6:::1]"),
        ("MAIL FROM:<*@a.example>: 550 no", "FROM:<*@a.example>"),
        ("RCPT * in clear: 550 no", "*"),
        ("RCPT: 550 no", None),
        ("END-OF-DATA in tls: 550 no", None),
        ("*: 550 no", None),
    ],
)
def test_an_argument_may_hold_colons(text, argument):
    assert parse_rule(text, LANGUAGE).argument == argument


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has no colon"),
        ("RCPT 450 no", "has no colon"),
        ("BLAH: 450 no", "a stage first, one of CONNECT"),
        ("MAILER: 450 no", "a stage first"),
        ("MAIL:", "a reply such as 450 4.2.1 Greylisted"),
        ("MAIL: refuse", "or one of raw, answer"),
        ("MAIL: raw 250 ok", 'raw "OCTETS"'),
        ("MAIL: delay soon", "delay SECONDS"),
        ("MAIL: drip 1", "drip OCTETS every SECONDS"),
        ("MAIL: 199 early", "a reply code from 200 to 599"),
        ("MAIL: hide SIZE", "it belongs to EHLO"),
        ("MAIL: stall; 250 ok", "nothing after Stall"),
        ("MAIL: repeat soon", 'repeat [TIMES] "OCTETS"'),
        ("HANDSHAKE: flight soon", "flight [OCTETS]"),
        ("MAIL: flight", "it belongs to HANDSHAKE"),
        ("HANDSHAKE: 421 no", "no Reply, no NoReply and no function at the stage HANDSHAKE"),
        ("HANDSHAKE in tls: stall", "False or None at the stage HANDSHAKE"),
        ("CONTENT: no reply", "no NoReply at the stage CONTENT"),
        ("DATA after 100 octets: stall", "0 at the stage DATA"),
        ("MAIL: 250 ok x0", "a whole number from 1 up"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_what_would_be_right(text, expected):
    with pytest.raises(InvalidValueError) as caught:
        parse_rule(text, LANGUAGE)
    assert expected in str(caught.value)
