"""The result of an audit as SARIF 2.1.0 for code scanning: one rule per scenario, one result per finding.

Section numbers are those of the OASIS standard, SARIF 2.1.0.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from smtpfix.audit.result import AuditResult, Finding, Outcome, Verdict
from smtpfix.errors import InvalidValueError

from .words import FLAGGED_BY, MEANING, clipped, expected, outcomes, visible, without_secret

_LEVELS: Final = {Verdict.FAILED: "error", Verdict.LAX: "warning", Verdict.CAPPED: "note"}
"""Levels by verdict (section 3.27.10); what was not run is a notification, what passed is left out."""
_MARKUP: Final = re.compile(r"[\\\[\]]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def to_sarif(result: AuditResult, artifact: str | None = None) -> str:
    """Return a result as a SARIF 2.1.0 log in ASCII, its last line ended; the password is struck out.

    A client has no file: results are at a logical location, the client under test (section 3.33). GitHub's code
    scanning needs a physical one. ``artifact`` is the file to show them at, such as the test that runs the audit: a
    path with ``/``, relative to the root of the repository; all results are at its first line. Raises
    `InvalidValueError` for another path. The same result gives the same text.
    """
    result = without_secret(result)
    shown = [finding for finding in result.findings if finding.verdict in _LEVELS]
    rules: dict[str, dict[str, Any]] = {}
    for finding in shown:
        rules.setdefault(visible(finding.scenario), _rule(finding, result))
    places = list(rules)
    locations = [_location(result, artifact)]
    run = {
        "tool": {"driver": {"name": "smtpfix", "version": _version(result), "rules": list(rules.values())}},
        "automationDetails": {"id": f"smtpfix/{result.declaration.mode}/{result.declaration.trust}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(result)],
        "results": [_result(finding, result, places, locations) for finding in shown],
        "properties": {
            "client": visible(result.client),
            "grade": result.grade,
            "letter": result.grade.letter,
            "flags": list(result.flags),
            "promise": visible(result.promise),
            "worth": visible(result.worth),
        },
    }
    log = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, indent=2, allow_nan=False) + "\n"


def _rule(finding: Finding, result: AuditResult) -> dict[str, Any]:
    """Return a scenario as a rule (section 3.49): what the server shows, and where the standard says what to do."""
    careful = f"A careful client {expected(finding, result.declaration)}."
    return {
        "id": visible(finding.scenario),
        "shortDescription": {"text": _plain(finding.summary)},
        "fullDescription": {"text": _plain(f"{finding.summary.rstrip('.')}. {careful}")},
        "help": {"text": _plain(f"{careful} See {finding.standard}.")},
        "properties": {"tags": [result.declaration.protocol, visible(finding.group)]},
    }


def _result(finding: Finding, result: AuditResult, rules: list[str], locations: list[Any]) -> dict[str, Any]:
    rule = visible(finding.scenario)
    sentences = (f"{outcomes(finding)} in server mode {finding.mode}.", finding.consequence, finding.fix)
    text = " ".join(filter(None, sentences)) + "".join(f"\n- {sentence}" for sentence in finding.evidence)
    return {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": _level(finding, result),
        "message": {"text": _plain(text)},
        "locations": locations,
        "partialFingerprints": {
            "smtpfixFinding/v1": visible(finding.key),
            # The only one that GitHub looks at; all results of an audit are in one line of a file.
            "primaryLocationLineHash": hashlib.sha256(finding.key.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        },
        "properties": {
            "outcome": finding.outcome,
            "also": list(finding.also),
            "verdict": finding.verdict,
            "meaning": MEANING[finding.verdict],
            "mode": visible(finding.mode),
        },
    }


def _level(finding: Finding, result: AuditResult) -> str:
    """Return a result's level: by its verdict, but an error where one of the client's flags stands on it."""
    behind = {flag for outcome in (finding.outcome, *finding.also) for flag in FLAGGED_BY.get(Outcome(outcome), ())}
    return "error" if behind & set(result.flags) else _LEVELS[finding.verdict]


def check_artifact(artifact: str, name: str = "artifact") -> PurePosixPath:
    """Return the path of the file that results are shown at. Raises `InvalidValueError`."""
    path = PurePosixPath(artifact)
    if not path.name or path.is_absolute() or ".." in path.parts or "\\" in artifact or _DRIVE.match(artifact):
        raise InvalidValueError(name, artifact, "a path with /, relative to the root of the repository")
    return path


def _location(result: AuditResult, artifact: str | None) -> dict[str, Any]:
    client = visible(result.client)
    location: dict[str, Any] = {"logicalLocations": [{"name": client, "fullyQualifiedName": client, "kind": "client"}]}
    if artifact is not None:
        uri = {"uri": quote(str(check_artifact(artifact))), "uriBaseId": "%SRCROOT%"}
        location["physicalLocation"] = {"artifactLocation": uri, "region": {"startLine": 1}}
    return location


def _invocation(result: AuditResult) -> dict[str, Any]:
    """Return the audit as an invocation (section 3.20), with a notification for each scenario that was not run."""
    invocation: dict[str, Any] = {"executionSuccessful": result.is_complete}
    if result.started is not None:
        invocation["startTimeUtc"] = _moment(result.started)
        invocation["endTimeUtc"] = _moment(result.started + timedelta(seconds=result.seconds))
    not_run = [finding for finding in result.findings if finding.verdict is Verdict.NOT_RUN]
    invocation["toolExecutionNotifications"] = [
        {
            "level": "warning",
            "message": {"text": _plain(f"{one.key} was not run: {one.reason or 'no reason is known'}")},
        }
        for one in not_run
    ]
    return invocation


def _version(result: AuditResult) -> str:
    return visible(dict(result.versions).get("smtpfix") or importlib.metadata.version("smtpfix"))


def _moment(moment: datetime) -> str:
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _plain(text: str) -> str:
    """Return text in which nothing is a link or a placeholder (sections 3.11.5 and 3.11.6)."""
    return _MARKUP.sub(lambda match: f"\\{match[0]}", clipped(text)).replace("{", "{{").replace("}", "}}")
