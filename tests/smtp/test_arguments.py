"""The arguments of MAIL and RCPT: valid ones come back as they were sent, and no text breaks the parser."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.smtp.arguments import PathArgument, refuse_parameters, split_path
from smtpfix.smtp.replies import TOO_MUCH_DATA

KNOWN = ("SIZE", "BODY", "SMTPUTF8", "AUTH")
ATOM = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=8)
DOT_STRING = st.lists(ATOM, min_size=1, max_size=3).map(".".join)
LABEL = st.text("abcXYZ019", min_size=1, max_size=8)
DOMAIN = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
PARAMETER = st.builds("{}={}".format, LABEL, st.text("abcXYZ019+<>!-", min_size=1, max_size=8)) | LABEL


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("FROM:<ann@example.org>", PathArgument("<ann@example.org>", "ann@example.org", ())),
        ("from:<ann@example.org>", PathArgument("<ann@example.org>", "ann@example.org", ())),
        ("FROM: <ann@example.org> ", PathArgument("<ann@example.org>", "ann@example.org", ())),
        (
            "FROM:<ann@example.org> SIZE=10  BODY=8BITMIME",
            PathArgument("<ann@example.org>", "ann@example.org", ("SIZE=10", "BODY=8BITMIME")),
        ),
        ("FROM:<>", PathArgument("<>", None, ())),
        ("FROM:<> SIZE=10", PathArgument("<>", None, ("SIZE=10",))),
        ("FROM:ann@example.org", PathArgument("ann@example.org", None, ())),
        ('FROM:<"a b>"@example.org> X', PathArgument('<"a b>"@example.org>', None, ("X",))),
        (r'FROM:<"a\">"@example.org>', PathArgument(r'<"a\">"@example.org>', None, ())),
        ("FROM:<ann@[127.0.0.1]>", PathArgument("<ann@[127.0.0.1]>", None, ())),
        ("FROM:<zoë@example.org>", PathArgument("<zoë@example.org>", None, ())),
        ("FROM:<a..b@example.org>", PathArgument("<a..b@example.org>", None, ())),
    ],
)
def test_takes_path_and_parameters_apart(argument, expected):
    assert split_path("FROM:", argument) == expected


@pytest.mark.parametrize(
    "argument",
    [
        None,
        "",
        "FROM",
        "FROM:",
        "FROM: ",
        "FROM <ann@example.org>",
        "TO:<ann@example.org>",
        "FROM:<ann@example.org",
        "FROM:ann@example.org>",
        "FROM:<ann@example.org>SIZE=10",
        "FROM:<<ann@example.org>>",
        "FROM:<ann@example.org><bob@example.org>",
        'FROM:<"ann@example.org>',
        '<"',
    ],
)
def test_what_is_no_path_is_none(argument):
    assert split_path("FROM:", argument) is None


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<ann@example.org>", "ann@example.org"),
        ("ann@example.org", "ann@example.org"),
        ("< ann@example.org >", "ann@example.org"),
        ("<@relay.example:ann@example.org>", "ann@example.org"),
        ("<@one.example,@two.example:ann@example.org>", "ann@example.org"),
        ('<"@a:b"@example.org>', '"@a:b"@example.org'),
        ("<ann@[IPv6:::1]>", "ann@[IPv6:::1]"),
        ('<"a b"@example.org>', '"a b"@example.org'),
        ('<"=?utf-8?q?a=0d=0ab?="@example.org>', '"=?utf-8?q?a=0d=0ab?="@example.org'),
        ("<>", ""),
    ],
)
def test_the_address_is_the_path_without_brackets_and_source_route(path, address):
    assert split_path("TO:", f"TO:{path}").address == address


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["FROM:", "TO:"]), st.text() | st.text(' \t<>@"\\.:=ab\r\n\0\u2028\ud800'))
def test_no_text_raises(keyword, text):
    for argument in (text, keyword + text, keyword.lower() + f"<{text}>", f"{keyword}<{text}> {text}"):
        found = split_path(keyword, argument)
        if found is not None:
            assert found.path in argument
            assert found.address in argument
            assert all(parameter in argument for parameter in found.parameters)
            refuse_parameters(found.parameters, KNOWN, 1000)


@settings(max_examples=100, deadline=None)
@given(DOT_STRING, DOMAIN, st.lists(PARAMETER, max_size=3), st.sampled_from(["FROM:", "From: ", "from:"]))
def test_valid_addresses_and_parameters_come_back_as_they_were(local, domain, parameters, keyword):
    address = f"{local}@{domain}"
    found = split_path("FROM:", " ".join([f"{keyword}<{address}>", *parameters]))
    assert found == PathArgument(f"<{address}>", address, tuple(parameters))
    assert found.address == address


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)), DOMAIN)
def test_any_quoted_string_comes_back_as_it_was(text, domain):
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
    found = split_path("TO:", f"TO:<{quoted}@{domain}> SIZE=1")
    assert found == PathArgument(f"<{quoted}@{domain}>", None, ("SIZE=1",))
    assert found.address == f"{quoted}@{domain}"


@pytest.mark.parametrize(
    "parameters",
    [
        (),
        ("SIZE=0",),
        ("SIZE=1000",),
        ("size=1000",),
        ("BODY=7BIT",),
        ("body=8bitmime",),
        ("SMTPUTF8",),
        ("AUTH=<>",),
        ("AUTH=e+3Dmc2@example.org",),
        ("SIZE=1", "BODY=8BITMIME", "SMTPUTF8", "AUTH=ann"),
    ],
)
def test_right_parameters_are_not_refused(parameters):
    assert refuse_parameters(parameters, KNOWN, 1000) is None


@pytest.mark.parametrize(
    ("parameters", "code", "words"),
    [
        (("SIZE=1001",), 552, "exceeds"),
        (("SIZE=99999999999999999999",), 552, "exceeds"),
        (("SIZE=999999999999999999999",), 501, "SIZE has a malformed value"),
        (("SIZE=-1",), 501, "SIZE has a malformed value"),
        (("SIZE=\u0661",), 501, "SIZE has a malformed value"),
        (("SIZE",), 501, "SIZE has a malformed value"),
        (("SIZE=",), 501, "Malformed parameter"),
        (("SIZE=1=2",), 501, "Malformed parameter"),
        (("=1",), 501, "Malformed parameter"),
        (("-X=1",), 501, "Malformed parameter"),
        (("\xe9=1",), 501, "Malformed parameter"),
        (("SIZE=1", "size=1"), 501, "SIZE is given twice"),
        (("BODY=BINARYMIME",), 501, "BODY has a malformed value"),
        (("BODY",), 501, "BODY has a malformed value"),
        (("SMTPUTF8=1",), 501, "SMTPUTF8 has a malformed value"),
        (("AUTH=a+3",), 501, "AUTH has a malformed value"),
        (("AUTH=a+3d",), 501, "AUTH has a malformed value"),
        (("AUTH=\xe9",), 501, "AUTH has a malformed value"),
        (("NOTIFY=NEVER",), 555, "NOTIFY not recognized"),
        (("SIZE=1", "ret=hdrs"), 555, "RET not recognized"),
    ],
)
def test_wrong_parameters_are_answered_with_what_is_wrong(parameters, code, words):
    refusal = refuse_parameters(parameters, KNOWN, 1000)
    assert refusal.code == code
    assert words in refusal.text


def test_parameters_of_extensions_that_are_not_there_are_unknown():
    assert refuse_parameters(("SIZE=1",), (), None).code == 555
    assert refuse_parameters(("SIZE=1",), ("SIZE",), None) is None


def test_without_a_limit_any_size_may_be_announced():
    assert refuse_parameters(("SIZE=1001",), KNOWN, None) is None
    assert refuse_parameters(("SIZE=1001",), KNOWN, 1000) is TOO_MUCH_DATA


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(), max_size=3).map(tuple))
def test_no_parameters_raise_and_a_refusal_can_be_sent(parameters):
    refusal = refuse_parameters(parameters, KNOWN, 10)
    assert refusal is None or refusal.encode()
