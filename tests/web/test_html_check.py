"""What some mail clients do not show is found in a message's HTML, as far as the table goes."""

from functools import partial

import pytest
from growth import assert_linear

from smtpfix.web.html_check import checked
from smtpfix.web.html_features import FEATURES, found_in

STYLE = {"html-style": 1}
MEDIA = {"css-media": 1, "css-var": 1}


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<p style="POSITION : absolute; color: red">', {"css-position": 1}),
        ('<p style="position: static; display:block">', {}),
        (
            '<div style="display:flex !important"><div style="display:grid">',
            {"css-display-flex": 1, "css-display-grid": 1},
        ),
        ("<style>@media (min-width:1px) { p { color: var(--x) } } /* float: left */</style>", {**STYLE, **MEDIA}),
        ("<style>/* @import 'x'; */@import url(x); p{float:left}</style>", {**STYLE, "css-import": 1, "css-float": 1}),
        ("<!-- <video> --><svg><script>position: x</script></svg>", {"html-svg": 1, "html-script": 1}),
        ("<input><form><select><link rel=stylesheet href=x><link rel=icon>", {"html-form": 3, "html-link": 1}),
        ("position: absolute", {}),
        ("<p>position: absolute; <b title='position: fixed'>", {}),
        ("<p", {}),
    ],
)
def test_what_is_in_the_table_is_found_and_nothing_else(html, found):
    assert found_in(html).features == found


def test_the_answer_has_the_form_that_mailpit_s_clients_read(site):
    id_ = site.send(
        b'Content-Type: text/html\r\n\r\n<p style="position:fixed"><b>x</b></p><style>p{float:left}</style>'
    )
    answer = site.ask(f"/api/v1/message/{id_}/html-check").json
    assert [one["Slug"] for one in answer["Warnings"]] == ["css-position", "css-float", "html-style"]
    worst = answer["Warnings"][0]
    assert worst["Score"] == {"Found": 1, "Supported": 33.33, "Partial": 0.0, "Unsupported": 66.67}
    assert {one["Family"]: one["Support"] for one in worst["Results"]} == {
        "gmail": "no",
        "outlook": "no",
        "apple-mail": "yes",
    }
    assert answer["Total"] == {
        "Tests": len(FEATURES),
        "Nodes": 3,
        "Supported": 55.55,
        "Partial": 22.22,
        "Unsupported": 22.22,
    }
    assert {"macos", "windows"} < set(answer["Platforms"])
    plain = site.send(b"\r\nposition: fixed\r\n")
    refused = site.ask(f"/api/v1/message/{plain}/html-check")
    assert (refused.status, refused.text) == (400, "message does not contain HTML")
    assert site.ask("/api/v1/message/none/html-check").text == "404 page not found"


def test_html_in_which_nothing_fails_is_shown_by_all():
    assert checked("<p>x</p>")["Total"] == {
        "Tests": len(FEATURES),
        "Nodes": 1,
        "Supported": 100,
        "Partial": 0,
        "Unsupported": 0,
    }


@pytest.mark.parametrize(
    "unit", ["<p style='", "<p style=a:b;", "<style>", "/*", "<style>/*", "{", "<p style='{;:'>", "var("]
)
def test_it_takes_time_that_grows_with_the_length(unit):
    assert_linear(lambda size: partial(found_in, unit * (size // len(unit))), 64_000)
