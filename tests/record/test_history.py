"""The sessions of a server: as they stand now, bounded, and waiting for their end."""

import asyncio
import sys
import threading
from types import SimpleNamespace

import pytest

from smtpfix.errors import BlockingWaitError, NoSession
from smtpfix.policy.mode import Mode
from smtpfix.record.history import History
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.smtp.reading import SMTPReading

HINTS = ("look elsewhere",)
LONG = 60.0
"""A timeout that never passes, unless the test fails."""


class Server:
    """What a server does to its history."""

    def __init__(self, max_sessions=100, max_octets=1_000_000):
        self.caught_up = 0
        self.history = History(max_sessions, self._catch_up, max_octets, lambda: [] if len(self.history) else HINTS)

    def _catch_up(self):
        self.caught_up += 1

    def begin(self):
        recorder = Recorder(
            RecordedServer(Mode.PLAIN, SMTPReading()),
            self.history.next_number(),
            ("127.0.0.1", 50_000),
            ("127.0.0.1", 2525),
        )
        self.history.add(recorder)
        return recorder

    def end(self, recorder):
        recorder.finish(SessionEnd.QUIT)
        self.history.ring(recorder)


@pytest.fixture
def server():
    return Server()


def numbers(sessions):
    return [session.number for session in sessions]


def test_is_a_sequence_of_sessions_oldest_first(server):
    assert len(server.history) == 0
    for _ in range(3):
        server.begin()
    assert numbers(server.history) == [1, 2, 3]
    assert server.history[0].number == 1
    assert server.history[-1].number == 3
    assert numbers(server.history[1:]) == [2, 3]
    assert isinstance(server.history[1:], tuple)
    with pytest.raises(IndexError):
        server.history[3]


@pytest.mark.parametrize(("index", "expected"), [(0, "1 session"), (-2, "2 sessions")])
def test_a_session_that_is_not_there_is_explained_and_still_an_index_error(server, index, expected):
    with pytest.raises(IndexError) as caught:
        server.history[index]
    assert isinstance(caught.value, NoSession)
    assert str(caught.value).splitlines() == [f"expected {expected}, got 0", "hint: look elsewhere"]


def test_the_repr_lists_the_newest_sessions_in_a_line(server):
    assert repr(server.history) == "<History of 0 sessions>"
    server.end(server.begin())
    assert repr(server.history) == "<History of 1 session: session 1 (plain): in clear; 0 messages; quit>"
    for _ in range(50):
        server.begin()
    assert repr(server.history).startswith("<History of 51 sessions: 41 more; session 42 ")


def test_since_a_mark_there_are_new_sessions_and_of_those_that_lasted_what_was_said_since(server):
    gone, quiet, busy = server.begin(), server.begin(), server.begin()
    busy.add(Kind.CLIENT, b"EHLO before")
    server.end(gone)
    mark = server.history.mark()
    quiet.note("nothing was said")
    busy.add(Kind.CLIENT, b"NOOP after")
    server.end(busy)
    server.begin()
    sessions = server.history.since(mark)
    assert numbers(sessions) == [3, 4]
    assert sessions[0].transcript.commands == ("NOOP after",)
    assert [event.lines for event in sessions[0].transcript] == [
        ("1 earlier event",),
        ("NOOP after",),
        ("end: quit",),
    ]
    assert numbers(server.history.since(mark, 1)) == [4]
    assert server.history.since(server.history.mark()) == ()


def test_each_access_shows_a_session_as_it_stands_now(server):
    recorder = server.begin()
    assert not server.history[0].is_over
    recorder.message_count += 1
    assert server.history[0].message_count == 1
    server.end(recorder)
    assert server.history[0].end is SessionEnd.QUIT


@pytest.mark.parametrize(
    "read", [len, list, lambda history: history[0], lambda history: history[:1]], ids=["len", "iter", "item", "slice"]
)
def test_reading_lets_the_servers_thread_catch_up_first(server, read):
    server.begin()
    read(server.history)
    assert server.caught_up >= 1


def test_keeps_no_more_sessions_than_it_was_told_to_and_counts_the_others():
    server = Server(max_sessions=2)
    for dropped in (0, 0, 1, 2):
        server.begin()
        assert server.history.dropped == dropped
    assert numbers(server.history) == [3, 4]


def test_keeps_no_more_octets_of_sessions_that_are_over_than_it_was_told_to():
    server = Server(max_octets=100_000)
    for number in range(1, 11):
        recorder = server.begin()
        recorder.add(Kind.CLIENT, b"x" * 30_000)
        server.end(recorder)
        assert numbers(server.history) == list(range(max(1, number - 2), number + 1))
    assert server.history.dropped == 7
    recorder = server.begin()
    recorder.add(Kind.CLIENT, b"x" * 200_000)
    assert numbers(server.history) == [8, 9, 10, 11]
    server.end(recorder)
    assert numbers(server.history) == [11]


def test_sessions_that_end_after_they_had_to_go_count_no_more():
    server = Server(max_sessions=2, max_octets=100_000)
    first, *_ = (server.begin() for _ in range(3))
    first.add(Kind.CLIENT, b"x" * 200_000)
    server.end(first)
    assert numbers(server.history) == [2, 3]


def test_a_cleared_history_has_the_sessions_that_last_and_nothing_else():
    server = Server(max_sessions=3)
    first, second, third, _ = (server.begin() for _ in range(4))
    server.end(second)
    third.finish(SessionEnd.QUIT)  # its connection is about to go
    assert server.history.clear() == 4
    assert server.caught_up
    assert numbers(server.history) == [4]
    assert server.history.dropped == 0
    server.history.ring(third)
    server.end(first)  # it had been dropped
    assert server.history.dropped == 0
    fifth = server.begin()
    assert fifth.number == 5
    server.end(fifth)
    assert numbers(server.history.wait(1, timeout=0)) == [5]


def test_wait_returns_the_sessions_that_have_ended(server):
    first, second, third = server.begin(), server.begin(), server.begin()
    server.end(third)
    assert numbers(server.history.wait(timeout=0)) == [3]
    server.end(first)
    assert numbers(server.history.wait(2, timeout=0)) == [1, 3]
    assert not server.history[second.number - 1].is_over


def test_wait_is_woken_by_a_session_that_ends(server):
    first, second = server.begin(), server.begin()
    server.end(first)

    def end_second():
        server.end(second)

    thread = threading.Thread(target=end_second)
    thread.start()
    assert numbers(server.history.wait(2, timeout=LONG)) == [1, 2]
    thread.join(LONG)


def test_wait_fails_when_the_time_is_over_and_lists_the_sessions(server):
    server.end(server.begin())
    server.begin()
    with pytest.raises(NoSession) as caught:
        server.history.wait(2, timeout=0)
    assert str(caught.value).splitlines() == [
        "expected 2 ended sessions within 0 s, got 1 of 2",
        "  session 1 (plain): in clear; 0 messages; quit",
        "  session 2 (plain): in clear; 0 messages; still connected",
    ]
    assert isinstance(caught.value, AssertionError)


def test_sessions_that_were_dropped_cannot_be_waited_for():
    server = Server(max_sessions=1)
    server.end(server.begin())
    server.end(server.begin())
    assert numbers(server.history.wait(1, timeout=0)) == [2]
    with pytest.raises(NoSession, match="expected 2 ended sessions within 0 s, got 1 of 1"):
        server.history.wait(2, timeout=0)


def test_the_list_of_a_failure_is_bounded(server):
    for _ in range(50):
        server.begin()
    with pytest.raises(NoSession) as caught:
        server.history.wait(timeout=0)
    assert len(str(caught.value).splitlines()) == 11


@pytest.mark.asyncio
async def test_a_blocking_wait_on_a_running_loop_is_refused_naming_what_to_call(server):
    recorder = server.begin()
    with pytest.raises(BlockingWaitError, match=r"use 'await sessions\.ended\(\.\.\.\)'"):
        server.history.wait(timeout=LONG)
    server.end(recorder)
    assert numbers(server.history.wait(timeout=LONG)) == [1]


@pytest.mark.parametrize(("is_patched", "said"), [(True, "'smtpfix serve'"), (False, "await sessions")])
@pytest.mark.asyncio
async def test_a_wait_where_gevent_has_replaced_threads_says_so(server, monkeypatch, is_patched, said):
    gevent = SimpleNamespace(is_module_patched={"threading": is_patched}.__getitem__)
    monkeypatch.setitem(sys.modules, "gevent.monkey", gevent)
    server.begin()
    with pytest.raises(BlockingWaitError, match=said):
        server.history.wait(timeout=LONG)


@pytest.mark.asyncio
async def test_ended_lets_the_loop_go_on(server):
    recorder = server.begin()
    waiting = asyncio.ensure_future(server.history.ended(timeout=LONG))
    await asyncio.sleep(0)
    assert not waiting.done()
    server.end(recorder)
    assert numbers(await waiting) == [1]


@pytest.mark.asyncio
async def test_ended_fails_when_the_time_is_over(server):
    server.begin()
    with pytest.raises(NoSession, match=r"expected 1 ended sessions within 0.001 s, got 0 of 1"):
        await server.history.ended(timeout=0.001)
