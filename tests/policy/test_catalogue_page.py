"""docs/scenarios.md says what the catalogue says, and every file of it says enough for people."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from smtpfix.errors import InvalidValueError
from smtpfix.policy.catalogue import BEGIN, END, markdown, renewed
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.scenario import GROUPS, OUTCOMES, PROTOCOLS, Evidence, Scenario

pytestmark = pytest.mark.once

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"
SECTION = r"RFC \d+ section (?:\d+|[A-F])(?:\.\d+)*"


def row(scenario: Scenario) -> str:
    (line,) = [line for line in markdown([scenario]).splitlines() if line.startswith(f"| `{scenario.id}`")]
    return line


def test_the_page_is_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), "stale: run python -m smtpfix.policy.catalogue docs/scenarios.md"


def test_the_pages_of_other_protocols_are_up_to_date():
    for protocol in PROTOCOLS[1:]:
        page = (PAGE.parent / f"scenarios-{protocol}.md").read_text(encoding="utf-8")
        assert page == renewed(page), f"stale: run python -m smtpfix.policy.catalogue docs/scenarios-{protocol}.md"
        assert f"| `{protocol}-strip-" in page
        assert "| `expired` |" not in page


def test_a_page_is_renewed_between_its_markers_and_nowhere_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "smtpfix.policy.catalogue", page], check=True)
    text = page.read_text(encoding="utf-8")
    assert text == f"before\n{BEGIN}\n\n{markdown()}\n{END}\nafter\n"
    assert renewed(text) == text


@pytest.mark.parametrize("page", ["", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n"])
def test_a_page_without_its_markers_is_an_error_that_names_them(page):
    with pytest.raises(InvalidValueError, match=re.escape(BEGIN)):
        renewed(page)


def test_every_scenario_has_its_row_in_its_group():
    _, *parts = re.split(r"^### (\w+)$", markdown(), flags=re.MULTILINE)
    groups = dict(zip(parts[::2], parts[1::2], strict=True))
    assert tuple(groups) == GROUPS
    for group, text in groups.items():
        assert tuple(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)) == scenario_ids(group)


def test_every_line_of_a_table_has_as_many_cells_as_its_head():
    for block in markdown().split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_the_outcomes_are_explained():
    for outcome, meaning in OUTCOMES.items():
        assert f"| {outcome} | {meaning} |" in markdown([])


@pytest.mark.parametrize(
    ("evidence", "cell"),
    [
        (Evidence(0), "0"),
        (Evidence(62), "62"),
        (Evidence(26, 82), "26 (3.13: 82)"),
        (Evidence(26, 26), "26"),
        (Evidence(error="DH_KEY_TOO_SMALL"), "`DH_KEY_TOO_SMALL`"),
    ],
)
def test_the_last_column_is_what_openssl_makes_of_it(evidence, cell):
    scenario = Scenario("some", "A chain", "accept", "RFC 5280", openssl=evidence)
    assert row(scenario) == f"| `some` | A chain | accept | RFC 5280 | {cell} |"


@pytest.mark.parametrize(
    ("scenario_id", "extra"),
    [("rc4", "legacy-tls"), ("dup-san", "legacy-tls"), ("revoked-ocsp-staple", "stapling")],
)
def test_what_needs_an_extra_says_so(scenario_id, extra):
    assert f" (needs `smtpfix[{extra}]`) | " in row(load_scenario(scenario_id))


def test_what_needs_scram_says_so():
    assert "needs `smtpfix[scram]`" in row(load_scenario("auth-scram"))
    assert "needs `" not in row(load_scenario("auth-cram-first"))


def test_what_needs_no_extra_says_nothing():
    assert "needs `" not in row(load_scenario("good"))


def test_what_markdown_takes_for_markup_is_shown_as_it_is():
    scenario = Scenario("some", "A *.b | c_d\n<e>", "accept", "RFC 5280", notes="Not\n*so*.")
    assert row(scenario).startswith(r"| `some` | A \*.b \| c_d \<e> |")
    assert "- `some`: Not \\*so\\*.\n" in markdown([scenario])


def test_a_scenario_without_notes_has_none():
    assert "- `some`" not in markdown([Scenario("some", "A chain", "accept", "RFC 5280")])


def test_a_scenario_is_told_in_one_sentence_and_cites_its_sections():
    for scenario in map(load_scenario, scenario_ids()):
        assert re.fullmatch(r"[A-Z][^\n]*[^.\s]", scenario.summary), scenario.id
        assert re.fullmatch(rf"{SECTION}(?:; {SECTION})*", scenario.standard), scenario.id
        assert not scenario.notes or re.fullmatch(r"[A-Z][^\n]*\.", scenario.notes), scenario.id


def test_no_two_scenarios_are_told_alike():
    told = [load_scenario(one).summary for one in scenario_ids()]
    assert len(set(told)) == len(told)
