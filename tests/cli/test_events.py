import io
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from smtpfix import (
    ANY_USER,
    AuthAttempt,
    CapturedMessage,
    Envelope,
    Mode,
    Policy,
    Reply,
    SessionEnd,
    TLSFailure,
    TLSInfo,
)
from smtpfix.cli.events import (
    Listening,
    MessageCaptured,
    Reason,
    RulesRead,
    RulesRejected,
    SessionEnded,
    SessionStarted,
    Started,
    Stopped,
)
from smtpfix.cli.json_output import JSONOutput
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.transcript import Kind
from smtpfix.smtp.reading import SMTPReading
from smtpfix.tls.client_hello import ClientHello


@pytest.fixture
def recorder():
    return Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), 3, ("127.0.0.1", 40000), ("127.0.0.1", 1587))


def captured(content=b"Subject: Hello\r\n\r\nsecret content", reply=None, recipients=("bob@example.org",)):
    return CapturedMessage(
        number=7,
        envelope=Envelope("", recipients),
        content=content,
        received=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        reply=reply,
        in_tls=True,
        user="ann",
        _source=SimpleNamespace(number=3),
    )


def printed(event):
    stream = io.StringIO()
    JSONOutput(stream).show(event)
    return stream.getvalue()


def test_each_server_that_listens_is_a_line():
    servers = (
        Listening("plain", Policy(Mode.PLAIN, users=ANY_USER), "localhost", 1025, ("127.0.0.1", "::1")),
        Listening("plain-2", Policy(Mode.PLAIN, users={"ann": "s3cret"}), "127.0.0.1", 1026, ("127.0.0.1",)),
    )
    text = printed(Started(servers, Path("ca.pem"), ca_is_kept=False, save=None))
    first, second = map(json.loads, text.splitlines())
    assert first == {
        "event": "listening",
        "server": "plain",
        "protocol": "smtp",
        "mode": "plain",
        "host": "localhost",
        "port": 1025,
        "addresses": ["127.0.0.1", "::1"],
        "connect": "localhost",
        "ca_file": "ca.pem",
    }
    assert (second["server"], second["mode"]) == ("plain-2", "plain")
    assert "s3cret" not in text


def test_a_scenario_a_mode_left_out_and_a_server_s_own_trust_are_told():
    server = Listening(
        "starttls", Policy("starttls"), "localhost", 1587, ("127.0.0.1",), "mx.smtpfix.test", Path("own.pem")
    )
    text = printed(
        Started(
            (server,),
            Path("ca.pem"),
            ca_is_kept=False,
            save=None,
            scenarios=(load_scenario("expired"),),
            left_out=(Mode.PLAIN,),
        )
    )
    listening, scenario, left_out = map(json.loads, text.splitlines())
    assert (listening["host"], listening["connect"]) == ("localhost", "mx.smtpfix.test")
    assert listening["ca_file"] == "own.pem"
    assert scenario == {
        "event": "scenario",
        "id": "expired",
        "group": "certificates",
        "summary": load_scenario("expired").summary,
        "expected": "refuse",
        "standard": load_scenario("expired").standard,
        "modes": ["starttls", "tls-required", "implicit-tls"],
    }
    assert left_out == {"event": "left-out", "mode": "plain"}


def test_a_session_that_starts_is_known_by_server_and_number(recorder):
    session = recorder.session()
    assert json.loads(printed(SessionStarted("starttls", session))) == {
        "event": "session-started",
        "server": "starttls",
        "mode": "starttls",
        "session": 3,
        "client": "127.0.0.1",
        "client_port": 40000,
        "started": session.started.isoformat(),
    }


def test_a_message_has_its_envelope_and_no_content():
    event = MessageCaptured("starttls", Mode.STARTTLS, captured(reply=Reply(250, "2.0.0", "OK")), Path("0007.eml"))
    text = printed(event)
    assert json.loads(text) == {
        "event": "message",
        "server": "starttls",
        "mode": "starttls",
        "session": 3,
        "number": 7,
        "received": "2030-01-02T03:04:05+00:00",
        "reverse_path": "",
        "recipients": ["bob@example.org"],
        "subject": "Hello",
        "size": 32,
        "in_tls": True,
        "user": "ann",
        "accepted": True,
        "refused_recipients": [],
        "reply": "250 2.0.0 OK",
        "violations": [
            {"id": "missing-from", "explanation": "there is no From header", "standard": "RFC 5322 section 3.6"},
            {"id": "missing-date", "explanation": "there is no Date header", "standard": "RFC 5322 section 3.6"},
        ],
        "path": "0007.eml",
    }
    assert "secret content" not in text


def test_a_message_without_answer_or_file_has_nulls_for_them():
    item = json.loads(printed(MessageCaptured("starttls", Mode.STARTTLS, captured())))
    assert (item["accepted"], item["reply"], item["path"]) == (False, None, None)


def test_a_session_in_tls_tells_how_and_who_logged_in_but_no_password(recorder):
    recorder.client_name = "client.example"
    recorder.tls = TLSInfo("TLSv1.3", "AES", 256, "localhost", None, False, None, "commonName=ann", "STARTTLS")
    recorder.auth.append(AuthAttempt("PLAIN", "ann", "s3cret", accepted=True, in_clear=False))
    recorder.add(Kind.SERVER, b"250 OK\r\n")
    recorder.message_count = 2
    recorder.finish(SessionEnd.QUIT)
    text = printed(SessionEnded("starttls", recorder.session(), Path("session.txt")))
    item = json.loads(text)
    assert item["event"] == "session-ended"
    assert (item["client_name"], item["end"], item["messages"]) == ("client.example", "quit", 2)
    assert item["tls"] == {
        "version": "TLSv1.3",
        "cipher": "AES",
        "server_name": "localhost",
        "client_certificate": "commonName=ann",
        "started_by": "STARTTLS",
    }
    assert item["auth"] == [
        {
            "mechanism": "PLAIN",
            "user": "ann",
            "accepted": True,
            "in_clear": False,
            "password_in_clear": False,
            "token_in_clear": False,
        }
    ]
    assert (item["tls_failure"], item["refusal"], item["injected"], item["path"]) == (None, None, 0, "session.txt")
    assert "s3cret" not in text


def test_a_session_in_clear_tells_whether_a_password_went_over_the_wire(recorder):
    recorder.auth.append(AuthAttempt("LOGIN", None, None, accepted=False, in_clear=True))
    recorder.auth.append(AuthAttempt("PLAIN", "ann", "s3cret", accepted=False, in_clear=True))
    recorder.add(Kind.SERVER, b"538 5.7.11 Encryption required\r\n")
    recorder.add(Kind.SERVER, b"221 Bye\r\n")
    item = json.loads(printed(SessionEnded("starttls", recorder.session())))
    assert [attempt["password_in_clear"] for attempt in item["auth"]] == [False, True]
    assert (item["tls"], item["refusal"], item["end"]) == (None, "538 5.7.11 Encryption required", None)


def test_a_session_tells_what_its_client_offered_and_did_against_the_standards(recorder):
    item = json.loads(printed(SessionEnded("starttls", recorder.session())))
    assert (item["client_hello"], item["violations"]) == (None, [])
    recorder.client_hello = ClientHello("localhost", ("TLSv1.3",), (0x1301, 0x2F), ("smtp",))
    recorder.finish(SessionEnd.CLIENT_CLOSED)
    item = json.loads(printed(SessionEnded("starttls", recorder.session())))
    assert item["client_hello"] == {
        "server_name": "localhost",
        "versions": ["TLSv1.3"],
        "ciphers": ["0x1301", "0x002F"],
        "alpn": ["smtp"],
    }
    assert [violation["id"] for violation in item["violations"]] == ["no-quit"]


def test_a_handshake_that_failed_tells_who_sent_which_alert(recorder):
    recorder.tls_failure = TLSFailure("refused by the client", "unknown_ca", "client", None)
    item = json.loads(printed(SessionEnded("starttls", recorder.session())))
    assert item["tls_failure"] == {"reason": "refused by the client", "alert": "unknown_ca", "alert_sender": "client"}


def test_rules_that_were_read_and_rules_that_were_not_are_told():
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    read = {"event": "rules-read", "file": "rules.toml", "rules": 2, "at": "2030-01-02T03:04:05+00:00"}
    assert json.loads(printed(RulesRead(Path("rules.toml"), 2, at))) == read
    rejected = {**read, "event": "rules-rejected", "error": "expected TOML"}
    assert json.loads(printed(RulesRejected(Path("rules.toml"), 2, at, "expected TOML"))) == rejected


def test_the_end_tells_why_and_how_many():
    assert json.loads(printed(Stopped(Reason.TERMINATED, 2, 3, ("NOOP: 451",)))) == {
        "event": "stopped",
        "reason": "SIGTERM",
        "messages": 2,
        "sessions": 3,
        "unused_rules": ["NOOP: 451"],
    }


def test_hostile_octets_stay_one_line_of_ascii_that_every_program_can_read():
    hostile = captured(b"Subject: =?utf-8?q?=1b[2J=0d=0aX?=\r\n\r\n", recipients=("b\udcff\n\x1b@example.org",))
    text = printed(MessageCaptured("starttls", Mode.STARTTLS, hostile))
    assert text.isascii()
    assert text.count("\n") == 1
    assert "\x1b" not in text
    item = json.loads(text)
    assert item["recipients"] == ["b\\udcff\n\x1b@example.org"]
    assert item["subject"] == "\x1b[2J\r\nX"
