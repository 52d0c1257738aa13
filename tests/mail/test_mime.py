"""A message taken apart by octet offsets: which parts there are, where they end, and what is not looked at."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.mail.bodies import attachments, body_text
from smtpfix.mail.mime import MAX_DEPTH, MAX_PARTS, split

HEAD = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def shape(part):
    """Return a part as its body, or as a list of what is in it."""
    return [shape(one) for one in part.parts] if part.parts else part.octets


def multipart(boundary, *parts, subtype=b"mixed"):
    head = b"Content-Type: multipart/%b; boundary=%b\r\n\r\n" % (subtype, boundary)
    return head + b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


# Parts


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b"no header at all", b"no header at all"),
        (b"A: b\r\n\r\nbody\r\n", b"body\r\n"),
        (b"A: b\r\nno field\r\n\r\nbody", b"no field\r\n\r\nbody"),
        (b"From ann@example.org Mon\nA: b\n\nbody", b"body"),
        (HEAD + b"before\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nbehind", [b"one", b"two"]),
        (HEAD.replace(b"\r", b"") + b"--b\n\none\n--b\n\ntwo\n--b--\n", [b"one", b"two"]),
        (HEAD.replace(b"=b", b'="b \\c"') + b"--b c \t\r\n\r\none\r\n--b c-- \r\n", [b"one"]),
        (HEAD + b"--b\r\n\r\nno end", [b"no end"]),
        (HEAD + b"--b\r\n\r\none\r\n--bb\r\n--b-\r\n --b\r\nx--b\r\n--b--", [b"one\r\n--bb\r\n--b-\r\n --b\r\nx--b"]),
        (HEAD + b"--b\r\n\r\n\r\n--b\r\n\r\n--b\r\n--b\r\nA: b\r\n--b--", [b"", b"", b"", b""]),
        (HEAD + b"--b--\r\n--b\r\n\r\nbehind the end", b"--b--\r\n--b\r\n\r\nbehind the end"),
        (HEAD + b"no part", b"no part"),
        (b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\none\r\n", b"--\r\n\r\none\r\n"),
        (multipart(b"b", multipart(b"c", b"\r\none"), b"\r\ntwo"), [[b"one"], b"two"]),
        (HEAD + b"--b\r\n" + multipart(b"c", b"\r\none")[:-9] + b"\r\n--b\r\n\r\ntwo", [[b"one"], b"two"]),
        (multipart(b"b", multipart(b"b", b"\r\none"), b"\r\ntwo"), [b"", b"one"]),  # the outer one has them all
        (multipart(b"b", b"Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\none"), [[b"one"]]),
        (multipart(b"b", b"\r\nA: b\r\n\r\none", subtype=b"digest"), [[b"one"]]),
        (multipart(b"b", b"Content-Type: message/delivery-status\r\n\r\nA: b\r\n\r\nC: d"), [b"A: b\r\n\r\nC: d"]),
    ],
)
def test_takes_a_message_apart(content, expected):
    root, cut = split(content)
    assert shape(root) == expected
    assert cut == ()


FRAGMENTS = st.sampled_from(
    [
        *(b"\n", b"\r\n", b"\r", b"x", b"A: b", b" ", b":", b"--", b"\n\n", b"From "),
        *(b"\n--b\n", b"\r\n--b\r\n", b"--b--", b"\n--c\n", b"\r\n--c--\r\n", b"--b"),
        *(b"Content-Type: multipart/mixed; boundary=b\n", b"Content-Type: multipart/digest; boundary=c\n\n"),
        *(b"Content-Type: message/rfc822\n\n", b'Content-Type: multipart/related; boundary="b:', b"Content-Type: "),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS | st.binary(max_size=3), max_size=40).map(b"".join))
def test_whatever_comes_parts_and_what_is_between_them_are_the_content(content):
    root, _ = split(content)
    assert (root.start, root.end) == (0, len(content))
    for part in root.walk():
        assert 0 <= part.start <= part.body <= part.end <= len(content)
        if not part.parts:
            continue
        assert part.body <= part.parts[0].start
        assert part.parts[-1].end <= part.end
        if part.media_type.startswith("message/"):
            (inner,) = part.parts
            assert (inner.start, inner.end) == (part.body, part.end)
            continue
        delimiter = re.escape(part.parameters["boundary"].rstrip().encode("utf-8", "surrogateescape"))
        between = [content[before.end : behind.start] for before, behind in pairwise(part.parts)]
        assert all(re.fullmatch(rb"(\r?\n)?--%b[ \t\r]*\n" % delimiter, octets) for octets in between)
        joined = b"".join(
            content[one.start : one.end] + octets for one, octets in zip(part.parts, [*between, b""], strict=True)
        )
        assert content[part.parts[0].start : part.parts[-1].end] == joined
    assert isinstance(body_text(root, "plain"), str)
    assert all(attachment.content is not None for attachment in attachments(root))


# Bounds


def test_a_thousand_parts_are_read_and_no_more():
    def parts(count):
        return split(HEAD + b"--b\r\n\r\nx\r\n" * count + b"--b--\r\n")

    root, cut = parts(MAX_PARTS - 1)  # the message is one, too
    assert (len(root.parts), cut) == (MAX_PARTS - 1, ())
    root, cut = parts(MAX_PARTS)
    assert len(root.parts) == MAX_PARTS - 1
    assert root.parts[-1].octets == b"x"
    assert cut == ("what comes after the first 1,000 parts is not read",)


@pytest.mark.parametrize(
    "nest",
    [
        lambda _: b"Content-Type: message/rfc822\r\n\r\n",
        lambda number: b"%b%d\r\n\r\n--b%d\r\n" % (HEAD[:-4], number, number),
    ],
    ids=["messages", "multiparts"],
)
def test_parts_in_parts_are_taken_apart_to_a_depth(nest):
    def depth(count):
        root, cut = split(b"".join(map(nest, range(count))) + b"\r\nx")
        return len(list(root.walk())) - 1, cut

    assert depth(MAX_DEPTH) == (MAX_DEPTH, ())
    assert depth(MAX_DEPTH + 1) == (MAX_DEPTH, ("a part inside 50 others is not taken apart",))
    assert depth(5_000)[0] == MAX_DEPTH


# What the parts say


@pytest.mark.parametrize(
    ("encoding", "octets", "content"),
    [
        (b"base64", b"aGVs\r\nbG8=\r\n", b"hello"),
        (b"BASE64 (a comment)", b"aGVsbG8", b"hello"),
        (b"base64", b"aGV sb!G8=", b"hello"),
        (b"base64", b"aGVsbG8gI", b"hello "),
        (b"quoted-printable", b"h=65llo=\r\n you", b"hello you"),
        (b"x-uuencode", b"begin 644 x\n%:&5L;&\\\n \nend\nbehind", b"hello"),
        (b"uuencode", b"no beginning", b"no beginning"),
        (b"uuencode", b"begin 644 x\nM\x80\n", b"begin 644 x\nM\x80\n"),
        (b"8bit", b"\xff\x00", b"\xff\x00"),
        (b"x-unknown", b"hello", b"hello"),
    ],
)
def test_removes_the_transfer_encoding(encoding, octets, content):
    head = b"Content-Disposition: attachment\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n"
    (attachment,) = attachments(split(head + octets)[0])
    assert attachment.content == content


@pytest.mark.parametrize(
    ("start", "text"), [(b"", "first"), (b'; start="<2@x>"', "second"), (b'; start="<3@x>"', "first")]
)
def test_of_related_parts_one_is_the_body(start, text):
    head = b"Content-Type: multipart/related; boundary=b" + start + b"\r\n\r\n"
    parts = b"--b\r\nContent-ID: <1@x>\r\n\r\nfirst\r\n--b\r\nContent-ID: <2@x>\r\n\r\nsecond\r\n--b--\r\n"
    assert body_text(split(head + parts)[0], "plain") == text


def test_an_attached_text_or_message_is_not_the_body():
    attached = b"Content-Disposition: attachment\r\n\r\nattached"
    inner = b"Content-Type: message/rfc822\r\n\r\n\r\ninner"
    assert body_text(split(multipart(b"b", attached, inner, b"\r\nbody"))[0], "plain") == "body"
