"""The benchmarks' own arithmetic: what counts as linear, as a promise kept, and as a target met."""

from __future__ import annotations

import pytest

from benchmarks.guard_growth import broken
from benchmarks.results import Figure, Results, Sample
from benchmarks.scaling import growth, table
from benchmarks.tables import all_tables
from benchmarks.targets import TARGETS, Target, judge

pytestmark = pytest.mark.once

COUNTS = (10, 100, 1000)


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ((1.0, 1.1, 1.4), "yes, it does not grow"),
        ((1.0, 10.0, 100.0), "yes"),
        ((5.0, 10.0, 60.0), "yes"),
        ((1.0, 10.0, 400.0), "no, 4.0 x a unit"),
        ((1.0, 100.0, 10_000.0), "no, 100.0 x a unit"),
    ],
)
def test_growth_is_said_by_the_cheapest_unit_before(costs, said):
    assert growth(costs, COUNTS) == said


def test_a_table_has_the_least_of_all_turns_and_what_a_unit_takes():
    found = {10: [{"read": 0.002}, {"read": 0.001}], 1000: [{"read": 0.1}], 10_000: []}
    grid = table("messages", found, {10: 0.0, 1000: 700.4})
    assert grid.columns == ("ms of CPU (µs each)", "10", "1,000", "linear")
    assert grid.rows == (
        ("read", "1.000 (100.00)", "100.000 (100.00)", "yes"),
        ("octets of memory each", "-", "700", "yes"),
    )


@pytest.mark.parametrize(
    ("steps", "is_kept"),
    [((1000, 2000), True), ((1000, 2100), True), ((1000, 4000), False), ((0, 50), True), ((0, 1000), False)],
)
def test_a_second_step_of_growth_may_cost_twice_the_first_one(steps, is_kept):
    assert (broken({"messages": steps}) == []) is is_kept


def judged(monkeypatch, target, samples):
    monkeypatch.setattr("benchmarks.targets.TARGETS", (target,))
    results = Results(rounds=2)
    results.add(Figure(target.figure, "ms", samples=samples))
    (verdict,) = judge(results)
    return verdict.met


def test_a_target_is_on_the_value_or_on_the_cpu_alone_or_beside_a_peers_in_the_same_round(monkeypatch):
    samples = {"smtpfix": [Sample(4.0, 2e-6), Sample(8.0, 2e-6)], "peer": [Sample(2.0, 4e-6), Sample(4.0, 4e-6)]}
    assert judged(monkeypatch, Target("web/a page", 6), samples)
    assert not judged(monkeypatch, Target("web/a page", 5), samples)
    assert judged(monkeypatch, Target("web/a page", 2, cpu=True), samples)
    assert not judged(monkeypatch, Target("web/a page", 1.9, cpu=True), samples)
    assert judged(monkeypatch, Target("web/a page", 2, "peer"), samples)
    assert not judged(monkeypatch, Target("web/a page", 1.9, "peer"), samples)
    assert judged(monkeypatch, Target("web/a page", 0.5, "peer", cpu=True), samples)
    assert judged(monkeypatch, Target("web/a page", 2, "nobody"), samples) is None


def test_every_target_says_whose_figure_of_what_is_bounded_by_how_much():
    said = [(target.figure, target.who, target.text) for target in TARGETS]
    assert len(set(said)) == len(said)


def test_a_missing_tool_leaves_its_figures_out_and_says_why():
    figure = Figure("reading/all in one FETCH", "ms", samples={"smtpfix": [Sample(1.0)]})
    figure.missing["Dovecot"] = "not installed"
    results = Results(rounds=1)
    results.add(figure)
    tables = {grid.key: grid for grid in all_tables(results)}
    assert tables["reading"].columns == ("", "smtpfix")
    assert tables["missing"].rows == (("Dovecot", "not installed", "reading/all in one FETCH"),)
