"""Where an audit's servers stand: free ports, conventional ones, a number; their name, and their authority."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import sys
from pathlib import Path

import pytest

from smtpfix import Policy
from smtpfix.audit import deployment as deployments
from smtpfix.audit import hosts
from smtpfix.audit.auditing import Audit
from smtpfix.audit.call import Call
from smtpfix.audit.command import Command
from smtpfix.audit.deployment import PORTS, Deployment
from smtpfix.audit.result import Declaration, DeclaredMode, Grade, Outcome, Verdict
from smtpfix.errors import InvalidValueError
from smtpfix.policy.mode import Mode

pytestmark = pytest.mark.slow

IDS = ("rcpt-550", "greeting-554")


@contextlib.contextmanager
def listening():
    """Yield the number of a port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.fixture
def port():
    """Return a port that was free a moment ago."""
    with listening() as number:
        pass
    return number


def send(target):
    """Deliver in clear."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=5) as client:
        client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\n")


def audit(deliver, mode=DeclaredMode.NONE, ids=IDS, **fields):
    return Audit(Call(deliver), Declaration(mode), ids=ids, timeout=20, deployment=Deployment(**fields)).run()


# The value


def test_free_ports_are_the_default_and_leave_room_for_several_servers_at_once():
    assert not Deployment().is_fixed
    assert {Deployment().port(mode) for mode in Mode} == {0}
    assert Deployment().at(Policy("starttls")) == Policy("starttls")


def test_conventional_ports_go_by_the_server_s_mode():
    deployment = Deployment("conventional")
    assert deployment.is_fixed
    modes = ("plain", "starttls", "tls-required", "implicit-tls")
    assert [deployment.port(mode) for mode in modes] == [25, 587, 587, 465]
    assert deployment.at(Policy("implicit-tls")).port == 465


def test_a_number_is_the_port_in_every_mode():
    assert Deployment("2525").is_fixed
    assert {Deployment("2525").port(mode) for mode in Mode} == {2525}


def test_a_name_of_its_own_is_the_servers_name_too():
    policy = Deployment(host="127.0.0.1", hostname="mail.plant.example").at(Policy())
    assert (policy.host, policy.hostname) == ("127.0.0.1", "mail.plant.example")


@pytest.mark.parametrize("hostname", ["192.0.2.7", "2001:db8::7", "plc-server", "plc.local"])
def test_an_address_and_a_name_without_a_domain_of_its_own_is_not(hostname):
    """Wildcards for it would be wrong: of an address, or of a top-level domain."""
    assert Deployment(hostname=hostname).at(Policy()).hostname == "mx.smtpfix.test"


@pytest.mark.parametrize("ports", ["0", "65536", "-1", "smtp", "", "587,465", "\uff15\uff18\uff17", "conventiona"])
def test_anything_else_is_no_port(ports):
    with pytest.raises(InvalidValueError, match="free, conventional, or a number from 1 to 65535"):
        Deployment(ports)


def test_the_name_is_checked_as_a_policys():
    with pytest.raises(InvalidValueError, match="hostname"):
        Deployment(hostname="no host\r\n")


def test_the_authority_s_keys_are_of_a_type_that_there_is():
    assert Deployment(key_type="rsa").key_type == "rsa"
    with pytest.raises(InvalidValueError, match=r"^key_type: expected one of ecdsa, rsa, got 'x25519'"):
        Deployment(key_type="x25519")


# Audits


def test_every_run_is_at_the_port_that_was_asked_for_one_after_the_other(port):
    def deliver(target):
        assert target.port == port
        send(target)

    result = audit(deliver, ports=str(port), host="127.0.0.1")
    assert [finding.outcome for finding in result.findings] == ["delivered", "refused-clean", "refused-clean"]


def test_conventional_ports_are_those_of_the_table(port, monkeypatch):
    monkeypatch.setitem(PORTS, Mode.PLAIN, port)  # 25 is only for the privileged
    assert deployments.PORTS[Mode.STARTTLS] == 587

    def deliver(target):
        assert target.port == port
        send(target)

    assert audit(deliver, ids=["good"], ports="conventional", host="127.0.0.1").findings[0].verdict is Verdict.PASSED


def test_a_port_that_cannot_be_had_is_the_reason_why_nothing_is_known_and_nothing_passes():
    with listening() as taken:
        result = audit(send, ports=str(taken), host="127.0.0.1")
    assert {finding.outcome for finding in result.findings} == {Outcome.NOT_RUN}
    assert {finding.verdict for finding in result.findings} == {Verdict.NOT_RUN}
    (reason,) = {finding.reason for finding in result.findings}
    assert f"cannot listen on 127.0.0.1 port {taken}: another program does" in reason
    assert (result.grade, result.keeps_its_promise) == (Grade.UNKNOWN, False)


def test_a_port_that_is_taken_later_fails_the_runs_after_that(port):
    """The first run passes; then somebody takes the port, and the second is not known."""
    with contextlib.ExitStack() as taken:

        def take(done, _total, _scenario):
            if done == 1:
                taken.enter_context(socket.create_server(("127.0.0.1", port)))

        deployment = Deployment(str(port), "127.0.0.1")
        audit = Audit(Call(send), Declaration(DeclaredMode.NONE), ids=["rcpt-550"], timeout=20, deployment=deployment)
        good, later = audit.run(take).findings
    assert good.verdict is Verdict.PASSED
    assert later.verdict is Verdict.NOT_RUN
    assert "another program does" in later.reason


def careful(target):
    """Deliver by STARTTLS to a server whose name is another than the one that leads there."""
    context = ssl.create_default_context(cafile=target.ca_file)
    with smtplib.SMTP("127.0.0.1", target.port, "client.example", timeout=5) as client:
        client._host = target.host  # whom the certificate has to name
        client.starttls(context=context)
        client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\n")


@pytest.mark.parametrize(("hostname", "also"), [("mail.plant.example", "wildcard-ok"), ("192.0.2.7", "ip-san")])
def test_the_name_that_others_connect_to_is_in_the_certificate(hostname, also):
    def deliver(target):
        assert target.host == hostname
        careful(target)

    ids = ["wrong-host", also]
    result = audit(deliver, DeclaredMode.STARTTLS_REQUIRED, ids, host="127.0.0.1", hostname=hostname)
    outcomes = {finding.scenario: finding.outcome for finding in result.findings}
    assert outcomes == {"good": "delivered", "wrong-host": "refused-clean", also: "delivered"}


@pytest.mark.parametrize(("hostname", "host"), [(None, "mx.smtpfix.test"), ("localhost", "localhost")])
def test_a_server_is_localhost_only_where_that_is_asked_for(hostname, host):
    """Go lets PLAIN through to localhost in clear, and others treat it specially too."""

    def deliver(target):
        assert target.host == host
        careful(target)

    result = audit(deliver, DeclaredMode.STARTTLS_REQUIRED, ["untrusted-root", "wrong-host"], hostname=hostname)
    assert {finding.verdict for finding in result.findings} == {Verdict.PASSED}


CLIENT = """
import smtplib, ssl, sys
host, port, cafile, sender, recipient = sys.argv[1:]
print("to", host)
with smtplib.SMTP(host, int(port), "client.example", timeout=10) as client:
    client.starttls(context=ssl.create_default_context(cafile=cafile))
    client.sendmail(sender, [recipient], "Subject: x\\r\\n\\r\\n")
"""


def test_where_a_command_finds_no_names_servers_go_by_their_address(monkeypatch):
    monkeypatch.setattr(hosts, "_way", lambda: None)
    arguments = ("-c", CLIENT, "{host}", "{port}", "{cafile}", "{sender}", "{recipient}")
    command = Command((sys.executable, *arguments))
    result = Audit(command, Declaration(DeclaredMode.STARTTLS_REQUIRED), ids=["wrong-host", "wildcard-ok"]).run()
    found = {finding.scenario: finding for finding in result.findings}
    assert {one: finding.verdict for one, finding in found.items()} == {
        "good": Verdict.PASSED,
        "wrong-host": Verdict.PASSED,
        "wildcard-ok": Verdict.NOT_RUN,
    }
    assert found["good"].run.said == "to 127.0.0.1"
    assert "has to find mx.smtpfix.test" in found["wildcard-ok"].reason


@pytest.mark.parametrize(
    ("key_type", "outcomes"),
    [("rsa", {"good": "delivered", "wrong-host": "refused-clean"}), (None, {"good": "false-refusal"})],
)
def test_a_client_that_knows_no_ecdsa_is_audited_with_rsa_keys(key_type, outcomes):
    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        with smtplib.SMTP(target.host, target.port, "client.example", timeout=5) as client:
            client.starttls(context=context)
            client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\n")

    result = audit(deliver, DeclaredMode.STARTTLS_REQUIRED, ["wrong-host"], key_type=key_type)
    assert {one.scenario: one.outcome for one in result.findings if one.scenario in outcomes} == outcomes


@pytest.mark.parametrize("is_kept", [True, False])
def test_the_authority_is_the_same_in_the_next_audit_where_it_is_kept(is_kept, tmp_path):
    def deliver(target):
        with (tmp_path / "seen").open("a") as seen:
            seen.write(Path(target.ca_file).read_text().replace("\n", " ").strip() + "\n")
        careful(target)

    for _ in range(2):
        result = audit(
            deliver, DeclaredMode.STARTTLS_REQUIRED, ["good"], authority=tmp_path / "ca" if is_kept else None
        )
        assert result.findings[0].verdict is Verdict.PASSED
    first, second = (tmp_path / "seen").read_text().splitlines()
    assert (first == second) is is_kept
    assert (tmp_path / "ca" / "ca.pem").is_file() is is_kept
