"""Sessions and their recorder: what one client did, as it stands whenever one asks."""

import dataclasses
from datetime import UTC, datetime

import pytest

from smtpfix.policy.mode import Mode
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.session import AuthAttempt
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.smtp.reading import SMTPReading
from smtpfix.tls.facts import ALERT_NAMES, Alert, TLSFailure, TLSInfo

CLIENT, SERVER = ("127.0.0.1", 50_000), ("127.0.0.1", 2525)
TLS_INFO = TLSInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, "mx.example", None, False, None, None, "STARTTLS")
REFUSED = TLSFailure("TLS handshake refused by the client, alert unknown_ca", "unknown_ca", "client", "REASON")
LOGIN = AuthAttempt("PLAIN", "ann", "s3cret", accepted=True, in_clear=True)


@pytest.fixture
def recorder():
    return Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), 7, CLIENT, SERVER)


def test_a_session_that_has_just_begun_is_empty(recorder):
    before = datetime.now(UTC)
    session = Recorder(RecordedServer(Mode.PLAIN, SMTPReading()), 1, CLIENT, SERVER).session()
    assert before <= session.started <= datetime.now(UTC)
    assert session.started.tzinfo is UTC
    assert (session.number, session.mode, session.client, session.server) == (1, Mode.PLAIN, CLIENT, SERVER)
    assert (session.end, session.client_name, session.tls, session.tls_failure) == (None, None, None, None)
    assert (session.client_hello, session.alerts, session.auth, session.message_count) == (None, (), (), 0)
    assert session.injected == b""
    assert session.duration == 0.0
    assert len(session.transcript) == 0
    assert not session.is_over


def test_a_session_shows_the_record_up_to_the_moment_it_was_asked_for(recorder):
    recorder.add(Kind.CLIENT, b"EHLO client.example")
    recorder.client_name = "client.example"
    early = recorder.session()
    recorder.auth.append(LOGIN)
    recorder.alerts.append(Alert("client", "close_notify", is_fatal=False))
    recorder.message_count += 1
    recorder.injected += b"RSET\r\n"
    recorder.note("a note")
    late = recorder.session()
    assert (early.auth, early.alerts, early.message_count, early.injected) == ((), (), 0, b"")
    assert early.transcript.commands == ("EHLO client.example",)
    assert early.client_name == late.client_name == "client.example"
    assert late.auth == (LOGIN,)
    assert late.alerts == (Alert("client", "close_notify", is_fatal=False),)
    assert (late.message_count, late.injected) == (1, b"RSET\r\n")
    assert [event.kind for event in late.transcript] == [Kind.CLIENT, Kind.NOTE]


def test_times_run_from_the_beginning_and_never_back(recorder):
    for number in range(5):
        recorder.note(f"note {number}")
    times = [event.at for event in recorder.events]
    assert times == sorted(times)
    assert times[0] >= 0
    assert recorder.session().duration == times[-1]


def test_the_first_word_about_the_end_counts(recorder):
    recorder.finish(SessionEnd.QUIT)
    duration = recorder.session().duration
    recorder.finish(SessionEnd.RESET)
    recorder.note("something later")
    session = recorder.session()
    assert session.is_over
    assert session.end is SessionEnd.QUIT
    assert session.duration == duration
    assert [event.data for event in session.transcript] == [b"end: quit", b"something later"]


def test_a_session_is_a_value_that_cannot_be_changed(recorder):
    with pytest.raises(dataclasses.FrozenInstanceError):
        recorder.session().end = SessionEnd.QUIT


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({}, "session 7 (starttls): in clear; 0 messages; still connected"),
        ({"message_count": 1}, "session 7 (starttls): in clear; 1 message; still connected"),
        ({"tls": TLS_INFO}, "session 7 (starttls): TLSv1.3 by STARTTLS; 0 messages; still connected"),
        (
            {"tls_failure": REFUSED},
            "session 7 (starttls): TLS handshake refused by the client, alert unknown_ca; 0 messages; still connected",
        ),
        (
            {"auth": [LOGIN], "end": SessionEnd.QUIT},
            (
                "session 7 (starttls): in clear; AUTH PLAIN as 'ann', password …(6 characters), accepted, in clear; "
                "0 messages; quit"
            ),
        ),
    ],
)
def test_a_session_shows_itself_in_one_line(recorder, facts, shown):
    for name, value in facts.items():
        if name == "auth":
            recorder.auth.append(*value)
        else:
            setattr(recorder, name, value)
    assert str(recorder.session()) == shown


@pytest.mark.parametrize(
    ("replies", "refusal"),
    [
        ([b"250 OK\r\n"], None),
        ([b"550-no\r\n550 never\r\n"], "550 never"),
        ([b"450 Later\r\n", b"530 First\r\n", b"221 Bye\r\n"], "530 First"),
    ],
)
def test_the_line_tells_the_last_refusal_also_when_the_client_took_its_leave_politely(recorder, replies, refusal):
    for reply in replies:
        recorder.add(Kind.SERVER, reply)
    session = recorder.session()
    assert session.refusal == refusal
    assert (f"answered {refusal!r}" in str(session)) is (refusal is not None)


def test_passwords_are_in_no_repr_and_no_line(recorder):
    recorder.auth.append(LOGIN)
    recorder.add(Kind.SECRET, b"AUTH PLAIN AGFubgBzM2NyZXQ=")
    session = recorder.session()
    for shown in (repr(session), str(session), repr(LOGIN), str(LOGIN), str(session.transcript)):
        assert "s3cret" not in shown
        assert "AGFubgBzM2NyZXQ" not in shown
    assert session.auth[0].password == "s3cret"


@pytest.mark.parametrize(
    ("attempt", "shown"),
    [
        (AuthAttempt("LOGIN", None, None, accepted=False, in_clear=False), "LOGIN, refused, in TLS"),
        (AuthAttempt("LOGIN", "ann", None, accepted=False, in_clear=False), "LOGIN as 'ann', refused, in TLS"),
        (
            AuthAttempt("PLAIN", "ann", "", accepted=True, in_clear=True),
            "PLAIN as 'ann', password …(0 characters), accepted, in clear",
        ),
    ],
)
def test_an_attempt_to_log_in_shows_itself(attempt, shown):
    assert str(attempt) == shown


def test_what_a_client_calls_itself_cannot_reach_the_terminal():
    attempt = AuthAttempt("X\x1b[2J", "\x1b]0;x\x07", None, accepted=False, in_clear=True)
    assert str(attempt).isprintable()


@pytest.mark.parametrize(
    ("alert", "shown"),
    [
        (Alert("client", "unknown_ca", is_fatal=True), "fatal alert unknown_ca from the client"),
        (Alert("server", "close_notify", is_fatal=False), "alert close_notify from the server"),
    ],
)
def test_an_alert_shows_itself(alert, shown):
    assert str(alert) == shown


def test_a_failure_shows_its_reason():
    assert str(REFUSED) == REFUSED.reason


def test_alert_names_are_those_of_the_standards():
    """RFC 8446 section 6, the ones clients send most."""
    assert [ALERT_NAMES[number] for number in (0, 40, 42, 45, 48, 70, 116)] == [
        "close_notify",
        "handshake_failure",
        "bad_certificate",
        "certificate_expired",
        "unknown_ca",
        "protocol_version",
        "certificate_required",
    ]
    assert len(set(ALERT_NAMES.values())) == len(ALERT_NAMES)


def test_a_long_transcript_keeps_its_beginning_and_its_end_and_counts_what_it_left_out():
    recorder = Recorder(RecordedServer(Mode.PLAIN, SMTPReading(), max_events=100), 1, CLIENT, SERVER)
    for number in range(1000):
        recorder.add(Kind.CLIENT, b"NOOP %d" % number)
    events = recorder.events
    assert len(events) <= 100
    assert [event.data for event in events[:50]] == [b"NOOP %d" % number for number in range(50)]
    assert events[-1].data == b"NOOP 999"
    note, rest = events[50], events[51:]
    assert note.kind is Kind.NOTE
    first = 1000 - len(rest)
    assert [event.data for event in rest] == [b"NOOP %d" % number for number in range(first, 1000)]
    left_out = first - 50
    assert note.data == f"{left_out} events left out: the transcript keeps 100 (Policy.max_events)".encode()
    assert list(events) == sorted(events, key=lambda event: event.at)


def test_a_transcript_at_its_limit_is_whole():
    recorder = Recorder(RecordedServer(Mode.PLAIN, SMTPReading(), max_events=100), 1, CLIENT, SERVER)
    for number in range(100):
        recorder.add(Kind.CLIENT, b"NOOP %d" % number)
    assert [event.data for event in recorder.events] == [b"NOOP %d" % number for number in range(100)]


def test_a_transcript_is_bounded_by_its_octets_too_and_says_so():
    server = RecordedServer(Mode.PLAIN, SMTPReading(), max_transcript_octets=100_000)
    recorder = Recorder(server, 1, CLIENT, SERVER)
    for number in range(1000):
        recorder.add(Kind.CLIENT, b"NOOP %04d " % number + b"x" * 990)
        assert sum(len(event.data) for event in recorder.events[-120:]) <= 100_000
    events = recorder.events
    assert [event.data[:9] for event in events[:50]] == [b"NOOP %04d" % number for number in range(50)]
    assert len(events[51:]) >= 25
    first = 1000 - len(events[51:])
    assert [event.data[:9] for event in events[51:]] == [b"NOOP %04d" % number for number in range(first, 1000)]
    note = f"{first - 50} events left out: the transcript keeps 100000 octets (Policy.max_transcript_octets)"
    assert events[50].data == note.encode()
    assert recorder.session().truncated == (f"{first - 50} events of the transcript left out",)
    recorder.finish(SessionEnd.QUIT)
    assert 70_000 < recorder.weight < 120_000


def test_a_transcript_that_is_over_both_limits_counts_every_event_that_it_leaves_out():
    server = RecordedServer(Mode.PLAIN, SMTPReading(), max_events=100, max_transcript_octets=65_536)
    recorder = Recorder(server, 1, CLIENT, SERVER)
    for number in range(3000):
        recorder.add(Kind.CLIENT, b"%04d" % number + b"x" * (number % 7 * 600))
        events = recorder.events
        assert len(events) <= 100
        assert sum(len(event.data) for event in events) <= 65_536 + 100
    (note,) = [event for event in events if event.kind is Kind.NOTE]
    assert int(note.data.split()[0]) + len(events) - 1 == 3000


def test_one_event_over_the_limit_is_kept_all_the_same():
    server = RecordedServer(Mode.PLAIN, SMTPReading(), max_transcript_octets=65_536)
    recorder = Recorder(server, 1, CLIENT, SERVER)
    assert recorder.session().truncated == ()
    for number in range(1, 4):
        recorder.add(Kind.SERVER, b"%d" % number * 100_000)
        assert recorder.events[-1].data == b"%d" % number * 100_000
        left_out = () if number == 1 else (f"{number - 1} events of the transcript left out",)
        assert recorder.session().truncated == left_out
    assert len(recorder.events) == 2


def test_auth_commands_are_bounded_and_none_hides_a_password_in_clear_or_an_acceptance(recorder):
    """A client under test must not be able to push the evidence out of the record."""
    refused = AuthAttempt("PLAIN", "ann", None, accepted=False, in_clear=False)
    in_clear = dataclasses.replace(refused, password="s3cret", in_clear=True)
    accepted = dataclasses.replace(refused, accepted=True)
    attempts = [refused] * 5_000
    attempts[2_000], attempts[2_500] = in_clear, accepted
    attempts[0], attempts[-1] = dataclasses.replace(refused, user="first"), dataclasses.replace(refused, user="last")
    for attempt in attempts:
        recorder.auth.append(attempt)
        assert len(recorder.auth) <= 1_000
    session = recorder.session()
    assert (session.auth[0].user, session.auth[-1].user) == ("first", "last")
    assert in_clear in session.auth
    assert accepted in session.auth
    assert session.truncated == (f"{5_000 - len(session.auth)} AUTH commands left out",)


def test_alerts_and_what_is_injected_are_bounded(recorder):
    for _ in range(10):
        recorder.inject(b"x" * 10_000)
    for _ in range(1_000):
        recorder.alerts.append(Alert("client", "no_renegotiation", is_fatal=False))
    session = recorder.session()
    assert session.injected == b"x" * 65_536
    assert len(session.alerts) <= 100
    assert session.truncated == (
        "34464 octets that came in clear after STARTTLS left out",
        f"{1_000 - len(session.alerts)} TLS alerts left out",
    )


def test_most_records_are_whole(recorder):
    assert recorder.session().truncated == ()
