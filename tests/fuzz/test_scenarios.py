"""TOML of scenarios: whatever stands in a file, it is a scenario or an error that names the file."""

from __future__ import annotations

import re

import fuzzing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix import InvalidValueError, Policy, UnknownScenario
from smtpfix.audit.family import Family
from smtpfix.policy.catalogue_files import _folder, scenario_ids
from smtpfix.policy.scenario import Scenario
from smtpfix.smtp.providers import Provider

FILES = [(_folder() / f"{name}.toml").read_text(encoding="utf-8").split("\n") for name in scenario_ids()]
LINES = sorted({line for file in FILES for line in file if len(line) < 100})
"""What can stand in a file; in another one, or under another table, it may make no sense."""
KEYS = sorted({line.partition(" = ")[0] for line in LINES if " = " in line})
VALUES = [
    *(
        "5",
        "-1",
        "0",
        "1.5",
        "nan",
        "1e400",
        "true",
        '""',
        '"x"',
        "[]",
        "[[]]",
        "[1]",
        '["a", 1]',
        "{}",
        "{a = {b = []}}",
    ),
    *("1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", '"{host}"', '"{name"', '"{0}"', '"dns:"', '["ip:::1/129"]'),
    *(
        '"any"',
        '"root"',
        '"rsa999999"',
        '["RCPT: 450"]',
        '["RCPT: maybe"]',
        '[["RCPT"]]',
        "['EHLO: advertise \"\\xff\"']",
    ),
    *(
        "{connections = 1}",
        '{message_rate = "1/0s"}',
        '"\\u0000"',
        '["TLSv1.3"]',
        "1" + "0" * 4000,
        "9" * 5000,
        "[" * 3000,
    ),
]


@fuzzing.budget(200)
@given(
    lines=st.sampled_from(FILES),
    changes=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from([None, *KEYS]), st.sampled_from(VALUES))
        | st.tuples(st.integers(0, 60), st.just(""), st.sampled_from(LINES)),
        max_size=3,
    ),
)
def test_any_file_is_a_scenario_or_an_error_that_names_it(tmp_path, lines, changes):
    """A change gives the key in a line another value, or puts another line in front of it."""
    lines = list(lines)
    for place, key, value in changes:
        place %= len(lines)  # noqa: PLW2901 - a line that there is
        if key is None:
            lines[place] = re.sub(r" = .*", lambda _, value=value: f" = {value}", lines[place])
        else:
            lines.insert(place, f"{key} = {value}" if key else value)
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        scenario = Scenario.parse("mine", path.read_text(encoding="utf-8"))
    except InvalidValueError as error:
        scenario = str(error)
    if isinstance(scenario, str):
        assert "mine.toml" in scenario
        return
    assert hash(scenario) == hash(scenario)
    try:
        policy = Policy(**{scenario.policy_field: path})
    except (InvalidValueError, UnknownScenario) as error:
        policy = str(error)
    assert isinstance(policy, Policy | str)


@pytest.mark.parametrize("parse", [Scenario.parse, Provider.parse, Family.parse])
@pytest.mark.parametrize("text", [f"a = {'9' * 5000}", "a = " + "[" * 3000, "a = '", "a = 1\0"])
def test_what_python_s_toml_does_not_take_is_an_error_that_names_the_file(parse, text):
    with pytest.raises(InvalidValueError, match=r"^mine\.toml: expected TOML"):
        parse("mine", text)
