"""The own API's description: it names every route and no other, and what a server answers is what it says."""

import json
import re

import jsonschema
import pytest

from smtpfix import Policy, Server
from smtpfix.store.stored import stored_session
from smtpfix.web.app import ROUTES
from smtpfix.web.audit_asked import AskedAudit
from smtpfix.web.audits import PageAudit
from smtpfix.web.openapi import OPERATIONS, SCHEMAS, schema
from smtpfix.web.outgoing import Outgoing, Relay
from smtpfix.web.own import BASE

pytestmark = pytest.mark.slow

OWN = [route for route in ROUTES if route.path.startswith(BASE)]


def test_every_route_is_described_and_every_description_is_a_routes():
    there = {(method, route.path.removeprefix(BASE)) for route in OWN for method in route.methods}
    assert set(OPERATIONS) == there


def test_every_shape_is_used_and_every_name_is_one():
    told = json.dumps(schema())
    used = set(re.findall(r'"#/components/schemas/(\w+)"', told))
    assert used == set(SCHEMAS)


def test_the_schemas_are_json_schema():
    for one in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(one)


def validate(answer, method, path):
    """Check an answer against what is said of it."""
    described = schema()
    responses = described["paths"][path][method.lower()]["responses"]
    response = responses.get(str(answer.status), responses["default"])
    media_type = answer.headers["Content-Type"]
    assert media_type in response["content"], (method, path, answer.status)
    assert str(answer.status) in responses or answer.status >= 400
    if "schema" in (content := response["content"][media_type]):
        whole = {"$ref": content["schema"]["$ref"], "components": described["components"]}
        jsonschema.validate(answer.json, whole, jsonschema.Draft202012Validator)


BODIES = {
    ("PATCH", "/messages"): {"query": "subject:none", "read": True},
    ("DELETE", "/messages"): {"ids": []},
    ("PUT", "/servers/{name}"): {"scenario": "greeting-554"},
    ("POST", "/servers/{name}/rules"): {"text": "NOOP: 250 2.0.0 fine x1"},
    ("PUT", "/servers/{name}/rules"): {"rules": ["NOOP: 250 2.0.0 fine"]},
    ("POST", "/rules/check"): {"text": "NOOP: 250"},
    ("POST", "/messages/{id}/release"): {"to": ["cy@example.org"]},
    ("POST", "/audits"): {"client": "smtplib", "scenarios": ["good"]},
    ("POST", "/audits/{id}/step"): {"answer": "stop"},
}


@pytest.fixture
def relay():
    with Server(Policy()) as server:
        yield server


@pytest.fixture
def full_site(open_site, relay):
    """Return a site with a message, of two parts, and its session, and a relay."""
    outgoing = Outgoing(relay=Relay(host=relay.host, port=relay.port))
    site = open_site(policy={"mode": "starttls"}, outgoing=outgoing)
    site.send(
        b"From: A <a@example.org>\r\nTo: b@example.org\r\nSubject: Code 493021\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nYour code is 493021, https://example.org/x\r\n"
        b"--b\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\nx\r\n--b--\r\n"
    )
    site.store.put_sessions([stored_session(session, server="plain", run="run") for session in site.server.sessions])
    return site


def ended_audit(site, tmp_path):
    """Return an audit that has ended, without one that has run."""
    audit = PageAudit(AskedAudit(client="smtplib", scenarios=("good",)), tmp_path, lambda _: None)
    audit.ca = site.server.ca_file.read_text()
    audit._take({"kind": "ended", "letter": "B", "findings": []})
    for name in ("report.html", "report.json"):
        (tmp_path / name).write_text("{}")
    site.web.audits._all[audit.id] = audit
    return audit


@pytest.mark.parametrize(("method", "path"), [key for key in OPERATIONS if key[1] != "/events"])
def test_an_answer_is_as_described(full_site, tmp_path, method, path):
    site = full_site
    known = site.ask(f"{BASE}/sessions").json["sessions"][0]["id"] if path.startswith("/sessions/") else "latest"
    site.ask(f"{BASE}/servers/plain/rules", "POST", {"text": "NOOP: 250"})
    rule = site.ask(f"{BASE}/servers/plain/rules").json["rules"][0]["id"]
    if path.startswith("/audits/"):
        known = ended_audit(site, tmp_path).id
    asked = path.format(id=known, name="plain", rule=rule)
    answer = site.ask(f"{BASE}{asked}", method, BODIES.get((method, path)))
    assert answer.status == OPERATIONS[method, path].status
    validate(answer, method, path)


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/messages/wait", "/messages/wait?timeout=0&count=9"),
        ("GET", "/messages/wait", "/messages/wait?timeout=x"),
        ("GET", "/messages/{id}", "/messages/none"),
        ("GET", "/messages/{id}/raw", "/messages/none/raw"),
        ("GET", "/sessions/{id}", "/sessions/none"),
        ("GET", "/servers/{name}", "/servers/none"),
        ("GET", "/scenarios", "/scenarios?protocol=ftp"),
        ("PUT", "/servers/{name}", "/servers/plain"),
        ("POST", "/rules/check", "/rules/check"),
        ("PATCH", "/messages", "/messages"),
        ("DELETE", "/servers/{name}/rules/{rule}", "/servers/plain/rules/none"),
        ("POST", "/audits", "/audits"),
        ("GET", "/audits/{id}/report", "/audits/none/report"),
    ],
)
def test_what_goes_wrong_is_as_described(full_site, method, path, asked):
    answer = full_site.ask(f"{BASE}{asked}", method, b"[" if method != "GET" else None)
    assert answer.status >= 400
    validate(answer, method, path)


def test_the_description_names_where_it_is(open_site):
    site = open_site(webroot="/mail/")
    assert site.ask(f"/mail{BASE}/schema.json").json["servers"] == [{"url": f"/mail{BASE}"}]
    assert site.ask(f"/mail/m/one{BASE}/schema.json").json["servers"] == [{"url": f"/mail/m/one{BASE}"}]
