"""Message content on its way in: CRLF.CRLF ends it and nothing else does, however the network cuts it up."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.smtp.content import Content, unstuff

# Mostly what matters: line ends, dots, and something between.
OCTETS = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\0", b"\xff"]) | st.binary(max_size=5)
).map(b"".join)


def stuffed(content):
    """Return complete lines as RFC 5321 section 4.5.2 wants them sent: each that begins with a dot gets another."""
    lines = content.split(b"\r\n")
    assert lines.pop() == b"", "content ends with CRLF"
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines)


def receive(wire, cuts=(), limit=None):
    """Feed octets in blocks, cut at these places; return the content, whether it has ended, and what is left."""
    buffer = bytearray()
    content = Content(buffer, limit)
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for start, end in itertools.pairwise(places):
        buffer += wire[start:end]
        if content.take(buffer):
            return content, True, bytes(buffer) + wire[end:]
    return content, False, bytes(buffer)


@settings(max_examples=300, deadline=None)
@given(OCTETS, st.binary(max_size=20), st.lists(st.integers(0, 1000), max_size=10))
def test_any_content_arrives_as_it_was_and_pipelined_commands_are_left(octets, pipelined, cuts):
    sent = octets + b"\r\n"
    content, ended, left = receive(stuffed(sent) + b".\r\n" + pipelined, cuts)
    assert ended
    assert content.octets == sent
    assert content.size == len(sent)
    assert left == pipelined


@settings(max_examples=200, deadline=None)
@given(OCTETS, st.lists(st.integers(0, 1000), max_size=10))
def test_lines_with_a_dot_doubled_are_counted_however_they_came(octets, cuts):
    sent = octets + b"\r\n"
    content, _, _ = receive(stuffed(sent) + b".\r\n", cuts)
    assert content.dots.stuffed == sum(line.startswith(b".") for line in sent.split(b"\r\n"))
    assert content.dots.unstuffed == 0


@settings(max_examples=200, deadline=None)
@given(OCTETS, st.lists(st.integers(0, 1000), max_size=10))
def test_lines_with_a_dot_that_was_not_doubled_are_counted(octets, cuts):
    lines = [line for line in octets.split(b"\r\n") if line != b"."]
    content, ended, _ = receive(b"".join(line + b"\r\n" for line in lines) + b".\r\n", cuts)
    assert ended
    assert content.dots.stuffed == sum(line.startswith(b"..") for line in lines)
    assert content.dots.stuffed + content.dots.unstuffed == sum(line.startswith(b".") for line in lines)


@settings(max_examples=100, deadline=None)
@given(OCTETS, st.integers(1, 40))
def test_content_one_octet_at_a_time_is_the_same(octets, limit):
    sent = octets + b"\r\n"
    wire = stuffed(sent) + b".\r\n"
    at_once, _, _ = receive(wire, limit=limit)
    slowly, _, _ = receive(wire, range(len(wire)), limit=limit)
    assert slowly.octets == at_once.octets == (sent if len(sent) <= limit else None)


@settings(max_examples=100, deadline=None)
@given(OCTETS, st.lists(st.integers(0, 1000), max_size=5))
def test_without_its_end_content_goes_on(octets, cuts):
    wire = stuffed(octets.replace(b"\r\n", b"") + b"\r\n")
    content, ended, _ = receive(wire, cuts)
    assert not ended
    assert content.octets is None
    assert content.size == len(wire)


@pytest.mark.parametrize("pipelined", [b"", b"QUIT\r\n", b".\r\n", b"\r\n.\r\n"])
def test_content_without_a_line_is_empty(pipelined):
    content, ended, left = receive(b".\r\n" + pipelined)
    assert ended
    assert content.octets == b""
    assert content.size == 0
    assert left == pipelined


@pytest.mark.parametrize(
    "false_end",
    [
        b"\n.\n",
        b"\r.\r",
        b"\n.\r\n",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r\n.\r\r\n",
        b"\r\n.\n\r\n",
        b"\r\n. \r\n",
        b"\r\n\0.\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("step", [1, 2, 1000])
def test_nothing_but_crlf_dot_crlf_ends_a_message(false_end, step):
    """A server that takes less invites SMTP smuggling (CVE-2023-51764 and its kin)."""
    smuggled = b"one" + false_end + b"MAIL FROM:<eve@example.org>\r\n"
    content, ended, left = receive(smuggled + b".\r\n", range(0, 100, step))
    assert ended
    assert content.octets == unstuff(smuggled)
    assert b"MAIL FROM" in content.octets
    assert left == b""


def test_the_real_end_among_false_ones_ends_it():
    content, ended, left = receive(b"a\n.\nb\r\n.\r\nMAIL FROM:<eve@example.org>\r\n")
    assert ended
    assert content.octets == b"a\n.\nb\r\n"
    assert left == b"MAIL FROM:<eve@example.org>\r\n"


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (b"", b""),
        (b".", b""),
        (b"..", b"."),
        (b"..a\r\n...\r\n", b".a\r\n..\r\n"),
        (b"a.\r\nb", b"a.\r\nb"),
        (b".a\r\n", b"a\r\n"),  # RFC 5321 section 4.5.2: the receiver drops any leading dot
        (b"\r\n.\r\n", b"\r\n\r\n"),
        (b"a\n.b", b"a\n.b"),
        (b"a\r.b", b"a\r.b"),
        (b"\r\r\n..", b"\r\r\n."),
    ],
)
def test_a_line_loses_one_leading_dot(wire, content):
    assert unstuff(wire) == content


@settings(max_examples=200, deadline=None)
@given(OCTETS)
def test_unstuffing_undoes_stuffing(octets):
    sent = octets + b"\r\n"
    assert unstuff(stuffed(sent)) == sent


LINES = [b"x\r\n", b".\r\n", b"..\r\n", b"\r\n"]


@pytest.mark.parametrize("line", LINES, ids=repr)
@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("count", [1, 100])
def test_content_of_exactly_the_limit_is_taken_and_one_octet_more_is_not(line, step, count):
    sent = line * count
    wire = stuffed(sent) + b".\r\n"
    content, ended, left = receive(wire + b"QUIT\r\n", range(0, len(wire), step), limit=len(sent))
    assert (ended, content.octets, left) == (True, sent, b"QUIT\r\n")
    content, ended, left = receive(wire + b"QUIT\r\n", range(0, len(wire), step), limit=len(sent) - 1)
    assert (ended, content.octets, left) == (True, None, b"QUIT\r\n")


@pytest.mark.parametrize("line", LINES, ids=repr)
def test_content_far_over_the_limit_is_drained_with_a_bounded_buffer(line):
    limit, block = 1000, 512
    wire = stuffed(line * 30_000)
    buffer = bytearray()
    content = Content(buffer, limit)
    largest = 0
    for start in range(0, len(wire), block):
        buffer += wire[start : start + block]
        assert not content.take(buffer)
        largest = max(largest, len(buffer))
    assert largest <= limit + limit // 3 + 16 + block
    assert content.size == len(wire)
    buffer += b".\r\nQUIT\r\n"
    assert content.take(buffer)
    assert content.octets is None
    assert content.size == len(wire)
    assert buffer == b"QUIT\r\n"


@pytest.mark.parametrize("cut", range(1, 5))
def test_drained_content_finds_its_end_wherever_it_is_cut(cut):
    end = b"\r\n.\r\n"
    buffer = bytearray()
    content = Content(buffer, 10)
    for piece in (b"x" * 1000, b"y" * 100 + end[:cut]):
        buffer += piece
        assert not content.take(buffer)
    buffer += end[cut:] + b"NOOP\r\n"
    assert content.take(buffer)
    assert content.octets is None
    assert content.size == 1102
    assert buffer == b"NOOP\r\n"


def test_pipelined_octets_before_the_content_are_its_beginning():
    buffer = bytearray(b"one\r\n.\r\nQUIT\r\n")
    content = Content(buffer, None)
    assert content.take(buffer)
    assert content.octets == b"one\r\n"
    assert buffer == b"QUIT\r\n"


def test_without_a_limit_nothing_is_too_long():
    sent = b"x" * 100_000 + b"\r\n"
    content, _, _ = receive(sent + b".\r\n", range(0, 100_000, 10_000))
    assert content.octets == sent
