"""Every Python example of the documentation runs as it stands, each page in a pytest session of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import smtpfix

ROOT = Path(__file__).parents[1]
AT_THE_TOP = ("README.md", "CONTRIBUTING.md")
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (*map(ROOT.joinpath, AT_THE_TOP), *(ROOT / "docs").glob("*.md"))
}

MARKS = {"README.md": ()}
"""What is marked neither slow nor once. What the other pages show has tests of its own, under every Python.

Those with frameworks need the extra ``samples``, which not every environment of ``.ci/run`` has.
"""

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTS = re.compile(r"\n\nIt prints:\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""What stands behind an example that prints something."""
SECTION = re.compile(r"^## ", re.MULTILINE)
PUBLIC = re.compile(r"^\.\. public:: (\w+)$", re.MULTILINE)
TOCTREE = re.compile(r"^```{toctree}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")

CONFIGURATION = """\
[pytest]
addopts = --import-mode=importlib --strict-markers --strict-config -p no:cacheprovider -p no:hypothesispytest
asyncio_default_fixture_loop_scope = function
filterwarnings = error
python_files = line_*.py
pythonpath = .
"""


def write_examples(page: str, folder: Path) -> int:
    """Write a page's examples as files, return how many of them are to be run.

    One that begins with ``# name.py`` is a module that the rest of the page can import; a ``conftest.py`` is for its
    own section, unless it names plugins, which pytest reads in the topmost one only. One without a test is a script,
    and becomes a test; what the page says that it prints is compared.
    """
    count = 0
    for match in FENCE.finditer(page):
        code = match[1]
        section = folder / f"section_{len(SECTION.findall(page, 0, match.start()))}"
        section.mkdir(exist_ok=True)
        if name := re.match(r"# (\w+\.py)\n", code):
            home = section if name[1] == "conftest.py" and "pytest_plugins" not in code else folder
            (home / name[1]).write_text(code, encoding="utf-8")
            continue
        if not re.search(r"^ *(async )?def test_", code, re.MULTILINE):
            code = "def test_example(capsys):\n" + textwrap.indent(code, "    ")
            if prints := PRINTS.match(page, match.end()):
                code += f"    assert capsys.readouterr().out == {prints[1]!r}\n"
        line = page.count("\n", 0, match.start()) + 2
        (section / f"line_{line}.py").write_text(code, encoding="utf-8")
        count += 1
    return count


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(name, marks=MARKS.get(name, (pytest.mark.slow, pytest.mark.once)))
        for name, text in PAGES.items()
        if FENCE.search(text)
    ],
)
def test_the_examples_run(page, tmp_path, pytestconfig):
    count = write_examples(PAGES[page], tmp_path)
    (tmp_path / "pytest.ini").write_text(CONFIGURATION, encoding="utf-8")
    filters = [f"-W{one}" for one in pytestconfig.getoption("pythonwarnings") or ()]  # this run's hold there too
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *filters],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (passed,) = re.findall(r"= (\d+) passed in", done.stdout)  # and nothing skipped beside it
    assert int(passed) >= count > 0


@pytest.mark.once
@pytest.mark.parametrize("page", ["README.md", "fixture.md", "asserting.md", "frameworks.md", "migrating.md"])
def test_a_how_to_has_examples(page):
    assert FENCE.search(PAGES[page])


@pytest.mark.once
@pytest.mark.parametrize("page", PAGES)
def test_the_links_lead_somewhere(page):
    folder = ROOT if page in AT_THE_TOP else ROOT / "docs"
    assert [link for link in LINK.findall(PAGES[page]) if not (folder / link).exists()] == []


@pytest.mark.once
def test_every_public_name_is_in_the_reference_once():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.rst")]
    assert sorted(name for page in pages for name in PUBLIC.findall(page)) == smtpfix.__all__


@pytest.mark.once
def test_every_page_is_in_the_navigation():
    """Sphinx says so too, but only where the site is built."""
    entries = {line for block in TOCTREE.findall(PAGES["index.md"]) for line in block.split("\n\n")[1].splitlines()}
    assert {f"{name}.md" for name in entries if "/" not in name} == PAGES.keys() - {*AT_THE_TOP, "index.md"}


@pytest.mark.once
def test_contributors_are_sent_to_files_that_are_there():
    named = re.findall(r"`((?:smtpfix|tests|benchmarks|certs|docs|\.ci)/[\w/.-]*\w)`", PAGES["CONTRIBUTING.md"])
    assert named
    assert [path for path in named if not (ROOT / path).exists() and "NAME" not in path] == []
    (scenario,) = re.findall(r"^```toml\n(.*?)^```$", PAGES["CONTRIBUTING.md"], re.MULTILINE | re.DOTALL)
    assert scenario == (ROOT / "certs" / "ehlo-421.toml").read_text(encoding="utf-8")
