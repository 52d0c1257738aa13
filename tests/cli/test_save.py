import mailbox
import os
import re
import stat
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis.strategies import text

from smtpfix import CapturedMessage, Envelope, Mode, SessionEnd
from smtpfix.cli.events import MessageCaptured, SessionEnded, SessionStarted
from smtpfix.cli.folder import file_name
from smtpfix.cli.maildir import MaildirSaver
from smtpfix.cli.save import Saver
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.transcript import Kind
from smtpfix.smtp.reading import SMTPReading

OCTETS = b"Subject: \xff\r\n\r\n.a\x00b\nno end of line"


def captured(number=1, content=OCTETS, recipient="bob@example.org"):
    envelope = Envelope("ann@example.org", (recipient,))
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
    assert event.path == tmp_path / "0001-bob@example.org.eml"
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
    first.save(captured(first.next_number(), b"Subject: old\r\n\r\n"))
    first.save(captured(first.next_number(), b"Subject: old\r\n\r\n"))
    first.save(ended(1))
    second = Saver(tmp_path)
    second.save(captured(second.next_number(), b"Subject: new\r\n\r\n"))
    second.save(ended(1, server="plain-2"))
    assert names(tmp_path) == [
        ".numbers",
        "0001-bob@example.org-old.eml",
        "0002-bob@example.org-old.eml",
        "0003-bob@example.org-new.eml",
        "session-plain-2-0002.txt",
        "session-starttls-0001.txt",
    ]


def test_two_runs_at_the_same_time_overwrite_nothing(tmp_path):
    one, other = Saver(tmp_path), Saver(tmp_path)
    numbers = [saver.next_number() for saver in (one, other, other, one)]
    assert numbers == [1, 2, 3, 4]
    paths = [saver.save(event).path for event in (captured(), ended()) for saver in (one, other)]
    assert len(set(paths)) == 4
    assert names(tmp_path) == [".numbers", *sorted(path.name for path in paths)]


@pytest.mark.parametrize("left", [b"", b"\xff\n", b"1\n", b"9" * 40])
def test_numbers_go_on_behind_the_files_whatever_the_counter_s_file_says(tmp_path, left):
    (tmp_path / "0007-starttls.eml").touch()
    (tmp_path / ".numbers").write_bytes(left)
    saver = Saver(tmp_path)
    first = saver.next_number()
    assert first >= 8
    assert saver.next_number() == first + 1


def test_numbers_go_on_where_the_counter_s_file_cannot_be_written(tmp_path):
    (tmp_path / ".numbers").mkdir()
    saver = Saver(tmp_path)
    assert [saver.next_number(), saver.next_number()] == [1, 2]


@pytest.mark.parametrize(
    ("recipient", "subject", "name"),
    [
        ("ann@example.org", "Tank empty!", "0001-ann@example.org-Tank-empty.eml"),
        ("../../etc/passwd", "../..\\x00:*?", "0001-etc-passwd-x00.eml"),
        ("ann@example.org", "=?utf-8?q?Gr=C3=BC=C3=9Fe_=F0=9F=98=80?=", "0001-ann@example.org-Gru-e.eml"),
        ("日本", "日本語", "0001-message.eml"),
        ("a" * 64 + "@example.org", "word " * 40, f"0001-{'a' * 40}-word-word-word-word-word-word-word-word.eml"),
        ("ann@example.org", "ends with dots . . .", "0001-ann@example.org-ends-with-dots.eml"),
    ],
)
def test_a_file_is_found_by_its_recipient_and_subject_on_every_file_system(tmp_path, recipient, subject, name):
    content = f"Subject: {subject}\r\n\r\nHi\r\n".encode()
    assert Saver(tmp_path).save(captured(1, content, recipient)).path.name == name


@given(text())
def test_whatever_a_client_writes_becomes_a_short_and_harmless_part_of_a_name(written):
    assert re.fullmatch(r"(?:[A-Za-z0-9@_+](?:[A-Za-z0-9@._+-]{0,38}[A-Za-z0-9@_+])?)?", file_name(written))


def test_a_maildir_is_one_for_python_s_mailbox(tmp_path):
    saver = MaildirSaver(tmp_path / "mail")
    content = b"Subject: Hello\r\n\r\nHi\r\nbare\nlone\rend\r\n"
    paths = [saver.save(captured(saver.next_number(), content)).path for _ in range(2)]
    box = mailbox.Maildir(tmp_path / "mail", create=False)
    assert sorted(message["Subject"] for message in box) == ["Hello", "Hello"]
    assert {message.get_subdir() for message in box} == {"new"}
    assert box.list_folders() == []
    assert [path.read_bytes() for path in paths] == [content.replace(b"\r\n", b"\n")] * 2
    assert [re.fullmatch(r"[0-9]+\.M[0-9]+P[0-9]+Q(.)\..+", path.name)[1] for path in paths] == ["1", "2"]
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o600
    assert saver.save(ended()).path == tmp_path / "mail" / "transcripts" / "session-starttls-0001.txt"
    assert names(tmp_path / "mail" / "tmp") == []


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
    assert (tmp_path / "0001-bob@example.org.eml").read_bytes() == b"other"
    assert path == tmp_path / "0001-bob@example.org-2.eml"
    assert path.read_bytes() == b"one"


def test_what_a_dead_run_left_unfinished_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    (tmp_path / ".dead.part").write_bytes(b"Subj")
    living = Saver(tmp_path)
    assert names(tmp_path) == []
    with living._folder._part():
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
