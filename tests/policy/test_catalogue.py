"""Every scenario of the catalogue is what its file says: played by OpenSSL, in memory, on the wire and in 20 years."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import re
import shutil
import smtplib
import ssl
import subprocess

import pytest

from smtpfix import Policy, SessionEnd
from smtpfix.audit.check import Outcome, RunningScenario
from smtpfix.errors import ExtraMissing
from smtpfix.pki import chains, der, good_chain
from smtpfix.pki.authority import Authority
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.place import Place
from smtpfix.tls.contexts import needed_stack
from smtpfix.tls.facts import Alert
from smtpfix.tls.side import HandshakeFailedError

ALL = (*scenario_ids("certificates"), *scenario_ids("tls"))
"""The scenarios of certificates and of TLS; those that rules make are test_rule_scenarios'."""

FAULTS = tuple(one for one in ALL if load_scenario(one).tls.fault is not None or load_scenario(one).rules)
"""What the conversation plays, and no context."""
PLAYED = tuple(one for one in ALL if one not in FAULTS)

OTHERWISE: dict[str, str] = {}
"""Scenarios in which OpenSSL does not do what a careful client does, with the reason; empty as long as it does."""

PLACES = {
    "name": Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("localhost", "::1")),
    "IPv4": Place("127.0.0.1", "mx.smtpfix.test", "127.0.0.1", ("localhost",)),
    "IPv6": Place("::1", "mx.smtpfix.test", "::1", ("localhost",)),
}
"""Servers as their clients know them: by name, and by address."""
PLACE = PLACES["name"]

HOST_NAME_MISMATCH, ADDRESS_MISMATCH = 62, 64
"""X509_V_ERR_HOSTNAME_MISMATCH, and what it is called where an address was asked for."""

IN_20_YEARS = dt.timedelta(days=7305)
GREETING = b"220 "
STALLS = {"handshake-stall", "handshake-stall-mid", "tls-on-plain-port"}
"""Scenarios in which a client waits in vain."""
NEVER_GREETED = {("tls-on-plain-port", "starttls"), ("tls-on-plain-port", "tls-required")}
STALLED = 0.1
"""Seconds after which a client here gives a stalled server up."""

every_scenario = pytest.mark.parametrize("scenario_id", PLAYED)
strictness = pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
AS_CLIENTS_FIND_IT = (("name", False), ("name", True), ("IPv4", False), ("IPv6", True))
"""By name without and with the strict flag, and by each kind of address: the flag has no say in addresses."""


@pytest.fixture(scope="module")
def authority(smtp_authority):
    """Return the one of the whole run: it issues the catalogue, and makes the costly keys, once."""
    return smtp_authority


@pytest.fixture(scope="module")
def rsa_authority():
    with Authority(key_type="rsa") as made:
        yield made


@pytest.fixture(scope="module")
def later_authority():
    with Authority(now=lambda: dt.datetime.now(dt.UTC) + IN_20_YEARS) as made:
        yield made


def policy_for(scenario_id, mode=None):
    scenario = load_scenario(scenario_id)
    shown = {scenario.policy_field: scenario_id}
    return Policy(mode or scenario.modes[-1], **shown)


def client_context(trusted_pem, *, strict):
    """Return the context of a careful Python client, with the strict flag as said: Python 3.13 sets it by itself."""
    context = ssl.create_default_context(cadata=trusted_pem)
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    else:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def is_address(name):
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def new_connection(authority, policy, place):
    """Return the server's side of a connection; skip the test where the scenario needs an extra."""
    try:
        return authority.tls_factory(policy, place)()
    except ExtraMissing as error:
        return pytest.skip(str(error))


def shake_hands(server, context, name):
    """Let a client read the greeting; return OpenSSL's verify code and its error's reason, one of them None."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    for _ in range(10):
        try:
            client.do_handshake()
            assert client.read(len(GREETING)) == GREETING
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            return error.verify_code, None
        except ssl.SSLError as error:
            return None, error.reason
        else:
            return 0, None
        server.receive(outgoing.read())
        with contextlib.suppress(HandshakeFailedError):  # the alert is what counts
            if server.handshake():
                server.write(GREETING)
        incoming.write(server.to_send())
    return pytest.fail("the handshake never ends")


def declared(scenario, name, *, strict):
    """Return what the file says of OpenSSL, as `shake_hands` has it."""
    code = scenario.openssl.code(strict=strict)
    # wrong-host is one file for servers that are known by name and by address.
    return ADDRESS_MISMATCH if code == HOST_NAME_MISMATCH and is_address(name) else code, scenario.openssl.error


# In memory


@every_scenario
def test_openssl_finds_exactly_what_the_file_says(authority, scenario_id):
    scenario = load_scenario(scenario_id)
    policy = policy_for(scenario_id)
    found, wanted = {}, {}
    for known_by, strict in AS_CLIENTS_FIND_IT:
        place = PLACES[known_by]
        name = place.expand(scenario.connect)
        context = client_context(authority.trusted_pem(policy, place), strict=strict)
        found[known_by, strict] = shake_hands(new_connection(authority, policy, place), context, name)
        wanted[known_by, strict] = declared(scenario, name, strict=strict)
    assert found == wanted


@strictness
def test_openssl_refuses_what_has_to_be_refused_and_accepts_what_has_to_be_accepted(strict):
    for scenario in map(load_scenario, PLAYED):
        accepts = scenario.openssl.code(strict=strict) == 0 and scenario.openssl.error is None
        as_it_should = {"accept": accepts, "refuse": not accepts}.get(scenario.expected, True)
        assert as_it_should is (scenario.id not in OTHERWISE), scenario.id


def test_a_verify_code_and_an_error_are_never_declared_together():
    for scenario in map(load_scenario, PLAYED):
        assert (scenario.openssl.verify_code is None) is (scenario.openssl.error is not None), scenario.id


@pytest.mark.parametrize("scenario_id", [one for one in PLAYED if load_scenario(one).trust != "root"])
def test_where_the_trust_is_special_it_alone_makes_the_difference(authority, scenario_id):
    """A client that trusts what the server shows accepts it, and one that trusts another authority does not."""
    scenario, policy = load_scenario(scenario_id), policy_for(scenario_id)
    name = PLACE.expand(scenario.connect)
    shown = authority.chain(scenario, PLACE).path[-1].pem
    assert shake_hands(new_connection(authority, policy, PLACE), client_context(shown, strict=False), name) == (0, None)
    with Authority() as other:
        code, _ = shake_hands(
            new_connection(authority, policy, PLACE), client_context(other.ca_pem, strict=False), name
        )
    assert code in {18, 19, 20}


def test_a_client_that_sends_no_sni_is_not_served_where_it_is_required(authority):
    policy = policy_for("sni-required")
    context = client_context(authority.ca_pem, strict=False)
    context.check_hostname = False
    served = shake_hands(new_connection(authority, policy, PLACE), context, "mx.smtpfix.test")
    nameless = shake_hands(new_connection(authority, policy, PLACE), context, None)
    assert (served, nameless) == ((0, None), (None, "TLSV1_UNRECOGNIZED_NAME"))


@pytest.mark.parametrize(
    ("scenario_id", "served"), [("mtls-optional", True), ("mtls-required", True), ("mtls-wrong-ca", False)]
)
def test_a_client_with_a_certificate_of_the_authority_is_served_unless_another_is_wanted(
    authority, scenario_id, served
):
    server = new_connection(authority, policy_for(scenario_id), PLACE)
    found = shake_hands(server, authority.client_context("ann@example.org"), "localhost")
    assert found == ((0, None) if served else (None, "TLSV1_ALERT_UNKNOWN_CA"))


@pytest.mark.once  # under every Python, it is ECDSA keys
@pytest.mark.slow
@every_scenario
def test_with_rsa_keys_the_outcomes_are_the_same(rsa_authority, scenario_id):
    scenario = load_scenario(scenario_id)
    policy = policy_for(scenario_id)
    name = PLACE.expand(scenario.connect)
    context = client_context(rsa_authority.trusted_pem(policy, PLACE), strict=False)
    found = shake_hands(new_connection(rsa_authority, policy, PLACE), context, name)
    assert found == declared(scenario, name, strict=False)


# Issued once, on first use


def test_the_whole_catalogue_is_issued_on_first_use_and_kept(monkeypatch):
    issued = []
    issue = chains.issue
    for room in (chains, good_chain):
        monkeypatch.setattr(room, "issue", lambda *args, **keywords: issued.append(1) or issue(*args, **keywords))
    with Authority() as authority:
        assert not issued
        first = {one: authority.chain(load_scenario(one), PLACE) for one in ALL}
        count = len(issued)
        assert count >= len(first)
        assert all(authority.chain(load_scenario(one), PLACE) is chain for one, chain in first.items())
        assert len(issued) == count
        assert authority.chain(load_scenario("good"), PLACES["IPv6"]) is not first["good"]
        assert len(issued) == count + 1


def test_a_context_is_made_once_and_kept(authority):
    for scenario_id in (one for one in PLAYED if needed_stack(policy_for(one)) is None):
        context = authority.server_context(policy_for(scenario_id), PLACE)
        assert authority.server_context(policy_for(scenario_id), PLACE) is context, scenario_id


def public_key(octets):
    """Return the SubjectPublicKeyInfo of a version 3 certificate (RFC 5280 section 4.1)."""
    return der.sequence(der.tbs_certificate(octets))[6].whole


@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
@pytest.mark.parametrize(("scenario_id", "count"), [("key-rotated", 3), ("good", 1)])
def test_keys_rotate_where_the_scenario_says_so_and_nowhere_else(request, key_type, scenario_id, count):
    authority = request.getfixturevalue("rsa_authority" if key_type == "rsa" else "authority")
    make = authority.tls_factory(policy_for(scenario_id), PLACE)
    shown = set()
    for _ in range(3):
        server = make()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = authority.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        while not server.established:
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            server.receive(outgoing.read())
            server.handshake()
            incoming.write(server.to_send())
        shown.add(public_key(client.getpeercert(binary_form=True)))
    assert len(shown) == count


# What the conversation plays


def record_of(server):
    (session,) = server.sessions.wait()
    return session


@pytest.fixture
def begin(start_smtp_server, wire):
    """Return a function that starts a fault's server, and brings a client to where its handshake begins."""

    def begin(scenario_id, mode):
        server = start_smtp_server(policy_for(scenario_id, mode))
        return server, wire(server, greeted=False)

    return begin


def modes(scenario_id):
    return load_scenario(scenario_id).modes


def modes_of(*ids):
    """Try each in the first and the last of its modes: in most, where TLS begins by STARTTLS and where at once."""
    return pytest.mark.parametrize(
        ("scenario_id", "mode"), [(one, mode) for one in ids for mode in dict.fromkeys((modes(one)[0], modes(one)[-1]))]
    )


def go_into_tls(server, client):
    """Take every step that a client takes up to TLS, and the one into it; not for long where it is in vain."""
    if (server.policy.scenario, server.mode) in NEVER_GREETED:
        client.socket.settimeout(STALLED)
    if server.mode != "implicit-tls":
        client.reply()
        client.hello()
        client.say("STARTTLS")
    if server.policy.scenario in STALLS:
        client.socket.settimeout(STALLED)
    client.handshake(server.ssl_context(), server.host)


def name_of(error):
    return error.reason if isinstance(error, ssl.SSLError) else type(error).__name__


@modes_of(*(one for one in FAULTS if load_scenario(one).openssl.error))
def test_a_python_client_gets_the_error_that_the_file_says(begin, scenario_id, mode):
    server, client = begin(scenario_id, mode)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one it is, is what the file says
        go_into_tls(server, client)
    assert name_of(caught.value) == load_scenario(scenario_id).openssl.error
    client.close()
    session = record_of(server)
    assert session.tls is None
    assert session.message_count == 0
    hello = session.client_hello
    assert (hello is None) is (scenario_id == "tls-on-plain-port")
    assert hello is None or "TLSv1.3" in hello.versions


RULED = tuple(one for one in FAULTS if load_scenario(one).rules and load_scenario(one).expected == "refuse")


@modes_of(*RULED)
def test_the_record_says_what_a_rule_did_to_the_handshake(begin, scenario_id, mode):
    server, client = begin(scenario_id, mode)
    with pytest.raises(OSError):  # noqa: PT011 - as above
        go_into_tls(server, client)
    client.close()
    session = record_of(server)
    assert session.tls_failure.reason.startswith("the server ")
    assert session.tls_failure.reason.endswith(" in the TLS handshake, as a rule has it")
    assert session.client_hello.server_name == "localhost"
    gone = {SessionEnd.CLIENT_CLOSED, SessionEnd.RESET}
    assert session.end in (gone if scenario_id in STALLS else {SessionEnd.DISCONNECTED})


@modes_of("handshake-alert", "handshake-close", "handshake-stall")
def test_the_record_says_what_was_done_instead_of_a_handshake(begin, scenario_id, mode):
    server, client = begin(scenario_id, mode)
    with pytest.raises(OSError):  # noqa: PT011 - as above
        go_into_tls(server, client)
    client.close()
    session = record_of(server)
    assert session.tls_failure.reason.startswith("the server ")
    assert session.tls_failure.reason.endswith(", as the scenario has it")
    assert session.tls_failure.reason in str(session.transcript)
    stalled = scenario_id == "handshake-stall"
    assert session.end in ({SessionEnd.CLIENT_CLOSED, SessionEnd.RESET} if stalled else {SessionEnd.HANDSHAKE_FAILED})
    if scenario_id == "handshake-alert":
        assert session.alerts == (Alert("server", "handshake_failure", is_fatal=True),)
        assert (session.tls_failure.alert, session.tls_failure.alert_sender) == ("handshake_failure", "server")
    else:
        assert session.alerts == ()
        assert session.tls_failure.alert is None


def client_hello():
    """Return what a client sends first."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_nothing_is_answered_before_the_whole_client_hello_is_there(begin):
    server, client = begin("handshake-alert", "implicit-tls")
    hello = client_hello()
    for piece in (hello[:3], hello[3:20]):
        client.send(piece)
        client.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
    client.socket.settimeout(10.0)
    client.send(hello[20:])
    assert client.rest() == bytes.fromhex("15 0303 0002 02 28")
    assert record_of(server).client_hello.server_name == "localhost"


def test_a_stalled_client_may_say_what_it_likes(begin):
    server, client = begin("handshake-stall", "implicit-tls")
    client.socket.settimeout(STALLED)
    client.send(client_hello())
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    client.send(b"QUIT\r\n")
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    client.close()
    session = record_of(server)
    assert session.end in {SessionEnd.CLIENT_CLOSED, SessionEnd.RESET}
    assert "QUIT" not in str(session.transcript)


def test_a_client_that_never_gives_up_is_let_go_by_the_server(begin, sweep):
    server, client = begin("handshake-stall", "implicit-tls")
    client.send(client_hello())
    sweep(server, 301)
    assert client.rest() == b""
    assert record_of(server).end is SessionEnd.TIMEOUT


def test_clear_text_on_the_tls_port_goes_on_where_the_client_begins_tls(begin):
    """As whoever sits in between would: the ClientHello, in two parts, is no command, an alert is passed over."""
    server, client = begin("plain-on-tls-port", "implicit-tls")
    hello = client_hello()
    assert client.reply().startswith("220 ")
    client.send(hello[:3])
    client.send(hello[3:])
    assert client.reply().startswith("500 ")
    client.send(bytes.fromhex("15 0303 0002 02 46"))
    assert client.hello().startswith("250")
    assert client.say("AUTH PLAIN AGFubgBzM2NyZXQ=").startswith("235 ")
    client.close()
    session = record_of(server)
    assert session.tls_failure.reason == "the client began TLS where the server speaks in clear"
    assert session.client_hello.server_name == "localhost"
    assert [(attempt.password, attempt.in_clear) for attempt in session.auth] == [("s3cret", True)]


@pytest.mark.parametrize("mode", ["starttls", "tls-required"])
def test_tls_on_the_clear_port_is_recorded_as_a_handshake_that_never_began(begin, mode):
    server, client = begin("tls-on-plain-port", mode)
    client.socket.settimeout(STALLED)
    with pytest.raises(TimeoutError):
        client.reply()
    client.close()
    session = record_of(server)
    assert session.end is SessionEnd.HANDSHAKE_FAILED
    assert "it sent nothing, perhaps waiting for a greeting in clear" in session.tls_failure.reason
    assert session.alerts == ()


@pytest.mark.parametrize("mode", ["starttls", "tls-required"])
def test_tls_on_the_clear_port_serves_a_client_that_begins_with_tls(begin, mode):
    server, client = begin("tls-on-plain-port", mode)
    client.handshake(server.ssl_context(), server.host)
    assert client.reply().startswith("220 ")
    assert client.hello().startswith("250")


@modes_of("truncated-after-reply", "truncated-before-reply")
def test_a_truncated_connection_ends_without_close_notify(begin, scenario_id, mode):
    server, client = begin(scenario_id, mode)
    go_into_tls(server, client)
    if mode == "implicit-tls":
        client.reply()
    client.hello()
    client.socket.suppress_ragged_eofs = False
    if scenario_id == "truncated-after-reply":
        assert client.deliver().startswith("250")
        with pytest.raises(ssl.SSLEOFError) as left:
            client.reply()
        assert len(server.inbox.messages) == 1
    else:
        with pytest.raises(ssl.SSLEOFError) as left:
            client.deliver()
        assert len(server.inbox.messages) == 0
    assert left.value.reason == "UNEXPECTED_EOF_WHILE_READING"
    session = record_of(server)
    assert session.end is SessionEnd.TRUNCATED
    assert session.tls is not None
    assert session.tls_failure is None
    assert session.message_count == (1 if scenario_id == "truncated-after-reply" else 0)
    assert not [alert for alert in session.alerts if alert.sender == "server"]


def test_a_connection_that_is_not_truncated_ends_with_close_notify(start_smtp_server, wire):
    server = start_smtp_server("implicit-tls")
    client = wire(server)
    client.hello()
    client.socket.suppress_ragged_eofs = False
    assert client.deliver().startswith("250")
    assert client.say("QUIT").startswith("221")
    assert client.reply() == ""
    assert record_of(server).end is SessionEnd.QUIT


@modes_of(*FAULTS)
def test_a_careful_smtplib_client_does_what_the_fault_calls_for(begin, scenario_id, mode):
    server, client = begin(scenario_id, mode)
    client.close()
    server.sessions.wait()
    scenario = load_scenario(scenario_id)

    def deliver(server):
        with server.client(timeout=STALLED if scenario_id in STALLS else 10.0) as session:
            session.sendmail("ann@example.org", ["bob@example.org"], b"Subject: x\r\n\r\nx\r\n")

    running = RunningScenario(scenario, server)
    if scenario_id == "truncated-before-reply":  # what it gave away was given to the right server, which kept nothing
        with pytest.raises(smtplib.SMTPServerDisconnected):
            deliver(server)
        assert running.outcome is Outcome.REFUSED_LATE
    else:
        assert running.check(deliver) is (Outcome.DELIVERED if scenario.expected == "accept" else Outcome.REFUSED)


# In 20 years, by OpenSSL's own command, which can be told the time


def date_of(text):
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(text), dt.UTC)


THE_COMMAND = {
    "p192": (66, "the command measures the curve too, of which a TLS client says beforehand that it has none of it"),
    "wildcard-partial": (0, "the command takes wildcards inside a label, which Python forbids OpenSSL by a flag"),
}
"""Verify codes of ``openssl verify`` that are not those of a TLS handshake by Python, with the reason."""


def run_openssl(*arguments):
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False, input=""
    )
    return done.returncode, done.stdout + done.stderr


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")


def found_by_openssl(authority, scenario, folder, when, *, strict):
    """Return the first verify code that ``openssl verify`` has for a scenario at a time; 0 where it accepts."""
    chain = authority.chain(scenario, PLACE)
    (folder / "trusted.pem").write_text(chain.trusted.pem)
    (folder / "sent.pem").write_text("".join(issued.pem for issued in chain.sent[1:]))
    (folder / "leaf.pem").write_text(chain.leaf.pem)
    name = PLACE.expand(scenario.connect)
    status, output = run_openssl(
        *("verify", "-no-CApath", "-no-CAstore", "-CAfile", folder / "trusted.pem", "-attime", int(when.timestamp())),
        *("-purpose", "sslserver", "-auth_level", "2"),  # as the TLS of Debian and of Python has it
        *(("-untrusted", folder / "sent.pem") if len(chain.sent) > 1 else ()),
        *("-verify_ip" if is_address(name) else "-verify_hostname", name),
        *(("-x509_strict",) if strict else ()),
        folder / "leaf.pem",
    )
    codes = re.findall(r"^error (\d+) at", output, re.MULTILINE)
    assert (status == 0) is (not codes), output
    return int(codes[0]) if codes else 0


@pytest.mark.once
@pytest.mark.slow
@needs_openssl
@strictness
@every_scenario
def test_in_20_years_the_outcomes_are_the_same(later_authority, scenario_id, strict, tmp_path):
    scenario = load_scenario(scenario_id)
    when = dt.datetime.now(dt.UTC) + IN_20_YEARS
    found = found_by_openssl(later_authority, scenario, tmp_path, when, strict=strict)
    expected = scenario.openssl.code(strict=strict) or 0
    assert found == (THE_COMMAND[scenario_id][0] if scenario_id in THE_COMMAND else expected)


@needs_openssl
def test_what_was_issued_today_is_no_good_in_20_years(authority, tmp_path):
    today = dt.datetime.now(dt.UTC)
    good = load_scenario("good")
    assert found_by_openssl(authority, good, tmp_path, today, strict=False) == 0
    assert found_by_openssl(authority, good, tmp_path, today + IN_20_YEARS, strict=False) == 10


def test_what_will_be_issued_in_20_years_is_not_valid_today(later_authority):
    context = client_context(later_authority.ca_pem, strict=False)
    found = shake_hands(new_connection(later_authority, Policy("implicit-tls"), PLACE), context, "localhost")
    assert found == (9, None)


@pytest.mark.once
@pytest.mark.slow
@needs_openssl
@every_scenario
def test_in_20_years_the_dates_are_around_that_day(later_authority, scenario_id, tmp_path):
    when = dt.datetime.now(dt.UTC) + IN_20_YEARS
    day = dt.timedelta(days=1)
    scenario = load_scenario(scenario_id)
    file = tmp_path / "certificate.pem"
    file.write_text(later_authority.chain(scenario, PLACE).leaf.pem)
    status, output = run_openssl("x509", "-in", file, "-noout", "-dates")
    assert status == 0, output
    before, after = (date_of(line.partition("=")[2]) for line in output.splitlines())
    assert abs(before - when) < 92 * day
    assert before < after
    if scenario_id == "year-3000":
        assert after.year == 3000
    elif scenario_id == "validity-10y":
        assert abs(after - when - 3650 * day) < day
    else:
        assert abs(after - when) < 92 * day
