import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smtpfix.cli import main
from smtpfix.cli.pipe import reader_is_gone, settle


@pytest.fixture
def pipe():
    """Open a pipe and give both its ends: octets come out of the one, text goes into the other."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as reader, os.fdopen(write_end, "w") as writer:
        yield reader, writer


def test_a_closed_pipe_is_noticed_without_writing(pipe):
    reader, writer = pipe
    assert not reader_is_gone(writer)
    reader.close()
    assert reader_is_gone(writer)


def test_a_file_has_no_reader_that_could_go(tmp_path):
    with (tmp_path / "file").open("w") as file:
        assert not reader_is_gone(file)


def test_a_stream_without_a_descriptor_has_no_reader_that_could_go():
    assert not reader_is_gone(io.StringIO())


def test_what_a_closed_pipe_cannot_take_any_more_is_dropped_silently(pipe):
    reader, writer = pipe
    writer.write("too late")
    reader.close()
    settle(writer)
    writer.close()  # would raise BrokenPipeError


def test_what_an_open_pipe_can_take_arrives(pipe):
    reader, writer = pipe
    writer.write("in time")
    settle(writer)
    assert reader.read(100) == b"in time"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("command", [["providers"], ["scenarios"]])  # what a buffer holds, and what it does not
def test_a_full_disk_behind_standard_output_is_an_error_and_no_traceback(command, monkeypatch, capfd):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(command) == 2
    assert capfd.readouterr().err == "smtpfix: cannot write what is to be shown: No space left on device\n"


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX closes it")
def test_a_closed_standard_output_is_as_none():
    for command in ("providers", "serve --listen plain:0 --timeout 0.1"):
        line = ["sh", "-c", f'exec "$0" -m smtpfix {command} >&- <&-', sys.executable]
        ended = subprocess.run(line, stderr=subprocess.PIPE, check=False, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, b"")
