"""An audit's result as SARIF 2.1.0: what the standard asks for, and what GitHub's code scanning needs beside it."""

from __future__ import annotations

import dataclasses
import json

import jsonschema
import pytest
from audit_results import ATTACKED, EVERYTHING, NOTHING, SAMPLES, SMALL, finding

from smtpfix import InvalidValueError
from smtpfix.audit.report import to_sarif
from smtpfix.audit.result import Flag, Outcome, Verdict

TEXT = {"type": "object", "properties": {"text": {"type": "string", "minLength": 1}}, "required": ["text"]}
MUST = {
    "type": "object",
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "pattern": "sarif-schema-2.1.0.json$"},
        "runs": {
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results", "invocations"],
                "properties": {
                    "tool": {
                        "properties": {
                            "driver": {
                                "required": ["name", "version", "rules"],
                                "properties": {
                                    "name": {"const": "smtpfix"},
                                    "rules": {
                                        "items": {
                                            "required": ["id", "shortDescription", "fullDescription", "help"],
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                            },
                                        }
                                    },
                                },
                            }
                        },
                        "required": ["driver"],
                    },
                    "invocations": {
                        "items": {
                            "required": ["executionSuccessful"],
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {
                                    "items": {"required": ["message"], "properties": {"message": TEXT}}
                                },
                            },
                        }
                    },
                    "results": {
                        "items": {
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
                            "properties": {
                                "level": {"enum": ["error", "warning", "note"]},
                                "message": TEXT,
                                "locations": {"minItems": 1, "maxItems": 1},
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                            },
                        }
                    },
                },
            },
        },
    },
    "required": ["version", "runs"],
}
"""What this package promises of the format: the parts of the standard's schema that it uses."""


def logged(result, **options):
    (run,) = json.loads(to_sarif(result, **options))["runs"]
    return run


def result_of(run, rule, mode="starttls"):
    (found,) = [one for one in run["results"] if one["ruleId"] == rule and one["properties"]["mode"] == mode]
    return found


@pytest.mark.parametrize("result", [pytest.param(value, id=name) for name, value in SAMPLES.items()])
@pytest.mark.parametrize("artifact", [None, "tests/test_mail.py"])
def test_a_log_has_what_the_standard_asks_for(result, artifact):
    text = to_sarif(result, artifact)
    jsonschema.Draft202012Validator(MUST).validate(json.loads(text))
    assert text.isascii()
    assert text == to_sarif(result, artifact)


def test_there_is_a_result_for_all_that_did_not_pass_and_a_rule_for_its_scenario():
    run = logged(EVERYTHING)
    levels = {Verdict.FAILED: "error", Verdict.LAX: "warning", Verdict.CAPPED: "note"}
    wanted = {(one.key, levels[one.verdict]) for one in EVERYTHING.findings if one.verdict in levels}
    assert {(one["partialFingerprints"]["smtpfixFinding/v1"], one["level"]) for one in run["results"]} == wanted
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == len(wanted) - 1  # strip-ehlo failed in two modes
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])


def test_a_client_without_faults_has_neither():
    run = logged(SMALL)
    assert run["results"] == run["tool"]["driver"]["rules"] == []


def test_a_rule_says_what_the_server_shows_and_where_the_standard_is():
    rule = next(one for one in logged(EVERYTHING)["tool"]["driver"]["rules"] if one["id"] == "strip-ehlo")
    assert rule["shortDescription"]["text"] == "The server offers AUTH and no STARTTLS, which it refuses"
    assert rule["fullDescription"]["text"].endswith("which it refuses. A careful client refuses.")
    assert "RFC 3207 section 6; RFC 8314 section 5.2" in rule["help"]["text"]


def test_a_result_says_what_the_client_did_and_what_to_change():
    text = result_of(logged(EVERYTHING), "strip-ehlo")["message"]["text"]
    assert text.startswith("leaked-credentials, also leaked-message, misreported in server mode starttls. Anyone who")
    assert "End the session when the EHLO reply does not offer STARTTLS." in text
    assert text.endswith("\n- In clear, AUTH PLAIN as 'ann' with the secret.\n- 1 message accepted, without TLS.")


@pytest.mark.parametrize(("flags", "level"), [((), "note"), ((Flag.LEAKS_CREDENTIALS_ACTIVE,), "error")])
def test_what_a_flag_stands_on_is_an_error_whatever_its_verdict(flags, level):
    leak = finding("strip-ehlo", Outcome.DOWNGRADED, Verdict.CAPPED, also=(Outcome.LEAKED_CREDENTIALS,))
    run = logged(dataclasses.replace(SMALL, findings=(leak,), flags=flags))
    assert [one["level"] for one in run["results"]] == [level]


def test_results_are_at_the_client_and_at_a_file_where_one_is_named():
    (place,) = result_of(logged(EVERYTHING), "strip-ehlo")["locations"]
    assert place == {
        "logicalLocations": [{"name": EVERYTHING.client, "fullyQualifiedName": EVERYTHING.client, "kind": "client"}]
    }
    (place,) = result_of(logged(EVERYTHING, artifact="my tests/test_mail.py"), "strip-ehlo")["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20tests/test_mail.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 1},
    }
    assert place["logicalLocations"]


@pytest.mark.parametrize("path", ["", ".", "/etc/x", "../up.py", "a/../../b.py", r"tests\test_mail.py", "C:/test.py"])
def test_a_file_outside_the_repository_is_refused(path):
    with pytest.raises(InvalidValueError, match=r"artifact: expected a path with /, relative to the root"):
        to_sarif(SMALL, path)


def test_each_result_has_its_own_fingerprint_which_depends_on_the_finding_only():
    run = logged(EVERYTHING)
    prints = [one["partialFingerprints"]["primaryLocationLineHash"] for one in run["results"]]
    assert len(set(prints)) == len(prints)
    later = dataclasses.replace(EVERYTHING, findings=EVERYTHING.findings[::-1], seconds=1.0)
    assert {one["partialFingerprints"]["primaryLocationLineHash"] for one in logged(later)["results"]} == set(prints)


def test_an_audit_that_was_broken_off_was_not_successful():
    assert [one["executionSuccessful"] for one in logged(NOTHING)["invocations"]] == [False]
    (invocation,) = logged(EVERYTHING)["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["startTimeUtc"] == "2030-01-31T12:00:00.000Z"
    assert invocation["endTimeUtc"] == "2030-01-31T12:00:41.250Z"


def test_what_was_not_run_is_notified():
    (invocation,) = logged(EVERYTHING)["invocations"]
    (notice,) = invocation["toolExecutionNotifications"]
    assert notice["message"]["text"].startswith("revoked-ocsp-staple/starttls was not run: pyOpenSSL is missing")


def test_the_version_is_the_one_that_audited():
    assert logged(SMALL)["tool"]["driver"]["version"] == "0.1.0"
    assert logged(NOTHING)["tool"]["driver"]["version"]


def test_in_a_hostile_text_nothing_is_a_link_or_a_placeholder():
    text = logged(ATTACKED)["results"][0]["message"]["text"]
    assert r"\[click\](javascript:alert(1))" in text
    assert "{{0}}" in text
    assert r"\\x1b\[2J" in text
