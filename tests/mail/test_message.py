"""Captured messages: exact octets, and what a test reads of them, however broken they are."""

import base64
import dataclasses
import re
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.mail.bodies import Attachment
from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage
from smtpfix.mail.mime import MAX_PARTS
from smtpfix.mail.parsing import LONGEST_VALUE
from smtpfix.rules.reply import Reply

MULTIPART = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'

ACCEPTED = Reply(250)


def message(content, *, reverse_path="ann@example.org", to=("bob@example.org",), reply=ACCEPTED, user=None):
    return CapturedMessage(
        number=3,
        envelope=Envelope(reverse_path, to),
        content=content,
        received=datetime(2030, 1, 2, tzinfo=UTC),
        reply=reply,
        in_tls=False,
        user=user,
        _source=SimpleNamespace(number=5, session=lambda: "the session"),
    )


def read_everything(captured):
    """Read each property; return what came."""
    names = [name for name, value in vars(CapturedMessage).items() if isinstance(value, property)]
    assert len(names) > 10
    return {name: getattr(captured, name) for name in names} | {"str": str(captured)}


# As it arrived


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_content_stays_the_exact_octets(octets):
    captured = message(octets)
    read_everything(captured)
    assert captured.content == octets
    assert captured.size == len(octets)


def test_the_envelope_need_not_agree_with_the_headers():
    captured = message(b"From: eve@example.org\r\nTo: all@example.org\r\n\r\n")
    assert captured.reverse_path == "ann@example.org"
    assert captured.to == ("bob@example.org",)
    assert captured.sender == "eve@example.org"
    assert captured.header("To") == "all@example.org"


def test_the_null_reverse_path_is_an_empty_text():
    captured = message(b"", reverse_path="")
    assert captured.reverse_path == ""
    assert str(captured).startswith("message 3: from <> to bob@example.org")


@pytest.mark.parametrize(
    ("reply", "accepted"), [(Reply(250), True), (Reply(451, "4.3.0"), False), (Reply(552), False), (None, False)]
)
def test_is_accepted_if_the_client_was_told_so(reply, accepted):
    assert message(b"", reply=reply).accepted is accepted


def test_knows_its_session():
    assert message(b"").session == "the session"


def test_two_messages_of_the_same_content_are_still_two():
    one, other = message(b"same"), message(b"same")
    assert one != other
    assert len({one, other}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.content = b"other"


@pytest.mark.parametrize(
    ("content", "longest"),
    [
        (b"", 0),
        (b"\r\n", 0),
        (b"a" * 998 + b"\r\n", 998),
        (b"a" * 999 + b"\r\nb\r\n", 999),
        (b"a\nb\rc\r\n", 5),  # only CRLF ends a line
        (b"ab\r\nc", 2),
    ],
)
def test_measures_its_longest_line(content, longest):
    assert message(content).longest_line == longest


@pytest.mark.parametrize(
    ("content", "line_feeds", "carriage_returns"),
    [
        (b"a\r\nb\r\n", False, False),
        (b"", False, False),
        (b"a\nb\r\n", True, False),
        (b"a\rb\r\n", False, True),
        (b"\n", True, False),
        (b"\r", False, True),
        (b"a\r\r\n", False, True),
        (b"a\r\n\n", True, False),
        (b"a\n\r", True, True),
    ],
)
def test_sees_bare_line_feeds_and_carriage_returns(content, line_feeds, carriage_returns):
    captured = message(content)
    assert captured.has_bare_line_feeds is line_feeds
    assert captured.has_bare_carriage_returns is carriage_returns


@pytest.mark.parametrize(("content", "is_8bit"), [(b"plain\x7f\0", False), (b"\x80", True), ("ü".encode(), True)])
def test_sees_octets_outside_ascii(content, is_8bit):
    assert message(content).is_8bit is is_8bit


# Headers


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"Subject: Welcome\r\n", "Welcome"),
        (b"SUBJECT:Welcome\r\n", "Welcome"),
        (b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", "Grüße"),
        (b"Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n", "Grüße"),
        (b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n", "Grüße"),
        (b"Subject: =?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?=\r\n", "Grüße"),
        (b"Subject: a\r\n b\r\n\tc\r\n", "a b\tc"),
        (b"Subject: first\r\nSubject: second\r\n", "first"),
        (b"Subject:\r\n", ""),
        (b"X-Subject: no\r\n", ""),
        (b"", ""),
        (b"Subject: =?x-unknown?q?a?=\r\n", "a"),
        (b"Subject: =?utf-8?b?!!!?=\r\n", ""),
    ],
)
def test_decodes_its_subject(header, subject):
    assert message(header + b"\r\nbody\r\n").subject == subject


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (b"From: ann@example.org\r\n", "ann@example.org"),
        (b'From: "Ann, of course" <ann@example.org>\r\n', "ann@example.org"),
        (b"From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>, bob@example.org\r\n", "zoe@example.org"),
        (b"From:\r\n", ""),
        (b"Sender: ann@example.org\r\n", ""),
        (b"From: undisclosed:;\r\n", ""),
        (b"From: " + b"(" * 5000 + b"\r\n", ""),
    ],
)
def test_reads_the_address_out_of_from(header, sender):
    assert message(header + b"\r\n").sender == sender


@pytest.mark.parametrize("value", [b'"', b"<", b".:", b"a@["])
def test_a_header_that_the_standard_library_stumbles_over_does_not_break_the_others(value):
    captured = message(b"From: " + value + b"\r\nX-Id: 7\r\n\r\nhello")
    assert "@" not in captured.sender or captured.sender == value.decode()
    assert isinstance(captured.header("From"), str | None)  # Pythons differ in what they make of it
    assert captured.header("X-Id") == "7"
    assert captured.text == "hello"


def test_gives_a_header_by_name_or_none():
    captured = message(b"X-Id: 7\r\nX-Empty:\r\n\r\nX-Body: 8\r\n")
    assert captured.header("x-id") == "7"
    assert captured.header("X-Empty") == ""
    assert captured.header("X-Body") is None
    assert captured.headers["X-Id"] == "7"
    assert captured.headers["X-Body"] is None


@pytest.mark.parametrize("length", [LONGEST_VALUE, LONGEST_VALUE + 1, 100_000])
def test_a_header_of_any_length_is_decoded(length):
    """The standard library would take time that grows with the square of the length."""
    word = "=?utf-8?q?=C3=BC?="
    value = word + " " + "x" * (length - len(word) - 1)
    captured = message(f"Subject: {value}\r\nX-Long: {value}\r\nFrom: {value}\r\n\r\n".encode())
    assert captured.subject == captured.header("X-Long") == value.replace(word, "ü")
    assert "@" not in captured.sender


def test_a_header_that_the_standard_library_cannot_read_is_there_all_the_same():
    captured = message(b"To: " + b"(" * 1000 + b"\r\nX: a\r\n b\r\n\r\n")
    assert captured.header("To") == "(" * 1000
    assert captured.header("X") == "a b"


@pytest.mark.parametrize("separator", [b"\r\n\r\n", b"\n\n", b"\r\n\n"])
def test_headers_end_at_the_first_empty_line(separator):
    captured = message(b"Subject: a" + separator + b"Subject: b\r\n\r\nX-Late: c\r\n")
    assert captured.subject == "a"
    assert captured.header("X-Late") is None


def test_reading_headers_does_not_parse_the_body():
    captured = message(MULTIPART + b"--b\r\n\r\nhello\r\n--b--\r\n")
    assert captured.header("Content-Type") == 'multipart/mixed; boundary="b"'
    assert captured._kept.whole is None
    assert captured.headers is captured.headers


# Bodies


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"Subject: x\r\n\r\nhello\r\nthere\r\n", "hello\nthere\n"),
        (b"\r\nhello", "hello"),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe", "Grüße"),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xfc\xdfe", "Gr\ufffd\ufffde"),
        (
            (
                b"Content-Type: text/plain; charset=utf-8\r\n"
                b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=C3=9Fe"
            ),
            "Grüße",
        ),
        (b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n", "hello"),
        (b"Content-Transfer-Encoding: x-unknown\r\n\r\nhello", "hello"),
        (b"Content-Type: text/html\r\n\r\n<p>hello</p>", ""),
        (MULTIPART + b"--b\r\n\r\nhello\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n", "hello"),
        (MULTIPART + b"--b\r\n\r\nno end", "no end"),
        (MULTIPART + b"no part at all", ""),
        (b"", ""),
    ],
)
def test_reads_the_plain_text(content, text):
    assert message(content).text == text


@pytest.mark.parametrize("charset", [b"x-unknown", b"\0", b"rot13", b"idna", b"undefined", b"base64", b""])
def test_a_charset_that_nobody_can_read_is_taken_for_utf_8(charset):
    captured = message(b'Content-Type: text/plain; charset="' + charset + b'"\r\n\r\nplain')
    assert captured.text == "plain"


def test_reads_the_html_beside_the_text():
    alternative = MULTIPART.replace(b"mixed", b"alternative")
    captured = message(
        alternative + b"--b\r\n\r\nhello\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>hello</p>\r\nx\r\n--b--\r\n"
    )
    assert captured.text == "hello"
    assert captured.html == "<p>hello</p>\nx"
    assert message(b"\r\nhello").html == ""


def test_lists_attachments_in_order_with_their_octets():
    captured = message(
        MULTIPART
        + b"--b\r\n\r\nhello\r\n"
        + b"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAP9h\r\n"
        + b"--b\r\nContent-Disposition: attachment; filename*=utf-8''z%C3%BC.txt\r\n\r\nnote\r\n"
        + b"--b\r\nContent-Disposition: attachment\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n"
        + b"--b--\r\n"
    )
    assert captured.attachments == (
        Attachment("a.pdf", "application/pdf", b"\x00\xffa"),
        Attachment("zü.txt", "text/plain", b"note"),
        Attachment(None, "image/png", b"\x89PNG"),
    )
    assert captured.text == "hello"
    assert message(b"\r\nhello").attachments == ()


def test_attachments_before_one_that_cannot_be_read_are_still_listed():
    captured = message(
        MULTIPART
        + b"--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nnote\r\n"
        + b"--b\r\nContent-Disposition: attachment; name*\r\n\r\nbroken\r\n--b--\r\n"
    )
    assert captured.attachments[:1] == (Attachment("a.txt", "text/plain", b"note"),)
    assert captured.text in ("", "broken")


@pytest.mark.parametrize(
    ("html", "text", "links"),
    [
        ('<a href="https://example.org/a?x=1&amp;y=2">', "", ("https://example.org/a?x=1&y=2",)),
        ("<a class=x href='http://example.org/'>", "", ("http://example.org/",)),
        ("<A HREF=HTTPS://EXAMPLE.ORG/x>", "", ("HTTPS://EXAMPLE.ORG/x",)),
        ('<a href="https://example.org/?q=it\'s">', "", ("https://example.org/?q=it's",)),
        ('<a href=" https://example.org/ ">', "", ("https://example.org/",)),
        ('<a href="mailto:ann@example.org">', "", ("mailto:ann@example.org",)),
        ('<a href="javascript:alert(1)"><a href="/relative"><a href="#x">', "", ()),
        ("<p>https://example.org/not-a-link</p>", "", ()),
        (
            "",
            "see https://example.org/a. Or (http://example.org/b)!",
            ("https://example.org/a", "http://example.org/b"),
        ),
        ("", "<https://example.org/a>", ("https://example.org/a",)),
        ("", "ftp://example.org/ or example.org", ()),
        ("", "(see https://x/Salt_(chemistry)), https://x/a[1].", ("https://x/Salt_(chemistry)", "https://x/a[1]")),
        (
            "",
            "[https://x/a] (https://x/b) http://[::1]/ https://x/).",
            ("https://x/a", "https://x/b", "http://[::1]/", "https://x/"),
        ),
        ('<link href="https://x/style.css"><base href="https://x/"><area href="https://x/a">', "", ("https://x/a",)),
        (
            '<!-- <a href="https://x/no"> --><!--><a href="https://x/a"><!-- <a href="https://x/no">',
            "",
            ("https://x/a",),
        ),
        ('<a title="a > b" href="https://x/a">b</a>', "", ("https://x/a",)),
        ("<a title='\"' data-href=https://x/no href = 'https://x/a'href=https://x/2>", "", ("https://x/a",)),
        ('<img alt="<a href=https://x/no>"><abbr href="https://x/no"></a href="https://x/no">', "", ()),
        ('<script>"<a href=https://x/no>"</scripted></SCRIPT><a\nhref="https://x/a"/>', "", ("https://x/a",)),
        ("<a title=it's href=https://x/a?b=c&amp;d>", "", ("https://x/a?b=c&d",)),
        ('<![if !mso]><a href="https://x/a"><![endif]><a href="https://x/no', "", ("https://x/a",)),
        ('1 < 2 <a href="https://x/a">', "", ("https://x/a",)),
        (
            '<a href="https://example.org/a">',
            "https://example.org/b https://example.org/a",
            ("https://example.org/a", "https://example.org/b"),
        ),
    ],
)
def test_finds_each_link_once_those_of_the_html_first(html, text, links):
    captured = message(
        MULTIPART.replace(b"mixed", b"alternative")
        + f"--b\r\n\r\n{text}\r\n--b\r\nContent-Type: text/html\r\n\r\n{html}\r\n--b--\r\n".encode()
    )
    assert captured.links == links


# Broken and hostile


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"], ids=repr)
def test_a_hundred_thousand_parts_are_not_taken_apart(line_end):
    """They would keep the parser busy for many seconds; it takes any line end for one."""
    content = MULTIPART + b"".join([b"--b", line_end, line_end, b"x", line_end]) * 100_000
    captured = message(content)
    assert not captured.parsed.is_multipart()
    assert captured.text == ("x" if line_end.endswith(b"\n") else "")  # to us, CR alone ends no line
    assert captured.attachments == ()
    assert captured.header("Content-Type") == 'multipart/mixed; boundary="b"'
    assert captured.truncated[-1] == "parsed has the body in one piece: more than 1,000 lines may be delimiters"


def test_as_many_parts_as_allowed_are_taken_apart():
    def parts(count):
        return message(MULTIPART[:-2] + b"\r\n" + b"--b\r\n\r\nx\r\n" * (count - 1) + b"--b--\r\n").parsed

    assert len(parts(MAX_PARTS).get_payload()) == MAX_PARTS - 1
    assert not parts(MAX_PARTS + 1).is_multipart()


@pytest.mark.parametrize("header", [b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: message/rfc822\n\n"])
def test_messages_in_messages_in_messages_are_survived(header):
    captured = message(b"Subject: deep\r\n" + header * (sys.getrecursionlimit() * 2))
    assert captured.parsed["Subject"] == captured.subject == "deep"
    assert captured.text == ""
    assert [attachment.content_type for attachment in captured.attachments] == ["message/rfc822"]
    assert captured.truncated[0] == "a part inside 50 others is not taken apart"


def levels(count, lines):
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(count))
    return head + b"\n" + b"x\n" * lines


@pytest.mark.parametrize(
    ("content", "truncated"),
    [
        (b"Content-Type: multipart/mixed; boundary=b" + b";" * 1000, "a Content-Type has more than 1,000 octets"),
        (b"Content-Type: a/b;" + b"\n ;" * 500, "a Content-Type has more than 1,000 octets"),
        (b"\r\n\rCONTENT-TYPE: " + b";" * 1001, "a Content-Type has more than 1,000 octets"),
        (levels(45, 300_000), "it has too many lines for so many parts in parts"),
        (
            b"Content-Type: message/delivery-status\n\n" + b"A: b\n\n" * 10_001,
            "a report on its delivery may have more than 10,000 groups of fields",
        ),
    ],
    ids=["type", "folded type", "type anywhere", "levels", "report"],
)
def test_what_would_take_the_standard_library_long_it_does_not_take_apart(content, truncated):
    captured = message(content)
    assert not captured.parsed.is_multipart()
    assert captured.truncated == (f"parsed has the body in one piece: {truncated}",)


def test_a_message_that_is_read_whole_has_nothing_truncated():
    captured = message(levels(40, 1000) + b"--b39\nContent-Type: message/delivery-status\n\nA: b\n\nC: d\n--b39--\n")
    assert captured.parsed.is_multipart()
    assert captured.text == "x\n" * 999 + "x"
    assert captured.truncated == ()


def test_a_reference_to_no_character_does_not_break_the_links():
    captured = message(b'Content-Type: text/html\r\n\r\n<a href="https://x/&#%b;">' % (b"9" * 5000))
    assert captured.links == ("https://x/\ufffd",)


HEADER_VALUE = st.text("=?*;\"'<>@:,()[]\\%utf8-qbQB/ \tax0", max_size=30).map(str.encode) | st.binary(max_size=20)
HEADER_NAME = st.sampled_from(
    [b"From", b"Subject", b"Content-Type", b"Content-Disposition", b"Content-Transfer-Encoding", b"MIME-Version"]
)
TYPED = st.sampled_from(
    [b"text/plain;", b"multipart/mixed;boundary=", b"message/rfc822;", b"attachment; filename", b""]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(HEADER_NAME, TYPED, HEADER_VALUE), max_size=5), st.binary(max_size=50))
def test_no_headers_and_no_body_break_a_message(headers, body):
    lines = [name + b": " + kind + value.replace(b"\n", b"").replace(b"\r", b"") for name, kind, value in headers]
    found = read_everything(message(b"\r\n".join([*lines, b"", body])))
    assert all(isinstance(found[name], str) for name in ("subject", "sender", "text", "html", "str"))
    assert all(isinstance(found[name], tuple) for name in ("links", "attachments"))


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_a_subject_survives_its_encoding(text):
    text = re.sub(r"\s+", " ", text).strip()
    encoded = base64.b64encode(text.encode())
    assert message(b"Subject: =?utf-8?b?" + encoded + b"?=\r\n\r\n").subject.strip() == text


# In one line


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        (("a@x",), "to a@x, subject"),
        (("a@x", "b@x", "c@x"), "to a@x, b@x, c@x, subject"),
        (("a@x", "b@x", "c@x", "d@x", "e@x"), "to a@x, b@x, c@x and 2 more, subject"),
    ],
)
def test_shows_itself_in_one_line(to, shown):
    assert shown in str(message(b"Subject: Hi\r\n\r\n", to=to))


def test_its_line_cannot_move_the_terminals_cursor():
    shown = str(message(b"Subject: =?utf-8?q?=1B[2J=0A?=\r\n\r\n", reverse_path="a\u202e\x9b@x", to=("\u2066b@x",)))
    assert shown.isprintable()


def test_the_repr_says_which_message_it_is_and_not_its_content():
    captured = message(b"Subject: Hi\r\n\r\nsecret")
    assert repr(captured) == "<message 3: from ann@example.org to bob@example.org, subject 'Hi'>"


def test_its_line_is_short_whatever_the_message():
    captured = message(b"Subject: " + b"\x1b" * 100_000 + b"\r\n\r\n", reverse_path="a" * 5000, to=("b" * 5000,) * 50)
    assert repr(captured).isprintable()
    assert len(repr(captured)) < 5000
    assert len(repr(message(b"Subject: " + b"s" * 300 + b"\r\n\r\n"))) > 300


# Read once, and from a file


@pytest.mark.parametrize("name", ["violations", "attachments"])
def test_what_was_found_is_kept(name):
    captured = message(MULTIPART + b"--b\r\nContent-Disposition: attachment\r\n\r\n\x80\n\r\n--b--\r\n")
    assert getattr(captured, name) != ()
    assert getattr(captured, name) is getattr(captured, name)


NAMED = b"From: Ann <ann@x>\r\nTo: bob@x\r\nBcc: eve@x\r\nSubject: Hi\r\n\r\nhello\r\n"


@pytest.mark.parametrize(
    ("octets", "content"),
    [
        (NAMED, NAMED),
        (NAMED.replace(b"\r\n", b"\n"), NAMED),  # a text file
        (NAMED + b"bare\n", NAMED + b"bare\n"),  # what was captured so stays so
    ],
)
def test_a_message_is_read_from_a_file_with_the_envelope_its_headers_say(tmp_path, octets, content):
    path = tmp_path / "message.eml"
    path.write_bytes(octets)
    captured = CapturedMessage.from_file(path)
    assert captured.content == content
    assert (captured.reverse_path, captured.to) == ("ann@x", ("bob@x", "eve@x"))
    assert (captured.subject, captured.number, captured.reply, captured.session_number) == ("Hi", 0, None, 0)
    assert captured.received.tzinfo is UTC
    assert CapturedMessage.from_file(str(path)).size == captured.size
    with pytest.raises(LookupError, match="came in no session"):
        _ = captured.session


@given(
    before=st.lists(st.sampled_from(["From: a@example.org", "X:", "X-Y: z  z", "Subject : no", "Bcc:b"]), max_size=3),
    subject=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30) | st.just("=?utf-8?q?caf=C3=A9?="),
    after=st.sampled_from(["\r\n\r\nx", "\r\n folded\r\n\r\nx", "\r\nTo: b\r\n\r\nx", "\r\n", ""]),
)
@settings(max_examples=200, deadline=None)
def test_a_subject_that_can_be_seen_without_parsing_is_what_the_parser_would_give(before, subject, after):
    content = ("".join(f"{line}\r\n" for line in before) + f"Subject: {subject}{after}").encode()
    unparsed, parsed = message(content), message(content)
    assert parsed.headers is not None
    assert unparsed.subject == parsed.subject


def test_a_raw_header_is_what_was_sent():
    captured = message("Subject: =?utf-8?q?a?=\r\n b\r\nX: für\r\n\r\n".encode())
    assert captured.raw_header("subject") == "=?utf-8?q?a?=\r\n b"
    assert captured.raw_header("X") == "für"
    assert captured.raw_header("Y") is None


@pytest.mark.parametrize(
    ("unsubscribe", "post", "url"),
    [
        ("<mailto:a@x>,\r\n <https://x/ 7>", "List-Unsubscribe=One-Click", "https://x/7"),
        ("<https://x/7>", "list-unsubscribe=one-click", "https://x/7"),
        ("<https://x/7>", "yes", None),
        ("<http://x/7>, <mailto:a@x>", "List-Unsubscribe=One-Click", None),
        ("https://x/7", "List-Unsubscribe=One-Click", None),
        ("=?utf-8?q?=3Chttps=3A//x=3E?=", "List-Unsubscribe=One-Click", None),
    ],
)
def test_one_click_unsubscribes_where_both_headers_say_so(unsubscribe, post, url):
    header = f"List-Unsubscribe: {unsubscribe}\r\n"
    assert message(f"{header}List-Unsubscribe-Post: {post}\r\n\r\n".encode()).one_click_unsubscribe == url
    assert message(f"{header}\r\n".encode()).one_click_unsubscribe is None
