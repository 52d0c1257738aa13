"""The printer: events are shown in order by a thread of its own, and a reader that stalls costs only what it misses."""

import threading

from smtpfix.cli import printer as printer_module
from smtpfix.cli.events import Reason, Stopped
from smtpfix.cli.printer import Printer

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
    printer = Printer(reader, lambda _: None)
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
    printer = Printer(reader, lambda _: None)
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
    printer = Printer(Full(), told.append)
    for number in range(10):
        printer.show(event(number))
    assert printer.finish(BOUND)
    assert [error.errno for error in told] == [28]
