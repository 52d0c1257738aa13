"""Searches in steps find what a search in one does, wherever a step ends."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix.mail import stepwise
from smtpfix.mail.links import _URL, tags_in_html
from smtpfix.mail.mime import _NO_FIELD
from smtpfix.mail.violations import BARE_CR, BARE_LF, END_LIKE, END_OF_HEADERS
from smtpfix.web.render import _CID

ATOMS = (b"\r", b"\n", b"\r\n", b".", b"a:", b"--", b" ", b"\0", b"x" * 70)
OCTETS = st.lists(st.sampled_from(ATOMS), max_size=40).map(b"".join)


@pytest.fixture(autouse=True, scope="module")
def short_steps():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stepwise, "STEP", 5)
        patch.setattr(stepwise, "_REACH", 9)
        yield


@given(OCTETS, st.sampled_from([_NO_FIELD, BARE_CR, BARE_LF, END_OF_HEADERS]))
def test_a_search_finds_the_same(octets, pattern):
    found, expected = stepwise.search(pattern, octets), pattern.search(octets)
    assert (found and found.span()) == (expected and expected.span())


@given(OCTETS)
def test_what_looks_like_an_end_is_the_same(octets):
    expected = [match.groupdict() for match in END_LIKE.finditer(octets)]
    assert [match.groupdict() for match in stepwise.matches(END_LIKE, octets)] == expected


@given(st.lists(st.sampled_from(("https://", "http://", "HTTP:", "/", "x" * 20, " ")), max_size=20).map("".join))
def test_urls_are_the_same(text):
    assert [match[0] for match in stepwise.matches(_URL, text)] == _URL.findall(text)


@given(st.text(st.sampled_from("cid:CI <x"), max_size=80))
def test_what_is_replaced_is_the_same(text):
    def in_brackets(match):
        return f"[{match[1]}]"

    assert stepwise.replaced(_CID, in_brackets, text) == _CID.sub(in_brackets, text)


@given(OCTETS)
def test_the_longest_line_is_the_first_of_these(octets):
    lengths = [len(line) for line in octets.split(b"\r\n")]
    assert stepwise.longest_line(octets) == (lengths.index(max(lengths)) + 1, max(lengths))


COMMENTS = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)


@given(st.lists(st.sampled_from(["<!--", "-->", "--!>", "-", ">", "!", "x", "<b>"]), max_size=30).map("".join))
def test_no_tag_is_in_a_comment(text):
    assert len(list(tags_in_html(text))) == COMMENTS.sub("", text).count("<b>")
