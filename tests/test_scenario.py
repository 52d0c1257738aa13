"""The certificate catalogue: its files are whole, and a broken one is named with its key."""

import pytest

from smtpfix.errors import InvalidValueError, SMTPFixError, UnknownScenario
from smtpfix.scenario import OUTCOMES, Scenario, check_scenario_id, load_scenario, scenario_ids

WHOLE = 'summary = "A chain"\nexpected = "accept"\nstandard = "RFC 5280"\n'


def test_every_file_of_the_catalogue_reads_back_under_its_own_name():
    ids = scenario_ids()
    assert "good" in ids
    assert list(ids) == sorted(set(ids))
    for scenario_id in ids:
        scenario = load_scenario(scenario_id)
        assert scenario.id == scenario_id
        assert scenario.expected in OUTCOMES


def test_the_good_chain_has_to_be_accepted_and_has_an_intermediate():
    good = load_scenario("good")
    assert good.expected == "accept"
    assert good.intermediates == 1


def test_a_whole_file_is_read():
    scenario = Scenario.parse("some", WHOLE + "intermediates = 0\n")
    assert scenario == Scenario("some", "A chain", "accept", "RFC 5280", intermediates=0)
    assert Scenario.parse("some", WHOLE).intermediates == 1


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("summary = ", "some.toml"),
        ("\x00", "some.toml"),
        (WHOLE + 'summary = "twice"\n', "some.toml"),
        (WHOLE + "colour = 1\n", "some.toml"),
        (WHOLE + 'id = "other"\n', "some.toml"),
        (WHOLE.replace("summary", "#"), "some.toml: summary"),
        (WHOLE.replace("expected", "#"), "some.toml: expected"),
        (WHOLE.replace("standard", "#"), "some.toml: standard"),
        (WHOLE.replace('"A chain"', '""'), "some.toml: summary"),
        (WHOLE.replace('"A chain"', "1"), "some.toml: summary"),
        (WHOLE.replace('"RFC 5280"', "[]"), "some.toml: standard"),
        (WHOLE.replace('"accept"', '"perhaps"'), "some.toml: expected"),
        (WHOLE.replace('"accept"', '["accept"]'), "some.toml: expected"),
        (WHOLE + "intermediates = -1\n", "some.toml: intermediates"),
        (WHOLE + "intermediates = 9\n", "some.toml: intermediates"),
        (WHOLE + "intermediates = 1.0\n", "some.toml: intermediates"),
        (WHOLE + "intermediates = true\n", "some.toml: intermediates"),
    ],
)
def test_a_broken_file_is_an_error_that_names_file_and_key(text, field):
    with pytest.raises(InvalidValueError) as caught:
        Scenario.parse("some", text)
    assert caught.value.field == field


@pytest.mark.parametrize("scenario_id", ["", "Good", "good.toml", "../good", "good/", "\0", None, 1, ["good"]])
def test_an_id_that_is_not_in_the_catalogue_is_refused(scenario_id):
    with pytest.raises(UnknownScenario, match=r"There is: .*good"):
        check_scenario_id(scenario_id)


def test_an_unknown_id_is_answered_with_the_nearest_and_is_a_lookup_error():
    with pytest.raises(
        LookupError, match=r"certificate: no scenario 'god' in the catalogue\. Did you mean 'good'\?"
    ) as caught:
        check_scenario_id("god", "certificate")
    assert isinstance(caught.value, SMTPFixError)
    with pytest.raises(UnknownScenario) as caught:
        load_scenario("nothing-like-it-at-all-0000")
    assert "Did you mean" not in str(caught.value)


def test_a_known_id_is_fine():
    check_scenario_id("good")
