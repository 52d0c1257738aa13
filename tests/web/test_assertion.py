"""A message as a test: it holds for that message, and nothing in a message becomes code."""

import ast
import json
import shlex

import pytest

BOUND = 10
"""Seconds after which an answer has failed to come."""
OWN = "/api/smtpfix/v1"
MAIL = (
    b"From: Shop <shop@example.org>\r\nTo: ann@example.org\r\nSubject: Your code, Ann\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello Ann,\r\nyour code is 493021.\r\n"
    b"See https://shop.example/in\r\n--b\r\nContent-Type: text/csv\r\n"
    b"Content-Disposition: attachment; filename=a.csv\r\n\r\n1\r\n--b--\r\n"
)
EVIL = (
    b"From: \"'); alert(1); ('\" <a'\"`${x}$(id)@example.org>\r\n"
    b"Subject: ''' \"\"\" \\ `id` $(id) ${x} </script> \xe2\x80\xae \xe2\x80\xa8 %0a\r\n\r\n"
    b"'; rm -rf ~ \" ` $(id) and more\r\n"
)


def test_for_pytest_it_holds(site):
    site.send(MAIL, to=["ann@example.org"])
    source = site.ask(f"{OWN}/messages/latest/test").text
    assert "timeout=10" in source
    assert "a.csv" in source
    assert "https://shop.example/in" in source
    names = {}
    exec(source, names)  # noqa: S102 - what it is for
    names["test_your_code_ann"](site.server)
    site.server.inbox.clear()
    site.send(MAIL.replace(b"Hello", b"Good day"), to=["ann@example.org"])
    with pytest.raises(AssertionError):
        names["test_your_code_ann"](site.server)


def test_for_others_it_asks_where_the_page_is(site):
    site.send(MAIL, to=["ann@example.org"])
    base = "https%3A%2F%2Fci.example%2Fm%2Fred%2F"
    for style in ("mailpit", "cypress", "curl"):
        source = site.ask(f"{OWN}/messages/latest/test?style={style}&base={base}").text
        assert "https://ci.example/m/red" in source
        assert "ann@example.org" in source
    assert f"http://127.0.0.1:{site.web.port}/api/smtpfix/v1/messages/wait" in (
        site.ask(f"{OWN}/messages/latest/test?style=curl").text
    )


def test_the_search_in_it_finds_the_message(site):
    site.send(MAIL, to=["ann@example.org"])
    words = shlex.split(site.ask(f"{OWN}/messages/latest/test?style=curl").text, comments=True)
    query = next(one for one in words if one.startswith("query=")).removeprefix("query=")
    assert query == 'to:"ann@example.org" subject:"your code ann"'
    assert (
        len(site.store.page(limit=1).rows) == site.ask(f"{OWN}/messages?query={_quoted(query)}").json["matching"] == 1
    )


def _quoted(text):
    return text.replace('"', "%22").replace(" ", "%20")


def test_nothing_in_a_message_becomes_code(site):
    site.send(EVIL, to=["bob@example.org"])
    tests = {
        style: site.ask(f"{OWN}/messages/latest/test?style={style}").text for style in ("pytest", "mailpit", "curl")
    }
    for text in tests.values():
        assert "\u202e" not in text
        assert "\u2028" not in text
    (function,) = ast.parse(tests["pytest"]).body
    calls = [one for one in ast.walk(function) if isinstance(one, ast.Call)]
    assert [ast.unparse(one.func) for one in calls] == ["smtp_server.inbox.one"]
    line = next(one for one in tests["mailpit"].splitlines() if "message.Subject" in one)
    subject = json.loads(line.removeprefix("expect(message.Subject).toBe(").removesuffix(");"))
    assert subject == site.store.page(limit=1).rows[0].subject
    words = shlex.split(tests["curl"], comments=True)
    assert (words[:3], words[-3:-1]) == (["curl", "--silent", "--get"], ["jq", "--exit-status"])
    assert json.dumps(subject, ensure_ascii=False)[1:20] in words[-1]
    assert len(words) == 14  # nothing of the message is a word of its own


def test_what_makes_no_sense_is_told_what_was_expected(site):
    site.send(MAIL)
    for query, expected in (("style=ruby", "pytest, mailpit"), ("base=javascript:alert(1)", "http://localhost:8025/")):
        answer = site.ask(f"{OWN}/messages/latest/test?{query}")
        assert (answer.status, expected in answer.json["error"]) == (400, True)
    assert site.ask(f"{OWN}/messages/none/test").status == 404
