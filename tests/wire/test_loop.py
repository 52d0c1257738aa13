"""The one thread behind all servers: it runs while somebody holds it, and catches up when asked."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time

import pytest

from smtpfix import Server
from smtpfix.wire.loop import LoopThread

pytestmark = pytest.mark.usefixtures("nothing_logged")


@pytest.fixture
def thread():
    """Return a loop thread apart from the one that the servers of this test run use."""
    return LoopThread()


def call(loop, function):
    """Return what a function returns in the loop's thread."""
    return asyncio.run_coroutine_threadsafe(_run(function), loop).result(10)


async def _run(function):
    return function()


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "smtpfix"]


def test_it_runs_while_somebody_holds_it_and_not_a_moment_longer(thread):
    before = threads()
    loop = thread.hold()
    assert loop.is_running()
    assert len(threads()) == len(before) + 1
    assert all(one.daemon for one in threads())
    thread.release()
    assert loop.is_closed()
    assert threads() == before


def test_all_who_hold_it_share_one_loop_and_the_last_one_ends_it(thread):
    first, second = thread.hold(), thread.hold()
    assert first is second
    thread.release()
    assert call(first, lambda: 7) == 7
    thread.release()
    assert first.is_closed()


def test_it_can_be_held_again(thread):
    first = thread.hold()
    thread.release()
    second = thread.hold()
    assert second is not first
    assert call(second, lambda: 7) == 7
    thread.release()


def test_it_survives_being_held_and_released_by_many_threads(thread):
    errors = []

    def work():
        try:
            for _ in range(50):
                assert call(thread.hold(), lambda: 7) == 7
                thread.release()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test has to know
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert errors == []
    assert thread._holders == 0
    assert thread._thread is None


def test_letting_go_of_a_thread_that_is_stuck_is_bounded_and_ends_it_once_it_is_free(thread):
    free = threading.Event()
    loop = thread.hold()
    stuck = thread._thread
    loop.call_soon_threadsafe(free.wait, 10)
    began = time.monotonic()
    thread.release()
    assert time.monotonic() - began < 8  # and not 10, when it is free by itself
    assert stuck.is_alive()
    free.set()
    stuck.join(10)
    assert loop.is_closed()


def test_it_knows_whether_it_is_the_caller(thread):
    loop = thread.hold()
    assert not thread.is_current
    assert call(loop, lambda: thread.is_current)
    thread.release()
    assert not thread.is_current


# Catching up


def test_catching_up_sees_what_a_client_has_just_done(start_smtp_server):
    """Without it, a test that looks at once would look too early: connecting takes the server three rounds."""
    server = start_smtp_server()
    for number in range(1, 101):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(b"NOOP\r\n" * 3)
            assert len(server.sessions) == number
            assert server.sessions[-1].transcript.commands == ("NOOP",) * 3
        assert server.sessions[-1].is_over


def test_catching_up_without_a_loop_or_in_its_own_thread_returns_at_once(thread):
    thread.catch_up()
    loop = thread.hold()
    call(loop, thread.catch_up)
    thread.release()
    thread.catch_up()


def test_catching_up_with_a_loop_that_another_thread_has_just_closed_returns(thread):
    loop = thread.hold()
    thread.release()
    thread._loop = loop  # as a thread sees it that read the attribute a moment ago
    thread.catch_up()


def test_catching_up_is_given_up_where_clients_never_rest(thread):
    loop = thread.hold()

    def work():
        thread.reads.activity += 1
        if busy:
            loop.call_soon(work)

    busy = [True]
    loop.call_soon_threadsafe(work)
    began = time.monotonic()
    thread.catch_up()
    assert time.monotonic() - began < 10
    busy.clear()
    thread.release()


def test_the_record_can_be_read_while_other_servers_come_and_go():
    """Nobody who reads is disturbed by the end of the loop."""
    errors = []
    done = threading.Event()
    with Server() as server:
        pass

    def read():
        try:
            while not done.is_set():
                assert len(server.sessions) == 0
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test has to know
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        Server().start().close()
    done.set()
    reader.join(10)
    assert errors == []


# Fork


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_starts_a_thread_of_its_own(thread):
    """A child inherits the object but no thread: as with pytest-forked."""
    import os  # noqa: PLC0415 - used where fork exists

    thread.hold()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        code = 1
        try:
            thread.catch_up()  # must not wait for a thread that is not there
            code = 0 if call(thread.hold(), lambda: 7) == 7 else 2
            thread.release()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    thread.release()
    assert os.waitstatus_to_exitcode(status) == 0
    assert "smtpfix.wire.loop" in sys.modules
