import io
import re
from dataclasses import replace
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
    Said,
    SessionEnded,
    SessionStarted,
    Started,
    Stopped,
)
from smtpfix.cli.terminal import Terminal
from smtpfix.mail.envelope import Transfer
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.transcript import Event, Kind
from smtpfix.smtp.reading import SMTPReading
from smtpfix.tls.client_hello import ClientHello

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")


@pytest.fixture
def recorder():
    return Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), 3, ("::1", 40000), ("::1", 1587))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def captured(content=b"Subject: Hello\r\n\r\nHi", **changes):
    fields = {
        "number": 7,
        "envelope": Envelope("ann@example.org", ("bob@example.org",)),
        "received": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        "reply": Reply(250, "2.0.0", "OK"),
        "in_tls": True,
        "user": None,
        "_source": SimpleNamespace(number=3),
    }
    return MessageCaptured("starttls", Mode.STARTTLS, CapturedMessage(content=content, **{**fields, **changes}))


GOOD = b"From: ann@example.org\r\nDate: Mon, 7 Jan 2030 10:00:00 +0000\r\nSubject: Hello\r\n\r\nHi\r\n"


def shown(event):
    stream = io.StringIO()
    Terminal(stream).show(event)
    return stream.getvalue()


def banner(policy, **changes):
    listening = Listening(str(policy.mode), policy, "localhost", 1025, ("127.0.0.1",))
    return shown(replace(Started((listening,), None, ca_is_kept=False, save=None), **changes))


# The start


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(Mode.PLAIN), "plain localhost:1025 never not offered"),
        (Policy(Mode.PLAIN, users=ANY_USER), "plain localhost:1025 never any user, in clear"),
        (
            Policy(Mode.IMPLICIT_TLS, users={"ann": "s3cret"}, require_auth=True),
            "implicit-tls localhost:1025 from the first octet ann, in TLS only, required",
        ),
        (
            Policy(Mode.STARTTLS, users=dict.fromkeys("abcde", "s3cret"), auth_in_clear=True, host="::1"),
            "starttls [::1]:1025 when the client asks for it (STARTTLS) a, b, c and 2 more, in clear",
        ),
        (Policy(Mode.TLS_REQUIRED), "tls-required localhost:1025 before anything else (STARTTLS) not offered"),
    ],
)
def test_the_table_has_address_tls_and_auth_of_each_server_and_no_password(policy, expected):
    _, row, *_ = banner(policy).splitlines()
    assert " ".join(row.split()).startswith(expected)
    assert "s3cret" not in row


def test_the_table_names_the_ca_file_in_one_piece_and_how_long_it_lasts():
    path = Path("/", *["long"] * 40, "ca.pem")
    assert f"CA file for clients to trust: {path} (new in each run;" in banner(Policy("starttls"), ca_file=path)
    assert f"{path} (kept for later runs)" in banner(Policy("starttls"), ca_file=path, ca_is_kept=True)


def test_without_tls_there_is_no_ca_file_to_name():
    assert "CA file" not in banner(Policy("plain"))


def test_a_scenario_is_named_with_what_a_careful_client_does():
    expired = load_scenario("expired")
    text = banner(Policy("starttls"), scenarios=(expired,))
    assert f"Scenario expired: {expired.summary}\n" in text
    assert f"Expected: refuse, a careful client refuses ({expired.standard})\n" in text
    assert "Scenario" not in banner(Policy("starttls"))


def test_modes_that_are_left_out_are_one_line_with_the_reason():
    scenario = load_scenario("plain-on-tls-port")
    text = banner(Policy("implicit-tls"), scenarios=(scenario,), left_out=(Mode.PLAIN, Mode.STARTTLS))
    assert "Left out, for they cannot show plain-on-tls-port: plain, starttls\n" in text
    assert "Left out" not in banner(Policy("implicit-tls"), scenarios=(scenario,))


def served(name, address, **changes):
    return Listening(name, Policy("starttls"), "localhost", 1025, (address,), **changes)


def test_the_name_to_connect_to_is_said_where_it_is_not_the_host():
    text = banner(Policy("plain"), servers=(served("starttls", "127.0.0.1", connect="mx.smtpfix.test"),))
    assert "Clients have to connect to mx.smtpfix.test, which has to lead them to 127.0.0.1\n" in text
    text = banner(Policy("plain"), servers=(served("starttls", "127.0.0.1", connect="127.0.0.1"),))
    assert "Clients have to connect to 127.0.0.1\n" in text
    assert "Clients have to connect" not in banner(Policy("plain"))


def test_what_a_scenario_trusts_of_its_own_is_named_for_each_server():
    servers = tuple(served(name, "127.0.0.1", ca_file=Path(f"{name}.pem")) for name in ("one", "two"))
    text = banner(Policy("plain"), servers=servers, ca_file=Path("ca.pem"))
    assert "CA file for clients of one to trust: one.pem (this scenario's own, new in each run)\n" in text
    assert "CA file for clients of two to trust: two.pem" in text
    assert "ca.pem" not in text
    text = banner(Policy("plain"), servers=servers[:1], ca_file=Path("ca.pem"))
    assert "CA file for clients to trust: one.pem" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tls_min": "TLSv1.3"}, "TLS versions: TLSv1.3 only\n"),
        ({"tls_min": "TLSv1", "tls_max": "TLSv1.2"}, "TLS versions: TLSv1 to TLSv1.2\n"),
        ({"certificate": ("chain.pem", "key.pem")}, "Certificate: chain.pem\n"),
    ],
)
def test_other_tls_than_usual_is_said(changes, expected):
    assert expected in banner(Policy("starttls", **changes))
    assert expected not in banner(Policy("starttls"))


def test_the_table_says_where_files_are_saved_if_they_are():
    assert "saved in mails" in banner(Policy("plain"), save=Path("mails"))
    assert "saved in" not in banner(Policy("plain"))


# Sessions


def test_a_session_that_starts_shows_who_came(recorder):
    text = shown(SessionStarted("starttls", recorder.session()))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d starttls #3 +connected from \[::1\]:40000\n", text)


def test_a_careful_session_shows_tls_version_and_login_and_nothing_alarming(recorder):
    recorder.client_name = "client.example"
    recorder.tls = TLSInfo("TLSv1.3", "AES", 256, None, None, False, None, "commonName=ann", "STARTTLS")
    recorder.auth.append(AuthAttempt("PLAIN", "ann", "s3cret", accepted=True, in_clear=False))
    recorder.message_count = 1
    recorder.finish(SessionEnd.QUIT)
    text = shown(SessionEnded("starttls", recorder.session(), Path("mails/session-starttls-0003.txt")))
    assert text.endswith(
        "ended, calls itself client.example; TLSv1.3 by STARTTLS; client certificate commonName=ann; "
        "AUTH PLAIN as 'ann', password …(6 characters), accepted, in TLS; 1 message; quit; "
        "transcript session-starttls-0003.txt\n"
    )


def test_a_password_in_clear_stands_out_whether_it_was_accepted_or_not(recorder):
    recorder.auth.append(AuthAttempt("PLAIN", "plc", "s3cret", accepted=False, in_clear=True))
    recorder.finish(SessionEnd.CLIENT_CLOSED)
    text = shown(SessionEnded("starttls", recorder.session()))
    assert "; in clear; PASSWORD IN CLEAR: AUTH PLAIN as 'plc', password …(6 characters), refused" in text
    assert text.endswith("0 messages; against the standards: no-quit; client closed\n")
    assert "s3cret" not in text


def test_an_auth_command_in_clear_that_gave_no_password_away_is_no_alarm(recorder):
    recorder.auth.append(AuthAttempt("LOGIN", None, None, accepted=False, in_clear=True))
    text = shown(SessionEnded("starttls", recorder.session()))
    assert "AUTH LOGIN, refused, in clear" in text
    assert "PASSWORD" not in text


def test_a_refusal_is_shown_even_if_the_client_took_its_leave_politely(recorder):
    recorder.add(Kind.SERVER, b"530 5.7.0 Must issue a STARTTLS command first\r\n")
    recorder.add(Kind.SERVER, b"221 2.0.0 Bye\r\n")
    assert "refused with '530 5.7.0 Must issue a STARTTLS command first'" in shown(
        SessionEnded("tls-required", recorder.session())
    )


def test_without_a_refusal_none_is_shown(recorder):
    recorder.add(Kind.SERVER, b"221 2.0.0 Bye\r\n")
    assert "refused" not in shown(SessionEnded("tls-required", recorder.session()))


def test_a_failed_handshake_shows_why_and_only_once(recorder):
    recorder.tls_failure = TLSFailure("TLS handshake refused by the client, alert unknown_ca", "unknown_ca", None, None)
    recorder.finish(SessionEnd.HANDSHAKE_FAILED)
    text = shown(SessionEnded("implicit-tls", recorder.session()))
    assert text.endswith("ended; TLS handshake refused by the client, alert unknown_ca; 0 messages\n")


def test_injected_commands_are_shown(recorder):
    recorder.tls = TLSInfo("TLSv1.2", "AES", 256, None, None, False, None, None, "STARTTLS")
    recorder.injected = b"NOOP\r\n"
    assert "6 octets injected after STARTTLS, thrown away" in shown(SessionEnded("starttls", recorder.session()))


def test_many_auth_commands_are_counted_not_listed(recorder):
    recorder.auth.extend(AuthAttempt("PLAIN", f"user{n}", "x", accepted=False, in_clear=False) for n in range(5))
    text = shown(SessionEnded("starttls", recorder.session()))
    assert "'user2'" in text
    assert "'user3'" not in text
    assert "and 2 more AUTH commands" in text


def test_what_is_said_is_shown_line_by_line_harmlessly_and_without_secrets():
    at = datetime(2030, 1, 2, tzinfo=UTC)
    events = [
        Event(0.0, Kind.SERVER, b"250-mx\r\n250 SIZE\r\n"),
        Event(0.1, Kind.SECRET, b"AUTH PLAIN AGFubgBzM2NyZXQ=", secret_at=11),
        Event(0.2, Kind.CLIENT, b"NOOP \x1b[2J"),
        Event(0.3, Kind.NOTE, b"end: quit"),
    ]
    lines = "".join(shown(Said("plain", 2, at, event)) for event in events).splitlines()
    assert [line.partition("plain #2")[2].strip() for line in lines] == [
        "S: 250-mx",
        "S: 250 SIZE",
        "C: AUTH PLAIN …(16 octets)",
        r"C: NOOP \x1b[2J",
        "-- end: quit",
    ]


# Messages


def test_a_message_shows_envelope_subject_size_and_tls():
    text = shown(captured(content=GOOD))
    assert re.match(r"2030-01-0[123] \d\d:\d\d:05 ", text)  # in local time
    assert text.endswith('message 7 from <ann@example.org> to <bob@example.org>; subject "Hello"; 83 octets; in TLS\n')


def test_a_message_in_clear_with_a_login_and_a_file_shows_them():
    text = shown(replace(captured(in_tls=False, user="ann", content=GOOD), path=Path("mails/0001-plain.eml")))
    assert text.endswith("; in clear; logged in as 'ann'; saved as 0001-plain.eml\n")


def test_what_a_message_and_a_session_did_against_the_standards_is_named(recorder):
    assert "; against the standards: missing-from, missing-date\n" in shown(captured())
    recorder.add(Kind.CLIENT, b"MAIL FROM: <ann@example.org>")
    text = shown(SessionEnded("starttls", recorder.session()))
    assert "; against the standards: no-ehlo, space-before-path" in text


def test_what_a_client_offered_in_its_handshake_is_shown_harmlessly(recorder):
    recorder.client_hello = ClientHello("mx\x1b[2J", ("TLSv1.3", "TLSv1.2"), (0x1301, 0x1302), ("smtp",))
    text = shown(SessionEnded("starttls", recorder.session()))
    assert "; offered TLSv1.3, TLSv1.2, server name mx\\x1b[2J, 2 cipher suites, ALPN smtp;" in text
    recorder.client_hello = ClientHello(None, (), (0x2F,), ())
    text = shown(SessionEnded("starttls", recorder.session()))
    assert "; offered no TLS version, no server name, 1 cipher suite;" in text


@pytest.mark.parametrize(
    ("reply", "expected"),
    [(Reply(451, "4.3.0", "Later"), "answered '451 4.3.0 Later'"), (None, "not answered")],
)
def test_a_message_that_was_not_accepted_says_so(reply, expected):
    assert f"NOT ACCEPTED: {expected}" in shown(captured(reply=reply))


def test_a_message_that_some_recipients_got_names_the_others():
    envelope = Envelope("ann@example.org", ("bob@example.org", "eve@example.org"))
    replies = (Reply(250), Reply(550, "5.1.1", "No such mailbox"))
    assert "; NOT ACCEPTED for <eve@example.org>" in shown(captured(envelope=envelope, _transfer=Transfer(replies)))
    assert "NOT ACCEPTED" not in shown(captured(envelope=envelope))


def test_a_forwarded_session_shows_whose_it_is_and_who_forwarded_it(recorder):
    recorder.finish(SessionEnd.QUIT)
    assert "forwarded" not in shown(SessionEnded("starttls", recorder.session()))
    recorder.client = ("192.0.2.1", 7)
    assert "; client 192.0.2.1:7, forwarded by [::1]; " in shown(SessionEnded("starttls", recorder.session()))


def test_the_null_reverse_path_and_many_recipients_fit_a_line():
    text = shown(captured(envelope=Envelope("", tuple(f"{n}@example.org" for n in range(5)))))
    assert "from <> to <0@example.org>, <1@example.org>, <2@example.org> and 2 more" in text


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Subject: " + b"x" * 100, f'"{"x" * 78}…"'),
        (b"Subject: " + b"x" * 78, f'"{"x" * 78}"'),
    ],
)
def test_a_long_subject_is_shortened(header, expected):
    assert f"; subject {expected};" in shown(captured(header + b"\r\n\r\n"))


def test_hostile_text_moves_no_cursor_and_is_no_markup():
    content = b"Subject: =?utf-8?q?=1b[2J_[bold]x[/]_:smile:=0d=0aX_=e2=80=ae?=\r\n\r\n"
    envelope = Envelope("a\x1b]0;x\x07@example.org", ("[/nothing]\udcff@example.org",))
    text = shown(captured(content, envelope=envelope, user="\x9b2J"))
    assert '"\\x1b[2J [bold]x[/] :smile:\\r\\nX \\u202e"' in text
    assert "<a\\x1b]0;x\\x07@example.org>" in text
    assert "<[/nothing]\\udcff@example.org>" in text
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "\x9b" not in text


# Colours and streams


def test_a_pipe_gets_no_escape_sequences_and_one_line_an_event(recorder):
    text = shown(captured(user="ann" * 100))
    assert "\x1b" not in text
    assert text.count("\n") == 1


def test_a_terminal_gets_colours_and_lines_that_wrap_beside_the_label(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    text = shown(captured())
    assert COLOUR.search(text)
    first, *others = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert others
    assert {first.index("message 7")} == {len(line) - len(line.lstrip()) for line in others}


def test_a_terminal_gets_no_colours_with_no_color_set(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(shown(captured()))


def test_what_the_streams_encoding_lacks_is_escaped():
    octets = io.BytesIO()
    stream = io.TextIOWrapper(octets, encoding="ascii")
    Terminal(stream).show(captured("Subject: caf\u00e9\r\n\r\n".encode()))
    assert b'subject "caf\\xe9"' in octets.getvalue()


def test_a_closed_pipe_is_the_callers_business():
    class Closed(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Terminal(Closed()).show(captured())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Stopped(Reason.INTERRUPTED, 1, 1), "Stopped, interrupted: 1 message in 1 session.\n"),
        (
            Stopped(Reason.TERMINATED, 0, 0, ("NOOP \x1b: 451 x1",)),
            "This rule never answered: NOOP \\x1b: 451 x1\nStopped, terminated: 0 messages in 0 sessions.\n",
        ),
        (Stopped(Reason.ENOUGH, 2, 3), "Stopped, the messages asked for have come: 2 messages in 3 sessions.\n"),
    ],
)
def test_the_end_says_why_and_how_many(event, expected):
    assert shown(event) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (RulesRead(Path("r.toml"), 1, datetime.now(UTC)), "1 rule read from r.toml"),
        (
            RulesRejected(Path("r.toml"), 2, datetime.now(UTC), "r.toml: expected TOML, got '\x1b'"),
            r"NOT READ: r.toml: expected TOML, got '\x1b'; the 2 rules read before stay in force",
        ),
    ],
)
def test_what_became_of_the_file_of_rules_is_told_in_one_line(event, expected):
    assert re.fullmatch(rf"[0-9-]{{10}} [0-9:]{{8}} rules +{re.escape(expected)}\n", shown(event))


def test_every_reason_to_end_has_words():
    for reason in Reason:
        assert re.match("Stopped, [a-z ]+: 0 messages", shown(Stopped(reason, 0, 0)))


# Tables and texts


def table(rows):
    stream = io.StringIO()
    Terminal(stream).table(("ID", "SUMMARY"), rows)
    return stream.getvalue()


def test_a_table_in_a_pipe_has_one_line_a_row_and_columns_that_begin_below_their_heads():
    assert table([("a", "x" * 300), ("abc", "\x1b[2J")]) == f"ID   SUMMARY\na    {'x' * 300}\nabc  \\x1b[2J\n"


def test_a_table_on_a_terminal_wraps_its_long_columns(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", table([("an-id", "word " * 20)])).splitlines()
    assert [line[:5].strip() for line in lines[:2]] == ["ID", "an-id"]
    assert len(lines) > 3
    assert max(map(len, lines)) <= 40


def test_lines_that_are_not_indented_stand_out(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    Terminal(stream).lines(["title", "  text [bold]"])
    assert stream.getvalue() == "\x1b[1mtitle\x1b[0m\n  text [bold]\n"


# What a message says

LINKED = b"Subject: Hello\r\n\r\nConfirm: https://shop.example/confirm?id=7\r\nBye\r\n"


def shown_with_text(content):
    stream = io.StringIO()
    Terminal(stream, shows_text=True).show(captured(content))
    return stream.getvalue().splitlines()[1:]


def test_a_message_s_links_are_always_shown_and_its_text_where_it_is_asked_for():
    link = "  link https://shop.example/confirm?id=7"
    assert shown(captured(LINKED)).splitlines()[1:] == [link]
    assert shown_with_text(LINKED) == [link, "  | Confirm: https://shop.example/confirm?id=7", "  | Bye"]
    assert shown(captured(GOOD)).count("\n") == 1


def test_of_a_message_without_plain_text_it_is_said_what_there_is():
    html = b"Content-Type: text/html\r\n\r\n<p>Hello"
    assert shown_with_text(html) == ["  no plain text, but HTML"]
    assert shown_with_text(b"Subject: x\r\n\r\n") == ["  no plain text"]


def test_a_text_is_harmless_and_has_an_end():
    text = b"Subject: x\r\n\r\n\x1b[2Jcleared\r\n" + b"x" * 3_000 + b"\r\n" + b"line\r\n" * 300
    lines = shown_with_text(text)
    assert lines[0] == r"  | \x1b[2Jcleared"
    assert lines[1] == f"  | {'x' * 2_000}…"
    assert lines[-1] == "  and 102 more lines"
    links = b"Subject: x\r\n\r\n" + b"".join(b"https://shop.example/%d\r\n" % number for number in range(14))
    assert shown(captured(links)).splitlines()[-1] == "  and 4 more links"


class Tty(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_of_servers_keeps_its_columns_on_a_narrow_terminal(width, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Tty()
    policies = [Policy(mode, users=ANY_USER) for mode in Mode]
    servers = tuple(Listening(str(policy.mode), policy, "localhost", 1025, ("127.0.0.1",)) for policy in policies)
    Terminal(stream).show(Started(servers, None, ca_is_kept=False, save=None))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    starts = [lines[0].index(head) for head in ("MODE", "ADDRESS", "TLS BEGINS", "AUTH")]
    rows = [line for line in lines[1:] if line.startswith(tuple(Mode))]
    assert len(rows) == len(Mode)
    assert all(row[start - 1] == " " != row[start] for row in rows for start in starts[1:])
