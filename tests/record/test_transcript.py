"""Transcripts: safe to print whatever was said, and without anybody's password."""

import base64
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.record.said import Transcript
from smtpfix.record.transcript import Event, Kind
from smtpfix.safe_text import printable, shorten

TEXT = st.text(st.characters()) | st.text("a\0\x1b\n\r\x7f\x85\u200e\u202e\u2066\ufeff\ud800\\")  # with surrogates
MOVES_OR_HIDES = {"Cc", "Cs", "Zl", "Zp"}
DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@settings(max_examples=200, deadline=None)
@given(TEXT | st.binary())
def test_printable_text_has_no_control_characters(text):
    shown = printable(text)
    assert not {unicodedata.category(character) for character in shown} & MOVES_OR_HIDES
    assert not {unicodedata.bidirectional(character) for character in shown} & DIRECTIONS
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("EHLO client.example", "EHLO client.example"),
        ("Grüße, 世界 🎉", "Grüße, 世界 🎉"),
        ("a\tb", "a\\tb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r", "a\\nb\\r"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        (b"caf\xe9", "caf\\xe9"),
        ("café".encode(), "café"),
        (b"", ""),
    ],
)
def test_printable_escapes_only_what_could_mislead(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (Event(0, Kind.CLIENT, b"NOOP"), ("NOOP",)),
        (Event(0, Kind.CLIENT, b"NOOP\n"), ("NOOP\\n",)),
        (Event(0, Kind.SERVER, b"250-a\r\n250 b\r\n"), ("250-a", "250 b")),
        (Event(0, Kind.SERVER, b"250 a\r\n"), ("250 a",)),
        (Event(0, Kind.NOTE, b"fin\x07"), ("fin\\x07",)),
        (Event(0, Kind.SECRET, b"AUTH PLAIN AGFubgBzM2NyZXQ=", secret_at=11), ("AUTH PLAIN …(16 octets)",)),
        (Event(0, Kind.SECRET, b"auth\tplain  x y", secret_at=12), ("auth\\tplain  …(3 octets)",)),
        (Event(0, Kind.SECRET, b"AGFubgBzM2NyZXQ="), ("…(16 octets)",)),
        (Event(0, Kind.SECRET, b""), ("…(0 octets)",)),
    ],
)
def test_an_event_shows_itself_in_lines(event, lines):
    assert event.lines == lines


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=9), st.sampled_from([b"AUTH PLAIN ", b"auth x  ", b"AUTH LOGIN\t", b""]))
def test_no_credential_is_shown(password, command):
    secret = base64.b64encode(b"\0ann\0" + password)
    transcript = Transcript((Event(0.5, Kind.SECRET, command + secret, secret_at=len(command)),))
    assert secret.decode() not in str(transcript)
    assert f"…({len(secret)} octets)" in str(transcript)
    assert secret.decode() not in "".join(transcript.commands)
    assert secret.decode() not in repr(transcript)
    assert transcript[0].data == command + secret  # the record itself keeps it


def test_a_password_is_shortened_to_its_length():
    assert shorten("s3cret") == "…(6 characters)"
    assert shorten(b"s3cret") == "…(6 octets)"
    assert shorten("s") == "…(1 character)"
    assert shorten(b"s") == "…(1 octet)"


@pytest.fixture
def transcript():
    return Transcript(
        (
            Event(0.0, Kind.SERVER, b"220 mx.example\r\n"),
            Event(0.1, Kind.CLIENT, b"EHLO client.example"),
            Event(0.1, Kind.SERVER, b"250-mx.example\r\n250 AUTH PLAIN\r\n"),
            Event(0.2, Kind.SECRET, b"AUTH PLAIN AGFubgBzM2NyZXQ=", secret_at=11),
            Event(12.34567, Kind.CONTENT, b"<10 octets of content>"),
            Event(12.4, Kind.NOTE, b"end: quit"),
        )
    )


def test_prints_times_and_sides(transcript):
    assert str(transcript).split("\n") == [
        "   0.0000 S: 220 mx.example",
        "   0.1000 C: EHLO client.example",
        "   0.1000 S: 250-mx.example",
        "   0.1000 S: 250 AUTH PLAIN",
        "   0.2000 C: AUTH PLAIN …(16 octets)",
        "  12.3457 C: <10 octets of content>",
        "  12.4000 -- end: quit",
    ]
    assert str(Transcript()) == ""


def test_is_a_sequence_of_its_events(transcript):
    assert len(transcript) == 6
    assert transcript[0] is transcript.events[0]
    assert transcript[-2:] == transcript.events[-2:]
    assert list(transcript) == list(transcript.events)
    assert transcript.events[3] in transcript
    assert repr(transcript) == "<Transcript of 6 events>"


def test_lists_commands_and_the_last_line_of_each_reply(transcript):
    assert transcript.commands == ("EHLO client.example", "AUTH PLAIN …(16 octets)")
    assert transcript.replies == ("220 mx.example", "250 AUTH PLAIN")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.builds(Event, st.floats(0, 1000), st.sampled_from(Kind), st.binary()), max_size=5))
def test_whatever_was_said_every_line_begins_with_time_and_side(events):
    shown = str(Transcript(tuple(events)))
    lines = shown.split("\n") if events else []
    assert len(lines) == sum(len(event.lines) for event in events)
    assert all(line[9:13] in (" C: ", " S: ", " -- ") for line in lines)
