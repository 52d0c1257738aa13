"""The inbox: asserting on messages, waiting for them in threads and on event loops, and failing with an explanation."""

import asyncio
import re
import smtplib
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from smtpfix import Server
from smtpfix.errors import BlockingWaitError, NoMessage, UnexpectedMessage
from smtpfix.mail.envelope import Envelope
from smtpfix.mail.inbox import Inbox
from smtpfix.mail.message import CapturedMessage
from smtpfix.rules.reply import Reply

LONG = 60.0
"""A timeout that never passes, unless the test fails."""
ACCEPTED = Reply(250, "2.0.0", "OK")


def message(number, subject="Hello", to="bob@example.org", reply=ACCEPTED):
    return CapturedMessage(
        number=number,
        envelope=Envelope("ann@example.org", (to,)),
        content=f"Subject: {subject}\r\n\r\nbody {number}\r\n".encode(),
        received=datetime(2030, 1, 2, tzinfo=UTC),
        reply=reply,
        in_tls=False,
        user=None,
        _source=None,
    )


class Looked:
    """A matcher that says when it is asked: from then on the waiter has seen the first message."""

    def __init__(self, subject="Hello"):
        self.subject = subject
        self.event = threading.Event()

    def __eq__(self, other):
        self.event.set()
        return other == self.subject

    __hash__ = None

    def __repr__(self):
        return repr(self.subject)


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def add(inbox):
    """Return a function that lets a message come in."""

    def add(subject="Hello", **facts):
        captured = message(inbox.next_number(), subject, **facts)
        inbox.add(captured)
        return captured

    return add


@pytest.fixture
def in_thread():
    """Return a function that runs another in a thread; all are over when the test is."""
    threads = []

    def start(function, *arguments):
        threads.append(threading.Thread(target=function, args=arguments))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()


# Reading


def test_is_a_sequence_of_its_accepted_messages(inbox, add):
    assert len(inbox) == 0
    assert not inbox
    first, second, third = add("a"), add("b"), add("c")
    assert list(inbox) == [first, second, third]
    assert inbox[0] is first
    assert inbox[-1] is third
    assert inbox[1:] == (second, third)
    assert second in inbox
    assert inbox.messages == (first, second, third)
    with pytest.raises(IndexError):
        inbox[3]


@pytest.mark.parametrize(("index", "expected"), [(0, "1 message"), (2, "3 messages"), (-1, "1 message")])
def test_a_message_that_is_not_there_is_explained_and_still_an_index_error(inbox, add, index, expected):
    add(reply=Reply(451, "4.3.0", "Try later"))
    inbox.attach(lambda: ["session 1: reset"], lambda: ["look elsewhere"])
    with pytest.raises(IndexError) as caught:
        inbox[index]
    assert isinstance(caught.value, NoMessage)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"expected {expected} (any), got 0 captured"
    assert lines[1].startswith("  not accepted, answered '451 4.3.0 Try later'")
    assert lines[-3:] == ["what the clients did: 1 session", "  session 1: reset", "hint: look elsewhere"]


def test_the_repr_lists_the_messages_in_a_line(inbox, add):
    assert repr(inbox) == "<Inbox of 0 messages>"
    add("One\r\n\ttwo \x1b[31m")
    assert repr(inbox) == (
        r"<Inbox of 1 message: message 1: from ann@example.org to bob@example.org, subject 'One\ttwo \x1b[31m'>"
    )
    add(reply=Reply(451))
    assert repr(inbox).endswith("; refused message 2: from ann@example.org to bob@example.org, subject 'Hello'>")
    for _ in range(50):
        add()
    assert repr(inbox).startswith("<Inbox of 51 messages, 1 refused: message 1: ")
    assert repr(inbox).endswith("; and 42 more>")
    assert len(repr(inbox).splitlines()) == 1


def test_a_failed_assertion_on_the_length_shows_the_messages(inbox, add):
    add("Hello")
    with pytest.raises(AssertionError, match=r"where 1 = len\(<Inbox of 1 message: message 1: .*subject 'Hello'>\)"):
        assert len(inbox) == 2


def test_the_newest_message_is_told_by_its_number(inbox, add):
    assert inbox.newest == 0
    add()
    add(reply=Reply(451))
    assert inbox.newest == 2
    inbox.clear()
    assert inbox.newest == 0


def test_messages_number_themselves_from_one(inbox, add):
    assert [add().number, add().number] == [1, 2]
    inbox.clear()
    assert add().number == 3


def test_a_message_that_was_refused_is_kept_apart(inbox, add):
    refused, unanswered = add(reply=Reply(451)), add(reply=None)
    assert len(inbox) == 0
    assert inbox.refused == (refused, unanswered)
    accepted = add()
    assert inbox.messages == (accepted,)


def test_finds_messages_without_waiting(inbox, add):
    first, _, third = add("Hello"), add("Other"), add("Hello", to="eve@example.org")
    assert inbox.find(subject="Hello") == (first, third)
    assert inbox.find(subject="Hello", to="eve@example.org") == (third,)
    assert inbox.find(subject="None") == ()
    assert len(inbox.find()) == 3


def test_keeps_no_more_messages_than_it_was_told_to_and_counts_the_others():
    inbox = Inbox(max_messages=2)
    for number in (1, 2, 3):
        inbox.add(message(number))
        inbox.add(message(number, reply=Reply(451)))
        assert inbox.dropped == max(0, number - 2)
    assert [captured.number for captured in inbox] == [2, 3]
    assert [captured.number for captured in inbox.refused] == [2, 3]


def sized(number, octets, **others):
    return replace(message(number, **others), content=b"x" * octets)


def test_keeps_no_more_octets_than_it_was_told_to_and_the_oldest_go_first_accepted_or_not():
    inbox = Inbox(max_octets=1000)
    inbox.add(sized(1, 300, reply=Reply(451)))
    inbox.add(sized(2, 300))
    inbox.add(sized(3, 300))
    assert [len(inbox), len(inbox.refused), inbox.dropped] == [2, 1, 0]
    inbox.add(sized(4, 300))
    assert [[one.number for one in inbox], len(inbox.refused), inbox.dropped] == [[2, 3, 4], 0, 0]
    inbox.add(sized(5, 500, reply=Reply(451)))
    assert [[one.number for one in inbox], len(inbox.refused), inbox.dropped] == [[4], 1, 2]
    inbox.add(sized(6, 5000))
    assert [[one.number for one in inbox], len(inbox.refused), inbox.dropped] == [[6], 0, 3]
    inbox.clear()
    for number in range(7, 10):
        inbox.add(sized(number, 300))
    assert [len(inbox), inbox.dropped] == [3, 0]


def test_an_envelope_counts_as_well():
    inbox = Inbox(max_octets=1000)
    for number in (1, 2):
        one = message(number)
        envelope = replace(one.envelope, recipients=("b" * 300,), recipient_parameters=(("N" * 300,),))
        inbox.add(replace(one, envelope=envelope))
    assert [one.number for one in inbox] == [2]


def test_a_wait_finds_what_is_left_where_others_had_to_go():
    inbox = Inbox(max_octets=1000)
    for number in range(1, 6):
        inbox.add(sized(number, 400))
    assert [one.number for one in inbox.wait(2, timeout=0)] == [4, 5]


def test_clearing_forgets_messages_and_that_any_were_dropped():
    inbox = Inbox(max_messages=1)
    for number in (1, 2):
        inbox.add(message(number))
        inbox.add(message(number, reply=None))
    inbox.clear()
    assert (len(inbox), inbox.refused, inbox.dropped) == (0, (), 0)
    inbox.add(message(3))
    assert (len(inbox), inbox.dropped) == (1, 0)


# One


def test_one_is_the_message_that_matches(inbox, add):
    add("Other")
    wanted = add("Hello")
    assert inbox.one(subject="Hello") is wanted
    assert inbox.one(subject=re.compile("^Hell")) is wanted


def test_one_of_one_needs_no_criteria(inbox, add):
    wanted = add()
    assert inbox.one() is wanted


def test_one_fails_where_none_matches(inbox, add):
    add("Other")
    with pytest.raises(NoMessage, match=r"expected 1 message \(subject='Hello'\), got 0 of 1 captured"):
        inbox.one(subject="Hello")


def test_one_fails_where_several_match_and_lists_them(inbox, add):
    add("Hello")
    add("Hello", to="eve@example.org")
    with pytest.raises(UnexpectedMessage) as caught:
        inbox.one(subject="Hello")
    assert str(caught.value).splitlines() == [
        "expected one message (subject='Hello'), 2 match:",
        "  message 1: from ann@example.org to bob@example.org, subject 'Hello'",
        "  message 2: from ann@example.org to eve@example.org, subject 'Hello'",
    ]
    assert isinstance(caught.value, AssertionError)


def test_one_waits_where_it_is_told_to(inbox, add, in_thread):
    looked = Looked("Second")
    add("First")
    in_thread(lambda: looked.event.wait(LONG) and add("Second"))
    assert inbox.one(timeout=LONG, subject=looked).number == 2


# Waiting in a thread


def test_wait_returns_at_once_what_is_there(inbox, add):
    first, second, _ = add(), add(), add()
    assert inbox.wait(timeout=0) == (first,)
    assert inbox.wait(2, timeout=0) == (first, second)


def test_wait_gets_the_message_that_comes_while_it_waits(inbox, add, in_thread):
    looked = Looked()
    first = add("Hello")
    in_thread(lambda: looked.event.wait(LONG) and [add("Other"), add("Hello")])
    assert [captured.number for captured in inbox.wait(2, timeout=LONG, subject=looked)] == [first.number, 3]


def test_several_threads_wait_and_all_are_woken(inbox, add, in_thread):
    add("Hello")
    waiters = [Looked() for _ in range(4)]
    found = []
    threads = [
        in_thread(lambda looked: found.append(inbox.wait(2, timeout=LONG, subject=looked)), looked)
        for looked in waiters
    ]
    for looked in waiters:
        assert looked.event.wait(LONG)
    add("Hello")
    for thread in threads:
        thread.join(LONG / 2)  # when its time is over, each looks by itself
        assert not thread.is_alive()
    assert found == [inbox.messages] * 4


def test_a_message_that_a_bounded_inbox_dropped_while_one_waited_still_counts(in_thread):
    inbox = Inbox(max_messages=1)
    inbox.add(message(1))
    looked = Looked()
    in_thread(lambda: looked.event.wait(LONG) and inbox.add(message(2)))
    assert [captured.number for captured in inbox.wait(2, timeout=LONG, subject=looked)] == [1, 2]
    assert len(inbox) == 1


def test_a_matcher_that_raises_does_so_to_its_own_caller_only(inbox, add):
    class Broken:
        def __eq__(self, other):
            raise ZeroDivisionError

        __hash__ = None

    add()
    with pytest.raises(ZeroDivisionError):
        inbox.wait(timeout=LONG, subject=Broken())
    add()  # nobody holds the lock
    assert len(inbox) == 2


@pytest.mark.parametrize("timeout", [0, 0.001, -1])
def test_wait_fails_when_the_time_is_over(inbox, add, timeout):
    add()
    with pytest.raises(NoMessage, match=rf"expected 2 messages \(any\) within {timeout} s, got 1 of 1 captured"):
        inbox.wait(2, timeout=timeout)


def test_a_refused_message_does_not_end_a_wait(inbox, add):
    add(reply=Reply(451, "4.3.0", "Try later"))
    with pytest.raises(NoMessage):
        inbox.wait(timeout=0.001)


# A matcher takes its time


class Slow:
    """A matcher that takes its time, until it is told to go on."""

    def __init__(self):
        self.is_asked, self.may_go_on = threading.Event(), threading.Event()

    def __eq__(self, other):
        self.is_asked.set()
        assert self.may_go_on.wait(LONG)
        return other == "Second"

    __hash__ = None


@pytest.mark.parametrize(
    "ask",
    [
        lambda inbox, slow: inbox.wait(timeout=LONG, subject=slow),
        lambda inbox, slow: asyncio.run(inbox.received(timeout=LONG, subject=slow)),
    ],
    ids=["wait", "received"],
)
def test_a_slow_matcher_does_not_hold_another_client_up(ask, in_thread):
    """The second client has its replies while the matcher still looks at the first one's message."""
    slow, found = Slow(), []
    with (
        Server() as server,
        smtplib.SMTP(server.host, server.port, timeout=LONG) as first,
        smtplib.SMTP(server.host, server.port, timeout=LONG) as second,
    ):
        first.sendmail("ann@example.org", "bob@example.org", "Subject: First\r\n\r\n")
        waiter = in_thread(lambda: found.extend(ask(server.inbox, slow)))
        try:
            assert slow.is_asked.wait(LONG)
            second.sendmail("ann@example.org", "bob@example.org", "Subject: Second\r\n\r\n")
            assert [message.subject for message in server.inbox.messages] == ["First", "Second"]
            assert found == []
        finally:
            slow.may_go_on.set()
        waiter.join(LONG / 2)  # what came while the matcher was busy rang for nobody, and is seen all the same
        assert [message.subject for message in found] == ["Second"]


def test_each_message_is_looked_at_once(inbox, add, in_thread):
    class Counting(Looked):
        asked = 0

        def __eq__(self, other):
            self.asked += 1
            return super().__eq__(other)

        __hash__ = None

    counting = Counting("Last")
    for _ in range(10):
        add()
    in_thread(lambda: counting.event.wait(LONG) and [add(), add(), add("Last")])
    inbox.wait(timeout=LONG, subject=counting)
    assert counting.asked == 13


def test_a_wait_goes_on_when_the_inbox_is_cleared_meanwhile(inbox, add, in_thread):
    looked = Looked()
    add()
    in_thread(lambda: looked.event.wait(LONG) and [inbox.clear(), add()])
    assert [captured.number for captured in inbox.wait(2, timeout=LONG, subject=looked)] == [1, 2]


# Failures explain


def test_a_failure_names_near_misses_the_nearest_first_and_what_differed(inbox, add):
    add("Other", to="eve@example.org")
    add("Other")
    with pytest.raises(NoMessage) as caught:
        inbox.wait(timeout=0, subject="Hello", to="bob@example.org")
    assert str(caught.value).splitlines() == [
        "expected 1 message (subject='Hello', to='bob@example.org') within 0 s, got 0 of 2 captured",
        "  message 2: from ann@example.org to bob@example.org, subject 'Other'",
        "    subject: wanted 'Hello', got 'Other'",
        "  message 1: from ann@example.org to eve@example.org, subject 'Other'",
        "    subject: wanted 'Hello', got 'Other'",
        "    to: wanted 'bob@example.org', got ('eve@example.org',)",
        "what the clients did: 0 sessions",
    ]


def test_a_failure_shows_messages_that_were_refused_and_what_they_were_told(inbox, add):
    add(reply=Reply(451, "4.3.0", "Try later"))
    add(reply=None)
    with pytest.raises(NoMessage) as caught:
        inbox.one()
    assert "not accepted, answered '451 4.3.0 Try later': message 1: from ann" in str(caught.value)
    assert "not accepted, answered 'nothing': message 2: from ann" in str(caught.value)


def test_a_failure_says_what_the_clients_did(inbox):
    inbox.attach(lambda: ["session 1: TLS handshake refused by the client, alert unknown_ca"])
    inbox.attach(lambda: ["session 1 of another server"])
    with pytest.raises(NoMessage) as caught:
        inbox.one()
    assert str(caught.value).splitlines()[-3:] == [
        "what the clients did: 2 sessions",
        "  session 1: TLS handshake refused by the client, alert unknown_ca",
        "  session 1 of another server",
    ]


def test_a_failure_among_many_messages_stays_short(inbox, add):
    for _ in range(50):
        add("Other")
    inbox.attach(lambda: [f"session {number}" for number in range(50)])
    with pytest.raises(NoMessage) as caught:
        inbox.one(subject="Hello")
    lines = str(caught.value).splitlines()
    assert "  and 45 more that differ" in lines
    assert lines[-1] == "  session 49"
    assert len(lines) < 25


def test_an_unknown_criterion_is_a_type_error_wherever_it_is_asked_for(inbox):
    for ask in (inbox.find, inbox.one, inbox.wait, inbox.expect_none):
        with pytest.raises(TypeError, match="cannot be asked for 'recipient'"):
            ask(recipient="bob@example.org")


# Absence


def test_expecting_none_is_right_where_none_matches(inbox, add):
    inbox.expect_none()
    add("Other")
    add("Hello", reply=Reply(451))
    inbox.expect_none(subject="Hello")
    inbox.expect_none(within=0.001, subject="Hello")


def test_expecting_none_fails_where_one_is_there(inbox, add):
    add("Hello")
    with pytest.raises(UnexpectedMessage) as caught:
        inbox.expect_none(subject="Hello")
    assert str(caught.value).splitlines() == [
        "expected no message (subject='Hello'), but there is one:",
        "  message 1: from ann@example.org to bob@example.org, subject 'Hello'",
    ]


def test_expecting_none_fails_as_soon_as_one_comes(inbox, add, in_thread):
    looked = Looked("Hello")
    add("Other")
    in_thread(lambda: looked.event.wait(LONG) and add("Hello"))
    with pytest.raises(UnexpectedMessage, match="message 2"):
        inbox.expect_none(within=LONG, subject=looked)


# On an event loop


@pytest.mark.asyncio
async def test_blocking_waits_on_a_running_loop_are_refused_naming_what_to_call(inbox):
    with pytest.raises(BlockingWaitError, match=r"use 'await inbox\.received\(\.\.\.\)'") as caught:
        inbox.wait(timeout=LONG)
    assert isinstance(caught.value, RuntimeError)
    with pytest.raises(BlockingWaitError, match=r"received"):
        inbox.one(timeout=LONG)
    with pytest.raises(BlockingWaitError, match=r"use 'await inbox\.received_none\(\.\.\.\)'"):
        inbox.expect_none(within=LONG)


@pytest.mark.asyncio
async def test_what_need_not_wait_is_allowed_on_a_running_loop(inbox, add):
    inbox.expect_none()
    wanted = add()
    assert inbox.wait(timeout=LONG) == (wanted,)
    assert inbox.one(timeout=LONG) is wanted
    with pytest.raises(UnexpectedMessage):
        inbox.expect_none(within=LONG)
    with pytest.raises(NoMessage):
        inbox.wait(2, timeout=0)


@pytest.mark.asyncio
async def test_received_lets_the_loop_go_on(inbox, add):
    looked = Looked()
    first = add("Hello")
    waiting = asyncio.ensure_future(inbox.received(2, timeout=LONG, subject=looked))
    await asyncio.sleep(0)
    assert looked.event.is_set()
    assert not waiting.done()
    add("Other")
    second = add("Hello")
    assert await waiting == (first, second)


@pytest.mark.asyncio
async def test_received_gets_messages_from_another_thread(inbox, add, in_thread):
    looked = Looked("Second")
    add("First")
    in_thread(lambda: looked.event.wait(LONG) and add("Second"))
    (found,) = await inbox.received(timeout=LONG, subject=looked)
    assert found.number == 2


def test_several_loops_in_several_threads_wait_and_all_are_woken(inbox, add, in_thread):
    add("Hello")
    waiters = [Looked() for _ in range(4)]
    found = []

    async def wait_twice(one, other):
        found.extend(
            await asyncio.gather(
                inbox.received(2, timeout=LONG, subject=one), inbox.received(2, timeout=LONG, subject=other)
            )
        )

    threads = [in_thread(lambda pair: asyncio.run(wait_twice(*pair)), waiters[start : start + 2]) for start in (0, 2)]
    for looked in waiters:
        assert looked.event.wait(LONG)
    add("Hello")
    for thread in threads:
        thread.join(LONG / 2)  # when its time is over, each looks by itself
        assert not thread.is_alive()
    assert found == [inbox.messages] * 4


@pytest.mark.asyncio
async def test_received_fails_when_the_time_is_over(inbox, add):
    add()
    with pytest.raises(NoMessage, match=r"expected 2 messages \(any\) within 0.001 s, got 1 of 1 captured"):
        await inbox.received(2, timeout=0.001)


@pytest.mark.asyncio
async def test_received_none_is_right_where_none_comes(inbox, add):
    add("Other")
    await inbox.received_none(subject="Hello")
    await inbox.received_none(within=0.001, subject="Hello")


@pytest.mark.asyncio
async def test_received_none_fails_as_soon_as_one_comes(inbox, add, in_thread):
    looked = Looked("Hello")
    add("Other")
    in_thread(lambda: looked.event.wait(LONG) and add("Hello"))
    with pytest.raises(UnexpectedMessage, match="message 2"):
        await inbox.received_none(within=LONG, subject=looked)


@pytest.mark.asyncio
async def test_a_wait_that_is_cancelled_leaves_nothing_behind(inbox, add):
    looked = Looked("Second")
    add("First")
    waiting = asyncio.ensure_future(inbox.received(timeout=LONG, subject=looked))
    await asyncio.sleep(0)
    assert looked.event.is_set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert inbox._bell._futures == set()
    add("Second")


def test_a_waiter_whose_loop_was_closed_does_not_disturb_the_others(inbox, add):
    async def nothing():
        """Give the waiter its turn."""

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it complains of the task that is left
    waiting = loop.create_task(inbox.received(timeout=LONG))
    loop.run_until_complete(nothing())
    loop.close()
    add()
    assert not waiting.done()
    assert len(inbox.wait(timeout=LONG)) == 1


@pytest.mark.asyncio
async def test_a_wait_may_be_cancelled_in_the_moment_a_message_comes(inbox, add):
    waiting = asyncio.ensure_future(inbox.received(timeout=LONG))
    await asyncio.sleep(0)
    add()  # has rung, and the loop has not turned yet
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(await inbox.received(timeout=LONG)) == 1
