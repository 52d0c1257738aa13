"""Audits over HTTP: of a built-in client, of a device that somebody is led to set up, and what is refused."""

import base64
import json
import os
import smtplib
import socket
import ssl
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12  # noqa: TID251 - reads it as a device would

from smtpfix.errors import InvalidValueError
from smtpfix.web.audit_asked import AskedAudit, choices
from smtpfix.web.audits import MOST_RUNNING, PageAudit
from smtpfix.web.own import BASE

BOUND = 30
"""Seconds after which something has failed to come."""
SMALL = {"client": "smtplib", "scenarios": ["good", "wrong-host"]}
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "waitid"), reason="audits need fork")]


class Watched:
    """Wakes whoever waits for an audit to change."""

    def __init__(self, site):
        self.site = site
        self._changed = threading.Condition()
        tell = site.web.audits.tell

        def told(id_):
            tell(id_)
            with self._changed:
                self._changed.notify_all()

        site.web.audits.tell = told

    def start(self, **asked):
        answer = self.site.ask(f"{BASE}/audits", "POST", asked)
        assert answer.status == 201, answer.text
        return answer.json["id"]

    def see(self, id_):
        return self.site.ask(f"{BASE}/audits/{id_}").json

    def until(self, id_, meant):
        """Wait until an audit is as it is meant to be; return it."""
        audit = self.site.web.audits.get(id_)
        with self._changed:
            assert self._changed.wait_for(lambda: meant(audit.as_json()) or audit.is_over, BOUND), audit.as_json()
        found = self.see(id_)
        assert meant(found), found
        return found

    def say(self, id_, word):
        return self.site.ask(f"{BASE}/audits/{id_}/step", "POST", {"answer": word})


@pytest.fixture
def watched(site):
    return Watched(site)


def has_ended(audit):
    return audit["ended"] is not None


def verdicts(audit):
    return {one["scenario"]: one["verdict"] for one in audit["findings"]}


def is_running(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_a_built_in_client_is_audited_in_a_process_of_its_own(watched):
    site = watched.site
    id_ = watched.start(client="smtplib-unverified", scenarios=["good", "wrong-host"])
    assert site.ask(f"{BASE}/audits").json["audits"][0]["id"] == id_
    audit = watched.until(id_, has_ended)
    assert (audit["state"], audit["done"], audit["total"]) == ("ended", 2, 2)
    assert verdicts(audit) == {"good": "passed", "wrong-host": "failed"}
    result = audit["result"]
    assert (result["letter"], result["is_complete"]) == ("?", True)  # too few to say
    assert len(result["changes"]) == 1
    assert result["changes"][0]["fix"]
    report = site.ask(f"{BASE}/audits/{id_}/report")
    assert "wrong-host" in report.text
    policy = report.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; ")
    assert "script-src" not in policy
    assert site.ask(f"{BASE}/audits/{id_}/report.json").json["format"] == "smtpfix-audit"
    assert site.ask(f"{BASE}/audits/{id_}", "DELETE").status == 200
    assert site.ask(f"{BASE}/audits/{id_}").status == 404
    assert site.ask(f"{BASE}/audits").json["audits"] == []


def test_the_event_stream_tells_of_it(watched):
    site = watched.site
    with closing(site.connect()) as connection:
        connection.request("GET", f"{BASE}/events")
        stream = connection.getresponse()
        stream.readline()
        id_ = watched.start(client="smtplib", scenarios=["good"])
        lines = iter(stream.readline, b"")
        assert next(line for line in lines if line.startswith((b"id", b"event"))) == b"event: audit\n"
        assert next(lines) == b"data: " + json.dumps({"id": id_}, separators=(",", ":")).encode() + b"\n"
    watched.until(id_, has_ended)


def test_a_device_is_led_through_its_scenarios(watched, tmp_path):
    """It does not look at names: that shows, and a run that went wrong is made again."""
    site = watched.site
    id_ = watched.start(
        device=True, name="press", host="127.0.0.1", port=free_port(), scenarios=["good", "expired", "wrong-host"]
    )
    setup = watched.until(id_, lambda now: now["state"] == "set-up")["setup"]
    assert (setup["total"], setup["user"], setup["encrypted"], setup["trusts"]) == (3, None, True, True)
    pem, der, p12 = (site.ask(f"{BASE}/audits/{id_}/ca.{kind}") for kind in ("pem", "der", "p12"))
    assert ssl.PEM_cert_to_DER_cert(pem.text) == der.body
    kept = pkcs12.load_pkcs12(p12.body, b"smtpfix").additional_certs[0].certificate
    assert kept.public_bytes(Encoding.DER) == der.body
    context = ssl.create_default_context(cadata=pem.text)
    context.check_hostname = False
    assert watched.say(id_, "done").status == 200

    def send(scenario):
        step = watched.until(id_, lambda now: now["step"] is not None and now["step"]["scenario"] == scenario)["step"]
        with suppress(ssl.SSLError, OSError), smtplib.SMTP(step["host"], step["port"], timeout=BOUND) as client:
            client.starttls(context=context)
            client.sendmail("press@example.org", ["a@example.org"], "Subject: x\r\n\r\nx")

    def has_come(now):
        return now["step"] and now["step"]["seen"] and now["step"]["seen"][0]["is_over"]

    def send_and_go_on(scenario):
        send(scenario)
        found = watched.until(id_, has_come)
        watched.say(id_, "done")
        return found["step"]["seen"][0]

    assert send_and_go_on("good")["messages"] == 1
    watched.until(id_, lambda now: now["step"] and now["step"]["scenario"] != "good")
    first = watched.see(id_)["step"]["scenario"]
    watched.say(id_, "done")  # nothing comes
    watched.until(id_, lambda now: now["step"] and now["step"]["scenario"] not in ("good", first))
    assert verdicts(watched.see(id_))[first] == "not-run"
    watched.say(id_, "again")
    send_and_go_on(first)
    send_and_go_on(next(one for one in ("expired", "wrong-host") if one != first))
    audit = watched.until(id_, has_ended)
    assert verdicts(audit) == {"good": "passed", "expired": "passed", "wrong-host": "failed"}
    assert audit["client"] == audit["result"]["client"] == "press"


def test_a_port_that_is_taken_is_said(watched):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        id_ = watched.start(device=True, host="127.0.0.1", port=taken.getsockname()[1], scenarios=["good"])
        audit = watched.until(id_, has_ended)
    assert audit["result"]["letter"] == "?"
    assert "another program does" in audit["result"]["reasons"][0]


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return taken.getsockname()[1]


HOSTILE = (
    "; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "--html=/tmp/pwned",
    "-- sh -c true",
    "a\nb",
    "../x.toml",
    1,
)


def test_what_is_none_of_the_known_values_is_refused(site):
    """In each field: nothing is started, and the answer says what was expected."""
    for key in ("client", "protocol", "mode", "trust", "groups", "scenarios", "host", "port", "hostname"):
        client = {"device": True} if key in ("host", "port", "hostname") else {"client": "smtplib"}
        for value in HOSTILE:
            for asked in (value, [value]):
                if (key, asked) != ("port", 1):
                    answer = site.ask(f"{BASE}/audits", "POST", {"scenarios": ["good"], **client, key: asked})
                    assert (answer.status, list(answer.json)) == (400, ["error"]), (key, asked)
    assert site.ask(f"{BASE}/audits").json["audits"] == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "client"),
        ({"client": "smtplib", "device": True}, "client"),
        ({"client": "smtplib", "command": "sh"}, "command"),
        ({"client": "smtplib", "env": {"LD_PRELOAD": "x"}}, "env"),
        ({"client": "smtplib", "host": "127.0.0.1"}, "host"),
        ({"client": "smtplib", "user": "ann"}, "password"),
        ({"client": "smtplib", "user": "ann", "password": "x"}, "^password: a password of 1 character"),
        ({"device": True, "hostname": "a b"}, "^hostname: "),
        ({"client": "imaplib"}, "client"),
        ({"device": True, "host": "0.0.0.0"}, "hostname"),
        ({"device": True, "host": "fe80::1%eth0"}, "host"),
        ({"device": True, "host": "example.org"}, "host"),
        ({"device": True, "port": 65_536}, "port"),
        ({"device": True, "name": "\x1b[2J"}, "name"),
        ({"client": "smtplib", "scenarios": ["good"] * 1_001}, "scenarios"),
    ],
)
def test_what_makes_no_sense_is_refused_and_said(asked, said):
    with pytest.raises(InvalidValueError, match=said):
        AskedAudit.read(asked)


def test_a_password_is_in_no_answer(site):
    """It is given to the process, and nowhere shown."""
    asked = {"client": "smtplib", "scenarios": ["good"], "user": "ann", "password": "s3cret-word"}
    answer = site.ask(f"{BASE}/audits", "POST", asked)
    assert answer.status == 201
    assert "s3cret" not in answer.text + repr(AskedAudit.read(asked))


def test_what_can_be_chosen_can_be_asked_for():
    known = choices()
    for protocol, clients in known["clients"].items():
        for client in clients:
            AskedAudit(client=client, protocol=protocol, mode="implicit", scenarios=("good",))
    for group in known["groups"]:
        assert AskedAudit.read(AskedAudit(client="smtplib", groups=(group,)).as_json()).groups == (group,)
    for mode in known["modes"]:
        AskedAudit(client="smtplib", mode=mode)
    for trust in known["trust"]:
        AskedAudit(client="smtplib", trust=trust)


def test_so_many_at_a_time_and_none_is_left_when_the_server_closes(watched):
    site = watched.site
    ids = [watched.start(client="smtplib", groups=["timing"]) for _ in range(MOST_RUNNING)]
    refused = site.ask(f"{BASE}/audits", "POST", SMALL)
    assert (refused.status, list(refused.json)) == (409, ["error"])
    audits = [site.web.audits.get(id_) for id_ in ids]
    watched.until(ids[0], lambda now: now["done"])
    pids = [audit._process.pid for audit in audits]
    folder = audits[0].folder
    assert all(map(is_running, pids))
    site.web.close()
    assert not any(map(is_running, pids))
    assert not folder.parent.exists()
    assert all(audit.is_over for audit in audits)


def test_one_that_is_told_to_stop_says_what_was_known(watched):
    id_ = watched.start(client="smtplib", groups=["timing"])
    watched.until(id_, lambda now: now["findings"])
    assert watched.say(id_, "stop").status == 200
    audit = watched.until(id_, has_ended)
    assert audit["result"]["is_complete"] is False
    assert watched.say(id_, "please").status == 400


def test_a_process_that_is_killed_is_a_failed_audit(watched):
    id_ = watched.start(device=True, port=free_port(), scenarios=["good"])
    watched.until(id_, lambda now: now["state"] == "set-up")
    audit = watched.site.web.audits.get(id_)
    audit._process.kill()
    found = watched.until(id_, has_ended)
    assert found["state"] == "failed"
    assert "status -9" in found["problem"]
    assert watched.site.ask(f"{BASE}/audits/{id_}/report").status == 404


def test_where_the_server_is_left_alone_nobody_audits(open_site):
    site = open_site(read_only=True)
    there = site.ask(f"{BASE}/audits").json
    assert (there["read_only"], there["choices"], there["audits"]) == (True, None, [])
    for path, method in (("", "POST"), ("/x", "DELETE"), ("/x/step", "POST")):
        assert site.ask(f"{BASE}/audits{path}", method, SMALL).status == 403
    assert site.ask(f"{BASE}/audits/x").status == 404


def test_whoever_may_use_a_mailbox_alone_sees_no_audit(open_site):
    site = open_site(users={"root": "all"}, mailbox_users={"one": {"ann": "hers"}})
    theirs, all_of_it = ("Basic " + base64.b64encode(one).decode() for one in (b"ann:hers", b"root:all"))
    path = f"/m/one{BASE}/audits"
    assert site.ask(path, authorization=theirs).json["audits"] == []
    assert site.ask(path, "POST", SMALL, authorization=theirs).status == 403
    with closing(site.connect()) as connection:
        connection.request("GET", f"/m/one{BASE}/events", headers={"Authorization": theirs})
        stream = connection.getresponse()
        stream.readline()
        site.web.audits.tell("an id")
        site.ask(f"/m/one{BASE}/servers/plain/rules", "POST", {"text": "NOOP: 250"}, authorization=all_of_it)
        events = (line for line in iter(stream.readline, b"") if line.startswith(b"event"))
        assert next(events) != b"event: audit\n"


def test_a_process_hears_nothing_of_the_servers_secrets(monkeypatch, tmp_path):
    """What stands in its environment is not what the server was configured with."""
    monkeypatch.setenv("MP_UI_AUTH", "ann:secret")
    audit = PageAudit(AskedAudit.read(SMALL), tmp_path, lambda _: None)
    audit.start()
    try:
        if sys.platform == "linux":
            assert b"MP_UI_AUTH" not in Path(f"/proc/{audit._process.pid}/environ").read_bytes()
    finally:
        audit.stop()
        audit.wait()
    assert audit.is_over
