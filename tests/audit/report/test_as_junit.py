"""An audit's result as JUnit XML: what CI systems count, and XML whatever the texts are."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree as ET

import pytest
from audit_results import ATTACKED, EVERYTHING, HOSTILE, NOTHING, SAMPLES, SMALL, TRANSCRIPT, WITH_CAUSES, finding, run

from smtpfix.audit.report import to_junit
from smtpfix.audit.result import Outcome, Verdict


def parsed(result):
    return ET.fromstring(to_junit(result).encode())  # noqa: S314 - our own


def case(result, name):
    (found,) = [one for one in parsed(result).iter("testcase") if one.get("name") == name]
    return found


@pytest.mark.parametrize("result", [pytest.param(value, id=name) for name, value in SAMPLES.items()])
def test_there_is_a_case_for_every_finding_and_a_suite_for_every_group(result):
    root = parsed(result)
    assert root.tag == "testsuites"
    assert len(list(root.iter("testcase"))) == len(result.findings)
    assert len(root.findall("testsuite")) == len({one.group for one in result.findings})
    for element in (root, *root.findall("testsuite")):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        assert element.get("failures") == str(sum(one.find("failure") is not None for one in cases))
        assert element.get("skipped") == str(sum(one.find("skipped") is not None for one in cases))
        assert element.get("errors") == "0"


def test_only_what_failed_is_a_failure():
    failed = {one.key for one in EVERYTHING.findings if one.verdict is Verdict.FAILED}
    assert {one.get("name") for one in parsed(EVERYTHING).iter("testcase") if one.find("failure") is not None} == failed


def test_a_failure_says_all_that_is_known():
    told = case(EVERYTHING, "strip-ehlo/starttls")
    assert told.get("classname") == "smtpfix.stripping"
    assert told.get("time") == "0.125"
    failure = told.find("failure")
    assert failure.get("type") == "leaked-credentials"
    assert failure.get("message").startswith("leaked-credentials, also leaked-message, misreported: Anyone who can")
    for part in (
        "Consequence: Anyone who can change one reply on the way learns the password.",
        "Fix: End the session when the EHLO reply does not offer STARTTLS.",
        "Standard: RFC 3207 section 6; RFC 8314 section 5.2",
        "Evidence: In clear, AUTH PLAIN as 'ann' with the secret.",
        "Run: It said that it succeeded (status 0, 0.12 s). The server saw 1 connection and accepted 0 messages.",
        TRANSCRIPT,
    ):
        assert part in failure.text


def test_a_control_run_is_told_and_its_time_counted():
    told = case(EVERYTHING, "inject-extra-220/starttls")
    assert "Control run: It said that it succeeded" in told.find("failure").text
    assert "the same without the second 220" in told.find("failure").text
    assert told.get("time") == "0.250"


def test_what_was_not_run_is_skipped_with_its_reason():
    skipped = case(EVERYTHING, "revoked-ocsp-staple/starttls").find("skipped")
    assert skipped.get("message") == "pyOpenSSL is missing: pip install 'smtpfix[stapling]'"


@pytest.mark.parametrize(("name", "verdict"), [("sha1-intermediate", "lax"), ("strip-454", "capped")])
def test_what_is_lax_or_capped_passes_and_says_so(name, verdict):
    told = case(EVERYTHING, f"{name}/starttls")
    assert [one.tag for one in told] == ["system-out"]
    assert told.find("system-out").text.startswith(f"{verdict} (")


def test_what_passed_says_nothing():
    assert list(case(EVERYTHING, "good/starttls")) == []


def test_every_suite_says_what_the_client_is_worth():
    for suite in parsed(EVERYTHING).findall("testsuite"):
        properties = {one.get("name"): one.get("value") for one in suite.find("properties")}
        assert properties["grade"] == "Opportunistic"
        assert properties["flags"].startswith("LEAKS CREDENTIALS (passive), LEAKS CREDENTIALS (active), INJECTABLE")
        assert properties["version of OpenSSL"] == "OpenSSL 3.0.15 3 Sep 2024"
        assert suite.get("timestamp") == "2030-01-31T12:00:00"


def test_an_audit_without_faults_has_no_flags_and_one_without_findings_no_suites():
    (suite,) = parsed(SMALL).findall("testsuite")
    assert {one.get("name"): one.get("value") for one in suite.find("properties")}["flags"] == "none"
    assert list(parsed(NOTHING)) == []


def test_hostile_texts_stay_text():
    told = next(one for one in parsed(ATTACKED).iter("testcase") if one.find("failure") is not None)
    failure = told.find("failure")
    assert list(failure) == []
    for element in (failure.text, failure.get("message"), told.get("name"), told.get("classname")):
        assert "<script>document.title='run'</script></pre></details>]]>&amp;&<!--" in element
        assert r"\x00\x07\x1b[2J\x1b]0;title\x07 \x85\u202eevil\u2066\ufffe\uffff\ufdd0\udc80\U000e0041" in element
        assert r"\u034f\u115f\u3164\uffa0\ufe0f\U000e0100" in element
        assert element.endswith("שלום") or "שלום\n" in element or "שלום/" in element


@pytest.mark.parametrize("code", [*range(32), *range(127, 160), 0x202E, 0xD800, 0xDFFF, 0xFDD0, 0xFFFE, 0xFFFF])
def test_every_character_that_xml_forbids_or_people_do_not_see_is_seen(code):
    result = dataclasses.replace(
        SMALL, findings=(finding(f"a{chr(code)}z", Outcome.HUNG, run=run(said=f"a{chr(code)}z")),)
    )
    assert parsed(result).tag == "testsuites"
    assert chr(code) not in to_junit(result).replace("\n", "")


def test_a_very_long_transcript_is_cut_and_says_so():
    result = dataclasses.replace(
        SMALL, findings=(finding("good", Outcome.HUNG, run=run(transcripts=("x" * 25_000, HOSTILE))),)
    )
    text = parsed(result).find(".//failure").text
    assert "x" * 20_000 + "\n… 5000 more characters" in text
    assert "x" * 20_001 not in text


def test_what_to_change_stands_first_in_the_properties_and_its_rows_first_among_the_cases():
    root = parsed(WITH_CAUSES)
    named = [one.get("name") for one in root.find("testsuite/properties")]
    assert named[:4] == ["change this, 1", "grade", "worth", "promise"]
    (cause,) = WITH_CAUSES.causes
    keys = [one.get("name") for one in root.iter("testcase")]
    first = [key for key in keys if key in cause.keys]
    assert keys[0] in cause.keys
    assert case(WITH_CAUSES, first[0]).find("failure").text.startswith(f"Change this: {cause.what} {cause.fix}\n")
    for suite in root.findall("testsuite"):
        own = [one.get("name") in cause.keys for one in suite.iter("testcase")]
        assert own == sorted(own, reverse=True)
