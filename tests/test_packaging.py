"""What is installed: packages, the catalogue, the type marker, entry points. `.ci/run` checks the wheel itself."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import re
import tomllib
from pathlib import Path

import pytest

import smtpfix.conftest_plugin

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_is_listed():
    """A package that pyproject.toml does not name would be missing from the wheel, and from nowhere else."""
    inside = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "smtpfix").rglob("__init__.py")}
    assert set(SETTINGS["tool"]["setuptools"]["packages"]) == {*inside, "smtpfix.certs", "smtpfix.conftest_plugin"}


def test_the_whole_catalogue_is_installed():
    installed = {path.name for path in importlib.resources.files("smtpfix.certs").iterdir()}
    assert {path.name for path in (ROOT / "certs").glob("*.toml")} <= installed


def test_every_data_file_is_listed():
    """A file that pyproject.toml does not name would be missing from the wheel, and from nowhere else."""
    listed = SETTINGS["tool"]["setuptools"]["package-data"]
    found = {path for path in (ROOT / "smtpfix").rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    installed = {path for package in listed for kind in listed[package] for path in _folder(package).glob(kind)}
    assert found <= installed


def _folder(package: str) -> Path:
    return ROOT.joinpath(*package.split("."))


def test_the_types_are_marked_as_public():
    assert importlib.resources.files("smtpfix").joinpath("py.typed").is_file()


def test_the_changelog_begins_with_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == importlib.metadata.version("smtpfix")


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [("pytest11", "smtpfix", "smtpfix.conftest_plugin"), ("console_scripts", "smtpfix", "smtpfix.__main__:main")],
)
def test_the_entry_points_are_there(group, name, value):
    (entry,) = importlib.metadata.entry_points(group=group, name=name)
    assert entry.value == value
    assert entry.load() is not None


def test_pytest_has_the_plugin_of_this_checkout(request):
    assert request.config.pluginmanager.get_plugin("smtpfix") is smtpfix.conftest_plugin
    assert Path(smtpfix.conftest_plugin.__file__).is_relative_to(ROOT)
