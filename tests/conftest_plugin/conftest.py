"""A child session over a test file."""

from __future__ import annotations

import textwrap

import pytest
from child_sessions import SEND


@pytest.fixture
def child(pytester, monkeypatch):
    """Run a child session over a test file, with this plugin alone: loading all others takes a second a session."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("CI", "BUILD_NUMBER"):  # with either, pytest says everything twice
        monkeypatch.delenv(name, raising=False)

    def run(code, *options):
        pytester.makepyfile(SEND + textwrap.dedent(code))
        return pytester.runpytest_inprocess("-p", "smtpfix.conftest_plugin", "-p", "no:cacheprovider", *options)

    return run
