"""A program's time begins when it connects: what an interpreter needs to start and to import is apart."""

from __future__ import annotations

import threading

import pytest

from smtpfix.audit import run_time
from smtpfix.audit.run_time import START, RunTime
from smtpfix.audit.wire import WireServer


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(run_time, "monotonic", lambda: now[0])
    return now


def test_the_time_begins_at_the_first_connection_however_late_that_is(clock):
    connected = [None]
    time = RunTime(5, threading.Event(), lambda: connected[0])
    clock[0] = 100 + START
    assert not time.is_set()
    connected[0] = clock[0]
    clock[0] += 4.9
    assert not time.is_set()
    clock[0] += 0.2
    assert time.is_set()


def test_a_program_that_never_connects_has_an_end_too(clock):
    time = RunTime(5, threading.Event(), lambda: None)
    clock[0] = 100 + START + 4.9
    assert not time.is_set()
    clock[0] += 0.2
    assert time.is_set()


def test_an_audit_that_is_stopped_ends_it_at_once():
    stop = threading.Event()
    time = RunTime(5, stop, lambda: None)
    assert not time.is_set()
    stop.set()
    assert time.is_set()


def test_a_server_knows_when_its_first_client_connected():
    with WireServer() as server:
        assert server.first_connected is None
        with server.client():
            first = server.first_connected
            assert first is not None
        with server.client():
            assert server.first_connected == first
