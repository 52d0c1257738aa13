import os
import stat
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from smtpfix import CapturedMessage, Envelope, Mode, SessionEnd
from smtpfix.cli.events import MessageCaptured, SessionEnded, SessionStarted
from smtpfix.cli.save import Saver
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.transcript import Kind
from smtpfix.smtp.reading import SMTPReading

OCTETS = b"Subject: \xff\r\n\r\n.a\x00b\nno end of line"


def captured(number=1, content=OCTETS):
    envelope = Envelope("ann@example.org", ("bob@example.org",))
    message = CapturedMessage(
        number, envelope, content, datetime.now(UTC), reply=None, in_tls=False, user=None, _source=None
    )
    return MessageCaptured("starttls", Mode.STARTTLS, message)


def ended(number=1, server="starttls"):
    recorder = Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), number, ("127.0.0.1", 40000), ("127.0.0.1", 1587))
    recorder.client_name = "plc\x1b[2J"
    recorder.add(Kind.SERVER, b"220 mx.smtpfix.test\r\n")
    recorder.add(Kind.SECRET, b"AUTH PLAIN AGFubgBzM2NyZXQ=")
    recorder.finish(SessionEnd.QUIT)
    return SessionEnded(server, recorder.session())


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_message_is_saved_with_its_exact_octets(tmp_path):
    event = Saver(tmp_path).save(captured())
    assert event.path == tmp_path / "0001-starttls.eml"
    assert event.path.read_bytes() == OCTETS


def test_a_session_is_saved_as_a_readable_transcript_without_secrets_and_control_characters(tmp_path):
    event = Saver(tmp_path).save(ended(3))
    assert event.path == tmp_path / "session-starttls-0003.txt"
    text = event.path.read_text(encoding="utf-8")
    assert text.startswith("session    starttls #3\nclient     127.0.0.1 port 40000, calls itself plc\\x1b[2J\n")
    assert "S: 220 mx.smtpfix.test\n" in text
    assert "C: AUTH PLAIN …(16 octets)\n" in text
    assert text.endswith("-- end: quit\n")


def test_a_session_that_only_starts_is_no_file(tmp_path):
    event = SessionStarted("starttls", ended().session)
    assert Saver(tmp_path).save(event) is event
    assert names(tmp_path) == []


def test_only_the_owner_can_read_what_was_captured(tmp_path):
    saver = Saver(tmp_path / "new")
    for path in (saver.save(captured()).path, saver.save(ended()).path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_later_run_goes_on_counting_and_overwrites_nothing(tmp_path):
    first = Saver(tmp_path)
    first.save(captured(1, b"old"))
    first.save(captured(2, b"old"))
    first.save(ended(1))
    second = Saver(tmp_path)
    second.save(captured(1, b"new"))
    second.save(ended(1, server="plain-2"))
    assert names(tmp_path) == [
        "0001-starttls.eml",
        "0002-starttls.eml",
        "0003-starttls.eml",
        "session-plain-2-0002.txt",
        "session-starttls-0001.txt",
    ]
    assert (tmp_path / "0001-starttls.eml").read_bytes() == b"old"
    assert (tmp_path / "0003-starttls.eml").read_bytes() == b"new"


def test_two_runs_at_the_same_time_overwrite_nothing(tmp_path):
    one, other = Saver(tmp_path), Saver(tmp_path)
    paths = [saver.save(event).path for event in (captured(), ended()) for saver in (one, other)]
    assert len(set(paths)) == 4
    assert names(tmp_path) == sorted(path.name for path in paths)


def test_a_name_that_another_run_takes_at_the_last_moment_is_not_overwritten(tmp_path, monkeypatch):
    def late(name):
        real = getattr(os, name)

        def call(*arguments, **options):
            monkeypatch.setattr(os, name, real)
            other.save(captured(1, b"other"))
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    one, other = Saver(tmp_path), Saver(tmp_path)
    late("link")
    late("replace")
    path = one.save(captured(1, b"one")).path
    assert (tmp_path / "0001-starttls.eml").read_bytes() == b"other"
    assert path == tmp_path / "0002-starttls.eml"
    assert path.read_bytes() == b"one"


def test_what_a_dead_run_left_unfinished_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    (tmp_path / ".dead.part").write_bytes(b"Subj")
    living = Saver(tmp_path)
    assert names(tmp_path) == []
    with living._part():
        during = names(tmp_path)
        Saver(tmp_path)
        assert names(tmp_path) == during
        assert len(during) == 1
    assert names(tmp_path) == []


def test_a_file_that_cannot_be_completed_is_not_left_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    saver = Saver(tmp_path)
    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="No space left"):
        saver.save(captured())
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_directory_that_cannot_be_written_is_an_error_before_the_first_message(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        Saver(tmp_path / name)


def test_a_directory_that_is_not_there_is_made(tmp_path):
    assert Saver(tmp_path / "a" / "b").save(replace(captured())).path.exists()
