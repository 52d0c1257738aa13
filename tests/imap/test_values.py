"""What is written can be read, what is read means what it says, and nothing takes longer than it has to."""

from __future__ import annotations

import contextlib
import functools
import gc
import re
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from growth import assert_linear
from hypothesis import example, given, settings
from hypothesis import strategies as st
from values import whole
from wire import LAST, MIXED, PLAIN

from smtpfix import Inbox
from smtpfix.imap.appending import read_date_time
from smtpfix.imap.command import Command
from smtpfix.imap.cursor import Cursor, Malformed
from smtpfix.imap.fields import addresses, raw_fields
from smtpfix.imap.message_text import Text
from smtpfix.imap.messages import chosen
from smtpfix.imap.names import Pattern, from_utf7, to_utf7
from smtpfix.imap.refusals import Refused
from smtpfix.imap.search import Scope, read_criterion
from smtpfix.imap.sets import SequenceSet, compact
from smtpfix.imap.sort import KEYS, base_subject
from smtpfix.imap.structure import body_structure, envelope, header, part_at, span
from smtpfix.imap.tags import Tags
from smtpfix.imap.writing import astring, internal_date, string
from smtpfix.mail.mime import split

few = settings(max_examples=40, deadline=None, derandomize=True)


def cursor_over(octets):
    """Return a cursor over octets with literals in them."""
    pieces, at = [], 0
    for match in re.finditer(rb"\{([0-9]+)\}\r\n", octets):
        if match.start() < at:
            continue
        end = match.end() + int(match[1])
        pieces += [octets[at : match.end() - 2], octets[match.end() : end]]
        at = end
    return Cursor([*pieces, octets[at:]])


@few
@given(st.binary(max_size=30))
@example(b'a "b" \\c')
@example(b"NIL")
@example(b"\r\n")
@example(b"x" * 1200)
def test_a_string_is_read_as_it_was_written(value):
    assert cursor_over(string(value)).string() == value
    assert cursor_over(astring(value)).astring() == value
    assert whole(string(value)) == value


@few
@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20))
@example("&")
@example("Entwürfe & mehr")
@example("台北/日本語")
def test_a_name_is_the_same_behind_modified_utf_7(name):
    assert from_utf7(to_utf7(name)) == name


@pytest.mark.parametrize(
    ("written", "name"),
    [("Entw&APw-rfe", "Entwürfe"), ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"), ("a&b", "a&b")],
)
def test_modified_utf_7_is_that_of_the_standard(written, name):
    assert from_utf7(written.encode()) == name
    if written != name:  # what is none is read as it stands
        assert to_utf7(name) == written.encode()


@few
@given(st.text("ab/*%", max_size=7), st.text("ab/", max_size=7))
@example("*%", "a/b")
@example("%*", "a/b")
@example("%/%", "a/b")
def test_wildcards_match_what_they_stand_for(pattern, name):
    expression = "".join({"*": ".*", "%": "[^/]*"}.get(one, one) for one in pattern)
    assert Pattern(pattern, "/").matches(name) is (re.fullmatch(expression, name) is not None)


@few
@given(st.lists(st.tuples(*[st.sampled_from([*map(str, range(1, 12)), "*"])] * 2), min_size=1, max_size=5))
def test_a_set_has_what_is_between_its_ends_in_either_order(ends):
    ranges = SequenceSet.parse(",".join(map(":".join, ends)).encode()).ranges(8)
    numbers = [[8 if end == "*" else int(end) for end in pair] for pair in ends]
    expected = {one for low, high in map(sorted, numbers) for one in range(low, high + 1)}
    assert {one for one in range(20) if one in ranges} == expected
    assert ranges.highs[-1] == max(expected)
    assert {one for part in compact(sorted(expected)).split(b",") for one in expand(part)} == expected


class Known(SimpleNamespace):
    """A message that counts how often anybody asks for a UID."""

    asked = 0

    @property
    def uid(self):
        Known.asked += 1
        return self.number


def chosen_by_uid(uids, octets):
    view = SimpleNamespace(entries=[Known(number=uid) for uid in uids])
    wanted = SequenceSet.parse(octets)
    return [(at, one.number) for at, one in chosen(SimpleNamespace(selected=view), wanted, uid=True)]


@few
@given(
    st.sets(st.integers(1, 12)), st.lists(st.tuples(*[st.sampled_from([*map(str, range(1, 14)), "*"])] * 2), min_size=1)
)
def test_uids_choose_the_messages_that_have_them_and_no_others(uids, ends):
    octets = ",".join(map(":".join, ends)).encode()
    ranges = SequenceSet.parse(octets).ranges(max(uids, default=1))
    assert chosen_by_uid(sorted(uids), octets) == [(at, uid) for at, uid in enumerate(sorted(uids), 1) if uid in ranges]


def test_a_uid_is_found_without_a_look_at_every_message():
    Known.asked = 0
    assert chosen_by_uid(range(1, 200_001, 2), b"777") == [(389, 777)]
    assert Known.asked < 50


def expand(part):
    low, _, high = part.partition(b":")
    return range(int(low), int(high or low) + 1)


@pytest.mark.parametrize(
    "text", ["0", "1:", "", "a", "1,,2", "4294967296", "1:2:3", "-1", "01", "99999999999999999999"]
)
def test_what_is_no_set_is_told_so(text):
    with pytest.raises(Malformed, match="expected a sequence set such as"):
        Cursor([text.encode()]).sequence_set()


def test_a_set_of_too_many_ranges_is_told_so():
    with pytest.raises(Malformed, match="10000 ranges at the most"):
        Cursor([b"1" + b",1" * 10_000]).sequence_set()


@few
@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31)),  # noqa: DTZ001 - the zone comes apart
    st.integers(-23 * 60, 23 * 60),
)
def test_a_date_is_read_as_it_was_written(moment, minutes):
    date = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert read_date_time(whole(internal_date(date))) == date


@pytest.mark.parametrize("text", ["", "1-Jan-2030", "31-Feb-2030 00:00:00 +0000", " 1-Xyz-2030 00:00:00 +0000"])
def test_what_is_no_date_is_told_so(text):
    with pytest.raises(Malformed, match="expected a date such as"):
        read_date_time(text.encode())


@pytest.mark.parametrize(
    ("tags", "following"),
    [
        (["a001", "a002"], "a003"),
        (["a009"], "a010"),
        (["KCBP8", "KCBP9"], "KCBP10"),
        (["a08", "a09"], "a10"),
        (["0f", "10"], "11"),
        (["xa9", "xaa"], "xab"),
        (["A0F", "A10"], "A11"),
        (["zy", "zz"], "100"),
        (["q"], "q"),
    ],
)
def test_the_next_tag_is_foreseen_of_clients_that_count(tags, following):
    seen = Tags()
    for tag in tags:
        seen.add(tag.encode())
    assert seen.fill(b"{tag} {next}") == f"{tags[-1]} {following}".encode()


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Re: [list] afternoon meeting", "afternoon meeting"),
        ("Fwd: FW: RE [a] : b (fwd)", "b"),
        ("[Fwd: Re: inside]", "inside"),
        ("[only]", "[only]"),
        ("reply", "reply"),
    ],
)
def test_what_replies_put_around_a_subject_does_not_count_in_sorting(subject, base):
    assert base_subject(subject) == base


# Search


@pytest.fixture
def entries():
    inbox = Inbox()
    inbox.accounts.admit(["ann"])
    for content in (PLAIN, MIXED, LAST):
        inbox.accounts.put(content, to="ann")
    return inbox.accounts["ann"].mailboxes["INBOX"].entries


def scope():
    return Scope(3, 3, (), lambda _: False)


def test_messages_from_the_end_of_time_are_sorted_as_others_are():
    dates = (b"Mon, 7 Feb 1994 21:52:25 -0800", b"Fri, 31 Dec 9999 23:59:59 -2359")
    inbox = Inbox()
    inbox.accounts.admit(["ann"])
    for date in dates:
        inbox.accounts.put(b"Date: %b\r\n\r\n" % date, to="ann")
    entries = inbox.accounts["ann"].mailboxes["INBOX"].entries
    assert [entry.uid for entry in sorted(entries, key=KEYS["DATE"])] == [1, 2]


WORDS = ["ALL", "NOT", "OR", "(", ")", "SUBJECT", "a", '"x"', "HEADER", "SINCE", "1-Feb-2030", "UID", "2:*", "SEEN"]


@few
@given(
    st.lists(st.sampled_from([*WORDS, "BODY", "KEYWORD", "LARGER", "9", "OLDER", "MODSEQ", "$", "FROM"]), max_size=8)
)
def test_search_keys_are_asked_of_a_message_or_malformed(words):
    inbox = Inbox()
    inbox.accounts.admit(["ann"])
    inbox.accounts.put(MIXED, to="ann")
    entry = inbox.accounts["ann"].mailboxes["INBOX"].entries[0]
    try:
        criterion = read_criterion(Cursor([" ".join(words).encode()]), scope())
    except (Malformed, Refused):
        return
    negated = read_criterion(Cursor([b"NOT (%b)" % " ".join(words).encode()]), scope())
    assert bool(criterion(1, entry)) is not bool(negated(1, entry))


@pytest.mark.parametrize("key", ["NOT " * 60 + "ALL", "(" * 60 + "ALL" + ")" * 60, "ALL " * 300 + "ALL", "OR " * 200])
def test_too_many_search_keys_are_refused(key):
    with pytest.raises((Refused, Malformed), match=r"the most|expected"):
        read_criterion(Cursor([key.encode()]), scope())


# Structure


def leaves(shown, path=()):
    """Yield the number and the size that a body structure gives of each part without parts."""
    if isinstance(shown[0], list):
        for number, part in enumerate(one for one in shown if isinstance(one, list) and one and one[0] is not None):
            yield from leaves(part, (*path, number + 1)) if isinstance(part[0], list | bytes) else ()
    else:
        yield path or (1,), shown[6]


@pytest.mark.parametrize("content", [PLAIN, MIXED, LAST, b"", b"\r\n", b"x", MIXED[:-8]])
def test_sizes_and_sections_agree_to_the_octet(content):
    root = split(content)[0]
    for path, size in leaves(whole(body_structure(root, extended=False))):
        begin, end = span(root, path, "")
        assert end - begin == size
    assert header(root) + root.octets == content
    assert len(whole(envelope(root))) == 10


def test_there_is_no_part_beyond_the_last():
    root = split(MIXED)[0]
    assert [part_at(root, path) is not None for path in ((1,), (2,), (2, 1), (3,), (1, 1), (2, 2))] == [
        *(True, True, True, False, False, False)
    ]


@few
@given(st.text('<>@,;:()"\\ ab.=?\r\n\t[]', max_size=40))
@example('"a b" <c@d>, e@f (g), h: i@j;, <@k:l@m>, (n')
def test_any_address_list_is_written_as_one(value):
    content = b"From: x@y\r\nTo: " + re.sub(r"[\r\n]+", "\r\n ", value).encode() + b"\r\n\r\n"
    shown = whole(envelope(split(content)[0]))
    groups = 0
    for one in shown[5] or ():
        assert len(one) == 4
        groups += one[3] is None and (1 if one[2] is not None else -1)
        assert groups in (0, 1)
    assert groups == 0


def test_what_a_search_keeps_of_a_message_is_nothing_that_the_garbage_collector_goes_through():
    section = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 1 Jan 2029 00:00:00 +0100\r\nTo: ann@example.org\r\n"
    kept = {}
    text = Text(section + b"\r\nHello\r\n", kept)
    assert text.field_has(b"subject", "grüße")
    assert text.has("hello")
    assert text.address_has(b"to", "ann@")
    assert text.subject
    assert text.sent
    assert len(kept) == 5
    assert not gc.is_tracked(kept)


@pytest.mark.parametrize("name", [b"to:ann", b"subject:x\nto", b"x"])
def test_no_field_has_a_name_that_reaches_beyond_a_name(name):
    text = Text(b"Subject: x\r\nTo: ann:b@example.org\r\n\r\n", {})
    assert text.field_has(b"to", "b@")
    assert not text.field_has(name, "")


@few
@given(st.lists(st.sampled_from(b"Ann| |Lee|\t|<|>|@|example.org|\xe9|\x7f|.".split(b"|"))))
@example([b"Ann", b" ", b"\t", b"Lee", b" ", b"<", b"ann", b"@", b"example.org", b">"])
@example([b"ann", b"@", b"example.org"])
def test_an_address_is_the_same_without_and_with_a_comment_behind_it(pieces):
    value = b"".join(pieces).strip()
    assert addresses(value) == addresses(value + b" ()")


def test_addresses_are_told_with_names_routes_and_groups():
    value = b'"B, \\"x\\"" <b@c.example>, d@e (Dee), team: f@g, <@h:i@j>;, =?utf-8?q?k?= l <l@m>'
    assert addresses(value) == [
        (b'B, "x"', None, b"b", b"c.example"),
        (b"Dee", None, b"d", b"e"),
        (None, None, b"team", None),
        (None, None, b"f", b"g"),
        (None, b"@h", b"i", b"j"),
        (None, None, None, None),
        (b"=?utf-8?q?k?= l", None, b"l", b"m"),
    ]


# Cost


def of(prefix, unit, behind=b""):
    return lambda size: prefix + unit * (size // len(unit)) + behind


COSTS = {
    **{
        f"addresses {unit}": (addresses, of(b"", unit))
        for unit in (b"(", b"<", b"a:", b'"', b"a@b,", b"\\", b"@", b";")
    },
    **{
        f"fields {unit}": (lambda octets: list(raw_fields(octets)), of(b"", unit))
        for unit in (b"a:\n", b"a\n", b"a: \n ")
    },
    "sets": (lambda octets: 7 in SequenceSet.parse(octets).ranges(9), of(b"1", b",9:1")),
    "flags": (lambda octets: Cursor([octets]).listed(lambda: 0), of(b"(", b"  ", b")")),
    "patterns": (lambda octets: Pattern("*a%b" * 200, "/").matches(octets.decode()), of(b"", b"ab/")),
    "names": (from_utf7, of(b"", b"&")),
    "structure": (
        lambda octets: body_structure(split(octets)[0], extended=True),
        of(b"Content-Type: multipart/mixed; boundary=b\n\n", b"--b\n\nx\n"),
    ),
    "parameters": (
        lambda octets: body_structure(split(octets)[0], extended=True),
        of(b"Content-Disposition: attachment", b";a=b"),
    ),
    "envelope": (lambda octets: envelope(split(octets)[0]), of(b"", b"To: a@b\n")),
}


@pytest.mark.parametrize("name", COSTS)
def test_the_cost_grows_with_the_size_and_no_faster(name):
    work, made = COSTS[name]

    def prepare(size):
        octets = made(size)
        return functools.partial(_without_errors, work, octets)

    assert_linear(prepare, 5_000)


def _without_errors(work, octets):
    with contextlib.suppress(Malformed, ValueError):
        work(octets)


def test_the_time_of_a_message_is_told_with_its_zone():
    assert internal_date(datetime(2030, 2, 1, 3, 4, 5, tzinfo=UTC)) == b'" 1-Feb-2030 03:04:05 +0000"'


def test_rules_are_asked_about_the_beginning_of_what_is_long():
    message = "é".encode() * 1_000_000
    command = Command.read([b"a APPEND Sent {2000000}", message, b" {3}", b"yes", b""])
    assert command.argument.startswith("Sent {2000000}éé")
    assert command.argument.endswith("é {3}yes")
    assert len(command.argument) < 70_000
    command.cursor.space()
    assert command.cursor.astring() == b"Sent"
    command.cursor.space()
    assert command.cursor.string() == message
