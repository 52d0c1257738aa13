"""The page's files: what is there is what is served, small, under a policy without inline scripts."""

import base64
import gzip
import re
from pathlib import Path

import pytest

import smtpfix.web

pytestmark = pytest.mark.slow

FILES = sorted(Path(smtpfix.web.__file__).with_name("static").iterdir())
BUDGET, BUDGET_OF_ALL = 32_768, 45_056
"""Octets as they are sent: of what shows the mail, and of all with the pages that are loaded when they are opened."""


def test_all_of_the_page_is_small(site):
    answers = {file: site.ask(f"/static/{file.name}", Accept_Encoding="gzip") for file in FILES}
    views = next(file for file in FILES if file.name == "views.js").read_text(encoding="utf-8")
    later = set(re.findall(r'import\("\./(\w+\.js)"\)', views)) - {"mail.js"}
    assert {"sessions.js", "rules.js"} <= later
    assert sum(len(answer.body) for file, answer in answers.items() if file.name not in later) <= BUDGET
    assert sum(len(answer.body) for answer in answers.values()) <= BUDGET_OF_ALL
    assert all(gzip.decompress(answer.body) == file.read_bytes() for file, answer in answers.items())


def test_nothing_is_inline_or_from_elsewhere():
    """The policy would stop it."""
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            file
        )
        assert not re.search(r"""(?:src|href|url\(|from|import\()\s*=?\s*["'`]?(?:https?:|//|/)""", text), file
        if file.suffix == ".html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", text, re.IGNORECASE)


def test_each_file_is_served_as_what_it_is(site):
    types = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    for file in FILES:
        answer = site.ask(f"/static/{file.name}")
        assert (answer.status, answer.body) == (200, file.read_bytes()), file.name
        assert answer.headers["Content-Type"].partition(";")[0] == types[file.suffix]
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert site.ask("/").body == site.ask("/static/index.html").body


def test_a_file_that_a_browser_has_is_not_sent_again(site):
    tag = site.ask("/static/app.js").headers["ETag"]
    again = site.ask("/static/app.js", If_None_Match=tag)
    assert (again.status, again.body) == (304, b"")
    assert site.ask("/static/app.js", If_None_Match='"other"').status == 200


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fapp.py", "../app.py", "app.py", "__init__.py", "%00", "APP.JS", ""])
def test_nothing_but_these_files_is_served(site, name):
    assert site.ask(f"/static/{name}").status == 404


def test_files_need_credentials_too(open_site):
    site = open_site(users={"ann": "secret"})
    known = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}
    for path in ("/", "/static/app.js", "/static/../static/app.js", "//static/app.js", "/%73tatic/app.js"):
        assert site.ask(path).status == 401, path
    assert site.ask("/static/app.js", **known).status == 200
