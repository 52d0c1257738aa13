"""The printer: events are shown in order by a thread of its own, and a reader that stalls costs only what it misses."""

import threading
from datetime import UTC, datetime

from smtpfix.cli import printer as printer_module
from smtpfix.cli.events import MessageCaptured, Reason, Stopped
from smtpfix.cli.printer import Printer
from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage
from smtpfix.policy.mode import Mode

BOUND = 20


def event(number):
    return Stopped(Reason.ENOUGH, number, 0)


class Reader:
    """Takes as many events as it is let."""

    def __init__(self):
        self.taken = []
        self.may_read = threading.Event()

    def show(self, shown):
        assert self.may_read.wait(BOUND)
        self.taken.append(shown.messages)


def test_a_slow_reader_gets_everything_in_order(monkeypatch):
    monkeypatch.setattr(printer_module, "_MOST", 3)
    reader = Reader()
    printer = Printer(reader, lambda _: None, 1_000_000)
    threading.Timer(0.1, reader.may_read.set).start()
    for number in range(100):
        printer.show(event(number))
    assert printer.finish(BOUND)
    assert reader.taken == list(range(100))
    assert printer.dropped == 0


def test_a_reader_that_stalls_is_given_up_and_what_it_misses_is_counted(monkeypatch):
    monkeypatch.setattr(printer_module, "_MOST", 3)
    monkeypatch.setattr(printer_module, "_PATIENCE", 0.1)
    reader = Reader()
    printer = Printer(reader, lambda _: None, 1_000_000)
    for number in range(100):
        printer.show(event(number))
    assert not printer.finish(0)
    assert printer.dropped == 100
    reader.may_read.set()  # so that the thread ends


def test_an_output_that_cannot_be_written_is_told_once():
    class Full:
        def show(self, _):
            raise OSError(28, "No space left on device")

    told = []
    printer = Printer(Full(), told.append, 1_000_000)
    for number in range(10):
        printer.show(event(number))
    assert printer.finish(BOUND)
    assert [error.errno for error in told] == [28]


def mail(number, octets):
    message = CapturedMessage(number, Envelope("", ()), b"x" * octets, datetime.now(UTC), None, False, None, None)
    return MessageCaptured("plain", Mode.PLAIN, message)


class MailReader(Reader):
    def __init__(self):
        super().__init__()
        self.has_begun = threading.Event()

    def show(self, shown):
        self.has_begun.set()
        assert self.may_read.wait(BOUND)
        self.taken.append(shown.message.number)


def test_what_waits_is_bounded_by_octets_too():
    reader = MailReader()
    printer = Printer(reader, lambda _: None, 1_000_000)
    for number in range(100):
        printer.show(mail(number, 300_000), may_wait=lambda: False)
    assert len(printer._waiting) <= 3
    assert printer.dropped >= 96
    reader.may_read.set()
    assert printer.finish(BOUND)
    assert reader.taken[:3] == [0, 1, 2]
    assert len(reader.taken) + printer.dropped == 100
    assert printer._weight == 0


def test_there_is_room_for_an_event_of_any_size_where_nothing_waits():
    reader = MailReader()
    reader.may_read.set()
    printer = Printer(reader, lambda _: None, 1_000)
    for number in range(10):
        printer.show(mail(number, 300_000))
    assert printer.finish(BOUND)
    assert (reader.taken, printer.dropped) == ([*range(10)], 0)


def test_a_slow_reader_is_waited_for_only_as_long_as_that_may_be():
    """What comes meanwhile is kept somewhere else, which has its bound as well."""
    reader, allowed = MailReader(), iter([True, True, False])
    printer = Printer(reader, lambda _: None, 1_000)
    for number in range(3):
        printer.show(mail(number, 900), may_wait=lambda: next(allowed))
        assert reader.has_begun.wait(BOUND)  # the first one waits no more
    assert printer.dropped == 1
    assert next(allowed, None) is None
    reader.may_read.set()
    assert printer.finish(BOUND)
    assert reader.taken == [0, 1]
