"""An audit's result as JSON: it comes back as it was, keeps to its schema, and keeps the password to itself."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest
from audit_results import EVERYTHING, PASSWORD, SAMPLES, SMALL, finding, run
from hypothesis import example, given
from hypothesis import strategies as st

from smtpfix import InvalidValueError
from smtpfix.audit import report
from smtpfix.audit.digest import lines
from smtpfix.audit.report import from_json, to_html, to_json, to_junit, to_sarif
from smtpfix.audit.report.as_json import schema
from smtpfix.audit.result import AuditResult, Declaration, Ending, Finding, Outcome, Run, Verdict

SCHEMA = json.loads(schema())
RESULTS = pytest.mark.parametrize("result", [pytest.param(value, id=name) for name, value in SAMPLES.items()])


def valid(text):
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))
    return True


def without_password(result):
    return dataclasses.replace(result, declaration=dataclasses.replace(result.declaration, password=None))


@RESULTS
def test_a_result_comes_back_as_it_was_but_for_the_password(result):
    assert from_json(to_json(result)) == without_password(result)


@RESULTS
def test_a_result_keeps_to_the_schema(result):
    assert valid(to_json(result))


@RESULTS
def test_the_text_is_ascii_so_that_nothing_in_it_moves_a_cursor(result):
    text = to_json(result)
    assert text.replace("\n", "").isprintable()
    assert text.isascii()
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 1),
        ("grade", "Good"),
        ("counts", {"passed": 1}),
        ("declaration", {"mode": "implicit", "trust": "pki", "user": None, "password": "x"}),
        ("findings", [{"key": "good/starttls"}]),
        ("started", 5),
    ],
)
def test_the_schema_refuses_what_is_not_a_result(path, value):
    changed = {**json.loads(to_json(SMALL)), path: value}
    with pytest.raises(jsonschema.ValidationError):
        valid(json.dumps(changed))


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("kind", "described", "beside"),
    [
        (AuditResult, SCHEMA, {"format", "version", "counts"}),
        (Declaration, SCHEMA["$defs"]["declaration"], set()),
        (Finding, SCHEMA["$defs"]["finding"], {"key"}),
        (Run, SCHEMA["$defs"]["run"], set()),
    ],
)
def test_the_schema_describes_every_field(kind, described, beside):
    names = {field.name for field in dataclasses.fields(kind)} | beside
    assert set(described["properties"]) == names
    assert set(described["required"]) == names - {"password"}


@pytest.mark.parametrize(
    ("enum", "where"),
    [
        (Outcome, SCHEMA["$defs"]["outcome"]),
        (Verdict, SCHEMA["$defs"]["finding"]["properties"]["verdict"]),
        (Ending, SCHEMA["$defs"]["run"]["properties"]["ending"]),
    ],
)
def test_the_schema_has_every_word(enum, where):
    assert where["enum"] == list(enum)


def test_the_example_of_the_docs_is_what_is_written_today():
    page = (Path(__file__).parents[3] / "docs" / "audit-json.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert valid(example)
    assert to_json(from_json(example)) == example


@pytest.mark.parametrize("kind", [AuditResult, Finding, Run])
def test_the_docs_name_every_key(kind):
    page = (Path(__file__).parents[3] / "docs" / "audit-json.md").read_text(encoding="utf-8")
    tables = page.partition("## An example")[0]
    assert [field.name for field in dataclasses.fields(kind) if f"`{field.name}`" not in tables] == []


def test_counts_and_keys_are_there_for_those_who_only_look():
    values = json.loads(to_json(EVERYTHING))
    assert values["counts"] == {"failed": 8, "lax": 1, "capped": 1, "not-run": 1, "passed": 51}
    assert "strip-ehlo/tls-required" in {one["key"] for one in values["findings"]}
    assert values["versions"]["smtpfix"] == "0.1.0"


def to_text(result):
    return "\n".join(lines(result, with_evidence=True))


@pytest.mark.parametrize("write", [to_json, to_junit, to_html, to_sarif, to_text])
@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(f"\0ann\0{PASSWORD}".encode()).decode(),
        base64.b64encode(f"ann\0ann\0{PASSWORD}".encode()).decode(),
        base64.b64encode(f"user=ann\1auth=Bearer {PASSWORD}\1\1".encode()).decode(),
        base64.urlsafe_b64encode(f"n,a=ann?,\1auth=Bearer {PASSWORD}\1\1".encode()).decode(),
        PASSWORD.encode().hex().upper(),
        PASSWORD.replace("-", "%2d"),
    ],
    ids=["plain", "LOGIN", "PLAIN", "with an authorization identity", "XOAUTH2", "URL-safe", "hex", "percent-encoded"],
)
def test_the_password_is_in_no_report_whoever_said_it(write, form):
    said = f"AuthenticationError: could not log in with {form}!"
    told = finding(
        "strip-ehlo",
        Outcome.LEAKED_CREDENTIALS,
        evidence=(said,),
        consequence=said,
        fix=said,
        reason=said,
        run=run(said=said, transcripts=(said, f"{TWO_LINES}{form}")),
        control=run(said=said),
    )
    skipped = finding("good", Outcome.NOT_RUN, Verdict.NOT_RUN, reason=said, run=None)
    values = {
        "findings": (told, skipped),
        "client": f"send.py {form}",
        "reasons": (said,),
        "promise": said,
        "worth": said,
    }
    leaky = dataclasses.replace(SMALL, differences=(said,), family=said, **values)
    text = write(leaky)
    assert form not in text
    assert "could not log in with" in text
    open_ = dataclasses.replace(leaky, declaration=dataclasses.replace(leaky.declaration, password=None))
    assert form in write(open_)


TWO_LINES = "0.1 S: 220 mx.smtpfix.test\n0.2 C: AUTH PLAIN "


def test_a_password_with_special_characters_is_struck_out_also_where_it_is_percent_encoded():
    declaration = dataclasses.replace(SMALL.declaration, password="a b/c\x07é")
    said = "smtp://ann:a%20b/c%07%C3%A9@localhost"
    leaky = dataclasses.replace(SMALL, declaration=declaration, client=said)
    assert "%C3%A9" not in to_json(leaky)


def test_the_catalogue_s_words_stay_also_where_the_password_is_one_of_them():
    declaration = dataclasses.replace(SMALL.declaration, password="good")
    back = from_json(to_json(dataclasses.replace(SMALL, declaration=declaration)))
    assert [one.key for one in back.findings] == [one.key for one in SMALL.findings]


def test_a_moment_is_written_in_utc():
    there = datetime(2030, 1, 31, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert json.loads(to_json(dataclasses.replace(SMALL, started=there)))["started"] == "2030-01-31T12:00:00Z"
    naive = datetime(2030, 1, 31, 12, 0)  # noqa: DTZ001 - UTC without saying so
    assert from_json(to_json(dataclasses.replace(SMALL, started=naive))).started == naive.replace(tzinfo=UTC)


SMALL_TEXT, EVERYTHING_TEXT = to_json(SMALL), to_json(EVERYTHING)


def changed(*path, to=None):
    """Return a file's text in which one value is another, or is gone."""
    values = json.loads(EVERYTHING_TEXT)
    inside = values
    for step in path[:-1]:
        inside = inside[step]
    if to is None:
        del inside[path[-1]]
    else:
        inside[path[-1]] = to
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"audit: expected JSON \(Expecting value.*got ''"),
        ("{", r"audit: expected JSON"),
        ("[" * 100_000, r"audit: expected JSON"),
        ("[]", r"audit: format: expected 'smtpfix-audit', as smtpfix audit --json writes it, got \[\]"),
        ('{"version": 1}', r"audit: format: expected 'smtpfix-audit'.*got None"),
        (changed("version", to=1), r"audit: version: expected 2, the version that this smtpfix reads.*got 1"),
        (changed("version", to=True), r"audit: version: expected 2.*got True"),
        (changed("version"), r"audit: version: expected 2.*got None"),
        (changed("client"), r"client: expected a value: the key is missing, got None"),
        (changed("findings", 3, "outcome"), r"findings\[3\]\.outcome: expected a value: the key is missing"),
        (changed("findings", 0, "run", "ending", to="gone"), r"findings\[0\]\.run\.ending: expected one of succeeded"),
        (
            changed("findings", 0, "run", "status", to=1.5),
            r"findings\[0\]\.run\.status: expected a whole number, got 1.5",
        ),
        (changed("findings", 0, "run", "seconds", to=float("nan")), r"seconds: expected a number, got nan"),
        (changed("findings", 1, "evidence", to=["x", 7]), r"findings\[1\]\.evidence\[1\]: expected text, got 7"),
        (changed("findings", 2, to=["x" * 100]), r"findings\[2\]: expected an object, got .*…"),
        (changed("findings", to={"x": 1}), r"findings: expected a list"),
        (changed("declaration", "mode", to="tls"), r"declaration\.mode: expected one of implicit, .*got 'tls'"),
        (changed("declaration", "mode", to=[]), r"declaration\.mode: expected one of"),
        (changed("keeps_its_promise", to=1), r"keeps_its_promise: expected true or false, got 1"),
        (changed("started", to="noon"), r"started: expected a moment such as '2030-01-31T12:00:00Z', got 'noon'"),
        (changed("versions", to=[["smtpfix"]]), r"versions\[0\]: expected a list of 2"),
        (changed("versions", "smtpfix", to=1), r"versions\[0\]\[1\]: expected text, got 1"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_by_its_path(text, message):
    with pytest.raises(InvalidValueError, match=message):
        from_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from(["key", "mode"]), inside, max_size=2),
    max_leaves=4,
)
PATHS = [
    *(("findings", 0, name) for name in json.loads(SMALL_TEXT)["findings"][0]),
    *(("findings", 0, "run", name) for name in json.loads(SMALL_TEXT)["findings"][0]["run"]),
    *(("declaration", name) for name in ("mode", "trust", "user")),
    *((name,) for name in json.loads(SMALL_TEXT)),
]


@given(path=st.sampled_from(PATHS), value=JSON)
@example(path=("seconds",), value=10**400)
@example(path=("started",), value="0001-01-01T00:00:00+23:00")
@example(path=("findings", 0, "outcome"), value={})
def test_whatever_stands_in_a_file_it_is_read_or_refused_with_its_path(path, value):
    values = json.loads(SMALL_TEXT)
    inside = values
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    try:
        assert isinstance(from_json(json.dumps(values)), AuditResult)
    except InvalidValueError as error:
        assert str(path[-1]) in error.field  # noqa: PT017 - both ways are right


def test_the_reports_are_listed_and_nothing_else_is_there():
    assert set(report.__all__) <= set(dir(report))
    with pytest.raises(AttributeError, match=r"module 'smtpfix.audit.report' has no attribute 'to_pdf'"):
        report.to_pdf  # noqa: B018 - looking is the point


def test_a_file_may_have_keys_of_later_and_lack_those_with_a_default():
    values = json.loads(changed("findings", 0, "also"))
    values["colour"] = "red"
    del values["family"]
    assert from_json(json.dumps(values)) == dataclasses.replace(without_password(EVERYTHING), family="")
