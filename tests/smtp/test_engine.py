"""The engine: a transaction's state, command by command, and that no argument breaks it."""

import asyncio
import logging

import pytest
from aiosmtpd.smtp import SMTP  # noqa: TID251 - to see that somebody else's still logs
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.mail.envelope import Envelope
from smtpfix.rules.reply import Reply
from smtpfix.smtp.engine import VERBS, Engine
from smtpfix.smtp.policy import Policy


@pytest.fixture(scope="module")
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture
def engine():
    return Engine(Policy())


def codes(engine, *commands):
    return [engine.execute(*command).code for command in commands]


EHLO = ("EHLO", "client.example")
HELO = ("HELO", "client.example")
MAIL = ("MAIL", "FROM:<ann@example.org>")
RCPT = ("RCPT", "TO:<bob@example.org>")


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ([EHLO, MAIL, RCPT, RCPT], [250, 250, 250, 250]),
        ([HELO, MAIL, RCPT], [250, 250, 250]),
        ([MAIL], [503]),
        ([RCPT], [503]),
        ([EHLO, RCPT], [250, 503]),
        ([EHLO, MAIL, MAIL], [250, 250, 503]),
        ([EHLO, MAIL, ("RSET", None), RCPT], [250, 250, 250, 503]),
        ([EHLO, MAIL, ("RSET", None), MAIL, RCPT], [250, 250, 250, 250, 250]),
        ([EHLO, MAIL, EHLO, RCPT], [250, 250, 250, 503]),  # RFC 5321 section 4.1.4: EHLO resets
        ([EHLO, ("MAIL", "FROM:<ann"), MAIL], [250, 501, 250]),
        ([EHLO, MAIL, ("RCPT", "TO:<bob"), RCPT], [250, 250, 501, 250]),
        ([EHLO, MAIL, ("RCPT", "TO:<>"), RCPT], [250, 250, 553, 250]),
        ([("EHLO", None), MAIL], [501, 503]),
        ([("NOOP", None), ("RSET", None)], [250, 250]),
        ([("NOOP", "anything")], [250]),
        ([("RSET", "anything")], [501]),
        ([EHLO, ("VRFY", "bob@example.org"), ("EXPN", "list")], [250, 252, 502]),
    ],
)
def test_answers_commands_by_the_state_of_the_transaction(engine, commands, expected):
    assert codes(engine, *commands) == expected


def test_collects_the_envelope_and_begins_anew(engine):
    engine.execute(*EHLO)
    engine.execute("MAIL", "FROM:<ann@example.org> SIZE=10 body=8bitmime")
    engine.execute("RCPT", "TO:<bob@example.org>")
    engine.execute("RCPT", 'TO:<"eve e"@example.org>')
    assert engine.has_sender
    assert engine.has_recipients
    assert engine.take_envelope() == Envelope(
        "ann@example.org",
        ("bob@example.org", '"eve e"@example.org'),
        ("SIZE=10", "body=8bitmime"),
        ((), ()),
    )
    assert not engine.has_sender
    assert not engine.has_recipients
    assert engine.greeted


def test_the_null_reverse_path_is_an_empty_sender_that_counts_as_one(engine):
    assert codes(engine, EHLO, ("MAIL", "FROM:<>"), RCPT) == [250, 250, 250]
    assert engine.has_sender
    assert engine.take_envelope().reverse_path == ""


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<ann@example.org>", "ann@example.org"),
        ("ann@example.org", "ann@example.org"),
        ("<postmaster>", "postmaster"),
        ('<"ann b"@example.org>', '"ann b"@example.org'),
        ('<"a>b"@example.org>', '"a>b"@example.org'),
        ("<ann@[127.0.0.1]>", "ann@[127.0.0.1]"),
        ("<ann@[IPv6:::1]>", "ann@[IPv6:::1]"),
        ("<@relay.example:ann@example.org>", "ann@example.org"),
        ("<a..b@example.org>", "a..b@example.org"),
    ],
)
def test_keeps_addresses_as_they_were_sent(engine, path, address):
    assert codes(engine, EHLO, ("MAIL", f"FROM:{path}"), ("RCPT", f"TO:{path}")) == [250, 250, 250]
    envelope = engine.take_envelope()
    assert envelope.reverse_path == address
    assert envelope.recipients == (address,)


def test_addresses_outside_ascii_need_smtputf8(engine):
    """RFC 6531 section 3.5: 550 for a sender, 553 for a recipient."""
    zoe = "<zoë@exämple.org>"
    assert codes(engine, EHLO, ("MAIL", f"FROM:{zoe}"), MAIL, ("RCPT", f"TO:{zoe}")) == [250, 550, 250, 553]
    assert engine.execute("RCPT", f"TO:{zoe}").enhanced == "5.6.7"
    assert codes(engine, ("RSET", None), ("MAIL", f"FROM:{zoe} smtputf8"), ("RCPT", f"TO:{zoe}")) == [250, 250, 250]
    envelope = engine.take_envelope()
    assert (envelope.reverse_path, envelope.recipients) == ("zoë@exämple.org", ("zoë@exämple.org",))


def test_does_not_decode_a_line_break_into_an_address(engine):
    """The standard library's parser reads RFC 2047 words inside quoted strings, where RFC 5321 has none."""
    hidden = '"=?utf-8?q?ann=0d=0aRCPT?="@example.org'
    engine.execute(*EHLO)
    engine.execute("MAIL", f"FROM:<{hidden}>")
    engine.execute("RCPT", f"TO:<{hidden}>")
    envelope = engine.take_envelope()
    assert envelope.reverse_path == hidden
    assert envelope.recipients == (hidden,)


@pytest.mark.parametrize("path", ["<a@b@c>", '"', "<a@>", "<a@[>", "<a@b.>", "("])
def test_refuses_addresses_that_cannot_be_parsed(engine, path):
    assert codes(engine, EHLO, ("MAIL", f"FROM:{path}"), MAIL, ("RCPT", f"TO:{path}")) == [250, 553, 250, 553]
    assert not engine.has_recipients


@pytest.mark.parametrize("argument", ["<", '"', "<@", "a@", "a@[", "(", "<a", "", None])
def test_vrfy_answers_whatever_it_is_asked(engine, argument):
    engine.execute(*EHLO)
    assert engine.execute("VRFY", argument).code in (252, 501, 502, 553)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(VERBS)),
            st.none()
            | st.text(min_size=1)
            | st.text('<>"@\\(),;:[].=? a', min_size=1).map("FROM:{0}".format)
            # what the parser of the standard library stumbles over
            | st.text('<>"@\\(),;:[].=? a', min_size=1).map("TO:<{0}>".format),
        ),
        max_size=6,
    )
)
def test_any_commands_with_any_arguments_get_a_whole_reply_each(commands):
    engine = Engine(Policy())
    engine.execute(*EHLO)
    for verb, argument in commands:
        reply = engine.execute(verb, argument)
        assert isinstance(reply, Reply)
        assert reply.encode().endswith(b"\r\n")
    envelope = engine.take_envelope()
    assert len(envelope.recipients) == len(envelope.recipient_parameters)


@pytest.mark.parametrize(
    ("policy", "argument", "code"),
    [
        (Policy(size_limit=100), "SIZE=100", 250),
        (Policy(size_limit=100), "SIZE=101", 552),
        (Policy(size_limit=None), "SIZE=101", 250),
        (Policy(hide=["SIZE"]), "SIZE=1", 555),
        (Policy(), "BODY=8BITMIME", 250),
        (Policy(hide=["8BITMIME"]), "BODY=8BITMIME", 555),
        (Policy(), "SMTPUTF8", 250),
        (Policy(hide=["SMTPUTF8"]), "SMTPUTF8", 555),
        (Policy(users={"ann": "x"}), "AUTH=<>", 250),
        (Policy(), "AUTH=<>", 555),
        (Policy(), "RET=HDRS", 555),
    ],
)
def test_takes_the_parameters_of_the_extensions_it_has(policy, argument, code):
    engine = Engine(policy)
    engine.execute(*EHLO)
    assert engine.execute("MAIL", f"FROM:<ann@example.org> {argument}").code == code
    assert engine.has_sender is (code == 250)


def test_parameters_need_ehlo(engine):
    assert codes(engine, HELO, ("MAIL", "FROM:<ann@example.org> SIZE=1")) == [250, 555]
    assert codes(engine, EHLO, ("MAIL", "FROM:<ann@example.org> SIZE=1")) == [250, 250]


def test_recipients_have_no_parameters(engine):
    assert codes(engine, EHLO, MAIL, ("RCPT", "TO:<bob@example.org> NOTIFY=NEVER"), RCPT) == [250, 250, 555, 250]
    assert engine.take_envelope().recipients == ("bob@example.org",)


def test_takes_recipients_up_to_the_limit():
    engine = Engine(Policy(max_recipients=2))
    assert codes(engine, EHLO, MAIL, RCPT, RCPT, RCPT) == [250, 250, 250, 250, 452]
    assert len(engine.take_envelope().recipients) == 2


def test_knows_whether_the_client_said_ehlo_or_helo(engine):
    assert not engine.greeted
    engine.execute(*HELO)
    assert engine.greeted
    assert not engine.is_extended
    engine.execute(*EHLO)
    assert engine.is_extended


@pytest.mark.parametrize("commands", [[EHLO], [EHLO, MAIL], [EHLO, MAIL, RCPT], [("RSET", None)], [RCPT]])
def test_every_reply_but_to_ehlo_has_an_enhanced_status_code_of_its_class(engine, commands):
    for verb, argument in commands:
        reply = engine.execute(verb, argument)
        assert (reply.enhanced or "")[:1] == ("" if verb == "EHLO" else str(reply.code)[0])


def test_two_engines_know_nothing_of_each_other():
    one, other = Engine(Policy()), Engine(Policy())
    codes(one, EHLO, MAIL, RCPT)
    assert not other.greeted
    assert codes(other, MAIL) == [503]
    assert one.take_envelope().recipients == ("bob@example.org",)


def test_logs_nothing_while_an_aiosmtpd_of_the_users_own_still_does(loop, caplog):
    caplog.set_level(logging.DEBUG)
    engine = Engine(Policy())
    codes(engine, EHLO, MAIL, RCPT, ("VRFY", "<"))
    assert caplog.records == []
    SMTP(object(), hostname="other.example", loop=loop, auth_require_tls=False)
    logging.getLogger("mail.log").info("still heard")
    assert "still heard" in caplog.messages


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
@pytest.mark.parametrize("octets", [256, 257])
def test_the_full_parser_sees_no_path_over_256_octets(engine, monkeypatch, command, octets):
    """RFC 5321 section 4.5.3.1.3: it takes milliseconds for each of them, and clients pipeline hundreds."""
    asked = []
    monkeypatch.setattr(SMTP, f"smtp_{command}", lambda self, argument: asked.append(argument) or _nothing(self))
    keyword = {"MAIL": "FROM", "RCPT": "TO"}[command]
    codes(engine, EHLO, *([MAIL] if command == "RCPT" else []))
    path = '<"' + "a" * (octets - len('<""@example.org>')) + '"@example.org>'
    assert len(path) == octets
    reply = engine.execute(command, f"{keyword}:{path}")
    assert len(asked) == (octets == 256)
    assert (reply.code == 501 and "too long" in reply.text) is (octets == 257)


async def _nothing(engine):
    await engine.push("553 whatever")
