"""A child session over a test file."""

from __future__ import annotations

import textwrap
import weakref

import pytest
from child_sessions import SEND

import smtpfix
from smtpfix.running import RUNNING


@pytest.fixture(scope="session", autouse=True)
def everything_is_imported():
    """Import what child sessions would: pytester forgets their imports, and a second import makes other classes."""
    for name in smtpfix.__all__:
        getattr(smtpfix, name)


@pytest.fixture(autouse=True)
def no_servers(monkeypatch):
    """Hide the servers of this session from child sessions."""
    monkeypatch.setattr(RUNNING, "_started", weakref.WeakValueDictionary())


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
