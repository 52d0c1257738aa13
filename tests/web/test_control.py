"""Servers, switched by the own API: scenarios, and rules as text; and how others that share the store follow."""

import http.client
import json
import re
import smtplib
import ssl
import threading
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12  # noqa: TID251 - as devices read it

import smtpfix.web
from smtpfix import Policy, Reply, Server
from smtpfix.cli.keeping import keeping
from smtpfix.policy.catalogue_files import scenario_ids
from smtpfix.store.opening import open_store
from smtpfix.web.runner import WebServer
from smtpfix.web.settings import WebSettings
from smtpfix.web.switches import check_rule

pytestmark = pytest.mark.slow

BASE = "/api/smtpfix/v1"
STARTTLS = {"mode": "starttls"}


@pytest.fixture
def tls_site(open_site):
    return open_site(policy=STARTTLS)


def put(site, path, body, method="PUT"):
    return site.ask(f"{BASE}{path}", method, body)


def upgrade(server):
    with smtplib.SMTP("localhost", server.port, timeout=10) as client:
        try:
            client.starttls(context=server.authority.client_context())
        except ssl.SSLError:
            client.close()
            raise


def test_a_server_says_where_it_is_and_what_to_trust(tls_site):
    answer = tls_site.ask(f"{BASE}/servers").json
    (shown,) = answer["servers"]
    assert shown == tls_site.ask(f"{BASE}/servers/plain").json
    assert (shown["name"], shown["mode"], shown["protocol"]) == ("plain", "starttls", "smtp")
    assert shown["port"] == tls_site.server.port
    assert shown["ca_pem"] == tls_site.server.ca_file.read_text()
    assert (shown["certificate"], shown["scenario"], shown["rules"]) == ("good", None, [])
    assert tls_site.ask(f"{BASE}/servers/else").status == 404
    assert tls_site.ask(f"{BASE}/servers/plain/ca.pem").text == shown["ca_pem"]


@pytest.mark.parametrize("scenario", ["good", "untrusted-root", "self-signed"])
def test_the_certificate_to_trust_is_there_in_three_forms(tls_site, scenario):
    """Devices take no PEM; that of the scenario which is served now, as clients are told."""
    put(tls_site, "/servers/plain", {"scenario": scenario})
    pem, der, store = (tls_site.ask(f"{BASE}/servers/plain/ca.{kind}") for kind in ("pem", "der", "p12"))
    assert ssl.PEM_cert_to_DER_cert(pem.text) == der.body
    assert 'filename="smtpfix-ca.der"' in der.headers["Content-Disposition"]
    key, certificate, others = pkcs12.load_key_and_certificates(store.body, b"smtpfix")
    assert key is certificate is None
    assert [one.public_bytes(Encoding.DER) for one in others] == [der.body]


def test_there_is_nothing_to_trust_where_there_is_no_tls(site):
    for kind in ("pem", "der", "p12"):
        assert "expected a server with TLS" in site.ask(f"{BASE}/servers/plain/ca.{kind}").json["error"]


READY = re.findall(
    r'\["([^"]+)", "([^"]+)"\]', Path(smtpfix.web.__file__).with_name("static").joinpath("rules.js").read_text()
)


def test_the_rules_that_the_page_offers_can_be_read():
    assert len(READY) > 12
    for _, text in READY:
        protocol = (
            "pop3"
            if text.startswith(("PASS", "RETR"))
            else "imap"
            if text.startswith(("LOGIN", "SELECT", "FETCH"))
            else "smtp"
        )
        assert check_rule(text, protocol), text


def test_a_scenario_is_switched_and_switched_back(tls_site):
    answer = put(tls_site, "/servers/plain", {"scenario": "expired"})
    assert (answer.status, answer.json["certificate"], answer.json["is_switched"]) == (200, "expired", True)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        upgrade(tls_site.server)
    answer = put(tls_site, "/servers/plain", {})
    assert (answer.json["certificate"], answer.json["is_switched"]) == ("good", False)
    upgrade(tls_site.server)


def test_a_certificate_and_a_scenario_go_together(tls_site):
    answer = put(tls_site, "/servers/plain", {"certificate": "expired", "scenario": "greeting-554"})
    assert (answer.json["certificate"], answer.json["scenario"]) == ("expired", "greeting-554")
    (rule,) = answer.json["rules"]
    assert (rule["from"], rule["id"], rule["fired"]) == ("scenario", None, 0)
    with pytest.raises(smtplib.SMTPConnectError):
        smtplib.SMTP("localhost", tls_site.server.port, timeout=10)
    assert tls_site.ask(f"{BASE}/servers/plain/rules").json["rules"][0]["fired"] == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"scenario": "expird"}, "Did you mean 'expired'"),
        ({"scenario": "/etc/passwd"}, "no scenario"),
        ({"scenario": 7}, "expected a string"),
        ({"certificate": "greeting-554"}, None),
        ({"scenario": "imap-strip-no"}, "is a scenario of IMAP"),
        ({"certificate": "expired", "scenario": "untrusted-root"}, "a server shows one of each"),
        (b"[]", "JSON object"),
        (b"{", "JSON"),
    ],
)
def test_what_a_server_cannot_show_is_said_in_one_sentence(tls_site, body, says):
    answer = put(tls_site, "/servers/plain", body)
    if says is None:  # a scenario is one, whichever key has it
        assert answer.json["scenario"] == "greeting-554"
        return
    assert answer.status == 400
    assert says in answer.json["error"]
    assert len(answer.json["error"]) < 500
    assert tls_site.server.policy.is_good
    assert tls_site.store.setting("server/plain") is None


# Rules


def test_rules_are_text_and_say_how_often_they_answered(site):
    answer = put(site, "/servers/plain/rules", {"text": "RCPT *@slow.example: 450 4.2.1 Greylisted x1"}, "POST")
    assert answer.status == 201
    with smtplib.SMTP("localhost", site.server.port, timeout=10) as client:
        client.ehlo()
        client.mail("ann@example.org")
        assert client.rcpt("bob@slow.example")[0] == 450
        assert client.rcpt("bob@slow.example")[0] == 250
    (rule,) = site.ask(f"{BASE}/servers/plain/rules").json["rules"]
    assert (rule["text"], rule["fired"], rule["times"], rule["from"]) == (
        "RCPT *@slow.example: 450 4.2.1 Greylisted x1",
        1,
        1,
        "page",
    )
    put(site, "/servers/plain/rules", {"text": "NOOP: 250 2.0.0 new"}, "POST")
    listed = site.ask(f"{BASE}/servers/plain/rules").json["rules"]
    assert [(one["text"].split()[0], one["fired"]) for one in listed] == [("NOOP:", 0), ("RCPT", 1)]  # the newest first
    assert put(site, f"/servers/plain/rules/{listed[0]['id']}", None, "DELETE").json["rules"] == listed[1:]
    assert put(site, f"/servers/plain/rules/{listed[0]['id']}", None, "DELETE").status == 404
    assert put(site, "/servers/plain/rules", None, "DELETE").json["rules"] == []
    assert not site.server.rules


def test_rules_that_are_put_take_the_place_of_those_that_were_and_of_no_others(site):
    site.server.on("VRFY", Reply(252, "2.1.5", "of the start"))
    put(site, "/servers/plain/rules", {"rules": ["MAIL: 451 4.3.0 a", "DATA: 451 4.3.0 b"]})
    answer = put(site, "/servers/plain/rules", {"rules": ["DATA: 451 4.3.0 c"]})
    assert [(one["text"], one["from"]) for one in answer.json["rules"]] == [
        ("DATA: 451 4.3.0 c", "page"),
        ("VRFY: 252 2.1.5 of the start", "start"),
    ]


@pytest.mark.parametrize("way", ["check", "post", "put"])
def test_a_rule_that_cannot_be_read_is_400_with_the_parsers_sentence(site, way):
    text = "RCTP: 450"
    answer = {
        "check": lambda: put(site, "/rules/check", {"text": text, "server": "plain"}, "POST"),
        "post": lambda: put(site, "/servers/plain/rules", {"text": text}, "POST"),
        "put": lambda: put(site, "/servers/plain/rules", {"rules": ["NOOP: 250", text]}),
    }[way]()
    assert answer.status == 400
    assert "a stage first, one of CONNECT" in answer.json["error"]
    assert not site.server.rules


def test_a_rule_is_checked_without_being_used(site):
    answer = put(site, "/rules/check", {"text": " rcpt: 450 4.2.1 later x2 ", "protocol": "smtp"}, "POST")
    assert (answer.status, answer.json["stage"], answer.json["text"]) == (200, "RCPT", "rcpt: 450 4.2.1 later x2")
    answer = put(site, "/rules/check", {"text": "FETCH: NO [UNAVAILABLE] later", "protocol": "imap"}, "POST")
    assert answer.status == 200
    for wrong in ({"text": "NOOP: 250", "protocol": "ftp"}, {"text": "x" * 3000}, {"text": 5}, {}):
        assert put(site, "/rules/check", wrong, "POST").status == 400
    assert put(site, "/rules/check", {"text": "NOOP: 250", "server": "else"}, "POST").status == 404
    assert not site.server.rules


def test_a_server_takes_a_hundred_rules_at_most(site):
    assert put(site, "/servers/plain/rules", {"rules": ["NOOP: 250"] * 101}).status == 400
    assert put(site, "/servers/plain/rules", {"rules": ["NOOP: 250"] * 100}).status == 200
    assert put(site, "/servers/plain/rules", {"text": "NOOP: 250"}, "POST").status == 400


# Scenarios


def test_the_catalogue_says_of_each_scenario_what_it_is(site):
    listed = site.ask(f"{BASE}/scenarios?protocol=smtp").json["scenarios"]
    assert [one["id"] for one in listed] == list(scenario_ids())
    expired = next(one for one in listed if one["id"] == "expired")
    assert (expired["group"], expired["field"], expired["expected"]) == ("certificates", "certificate", "refuse")
    assert expired["summary"]
    assert expired["standard"]
    for_plain = {one["id"] for one in site.ask(f"{BASE}/scenarios?server=plain").json["scenarios"]}
    assert {"good", "greeting-554"} < for_plain
    assert "expired" not in for_plain
    assert len(site.ask(f"{BASE}/scenarios").json["scenarios"]) > len(listed)
    assert site.ask(f"{BASE}/scenarios?protocol=ftp").status == 400
    assert site.ask(f"{BASE}/scenarios?server=else").status == 404


# Who may, and who is told


def test_a_server_that_is_read_only_lets_nobody_change_rules_and_scenarios(open_site):
    site = open_site(read_only=True, chaos=True)
    for method, path, body in [
        ("PUT", "/servers/plain", {"scenario": "greeting-554"}),
        ("POST", "/servers/plain/rules", {"text": "NOOP: 250"}),
        ("PUT", "/servers/plain/rules", {"rules": []}),
        ("DELETE", "/servers/plain/rules", None),
        ("DELETE", "/servers/plain/rules/x", None),
    ]:
        answer = put(site, path, body, method)
        assert (answer.status, "--web-read-only" in answer.json["error"]) == (403, True)
    assert site.ask("/api/v1/chaos", "PUT", {}).status == 403
    assert site.ask(f"{BASE}/servers").json["read_only"] is True
    assert put(site, "/rules/check", {"text": "NOOP: 250"}, "POST").status == 200
    site.send()
    assert site.ask("/api/v1/messages", "DELETE").status == 200  # mail is not what this is about


def test_a_switch_is_an_event(site):
    with closing(http.client.HTTPConnection("127.0.0.1", site.web.port, timeout=10)) as connection:
        connection.request("GET", f"{BASE}/events")
        stream = connection.getresponse()
        assert stream.readline().startswith(b"retry")
        put(site, "/servers/plain/rules", {"text": "NOOP: 250"}, "POST")
        lines = [stream.readline().strip() for _ in range(4)]
    assert lines[2:] == [b"event: rules", b'data: {"server":"plain"}']


@pytest.fixture
def replicas(tmp_path):
    """Two programs on one store, as far as one process can be two."""
    path = str(tmp_path / "shared.db")
    opened = []

    def open_one():
        server = Server(Policy("starttls"))
        keeper = keeping(path, None, None, lambda _: "mail")
        kept = keeper.__enter__()
        server.start()
        web = WebServer(
            kept.store, WebSettings(host="127.0.0.1", port=0), servers={"mail": server}, is_shared=True
        ).start()
        opened.append((keeper, server, web))
        return server, web

    yield open_one
    for keeper, server, web in reversed(opened):
        web.close()
        server.close()
        keeper.__exit__(None, None, None)


def ask(web, path, method="GET", body=None):
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)) as connection:
        connection.request(method, BASE + path, None if body is None else json.dumps(body))
        return json.loads(connection.getresponse().read())


def until(condition):
    """Wait until something is so; that it never is means failure."""
    pause = threading.Event()
    for _ in range(400):
        if condition():
            return
        pause.wait(0.05)
    pytest.fail("it has never become so")


def test_a_switch_reaches_all_servers_of_a_store_and_those_that_start_later(replicas):
    (_, first), (second, second_web) = replicas(), replicas()
    ask(first, "/servers/mail", "PUT", {"scenario": "expired"})
    ask(first, "/servers/mail/rules", "POST", {"text": "NOOP: 250 2.0.0 everywhere"})
    until(lambda: second.policy.certificate == "expired" and second.rules)
    assert ask(second_web, "/servers/mail")["rules"][0]["text"] == "NOOP: 250 2.0.0 everywhere"
    third, _ = replicas()
    assert (third.policy.certificate, len(third.rules)) == ("expired", 1)
    ask(second_web, "/servers/mail", "PUT", {})
    ask(second_web, "/servers/mail/rules", "DELETE")
    until(lambda: third.policy.is_good and not third.rules)


def test_what_another_version_has_stored_stops_nothing(replicas, tmp_path):
    """A setting that makes no sense here is told, and the server serves on as it did."""
    server, web = replicas()
    ask(web, "/servers/mail", "PUT", {"scenario": "expired"})
    with closing(open_store(str(tmp_path / "shared.db"))) as store:
        store.setting("server/mail", {"scenario": "of-the-future", "rules": [["1", "NOOP: 250"]]})
        until(lambda: ask(web, "/servers/mail")["problem"])
        assert "of-the-future" in ask(web, "/servers/mail")["problem"]
        assert server.policy.certificate == "expired"
        store.setting("server/mail", {"scenario": 5, "rules": [1, {}, None, [], ["a", 2], ["a", "NOOP: 250"]]})
        until(lambda: ask(web, "/servers/mail")["problem"] is None)
        assert server.policy.is_good
        assert [rule.stage for rule in server.rules] == ["NOOP"]


@pytest.mark.parametrize(
    "way", [("PUT", "", {}), ("POST", "/rules", {"text": "RSET: 250"}), ("DELETE", "/rules", None)]
)
def test_what_cannot_be_read_any_more_is_in_the_way_of_no_change(replicas, tmp_path, way):
    """Rules that can be read are in force, the others are told, and are gone with the next change."""
    method, path, body = way
    with closing(open_store(str(tmp_path / "shared.db"))) as store:
        store.setting("server/mail", {"scenario": "of-the-past", "rules": [["a", "NOOP: 250"], ["b", "OLD words"]]})
        server, web = replicas()
        shown = ask(web, "/servers/mail")
        assert ("of-the-past" in shown["problem"], [one["id"] for one in shown["rules"]]) == (True, ["a"])
        assert "error" not in ask(web, f"/servers/mail{path}", method, body)
        assert ask(web, "/servers/mail")["problem"] is None
        kept = store.setting("server/mail")
    assert (kept["scenario"], "OLD words" in str(kept)) == (None, False)
    assert [rule.stage for rule in server.rules] == {"PUT": ["NOOP"], "POST": ["RSET", "NOOP"], "DELETE": []}[method]
