"""A missing extra is answered with a command that works wherever smtpfix was installed from."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from smtpfix import extras


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({}, "pip install 'smtpfix[web]'"),
        ({"url": "file:///src/smtpfix", "dir_info": {"editable": True}}, "pip install -e '/src/smtpfix[web]'"),
        ({"url": "file:///my%20src/smtpfix", "dir_info": {}}, "pip install '/my src/smtpfix[web]'"),
        (
            {"url": "file:///tmp/smtpfix-1.whl", "archive_info": {}},
            "pip install 'smtpfix[web] @ file:///tmp/smtpfix-1.whl'",
        ),
        (
            {"url": "https://host.test/smtpfix.git", "vcs_info": {"vcs": "git", "commit_id": "0"}},
            "pip install 'smtpfix[web] @ git+https://host.test/smtpfix.git'",
        ),
    ],
)
def test_the_command_is_that_of_the_origin(origin, expected):
    assert extras.command("web", origin) == expected


def test_in_the_checkout_itself_its_path_is_a_dot():
    origin = {"url": Path.cwd().as_uri(), "dir_info": {"editable": True}}
    assert extras.command("web", origin) == "pip install -e '.[web]'"


class Installed:
    def __init__(self, text):
        self._text = text

    def read_text(self, name):
        assert name == "direct_url.json"
        return self._text


def test_the_installation_is_asked_where_it_is_from_and_the_files_where_it_does_not_know(monkeypatch):
    wheel = Installed(json.dumps({"url": "file:///tmp/a.whl", "archive_info": {}}))
    monkeypatch.setattr(metadata, "distributions", lambda name: [Installed(None), wheel])
    assert extras.install("web") == "pip install 'smtpfix[web] @ file:///tmp/a.whl'"
    monkeypatch.setattr(metadata, "distributions", lambda name: [])
    monkeypatch.chdir(Path(extras.__file__).parents[1])
    assert extras.install("web") == "pip install -e '.[web]'"
    monkeypatch.setattr(extras, "__file__", "/nowhere/site-packages/smtpfix/extras.py")
    assert extras.install("web") == "pip install 'smtpfix[web]'"
